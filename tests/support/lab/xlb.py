"""xlbd and xlbctl on a node. The programs come from XLB_BIN_DIR, by default build/release/bin of this checkout."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .node import Node
from .processes import Process, wait_until

ROOT = Path(__file__).resolve().parents[3]


def bin_dir() -> Path:
    return Path(os.environ.get("XLB_BIN_DIR", ROOT / "build" / "release" / "bin")).resolve()


def missing() -> str:
    """Why xlb cannot run; empty if it can."""
    absent = [str(bin_dir() / name) for name in ("xlbd", "xlbctl") if not (bin_dir() / name).exists()]
    return f"not built: {', '.join(absent)}" if absent else ""


class Xlb:
    """The daemon of one node and the command that talks to it."""

    def __init__(self, node: Node, *, xdp: str = "auto", options: Sequence[str] = ()):
        self.node = node
        self._command = [str(bin_dir() / "xlbd"), "--xdp", xdp, *options]
        self._process: Process | None = None
        self._starts = 0

    @property
    def process(self) -> Process:
        if self._process is None:
            raise RuntimeError(f"{self.node.name}: xlbd was never started")
        return self._process

    def start(self, *, wait: bool = True) -> "Xlb":
        self._starts += 1
        self._process = self.node.popen(self._command, log=f"xlbd-{self._starts}.log")
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self) -> None:
        wait_until(self._answers, 30, f"xlbd on {self.node.name} to answer")

    def _answers(self) -> bool:
        if not self.process.running():
            raise RuntimeError(f"xlbd on {self.node.name} ended:\n{self.process.tail()}")
        return self.try_ctl("status").returncode == 0

    def running(self) -> bool:
        return self._process is not None and self._process.running()

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        self.process.kill()

    def stop(self) -> None:
        """SIGTERM: the daemon ends, the data path stays at work."""
        self.process.stop()

    def restart(self) -> None:
        self.stop()
        self.start()

    def remove(self) -> None:
        """Takes everything of xlb off the node."""
        if self.running():
            self.process.signal(signal.SIGTERM)
            self.process.wait()
        self.try_ctl("detach")

    def try_ctl(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return self.node.run([str(bin_dir() / "xlbctl"), *arguments], check=False, stdin=stdin)

    def ctl(self, *arguments: str, stdin: str | None = None) -> str:
        """xlbctl; raises if it refuses."""
        return self.node.run([str(bin_dir() / "xlbctl"), *arguments], stdin=stdin).stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.ctl("-o", "json", *arguments))

    def log(self) -> str:
        return self.process.output()
