"""The image of the tests, made from local files: no registry is within reach of a lab."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from .engine import Engine
from .processes import run

IMAGE = "xlbtest"
SERVER_SOURCE = Path(__file__).parent.parent / "server.c"
BUSYBOX = Path("/bin/busybox")
APPLETS = ["sh", "ls", "cat", "sleep", "ip", "wget", "nc", "netstat", "ps", "httpd"]


def build_server(directory: Path) -> Path:
    """The test server (see server.c), linked statically: it runs on a host as well as in an empty image."""
    target = directory / "server"
    if not target.exists():
        run(["gcc", "-static", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", str(SERVER_SOURCE), "-o", str(target)], timeout=120)
    return target


def build_image(directory: Path) -> Path:
    """A tar with the server and a shell to look around with."""
    target = directory / "image.tar"
    if target.exists():
        return target
    with tarfile.open(target, "w") as tar:
        for name in ("bin", "etc", "tmp", "www"):
            _add_directory(tar, name)
        tar.add(build_server(directory).resolve(), "bin/server")
        tar.add(BUSYBOX.resolve(), "bin/busybox")
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        passwd = b"root:x:0:0:root:/:/bin/sh\n"
        info = tarfile.TarInfo("etc/passwd")
        info.size = len(passwd)
        tar.addfile(info, io.BytesIO(passwd))
    return target


def _add_directory(tar: tarfile.TarFile, name: str) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, 0o755
    tar.addfile(info)


def import_image(engine: Engine, tar: Path) -> None:
    engine.docker("import", "--change", 'ENTRYPOINT ["/bin/server"]', str(tar), IMAGE)
