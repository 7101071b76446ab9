"""What changes round a running xlbd: addresses, neighbours, routes, links, and services under living connections."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from lab import Xlb, wait_until
from lab.client import Background
from lab.mesh import settle
from lab.netns import Host
from lab.static import ECHO, HTTP, UDP, Backend, StaticLab
from lab.topology import FAR, NEAR

EXTRA = str(NEAR[81])


@pytest.fixture
def served(xlb: Xlb, static: StaticLab) -> str:
    return static.serve(xlb)


@contextmanager
def undisturbed(static: StaticLab) -> Iterator[Callable[[], None]]:
    """Traffic from near and far, new connections and long-lived ones; what happens meanwhile must break none of it.

    The value waits until all of it went on after a change.
    """
    near, far = static.lab.client, static.lab.far_client
    running: list[Background] = [near.load((static.vip, 80)), far.load((static.vip, 80))]
    running += [near.hold(static.vip, 7000, interval=0.02), far.hold(static.vip, 7000, interval=0.02)]

    def progress() -> list[int]:
        snapshots = [traffic.snapshot() for traffic in running]
        return [snapshot.get("ok", snapshot.get("echoes")) for snapshot in snapshots]

    def goes_on() -> None:
        # Progress is told of twice a second, at 50 a second: more than 25 were not all under way before.
        goals = [count + 30 for count in progress()]
        wait_until(lambda: all(count >= goal for count, goal in zip(progress(), goals)), 20, "all traffic to go on")

    try:
        wait_until(lambda: all(traffic.snapshot() for traffic in running), 10, "the traffic to run")
        goes_on()
        yield goes_on
        for traffic in running:
            result = traffic.stop()
            assert result.get("failures", result.get("breaks")) == []
    finally:
        for traffic in running:
            traffic.__exit__()


def set_mac(host: Host, device: str, mac: str) -> None:
    """A new MAC address, announced as the kernel does it with arp_notify."""
    host.sysctl(f"net.ipv4.conf.{device}.arp_notify", 1)
    host.run(["ip", "link", "set", "dev", device, "address", mac])


def forwarded(router: Host) -> int:
    """IP packets that it has passed on."""
    names, values = [line.split() for line in router.run(["cat", "/proc/net/snmp"]).stdout.splitlines() if line.startswith("Ip:")]
    return int(values[names.index("ForwDatagrams")])


def dead(static: StaticLab, address: str, port: int) -> bool:
    return "failure" in static.lab.client.get(address, port, timeout=0.5)


# ---- the node ------------------------------------------------------------------------------------------------------------------


def test_address_comes_and_goes(xlb: Xlb, static: StaticLab) -> None:
    xlb.ctl("service", "add", "tcp/*:81", "--name", "everywhere")
    for backend in static.backends:
        xlb.ctl("backend", "add", "everywhere", f"{backend.address}:{HTTP}")
    node, client = static.balancer, static.lab.client
    for address in (node.address, static.vip):
        settle(client, address, 81, static.names, timeout=3)
    for _ in range(2):
        assert dead(static, EXTRA, 81)
        node.run(["ip", "address", "add", f"{EXTRA}/32", "dev", "eth0"])
        settle(client, EXTRA, 81, static.names, timeout=3)
        node.run(["ip", "address", "del", f"{EXTRA}/32", "dev", "eth0"])
        wait_until(lambda: EXTRA not in xlb.json("status")["addresses"], 3, "the address to be gone")
        assert dead(static, EXTRA, 81)
    settle(client, static.vip, 81, static.names, timeout=3)


def test_neighbours_change_their_mac_addresses(served: str, static: StaticLab) -> None:
    with undisturbed(static) as goes_on:
        for hosts in ([backend.host for backend in static.backends], [static.lab.client, static.lab.router]):
            for host in hosts:
                set_mac(host, "eth0", "02:" + secrets.token_bytes(5).hex(":"))
            goes_on()


def test_route_to_a_backend_changes(served: str, static: StaticLab) -> None:
    node, router = static.balancer, static.lab.router
    route = [f"{static.backends[0].address}/32", "via", router.address]
    with undisturbed(static) as goes_on:
        before = forwarded(router)
        node.run(["ip", "route", "add", *route])
        goes_on()
        assert forwarded(router) > before + 10
        node.run(["ip", "route", "del", *route])
        goes_on()


def test_backend_without_a_route_is_left_out(served: str, xlb: Xlb, static: StaticLab) -> None:
    lost, other = static.backends
    node = static.balancer
    node.run(["ip", "route", "add", "blackhole", f"{lost.address}/32"])
    try:
        settle(static.lab.client, served, 80, {other.name}, timeout=3)
        (web,) = xlb.json("service", "show", "web")["services"]
        assert {row["name"]: row["state"] for row in web["backends"]} == {f"{lost.address}:{HTTP}": "unreachable", f"{other.address}:{HTTP}": "active"}
    finally:
        node.run(["ip", "route", "del", "blackhole", f"{lost.address}/32"])
    settle(static.lab.client, served, 80, static.names, timeout=3)


@pytest.fixture(scope="module")
def second_router(static: StaticLab) -> Host:
    """Another way from the nodes to the far client."""
    router = static.lab.add_client("router2", 2)
    router.sysctl("net.ipv4.ip_forward", 1)
    far = static.lab.far_client
    router.run(["ip", "link", "add", "far", "type", "veth", "peer", "name", "eth1", "netns", str(far.pid)])
    router.run(["ip", "address", "add", f"{FAR[2]}/24", "dev", "far"])
    router.run(["ip", "link", "set", "far", "up"])
    far.run(["ip", "link", "set", "eth1", "up"])
    return router


def test_next_hop_of_a_client_changes(served: str, static: StaticLab, second_router: Host) -> None:
    node = static.balancer
    route = [str(FAR), "via", second_router.address]
    with undisturbed(static) as goes_on:
        before = forwarded(second_router)
        node.run(["ip", "route", "add", *route])
        goes_on()
        assert forwarded(second_router) > before + 10
        node.run(["ip", "route", "del", *route])
        goes_on()


def test_uplink_goes_down_and_up(served: str, xlb: Xlb, static: StaticLab) -> None:
    """As a restart of the node's networking does it; the connections outlive it as they would without xlb."""
    node = static.balancer
    with undisturbed(static) as goes_on:
        for _ in range(2):
            node.run(["ip", "link", "set", "eth0", "down"])
            wait_until(lambda: xlb.try_ctl("status").returncode == 0, 3, "xlbd to answer")
            node.run(["ip", "link", "set", "eth0", "up"])
            node.run(["ip", "route", "add", "default", "via", static.lab.router.address])
            goes_on()
    settle(static.lab.client, served, 80, static.names, timeout=3)


def test_without_ip_forwarding(served: str, xlb: Xlb, static: StaticLab) -> None:
    static.balancer.sysctl("net.ipv4.ip_forward", 0)
    try:
        static.check()
        assert any("ip_forward" in warning for warning in xlb.json("status")["warnings"])
    finally:
        static.balancer.sysctl("net.ipv4.ip_forward", 1)
    static.check()
    assert not any("ip_forward" in warning for warning in xlb.json("status")["warnings"])


@pytest.mark.parametrize("strictness", [1, 2])
def test_reverse_path_filter(served: str, static: StaticLab, strictness: int) -> None:
    hosts = [static.balancer, *(backend.host for backend in static.backends)]

    def set_everywhere(value: int) -> None:
        for host in hosts:
            for scope in ("all", "eth0"):
                host.sysctl(f"net.ipv4.conf.{scope}.rp_filter", value)

    set_everywhere(strictness)
    try:
        static.check()
    finally:
        set_everywhere(0)


# ---- services ------------------------------------------------------------------------------------------------------------------


def test_scheduler_changes_under_load(served: str, xlb: Xlb, static: StaticLab) -> None:
    with undisturbed(static) as goes_on:
        for scheduler in ("maglev", "rr"):
            xlb.ctl("service", "set", "web", "--scheduler", scheduler)
            xlb.ctl("service", "set", "echo", "--scheduler", scheduler)
            goes_on()


def keeper(static: StaticLab, task: str) -> Backend:
    return next(backend for backend in static.backends if backend.name == task)


def test_drained_backend_keeps_its_connections(served: str, xlb: Xlb, static: StaticLab) -> None:
    client = static.lab.client
    with client.load((served, 80)) as load, client.hold(served, 7000) as held:
        held.wait_for("echoes", 2)
        drained = keeper(static, held.snapshot()["tasks"][0])
        for service, port in (("echo", ECHO), ("web", HTTP)):
            xlb.ctl("drain", service, f"{drained.address}:{port}")
        load.wait_for("ok", 5)
        before = load.wait_for("ok", 1)["tasks"][drained.name]
        held.wait_for("echoes", 5)
        assert load.wait_for("ok", 20)["tasks"][drained.name] == before
        assert drained.name not in client.gets(served, 80, 10).expect_all().tasks
        for service, port in (("echo", ECHO), ("web", HTTP)):
            xlb.ctl("undrain", service, f"{drained.address}:{port}")
        settle(client, served, 80, static.names, timeout=3)
        connection, requests = held.stop(), load.stop()
    assert connection["breaks"] == [] and connection["tasks"] == [drained.name]
    assert requests["failures"] == []


def test_removed_backend_ends_its_connections(served: str, xlb: Xlb, static: StaticLab) -> None:
    client = static.lab.client
    (named,) = client.udp(served, 53, 3, source="fixed", source_port=41000).expect_all().tasks
    removed = keeper(static, named)
    (other,) = static.names - {named}
    xlb.ctl("backend", "rm", "names", f"{removed.address}:{UDP}")
    assert client.udp(served, 53, 3, source="fixed", source_port=41000).expect_all().tasks == {other: 3}

    with client.hold(served, 7000) as held:
        held.wait_for("echoes", 2)
        removed = keeper(static, held.snapshot()["tasks"][0])
        xlb.ctl("backend", "rm", "echo", f"{removed.address}:{ECHO}")
        wait_until(lambda: len(held.snapshot()["tasks"]) == 2, 5, "a connection to the other backend")
        held.wait_for("echoes", 2)
        result = held.stop()
    (ended,) = result["breaks"]
    assert "Reset" in ended["reason"], ended
    assert result["tasks"][1] != removed.name
