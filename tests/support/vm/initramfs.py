"""The first root file system: busybox, the modules that reach the shared files, and an init that puts the real root together."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from .kernel import ENVIRONMENT, Kernel, Unavailable, command

BUSYBOX = Path("/bin/busybox")
GUEST = Path(__file__).with_name("guest")
MODULES = ["virtio_pci", "9pnet_virtio", "9p", "overlay", "virtio_console", "virtio_rng"]


def _module_files(kernel: Kernel) -> list[Path]:
    """The modules with all they need, in the order of loading."""
    files: list[Path] = []
    for name in MODULES:
        query = ["modprobe", "--dirname", str(kernel.directory), "--set-version", kernel.release, "--show-depends", name]
        for line in command(query, timeout=30).splitlines():
            kind, _, path = line.strip().partition(" ")
            if kind == "insmod" and Path(path) not in files:
                files.append(Path(path))
    return files


def build(kernel: Kernel, target: Path) -> None:
    if not BUSYBOX.exists():
        raise Unavailable(f"{BUSYBOX} is not installed (see scripts/setup)")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for directory in ("bin", "dev", "proc", "sys", "modules", "lower", "upper", "exchange", "new"):
            (root / directory).mkdir()
        shutil.copy(BUSYBOX.resolve(), root / "bin" / "busybox")
        shutil.copy(GUEST / "init", root / "init")
        (root / "init").chmod(0o755)
        shutil.copy(GUEST / "run", root / "run")
        files = _module_files(kernel)
        for file in files:
            shutil.copy(file, root / "modules")
        (root / "modules" / "order").write_text("".join(f"{file.name}\n" for file in files))
        paths = "".join(f"{path.relative_to(root)}\n" for path in sorted(root.rglob("*")))
        with target.open("wb") as archive:
            cpio = ["cpio", "--create", "--format=newc", "--quiet", "--owner=+0:+0"]
            if not shutil.which("cpio"):
                raise Unavailable("cpio is not installed (see scripts/setup)")
            subprocess.run(cpio, cwd=root, env=ENVIRONMENT, input=paths.encode(), stdout=archive, check=True, timeout=60)
