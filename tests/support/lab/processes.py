"""Running commands: bounded in time, with errors that say what happened, and no process that outlives the lab."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

# A slow machine (or one that compiles at the same time) sets this above 1; every bound is multiplied by it.
PATIENCE = float(os.environ.get("XLB_LAB_PATIENCE", "1"))


class CommandFailed(RuntimeError):
    """A command ended with a status other than 0, or not at all within its time."""

    def __init__(self, argv: Sequence[str], status: int | str, stdout: str, stderr: str):
        self.argv, self.status, self.stdout, self.stderr = list(argv), status, stdout, stderr
        output = "\n".join(part.strip()[-4000:] for part in (stdout, stderr) if part.strip())
        super().__init__(f"{shlex.join(argv)}: {status}\n{output}")


def die_with_parent(argv: Sequence[str]) -> list[str]:
    """The command, killed by the kernel when the thread that started it ends, however that happens."""
    return ["setpriv", "--pdeathsig", "KILL", "--", *argv]


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def kill_tree(pid: int) -> None:
    """Kills a process that we started and what it started in turn (nsenter does not pass signals on to its child)."""
    for child in children(pid):
        kill_tree(child)
    send_signal(pid, signal.SIGKILL)


def send_signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def run(
    argv: Sequence[str],
    *,
    check: bool = True,
    timeout: float = 60,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end and returns its output; raises CommandFailed on a bad status (unless check=False)."""
    process = subprocess.Popen(
        die_with_parent(argv),
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is ours alone: the lab then comes down in order
        env=None if env is None else {**os.environ, **env},
    )
    try:
        stdout, stderr = process.communicate(stdin, timeout * PATIENCE)
    except subprocess.TimeoutExpired:
        kill_tree(process.pid)
        stdout, stderr = process.communicate()
        raise CommandFailed(argv, f"no end within {timeout * PATIENCE:g} s", stdout, stderr) from None
    except BaseException:
        kill_tree(process.pid)
        process.communicate()
        raise
    if check and process.returncode != 0:
        raise CommandFailed(argv, process.returncode, stdout, stderr)
    return subprocess.CompletedProcess(list(argv), process.returncode, stdout, stderr)


def wait_until(condition: Callable[[], T], timeout: float, what: str, interval: float = 0.05) -> T:
    """Polls until the condition is true and returns its value; `what` names the thing waited for in the error."""
    deadline = time.monotonic() + timeout * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout * PATIENCE:g} s for: {what}; last seen: {value!r}")
        time.sleep(interval)


class Process:
    """A background process with its output in a file."""

    def __init__(self, argv: Sequence[str], log: Path, *, forks: bool = False, env: Mapping[str, str] | None = None):
        """`forks`: argv is a wrapper (nsenter --pid) whose only child is the real program."""
        self.argv, self.log, self._forks = list(argv), log, forks
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                die_with_parent(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=None if env is None else {**os.environ, **env},
            )

    @property
    def pid(self) -> int:
        """The program's own process id, as seen from outside its pid namespace."""
        if not self._forks:
            return self._popen.pid
        found = wait_until(
            lambda: children(self._popen.pid) or [0] * (self._popen.poll() is not None), 10, f"a child of {self.argv[0]}"
        )
        return found[0] or self._popen.pid

    def running(self) -> bool:
        return self._popen.poll() is None

    def signal(self, number: int) -> None:
        if self.running():
            send_signal(self.pid, number)

    def pause(self) -> None:
        """SIGSTOP."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT, to the wrapper as well, which stops with its child."""
        self.signal(signal.SIGCONT)
        send_signal(self._popen.pid, signal.SIGCONT)

    def wait(self, timeout: float = 30) -> int:
        try:
            return self._popen.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{shlex.join(self.argv)}: still runs after {timeout * PATIENCE:g} s") from None

    def stop(self, timeout: float = 30) -> int:
        """SIGTERM, then SIGKILL for one that does not listen."""
        self.signal(signal.SIGTERM)
        try:
            return self.wait(timeout)
        except TimeoutError:
            self.kill()
            raise

    def kill(self) -> None:
        """SIGKILL to the program, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self.wait()

    def output(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.output().splitlines()[-lines:])
