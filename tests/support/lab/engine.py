"""A Docker engine on a node."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from typing import Any

from .node import Node
from .processes import Process, wait_until


class Engine:
    """dockerd of one node: its own containerd, images, iptables rules and cluster identity."""

    def __init__(self, node: Node):
        self.node = node
        # An overlay cannot lie on an overlay, which is what this directory is when the lab itself runs in a container.
        below = node.run(["stat", "-f", "-c", "%T", "/var/lib/docker"]).stdout.strip()
        storage_driver = "vfs" if below == "overlayfs" else "overlay2"
        self._command = [
            "dockerd",
            "--exec-opt=native.cgroupdriver=cgroupfs",
            f"--cgroup-parent=/{node.cgroup.name}",
            f"--storage-driver={storage_driver}",
        ]
        self._process: Process | None = None

    @staticmethod
    def missing() -> str:
        """Why no engine can run here; empty if one can."""
        absent = [program for program in ("dockerd", "docker", "containerd", "runc") if not shutil.which(program)]
        return f"not installed: {', '.join(absent)}" if absent else ""

    @property
    def process(self) -> Process:
        if self._process is None:
            raise RuntimeError(f"{self.node.name}: dockerd was never started")
        return self._process

    def start(self) -> None:
        """Starts it and returns at once: several engines then come up at the same time."""
        self._process = self.node.popen(self._command, log="dockerd.log")

    def wait_ready(self) -> None:
        wait_until(self._answers, 90, f"dockerd on {self.node.name} to answer")

    def _answers(self) -> bool:
        if not self.process.running():
            raise RuntimeError(f"dockerd on {self.node.name} ended:\n{self.process.tail()}")
        return self.node.run(["docker", "version", "--format", "{{.Server.Version}}"], check=False).returncode == 0

    def stop(self) -> None:
        self.process.stop(timeout=90)

    def kill(self) -> None:
        """SIGKILL: what it set up in the kernel stays as it is."""
        self.process.signal(signal.SIGKILL)
        self.process.wait()

    def restart(self) -> None:
        self.stop()
        self.start()
        self.wait_ready()

    def docker(self, *arguments: str, check: bool = True, timeout: float = 120) -> str:
        """Runs the docker command on the node; returns what it prints."""
        return self.run(*arguments, check=check, timeout=timeout).stdout.strip()

    def run(self, *arguments: str, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        return self.node.run(["docker", *arguments], check=check, timeout=timeout)

    def inspect(self, *arguments: str) -> Any:
        """`docker … inspect …`, decoded."""
        return json.loads(self.docker(*arguments))
