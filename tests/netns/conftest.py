"""xlb without Docker: a balancer and two backends for the whole session, xlbd in each of its modes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lab import Lab, Xlb
from lab.node import Node
from lab.static import HTTP, UDP, StaticLab

Launch = Callable[..., Xlb]


@pytest.fixture(scope="session")
def static(lab: Lab) -> StaticLab:
    return StaticLab(lab)


@pytest.fixture(scope="module", params=["auto", "off"], ids=["native", "xdp-off"])
def daemon(request: pytest.FixtureRequest, xlb_built: None, static: StaticLab) -> Iterator[Xlb]:
    """xlbd on the balancer, with no service yet."""
    xlb = Xlb(static.balancer, xdp=request.param)
    xlb.start()
    yield xlb
    xlb.remove()


@pytest.fixture
def xlb(daemon: Xlb) -> Iterator[Xlb]:
    """The daemon, running at the start of the test; services that the test makes are gone after it."""
    if not daemon.running():
        daemon.start()
    yield daemon
    if not daemon.running():
        daemon.start()
    for name in service_names(daemon):
        daemon.ctl("service", "rm", name)


@pytest.fixture
def web(xlb: Xlb, static: StaticLab) -> str:
    """Service `web`: TCP port 80 of the balancer's second address, both backends."""
    xlb.ctl("service", "add", f"tcp/{static.vip}:80", "--name", "web")
    for backend in static.backends:
        xlb.ctl("backend", "add", "web", f"{backend.address}:{HTTP}")
    static.lab.client.wait_answer(static.vip, 80, timeout=5)
    return static.vip


@pytest.fixture
def names(xlb: Xlb, static: StaticLab) -> str:
    """Service `names`: UDP port 53 of the balancer's second address, both backends."""
    xlb.ctl("service", "add", f"udp/{static.vip}:53", "--name", "names")
    for backend in static.backends:
        xlb.ctl("backend", "add", "names", f"{backend.address}:{UDP}")
    return static.vip


@pytest.fixture
def launch(xlb_built: None, static: StaticLab) -> Iterator[Launch]:
    """Starts xlbd with any options, on the balancer unless told otherwise; all of it, and every service, is gone after the test."""
    started: list[Xlb] = []

    def start(*options: str, xdp: str = "auto", node: Node | None = None) -> Xlb:
        xlb = Xlb(node or static.balancer, xdp=xdp, options=options)
        started.append(xlb)
        return xlb.start()

    yield start
    for xlb in started:
        xlb.remove()
        xlb.node.run(["rm", "-f", "/var/lib/xlb/services.json"])


def service_names(xlb: Xlb) -> list[str]:
    listed = xlb.json("service", "ls")
    services = listed["services"] if isinstance(listed, dict) else listed
    return [service["name"] for service in services]
