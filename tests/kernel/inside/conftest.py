"""Inside the machine: the lab without Docker, and xlbd in its several states."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import Lab, Xlb
from lab.static import HTTP, UDP, StaticLab

WEB, NAMES = 80, 53  # the services' ports


class Balancer(Xlb):
    """xlbd on the balancer, with ways to look at what it did to the device."""

    def __init__(self, static: StaticLab):
        super().__init__(static.balancer)
        self.static = static
        self._program = self._command[0]

    def begin(self, mode: str, *, dispatcher: bool = True) -> dict[str, str]:
        """(Re)starts xlbd in that mode and returns what it says of its uplink. dispatcher: libxdp finds its own."""
        if self.running():
            self.stop()
        without = [] if dispatcher else ["env", "LIBXDP_OBJECT_PATH=/nonexistent"]
        self._command = [*without, self._program, "--xdp", mode]
        self.start()
        return self.uplink()

    def uplink(self) -> dict[str, str]:
        [uplink] = self.json("status")["uplinks"]
        return {key: uplink[key] for key in ("xdp", "attach", "reason")}

    def in_dispatcher(self) -> list[str]:
        """Names of the programs in the device's dispatcher, in their order."""
        lines = self.node.run(["xdp-loader", "status", "eth0"]).stdout.splitlines()
        return [line.split()[2] for line in lines if line.lstrip().startswith("=>")]

    def serve(self) -> None:
        """TCP and UDP to both backends."""
        for protocol, port, name, target in (("tcp", WEB, "web", HTTP), ("udp", NAMES, "names", UDP)):
            self.ctl("service", "add", f"{protocol}/{self.static.vip}:{port}", "--name", name)
            for backend in self.static.backends:
                self.ctl("backend", "add", name, f"{backend.address}:{target}")
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
    if made.running():
        for service in made.json("service", "ls")["services"]:
            made.ctl("service", "rm", service["name"])
    made.remove()
