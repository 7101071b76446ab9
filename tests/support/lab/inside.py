"""Traffic from inside a container, made by the node's own programs in the container's network namespace."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

from .client import Traffic
from .node import Node
from .processes import Process


class Inside(Traffic):
    """The network namespace of a process on a node. Whoever made the process ends it."""

    def __init__(self, node: Node, pid: int, name: str):
        """pid: as the node sees it. (There is no holder to start: the process is there.)"""
        self.name, self.node, self.address = name, node, ""
        self._prefix = ["nsenter", "-t", str(pid), "-n", "--"]

    def run(
        self, argv: Sequence[str], *, check: bool = True, timeout: float = 60, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        return self.node.run([*self._prefix, *argv], check=check, timeout=timeout, stdin=stdin)

    def popen(self, argv: Sequence[str], *, log: str = "", env: Mapping[str, str] | None = None) -> Process:
        return self.node.popen([*self._prefix, *argv], log=log, env=env)

    def exists(self) -> bool:
        return self.node.exists()

    def close(self) -> None:
        pass
