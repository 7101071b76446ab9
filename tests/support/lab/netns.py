"""Hosts: network namespaces, each held by one process that dies with the lab."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .processes import CommandFailed, Process, die_with_parent, kill_tree, run, wait_until

PYTHON = "/usr/bin/python3"
# Programs that a host calls are found whatever the caller's PATH is.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Host:
    """A machine that is only a network: it shares everything else with the one the lab runs on."""

    def __init__(self, name: str, logs: Path):
        self.name, self.logs = name, logs
        self.address = ""  # set when it is linked
        self._log_count = 0
        holder = die_with_parent(self._holder_command())
        self._holder = subprocess.Popen(holder, stdin=subprocess.DEVNULL, start_new_session=True)
        self.pid = self._holder.pid
        # The namespace is the host's own only once the holder has entered it.
        wait_until(self._is_apart, 10, f"the network namespace of {name}")
        self.run(["ip", "link", "set", "lo", "up"])

    def _holder_command(self) -> list[str]:
        return ["unshare", "--net", "sleep", "infinity"]

    def _is_apart(self) -> bool:
        if self._holder.poll() is not None:
            raise RuntimeError(f"{self.name}: its holder ended with status {self._holder.returncode}")
        return os.readlink(f"/proc/{self.pid}/ns/net") != os.readlink("/proc/self/ns/net")

    def _enter(self, argv: Sequence[str]) -> list[str]:
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *argv]

    _enter_forks = False

    def run(
        self, argv: Sequence[str], *, check: bool = True, timeout: float = 60, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command on this host; an error names the host and the command, not the wrapping."""
        try:
            return run(self._enter(argv), check=check, timeout=timeout, stdin=stdin, env={"PATH": PATH})
        except CommandFailed as failure:
            failed = [f"[{self.name}]", *argv]
            raise CommandFailed(failed, failure.status, failure.stdout, failure.stderr) from None

    def popen(self, argv: Sequence[str], *, log: str = "", env: Mapping[str, str] | None = None) -> Process:
        """Starts a background process on this host; its output goes to a file in the host's log directory."""
        self._log_count += 1
        file = self.logs / (log or f"{Path(argv[0]).name}-{self._log_count}.log")
        return Process(self._enter(argv), file, forks=self._enter_forks, env={"PATH": PATH, **(env or {})})

    def sysctl(self, key: str, value: str | int) -> None:
        self.run(["sysctl", "-q", "-w", f"{key}={value}"])

    def exists(self) -> bool:
        return self._holder.poll() is None

    def close(self) -> None:
        """Ends every process of the host and with the last one its namespaces."""
        if self._holder.poll() is None:
            kill_tree(self._holder.pid)
            self._holder.wait()
