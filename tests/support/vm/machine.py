"""Starts qemu for one command: output streamed, status returned, nothing left running."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from . import initramfs
from .kernel import ENVIRONMENT, Kernel, Unavailable, debian_kernel

QEMU = "qemu-system-x86_64"
TIMED_OUT = 124
NO_STATUS = 125  # the machine ended without one: a panic, or it never came up

# One virtual nanosecond is one guest instruction, whatever else this machine does; time that the guest waits for passes at
# once. Without these processor features the kernel copies by plain loops, which qemu counts as what they are.
EXACT = ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-rtc", "clock=vm"]
EXACT_KERNEL = "clearcpuid=erms,fsrm,rep_good"


def _share(tag: str, path: Path, *, writable: bool = False) -> list[str]:
    if "," in str(path):
        raise Unavailable(f"qemu cannot share {path}: there is a comma in its name")
    # remap: a root of several file systems has equal inode numbers in it.
    options = f"local,path={path},mount_tag={tag},security_model=none,multidevs=remap"
    return ["-virtfs", options if writable else f"{options},readonly=on"]


class Machine:
    """Boots once per run; nothing that a run writes outside the exchange folder outlives it."""

    def __init__(self, *, memory: int = 2048, kernel: Kernel | None = None, exact: bool = False):
        """memory: in MB; the files that the command writes lie in it, too. exact: its clock counts instructions."""
        if not shutil.which(QEMU, path=ENVIRONMENT["PATH"]):
            raise Unavailable(f"{QEMU} is not installed (see scripts/setup)")
        self.kernel = kernel or debian_kernel()
        self._memory, self._exact = memory, exact
        self.console = ""  # the kernel's messages of the last run

    def run(
        self,
        argv: Sequence[str],
        *,
        exchange: Path | None = None,
        environment: Mapping[str, str] | None = None,
        timeout: float = 600,
        output: BinaryIO | None = None,
    ) -> int:
        """Runs the command as root in the present directory, with `exchange` as its /run/vm/exchange; returns its status."""
        with tempfile.TemporaryDirectory(prefix="xlb-vm-") as name:
            work = Path(name)
            exchange = exchange or work / "exchange"
            exchange.mkdir(exist_ok=True)
            (exchange / "status").unlink(missing_ok=True)
            (exchange / "command").write_text(_command(argv, environment or {}))
            initramfs.build(self.kernel, work / "initramfs")
            timed_out = self._boot(work, exchange, timeout, output or sys.stdout.buffer)
            console = work / "console"
            self.console = console.read_text(errors="replace") if console.exists() else ""
            if timed_out:
                return TIMED_OUT
            try:
                return int((exchange / "status").read_text())
            except (FileNotFoundError, ValueError):
                return NO_STATUS

    def _boot(self, work: Path, exchange: Path, timeout: float, output: BinaryIO) -> bool:
        """True when the time was over."""
        process = subprocess.Popen(
            # The kernel ends qemu when this thread ends, however that happens.
            ["setpriv", "--pdeathsig", "KILL", "--", *self._qemu(work, exchange)],
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,  # never written: at its end qemu would call the output port disconnected, too
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stdout is not None
        reader = threading.Thread(target=_stream, args=(process.stdout, output))
        reader.start()
        try:
            process.wait(timeout)
            return False
        except subprocess.TimeoutExpired:
            return True
        finally:
            process.kill()
            process.wait()
            reader.join()

    def _qemu(self, work: Path, exchange: Path) -> list[str]:
        return [
            QEMU,
            # Emulating a newer processor takes half as long again.
            *(EXACT if self._exact else ["-accel", "tcg"]),
            *("-cpu", "qemu64", "-smp", "1", "-m", str(self._memory)),
            *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
            *("-kernel", str(self.kernel.image), "-initrd", str(work / "initramfs")),
            *("-append", f"console=ttyS0 quiet panic=-1 {EXACT_KERNEL if self._exact else ''}"),
            *("-serial", f"file:{work / 'console'}"),
            *("-chardev", "stdio,id=output,signal=off", "-device", "virtio-serial-pci"),
            *("-device", "virtserialport,chardev=output", "-device", "virtio-rng-pci"),
            *_share("files", Path("/")),
            *_share("modules", self.kernel.modules),
            *_share("exchange", exchange, writable=True),
        ]


def _command(argv: Sequence[str], environment: Mapping[str, str]) -> str:
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())
    return f"{exports}cd {shlex.quote(os.getcwd())} || exit {NO_STATUS}\nexec {shlex.join(argv)}\n"


def _stream(source: BinaryIO, target: BinaryIO) -> None:
    while chunk := os.read(source.fileno(), 65536):
        target.write(chunk)
        target.flush()
