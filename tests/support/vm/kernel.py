"""Debian's kernel package, unpacked in a cache directory: downloaded once, then reused until the directory is removed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

META_PACKAGE = "linux-image-amd64"
ENVIRONMENT = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin", "LC_ALL": "C"}

# A third of the modules' size, and nothing that a virtual machine without hardware could want.
UNWANTED = ["sound", *(f"drivers/{name}" for name in ("gpu", "media", "infiniband", "iio", "staging", "scsi", "usb", "net/wireless"))]


class Unavailable(RuntimeError):
    """No virtual machine can be had here; the text says why."""


@dataclass(frozen=True)
class Kernel:
    """An unpacked kernel package."""

    directory: Path

    @property
    def image(self) -> Path:
        return next((self.directory / "boot").glob("vmlinuz-*"))

    @property
    def release(self) -> str:
        return self.image.name.removeprefix("vmlinuz-")

    @property
    def modules(self) -> Path:
        """What belongs at /lib/modules."""
        return self.directory / "lib" / "modules"


def cache_directory() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "xlb" / "vm"


def command(argv: Sequence[str], *, timeout: float, cwd: Path | None = None) -> str:
    """Standard output; Unavailable when the command is not installed or fails."""
    if not shutil.which(argv[0], path=ENVIRONMENT["PATH"]):
        raise Unavailable(f"{argv[0]} is not installed (see scripts/setup)")
    try:
        return subprocess.run(argv, cwd=cwd, env=ENVIRONMENT, timeout=timeout, check=True, capture_output=True, text=True).stdout
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{argv[0]} did not end within {timeout:g} s") from None
    except subprocess.CalledProcessError as failure:
        lines = (failure.stderr or failure.stdout).strip().splitlines()
        raise Unavailable(f"{' '.join(argv[:3])}: {lines[-1] if lines else failure.returncode}") from None


def _current_package() -> str:
    """The package that the meta package names, in the newest version that apt knows."""
    text = command(["apt-cache", "show", "--no-all-versions", META_PACKAGE], timeout=60)
    for line in text.splitlines():
        if line.startswith("Depends: "):
            return line.split()[1]
    raise Unavailable(f"apt does not know {META_PACKAGE}: run apt-get update")


def _unpack(package: Path, target: Path) -> None:
    command(["dpkg", "-x", str(package), str(target)], timeout=300)
    package.unlink()
    kernel = Kernel(target)
    for name in UNWANTED:
        shutil.rmtree(kernel.modules / kernel.release / "kernel" / name, ignore_errors=True)
    command(["depmod", "-b", str(target), kernel.release], timeout=120)


def debian_kernel(cache: Path | None = None) -> Kernel:
    """The newest kernel in the cache; if there is none, the current one, by apt."""
    cache = cache or cache_directory()
    cached = sorted(cache.glob("linux-image-*"), key=lambda path: path.stat().st_mtime)
    if cached:
        return Kernel(cached[-1])
    name = _current_package()
    cache.mkdir(parents=True, exist_ok=True)
    # Unpacked aside and renamed when whole: a run that is stopped half way leaves no broken kernel to the next.
    with tempfile.TemporaryDirectory(dir=cache, prefix=".new-") as aside:
        command(["apt-get", "download", name], timeout=300, cwd=Path(aside))
        _unpack(next(Path(aside).glob("*.deb")), Path(aside) / "tree")
        try:
            (Path(aside) / "tree").rename(cache / name)
        except OSError:
            if not (cache / name).exists():  # else another run was faster
                raise
    return Kernel(cache / name)
