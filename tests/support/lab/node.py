"""Nodes: hosts with a mount, pid and host name space of their own, in which every default path of Docker and xlb is private."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .client import Traffic
from .netns import PYTHON
from .processes import children, kill_tree, wait_until
from .workspace import Workspace

NODE_INIT = Path(__file__).with_name("node_init.py")


class Node(Traffic):
    """A machine as far as Docker and xlb can tell. Its process 1 dies with the lab, and everything on the node with it."""

    _enter_forks = True  # entering a pid namespace takes a fork

    def __init__(self, name: str, workspace: Workspace):
        self.workspace = workspace
        self.cgroup = workspace.cgroup(name)
        self._processes_cgroup = self.cgroup / "system"
        self._processes_cgroup.mkdir()
        self._data = workspace.directory(name, "docker")
        self._ready = workspace.path / name / "ready"
        super().__init__(name, workspace.directory(name, "log"))

    def _holder_command(self) -> list[str]:
        namespaces = ["--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"]
        init = [PYTHON, str(NODE_INIT), self.name, str(self._data), str(self.cgroup), str(self._ready)]
        return ["unshare", *namespaces, *init]

    def _is_apart(self) -> bool:
        if self._holder.poll() is not None:
            raise RuntimeError(f"{self.name}: its process 1 ended with status {self._holder.returncode}")
        if not self._ready.exists():
            return False
        self.pid = children(self._holder.pid)[0]
        return True

    def _enter(self, argv: Sequence[str]) -> list[str]:
        # A process on the node belongs to the node's part of the cgroup tree, so that hooks at its root see it.
        join = f'echo $$ > {self._processes_cgroup}/cgroup.procs && exec "$@"'
        return ["sh", "-c", join, "sh", "nsenter", "-t", str(self.pid), "-m", "-n", "-u", "-p", "--", *argv]

    def close(self) -> None:
        if self._holder.poll() is None:
            kill_tree(self._holder.pid)
            self._holder.wait()
            # Killed in one stroke, but their last moments take the kernel a while; the cgroup says when it is over.
            wait_until(lambda: not _populated(self.cgroup), 20, f"the end of every process on {self.name}")


def _populated(cgroup: Path) -> bool:
    try:
        return "populated 1" in (cgroup / "cgroup.events").read_text()
    except FileNotFoundError:
        return False
