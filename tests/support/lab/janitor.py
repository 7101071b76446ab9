"""Removes a run's directory and cgroups when the run ends, even if it was killed. Started by workspace.py, not by hand.

    janitor.py DIRECTORY CGROUP_PREFIX     (waits for the end of its standard input)
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path


def cgroup_roots() -> list[Path]:
    roots = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.split()[0] in ("cgroup", "cgroup2"):
            roots.append(Path(before.split()[4]))
    return roots


def remove_cgroup(path: Path) -> None:
    for folder, _, _ in os.walk(path, topdown=False):
        try:
            os.rmdir(folder)
        except OSError:
            pass  # its processes are still ending: the next round gets it


def leftovers(directory: Path, prefix: str) -> list[Path]:
    found = [path for root in cgroup_roots() for path in root.glob(f"{prefix}-*")]
    kept = bool(os.environ.get("XLB_LAB_KEEP"))
    return found + [directory] * (directory.exists() and not kept)


def main() -> int:
    directory, prefix = Path(sys.argv[1]), sys.argv[2]
    while sys.stdin.buffer.read(4096):
        pass
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        for path in leftovers(directory, prefix):
            if path == directory:
                shutil.rmtree(path, ignore_errors=True)
            else:
                remove_cgroup(path)
        if not leftovers(directory, prefix):
            return 0
        time.sleep(0.1)
    return 1


if __name__ == "__main__":
    sys.exit(main())
