"""Published ports answer on the node itself, to its processes and its containers, and at once on every new NIC and address."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import pytest

from lab import Lab, Mesh, Service, wait_until
from lab.images import IMAGE
from lab.inside import Inside
from lab.links import cable, give_address
from lab.mesh import leftovers
from lab.netns import PYTHON
from lab.swarm import SwarmNode, Task

HTTP, ECHO, UDP = 8091, 8092, 8093
BULK = 50_000_000
AT_ONCE = 2  # seconds within which a new device or address serves

PEER_OF_TCP = "import socket, sys; c = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5); print(*c.getpeername())"
SENDER_OF_UDP = (
    "import socket, sys; s = socket.socket(type=socket.SOCK_DGRAM); s.settimeout(5); "
    "s.sendto(b'question', (sys.argv[1], int(sys.argv[2]))); print(*s.recvfrom(9000)[1])"
)


@pytest.fixture(params=[0, 1], ids=["rp_filter-0", "rp_filter-1"])
def settled_nodes(request: pytest.FixtureRequest, mesh: Mesh) -> Iterator[Sequence[SwarmNode]]:
    """The nodes, with and without the source check that cloud images have."""
    for member in mesh.swarm.nodes:
        member.node.sysctl("net.ipv4.conf.all.rp_filter", request.param)
    yield mesh.swarm.nodes
    for member in mesh.swarm.nodes:
        member.node.sysctl("net.ipv4.conf.all.rp_filter", 0)


def address_of(member: SwarmNode, device: str) -> str:
    (link,) = json.loads(member.node.run(["ip", "-json", "-4", "address", "show", "dev", device]).stdout)
    return link["addr_info"][0]["local"]


def sandbox_of(member: SwarmNode) -> str:
    return member.gateway_addresses()["ingress-sbox"]


def own_addresses(member: SwarmNode) -> list[str]:
    """Every address at which Docker's mesh serves the node itself."""
    bridges = [address_of(member, device) for device in ("docker0", "docker_gwbridge")]
    return ["127.0.0.1", member.address, *bridges, sandbox_of(member)]


def names(tasks: Sequence[Task]) -> set[str]:
    return {task.host_name for task in tasks}


@contextmanager
def container(member: SwarmNode, network: str) -> Iterator[Inside]:
    """A container of that network, as a place to make traffic from."""
    identity = member.docker("run", "--detach", "--network", network, IMAGE)
    try:
        pid = member.inspect("inspect", identity)[0]["State"]["Pid"]
        yield Inside(member.node, pid, f"a container on {network} of {member.name}")
    finally:
        member.docker("rm", "--force", identity)


def test_processes_reach_every_address_of_their_node(settled_nodes: Sequence[SwarmNode], web: Service) -> None:
    """On nodes with a task and without one."""
    expected = names(web.tasks())
    for member in settled_nodes:
        for address in own_addresses(member):
            assert member.node.gets(address, HTTP, 4).expect_all().tasks.keys() == expected, (member.name, address)
            assert member.node.udp(address, UDP, 8).expect_all().tasks.keys() == expected, (member.name, address)


def test_drained_node_serves_itself(settled: Mesh, web: Service) -> None:
    member = settled.swarm.node("n2")
    settled.swarm.leader.docker("node", "update", "--availability", "drain", member.name)
    try:
        for address in own_addresses(member):
            member.node.gets(address, HTTP, 4).expect_all()
    finally:
        settled.swarm.leader.docker("node", "update", "--availability", "active", member.name)


def test_tasks_addresses_are_their_own(mesh: Mesh, web: Service) -> None:
    for task in web.tasks():
        node = task.node.node
        assert "ConnectionRefused" in node.get(task.gateway_address, HTTP, timeout=2)["failure"]
        assert node.get(task.gateway_address, 80)["task"] == task.host_name
        for member in mesh.swarm.nodes:
            if member is not task.node and task.gateway_address not in member.gateway_addresses().values():
                assert "failure" in member.node.get(task.gateway_address, 80, timeout=1)


def test_sockets_say_what_was_asked_for(mesh: Mesh) -> None:
    for member in mesh.swarm.nodes:
        for address in own_addresses(member):
            for program, port in ((PEER_OF_TCP, HTTP), (SENDER_OF_UDP, UDP)):
                for _ in range(2):  # for a task here, as far as there is one, and one elsewhere
                    told = member.node.run([PYTHON, "-c", program, address, str(port)]).stdout.split()
                    assert told == [address, str(port)], member.name


@pytest.mark.parametrize("node", ["n0", "n2"])
def test_bulk_both_ways(mesh: Mesh, node: str) -> None:
    host = mesh.swarm.node(node).node
    seen = set()
    for _ in range(2):
        for result in (host.download("127.0.0.1", HTTP, BULK), host.upload("127.0.0.1", HTTP, BULK)):
            assert result.get("equal"), result
            seen.add(result["task"])
    assert len(seen) == 2, "a task here and one elsewhere"


def test_containers_reach_every_address_of_their_node(mesh: Mesh, web: Service) -> None:
    expected = names(web.tasks())
    for member in mesh.swarm.nodes:
        member.docker("network", "create", "own")
        try:
            for network in ("bridge", "shop", "own"):
                with container(member, network) as inside:
                    for address in own_addresses(member)[1:4]:
                        where = f"{address} from {inside.name}"
                        assert inside.gets(address, HTTP, 4).expect_all().tasks.keys() == expected, where
                        assert inside.udp(address, UDP, 8).expect_all().tasks.keys() == expected, where
                    for address in mesh.addresses:
                        inside.gets(address, HTTP, 4).expect_all()
        finally:
            member.docker("network", "rm", "own")


def test_tasks_reach_themselves_and_each_other(mesh: Mesh, web: Service) -> None:
    expected = names(web.tasks())
    for task in web.tasks():
        inside = Inside(task.node.node, task.pid, task.host_name)
        for address in own_addresses(task.node)[1:4]:
            answers = inside.gets(address, HTTP, 4).expect_all()
            assert answers.tasks.keys() == expected, (task.host_name, address)
            assert inside.udp(address, UDP, 8).expect_all().tasks.keys() == expected
        for result in (inside.download(task.node.address, HTTP, BULK // 10), inside.upload(task.node.address, HTTP, BULK // 10)):
            assert result.get("equal"), result


def test_two_tasks_on_one_node(mesh: Mesh, lab: Lab, deploy: Callable[..., Service]) -> None:
    """Side by side on docker_gwbridge, where containers must not speak to each other directly."""
    service = deploy("pair", replicas=2, publish=["8500:80"], constraints=["node.hostname==n0"])
    mesh.settle(lab.client, 8500, names(service.tasks()))
    for task in service.tasks():
        inside = Inside(task.node.node, task.pid, task.host_name)
        assert inside.gets(task.node.address, 8500, 4).expect_all().tasks.keys() == names(service.tasks())


def test_connections_outlive_a_crash_of_xlbd(settled: Mesh) -> None:
    xlb, host = settled.xlb["n0"], settled.swarm.node("n0").node
    with host.hold("127.0.0.1", ECHO) as one, host.hold("127.0.0.1", ECHO) as other:
        for held in (one, other):
            held.wait_for("echoes", 3)
        xlb.kill()
        host.gets("127.0.0.1", HTTP, 10).expect_all()
        xlb.start()
        host.gets("127.0.0.1", HTTP, 10).expect_all()
        for held in (one, other):
            held.wait_for("echoes", 5)
            assert held.stop()["breaks"] == []


def test_connections_outlive_a_restart_of_dockerd(settled: Mesh) -> None:
    """All but those to the sandbox's own address, for which the node needs the sandbox to say its MAC address."""
    member = settled.swarm.node("n2")
    addresses = own_addresses(member)[:4]
    with ExitStack() as stack:
        held = {address: stack.enter_context(member.node.hold(address, ECHO)) for address in addresses}
        for connection in held.values():
            connection.wait_for("echoes", 3)
        member.restart()
        for connection in held.values():
            connection.wait_for("echoes", 10)
        assert {address: connection.stop()["breaks"] for address, connection in held.items()} == dict.fromkeys(addresses, [])
    for address in own_addresses(member):
        wait_until(lambda: not member.node.gets(address, HTTP, 4, timeout=1).failures, 10, f"{address} to answer")


def test_a_new_nic_serves_at_once(settled: Mesh, lab: Lab) -> None:
    member, xlb = settled.swarm.node("n2"), settled.xlb["n2"]

    def uplinks() -> set[str]:
        return {uplink["name"] for uplink in xlb.json("status")["uplinks"]}

    assert uplinks() == {"eth0"}
    lab.client.run(["ip", "address", "add", "203.0.113.100/24", "dev", "eth0"])
    try:
        cable(lab.lan, "n2-second", member.node, "eth1")
        lab.lan.run(["ip", "link", "set", "n2-second", "master", "switch"])
        give_address(member.node, "eth1", "203.0.113.12/24")
        wait_until(lambda: "task" in lab.client.get("203.0.113.12", HTTP, timeout=0.5), AT_ONCE, "the new NIC to serve")
        assert uplinks() == {"eth0", "eth1"}
        member.node.gets("203.0.113.12", HTTP, 4).expect_all()
        lab.client.udp("203.0.113.12", UDP, 4).expect_all()
    finally:
        lab.lan.run(["ip", "link", "del", "n2-second"], check=False)
        lab.client.run(["ip", "address", "del", "203.0.113.100/24", "dev", "eth0"])
        # The next one to have the address has another MAC address.
        lab.client.run(["ip", "neigh", "flush", "to", "203.0.113.0/24"])
    wait_until(lambda: uplinks() == {"eth0"}, 5, "the removed NIC to be forgotten")


def test_a_new_address_serves_at_once(settled: Mesh, lab: Lab) -> None:
    member = settled.swarm.node("n2")
    member.node.run(["ip", "address", "add", "192.0.2.212/24", "dev", "eth0"])
    try:
        for client in (lab.client, member.node):
            wait_until(lambda: "task" in client.get("192.0.2.212", HTTP, timeout=0.5), AT_ONCE, "the new address to serve")
    finally:
        member.node.run(["ip", "address", "del", "192.0.2.212/24", "dev", "eth0"])
    wait_until(lambda: "failure" in lab.client.get("192.0.2.212", HTTP, timeout=0.5), 5, "the removed address to be dead")


def settings_of_lo(member: SwarmNode) -> list[str]:
    keys = [f"net.ipv4.conf.lo.{name}" for name in ("accept_local", "route_localnet", "forwarding")]
    return member.node.run(["sysctl", "-n", *keys]).stdout.split()


@pytest.mark.parametrize("daemon", [True, False], ids=["by-xlbd", "without-xlbd"])
def test_detach_leaves_the_node_as_it_was(settled: Mesh, daemon: bool) -> None:
    member, xlb = settled.swarm.node("n2"), settled.xlb["n2"]
    xlb.remove()
    before = settings_of_lo(member)
    assert before[:2] == ["0", "0"]
    match_all = ["u32", "match", "u32", "0", "0", "flowid", "1:1"]
    foreign = ["tc", "filter", "add", "dev", "lo", "egress", "protocol", "ip", "prio", "40000", *match_all]
    member.node.run(["tc", "qdisc", "add", "dev", "lo", "clsact"])
    try:
        member.node.run(foreign)
        xlb.start()
        wait_until(lambda: not member.node.gets("127.0.0.1", HTTP, 2, timeout=1).failures, 10, "127.0.0.1 to answer")
        assert settings_of_lo(member) == ["1", "1", "1"]
        xlb.restart()  # which must not take its own settings for the node's
        wait_until(lambda: not member.node.gets("127.0.0.1", HTTP, 2, timeout=1).failures, 10, "127.0.0.1 to answer")
        if not daemon:
            xlb.kill()
        xlb.ctl("detach")
        assert settings_of_lo(member) == before
        filters = json.loads(member.node.run(["tc", "-json", "filter", "show", "dev", "lo", "egress"]).stdout)
        assert {entry["pref"] for entry in filters} == {40000}
    finally:
        member.node.run(["tc", "qdisc", "del", "dev", "lo", "clsact"])
    assert leftovers(member.node) == []
    xlb.remove()
