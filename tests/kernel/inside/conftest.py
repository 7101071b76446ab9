"""Inside the machine: the lab without Docker, and xlbd in its several states."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from lab import Lab, Xlb
from lab.static import HTTP, UDP, StaticLab
from lab.xlb import bin_dir

WEB, NAMES = 80, 53  # the services' ports


class Balancer(Xlb):
    """xlbd on the balancer, with ways to look at what it did to the device."""

    def __init__(self, static: StaticLab):
        super().__init__(static.balancer)
        self.static = static
        self._program = self._command[0]

    def begin(self, mode: str, *, dispatcher: bool = True) -> dict[str, str]:
        """(Re)starts xlbd in that mode and returns what it says of its uplink. dispatcher: libxdp finds its own."""
        self.launch(mode, dispatcher=dispatcher)
        return self.uplink()

    def launch(self, mode: str, *, dispatcher: bool = True, options: Sequence[str] = ()) -> None:
        if self.running():
            self.stop()
        without = [] if dispatcher else ["env", "LIBXDP_OBJECT_PATH=/nonexistent"]
        self._command = [*without, self._program, "--xdp", mode, *options]
        self.start()

    def uplinks(self) -> dict[str, dict[str, str]]:
        """By the device's name."""
        return {uplink["name"]: {key: uplink[key] for key in ("xdp", "attach", "reason")} for uplink in self.json("status")["uplinks"]}

    def uplink(self) -> dict[str, str]:
        [uplink] = self.uplinks().values()
        return uplink

    def in_dispatcher(self) -> list[str]:
        """Names of the programs in the device's dispatcher, in their order."""
        lines = self.node.run(["xdp-loader", "status", "eth0"]).stdout.splitlines()
        return [line.split()[2] for line in lines if line.lstrip().startswith("=>")]

    def serve(self) -> None:
        """TCP and UDP to both backends. In one go: here it takes longer to enter the node than to do something there."""
        commands = []
        for protocol, port, name, target in (("tcp", WEB, "web", HTTP), ("udp", NAMES, "names", UDP)):
            commands.append(f"service add {protocol}/{self.static.vip}:{port} --name {name}")
            commands += [f"backend add {name} {backend.address}:{target}" for backend in self.static.backends]
        xlbctl = bin_dir() / "xlbctl"
        self.node.run(["sh", "-ec", "".join(f"'{xlbctl}' {words}\n" for words in commands)])
        self.static.lab.client.wait_answer(self.static.vip, WEB, timeout=5)

    def packets(self, hook: str, counter: str) -> int:
        counters = self.json("stats")["counters"]
        return sum(entry["traffic"]["packets"] for entry in counters if (entry["hook"], entry["name"]) == (hook, counter))


@pytest.fixture(scope="session")
def static(lab: Lab) -> StaticLab:
    return StaticLab(lab)


@pytest.fixture
def balancer(xlb_built: None, static: StaticLab) -> Iterator[Balancer]:
    """Not started; whatever the test leaves is taken away after it."""
    made = Balancer(static)
    yield made
    made.remove()
    made.node.run(["find", "/var/lib/xlb", "-mindepth", "1", "-delete"])  # the node's own; services survive a detach
