"""Static services answer on the balancer itself: to its processes, and to containers on a bridge that Docker would have made."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.client import Client
from lab.links import cable, give_address
from lab.netns import PYTHON
from lab.static import BULK, HTTP, StaticLab, document, service
from lab.xlb import Xlb


@pytest.fixture
def anywhere(xlb: Xlb, static: StaticLab) -> str:
    """A service at every address of the balancer, and its port."""
    backends = [f"{backend.address}:{HTTP}" for backend in static.backends]
    xlb.ctl("apply", "-", stdin=document([service("all", "tcp/*:8080", backends), service("one", f"tcp/{static.vip}:80", backends)]))
    static.lab.client.wait_answer(static.vip, 80, timeout=5)
    return "8080"


@pytest.fixture
def box(static: StaticLab) -> Iterator[Client]:
    """A namespace behind a bridge by Docker's name."""
    host = Client("box", static.lab.workspace.directory("box"))
    balancer = static.balancer
    try:
        balancer.run(["ip", "link", "add", "docker0", "up", "type", "bridge", "forward_delay", "0"])
        balancer.run(["ip", "address", "add", "172.17.0.1/16", "dev", "docker0"])
        cable(host, "eth0", balancer, "vethbox")  # from this side: the balancer has process ids of its own
        balancer.run(["ip", "link", "set", "vethbox", "master", "docker0"])
        give_address(host, "eth0", "172.17.0.5/16")
        host.run(["ip", "route", "add", "default", "via", "172.17.0.1"])
        yield host
    finally:
        host.close()
        balancer.run(["ip", "link", "del", "docker0"], check=False)


@pytest.mark.parametrize("rp_filter", [0, 1, 2])
def test_processes_on_the_balancer(anywhere: str, static: StaticLab, rp_filter: int) -> None:
    static.balancer.sysctl("net.ipv4.conf.all.rp_filter", rp_filter)
    try:
        for address in ("127.0.0.1", static.balancer.address, static.vip):
            assert static.balancer.gets(address, 8080, 4).expect_all().tasks.keys() == static.names
            for result in (static.balancer.download(address, 8080, BULK), static.balancer.upload(address, 8080, BULK)):
                assert result.get("equal"), result
        static.balancer.gets(static.vip, 80, 4).expect_all()
    finally:
        static.balancer.sysctl("net.ipv4.conf.all.rp_filter", 0)


def test_a_service_at_one_address_is_not_at_the_others(anywhere: str, static: StaticLab) -> None:
    for address in ("127.0.0.1", static.balancer.address):
        assert "ConnectionRefused" in static.balancer.get(address, 80, timeout=2)["failure"]


def test_other_ports_of_the_balancer_are_untouched(anywhere: str, static: StaticLab) -> None:
    program = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection(s.getsockname()); "
        "a, _ = s.accept(); c.sendall(b'x' * 100000); print(len(a.recv(100000, socket.MSG_WAITALL)))"
    )
    assert static.balancer.run([PYTHON, "-c", program]).stdout.strip() == "100000"


def test_containers_on_the_balancer(anywhere: str, static: StaticLab, box: Client) -> None:
    for address in ("172.17.0.1", static.balancer.address, static.vip):
        assert box.gets(address, 8080, 4).expect_all().tasks.keys() == static.names
    for result in (box.download(static.vip, 80, BULK), box.upload(static.vip, 80, BULK)):
        assert result.get("equal"), result
