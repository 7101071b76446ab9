"""Traffic from a host: thin wrappers round traffic.py, which runs in the host's network namespace."""

from __future__ import annotations

import collections
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .netns import PYTHON, Host
from .processes import Process, wait_until

LOST_SYN = 0.9  # seconds; it is sent again after one
TRAFFIC = Path(__file__).parent.parent / "traffic.py"
BELOW_EPHEMERAL = 20_000
_turns = itertools.count(BELOW_EPHEMERAL, 40)


@dataclass
class Answers:
    """What came of a number of requests."""

    answers: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)

    @property
    def sequence(self) -> list[str]:
        """The task that answered, request by request."""
        return [answer["task"] for answer in self.answers]

    @property
    def tasks(self) -> dict[str, int]:
        return dict(collections.Counter(self.sequence))

    @property
    def resent(self) -> int:
        """Answers that took so long that a SYN must have been lost."""
        return sum(answer.get("seconds", 0) > LOST_SYN for answer in self.answers)

    @property
    def clients(self) -> set[str]:
        """The client addresses that the tasks saw."""
        return {answer["client"].rpartition(":")[0] for answer in self.answers}

    def expect_all(self) -> "Answers":
        """Raises unless every request was answered."""
        if self.failures or not self.answers:
            total = len(self.answers) + len(self.failures)
            raise AssertionError(f"{len(self.failures)} of {total} requests failed, first: {self.failures[:3]}")
        return self


class Background:
    """A `traffic.py load` or `hold` that runs until it is stopped."""

    def __init__(self, process: Process):
        self._process = process
        self._result: dict[str, Any] | None = None

    def snapshot(self) -> dict[str, Any]:
        """The newest line of progress; empty before the first."""
        if self._result is not None:
            return self._result
        lines = [line for line in self._process.output().split("\n")[:-1] if line.startswith("{")]
        return json.loads(lines[-1]) if lines else {}

    def wait_for(self, key: str, count: int, timeout: float = 30) -> dict[str, Any]:
        """Waits for so many more (`ok`, `echoes`) than now."""
        goal = self.snapshot().get(key, 0) + count
        wait_until(lambda: self.snapshot().get(key, 0) >= goal or self._died(), timeout, f"{count} more {key}")
        return self.snapshot()

    def _died(self) -> bool:
        if not self._process.running():
            raise RuntimeError(f"traffic.py ended by itself:\n{self._process.tail()}")
        return False

    def stop(self) -> dict[str, Any]:
        """Ends it, open requests first, and returns the result."""
        if self._result is None:
            self._died()
            self._process.stop()
            self._result = self.snapshot()
            if not self._result.get("final"):
                raise RuntimeError(f"traffic.py left no result:\n{self._process.tail()}")
        return self._result

    def __enter__(self) -> "Background":
        return self

    def __exit__(self, *_: object) -> None:
        if self._result is None and self._process.running():
            self._process.kill()


class Traffic(Host):
    """A host that can be told to make traffic."""

    def _traffic(self, *arguments: object, timeout: float) -> dict[str, Any]:
        command = [PYTHON, str(TRAFFIC), *(str(argument) for argument in arguments)]
        return json.loads(self.run(command, timeout=timeout).stdout)

    def get(self, address: str, port: int, *, timeout: float = 5) -> dict[str, Any]:
        """One request: the fields of the answer, or {"failure": reason}."""
        many = self.gets(address, port, 1, timeout=timeout)
        return many.answers[0] if many.answers else {"failure": many.failures[0]["reason"]}

    def take_turns(self, address: str, port: int) -> Answers:
        """40 requests from source ports that nobody has used before, for tests of who answers which.

        Where the server still waits for the end of an older connection with the same addresses and ports (through another
        node, by another client behind the same SNAT, before a restart), it refuses the SYN with an ACK, the client resets that and
        sends the SYN again at once: that takes one turn more, and no answer's time shows it."""
        answers = self.gets(address, port, 40, source_port=next(_turns)).expect_all()
        if answers.resent:  # a SYN that was lost, and sent again after a second, took a turn more, too
            answers = self.gets(address, port, 40, source_port=next(_turns)).expect_all()
        return answers

    def gets(self, address: str, port: int, count: int, *, timeout: float = 5, source_port: int = 0) -> Answers:
        options = ["--count", count, "--timeout", timeout, "--source-port", source_port]
        return Answers(**self._traffic("get", address, port, *options, timeout=60 + timeout * min(count, 20)))

    def wait_answer(self, address: str, port: int, timeout: float = 20) -> dict[str, Any]:
        """The first answer within the time."""
        answer: dict[str, Any] = {}

        def answered() -> bool:
            answer.clear()
            answer.update(self.get(address, port, timeout=1))
            return "failure" not in answer

        wait_until(answered, timeout, f"an answer from {address}:{port} to {self.name}")
        return answer

    def load(self, *targets: tuple[str, int], rate: float = 50, timeout: float = 10) -> Background:
        """New connections at a steady rate; the count starts when this returns."""
        words = [f"{address}:{port}" for address, port in targets]
        return self._background("load", *words, "--rate", rate, "--timeout", timeout)

    def hold(self, address: str, port: int, *, interval: float = 0.2, source_port: int = 0, timeout: float = 5) -> Background:
        """A long-lived connection to the echo port."""
        return self._background("hold", address, port, "--interval", interval, "--source-port", source_port, "--timeout", timeout)

    def _background(self, *arguments: object) -> Background:
        command: Sequence[str] = [PYTHON, str(TRAFFIC), *(str(argument) for argument in arguments)]
        self._runs = getattr(self, "_runs", 0) + 1
        return Background(self.popen(command, log=f"{arguments[0]}-{self._runs}.json"))

    def download(self, address: str, port: int, count: int = 50_000_000) -> dict[str, Any]:
        return self._traffic("download", address, port, "--bytes", count, timeout=180)

    def upload(self, address: str, port: int, count: int = 50_000_000) -> dict[str, Any]:
        return self._traffic("upload", address, port, "--bytes", count, timeout=180)

    def udp(
        self, address: str, port: int, count: int = 1, *, source: str = "new", source_port: int = 0, timeout: float = 1, payload: int = 0
    ) -> Answers:
        """Datagrams one after another; source: `new` (a port for each) or `fixed` (one for all)."""
        options = ["--count", count, "--source", source, "--source-port", source_port, "--timeout", timeout, "--payload", payload]
        return Answers(**self._traffic("udp", address, port, *options, timeout=60 + count * timeout))


class Client(Traffic):
    """A machine that only uses the services."""
