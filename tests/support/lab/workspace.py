"""What a run leaves in the file system and in the cgroup tree: one directory and cgroups of one prefix, removed at its end.

With XLB_LAB_KEEP in the environment the directory stays, for a look at the logs. XLB_LAB_PREBUILT names a directory with what
the lab would compile (`server`, `pass.bpf.o`), for a machine that takes long to do it.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

JANITOR = Path(__file__).with_name("janitor.py")


def cgroup_mounts(kind: str) -> list[Path]:
    """Mount points of type `cgroup` (v1) or `cgroup2`."""
    mounts = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.split()[0] == kind:
            mounts.append(Path(before.split()[4]))
    return mounts


def _prebuilt() -> list[Path]:
    directory = os.environ.get("XLB_LAB_PREBUILT")
    return list(Path(directory).resolve().iterdir()) if directory else []


class Workspace:
    """A private directory and cgroup prefix with a random name, so that runs side by side never meet."""

    def __init__(self) -> None:
        self.run_id = f"xlb-{secrets.token_hex(3)}"
        self.path = Path(tempfile.mkdtemp(prefix=f"{self.run_id}-"))
        for file in _prebuilt():
            (self.path / file.name).symlink_to(file)
        # The janitor cleans up when its standard input ends: when we close it, and also when we are killed.
        self._janitor = subprocess.Popen(
            [sys.executable, str(JANITOR), str(self.path), self.run_id],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def directory(self, *parts: str) -> Path:
        path = self.path.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def cgroup(self, name: str) -> Path:
        """A new cgroup (version 2) of this run."""
        mounts = cgroup_mounts("cgroup2")
        if not mounts:
            raise RuntimeError("no cgroup2 file system is mounted on this machine")
        path = mounts[0] / f"{self.run_id}-{name}"
        path.mkdir()
        return path

    def close(self) -> None:
        """Waits until all is gone; call it when the run's processes have ended."""
        if self._janitor.stdin is None or self._janitor.stdin.closed:
            return
        self._janitor.stdin.close()
        if self._janitor.wait(120) != 0:
            raise RuntimeError(f"{self.path} or cgroups {self.run_id}-* could not be removed")
