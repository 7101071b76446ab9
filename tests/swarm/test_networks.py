"""Swarms that somebody configured: ports, devices and subnets of their own, and what becomes of the ingress network.

One small swarm has all of it at once: a data path on a NIC and UDP port of its own, a docker_gwbridge made beforehand, and networks of
Docker's that overlap the LAN of nodes and clients.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from lab import Lab, Mesh, Service, Swarm, wait_until
from lab.engine import Engine
from lab.links import Lan
from lab.swarm import SwarmNode, Task

GATEWAY_SUBNET, GATEWAY = "172.30.7.0/24", "172.30.7.1"
DATA_PORT = 7789
HTTP, ECHO, UDP = 8191, 8192, 8193
PUBLISH = [f"{HTTP}:80", f"{ECHO}:7000", f"{UDP}:5353/udp"]


@pytest.fixture(scope="module")
def data_switch(lab: Lab) -> Lan:
    return lab.add_switch("data")


@pytest.fixture(scope="module")
def swarm(lab: Lab, data_switch: Lan) -> Iterator[Swarm]:
    if obstacle := Engine.missing():
        pytest.skip(obstacle)

    def prepare(member: SwarmNode) -> list[str]:
        data_address = member.address.replace("192.0.2.", "203.0.113.")
        data_switch.attach(member.node, f"{data_address}/24", device="eth1")
        bridge = {"bridge.name": "docker_gwbridge", "bridge.enable_icc": "false", "bridge.enable_ip_masquerade": "true"}
        options = [word for key, value in bridge.items() for word in ("--opt", f"com.docker.network.{key}={value}")]
        member.docker("network", "create", "--subnet", GATEWAY_SUBNET, *options, "docker_gwbridge")
        return ["--data-path-addr", data_address]

    init = ["--data-path-port", str(DATA_PORT), "--default-addr-pool", "192.0.2.0/24", "--default-addr-pool-mask-length", "25"]
    made = Swarm(lab, managers=2, init=init, prepare=prepare, prefix="c", first_number=20)
    yield made
    made.close()


@pytest.fixture(scope="module")
def mesh(xlb_built: None, swarm: Swarm) -> Iterator[Mesh]:
    with Mesh(swarm) as made:
        made.start()
        yield made


def deployed(mesh: Mesh, lab: Lab, deploy: Callable[..., Service], name: str, networks: list[str]) -> list[Task]:
    """Two tasks, one on each node, answering everywhere."""
    service = deploy(name, replicas=2, publish=PUBLISH, max_per_node=1, networks=networks)
    tasks = service.tasks()
    mesh.settle(lab.far_client, HTTP, {task.host_name for task in tasks})
    return tasks


def test_overlapping_networks(mesh: Mesh, lab: Lab, deploy: Callable[..., Service]) -> None:
    """The ingress network has the LAN's own addresses: a task takes a client on the LAN for its neighbour in there."""
    ingress = f"ingress 192.0.2.0/25, VNI 4096, UDP port {DATA_PORT}"
    wait_until(lambda: ingress in mesh.xlb["c0"].ctl("status"), 10, "the ingress network to be known")
    tasks = deployed(mesh, lab, deploy, "custom", [])
    for member in mesh.swarm.nodes:
        for client in (lab.client, lab.far_client):
            answers = client.gets(member.address, HTTP, 4).expect_all().answers
            assert len({answer["task"] for answer in answers}) == 2
            assert len(client.udp(member.address, UDP, 8).expect_all().tasks) == 2
            local = next(task.host_name for task in tasks if task.node is member)
            seen = {answer["client"].rpartition(":")[0] for answer in answers if answer["task"] == local}
            assert seen == ({GATEWAY} if client is lab.client else {client.address})
    backends = mesh.xlb["c0"].ctl("backend", "ls")
    assert "xlb on 203.0.113.21" in backends and GATEWAY_SUBNET.rpartition(".")[0] in backends


def test_internal_network(mesh: Mesh, lab: Lab, deploy: Callable[..., Service]) -> None:
    """Its tasks have their leg on docker_gwbridge all the same, for the ingress network's sake."""
    mesh.swarm.create_network("inner", "--internal")
    try:
        deployed(mesh, lab, deploy, "inside", ["inner"])
        for address in mesh.addresses:
            for client in (lab.client, lab.far_client):
                assert len(client.gets(address, HTTP, 4).expect_all().tasks) == 2
                assert len(client.udp(address, UDP, 8).expect_all().tasks) == 2
    finally:
        mesh.swarm.leader.docker("service", "rm", "inside")
        removed = lambda: mesh.swarm.leader.run("network", "rm", "inner", check=False).returncode == 0  # noqa: E731
        wait_until(removed, 30, "network inner to go", interval=0.3)


def test_addresses_that_change_hands(mesh: Mesh, lab: Lab, deploy: Callable[..., Service]) -> None:
    """An ingress network so small that a new task gets the address of one that has just gone, on the other node and of another service."""
    mesh.swarm.replace_ingress("small", "--subnet", "10.77.0.0/28", "--opt", "com.docker.network.driver.mtu=1400")
    # 14 addresses: the gateway's, one for each node, and one for each service and task.
    first = deploy("first", replicas=2, publish=[f"{HTTP}:80", f"{ECHO}:7000"], max_per_node=1, ready_first=True)
    second = deploy("second", replicas=1, publish=["8291:80", "8292:7000"], ready_first=True)
    deploy("filler", replicas=5, publish=["8391:80"])
    mesh.settle(lab.client, HTTP, {task.host_name for task in first.tasks()})
    mesh.settle(lab.client, 8291, {task.host_name for task in second.tasks()})
    assert "small 10.77.0.0/28" in mesh.xlb["c1"].ctl("status") and "MTU 1350" in mesh.xlb["c1"].ctl("status")
    owners: dict[str, set[str]] = {}
    with contextlib.ExitStack() as stack:
        ports = {service: [(address, port) for address in mesh.addresses] for service, port in (("first", HTTP), ("second", 8291))}
        loads = {name: stack.enter_context(lab.client.load(*targets, rate=40, timeout=4)) for name, targets in ports.items()}
        held = {
            name: [stack.enter_context(lab.client.hold(address, port + 1)) for address, port in targets for _ in range(2)]
            for name, targets in ports.items()
        }
        for smaller, larger in ((first, second), (second, first)):
            smaller.scale(1, wait=False)
            larger.scale(2)
            smaller.wait_running(1)
            for service in (first, second):
                for task in service.tasks():
                    owners.setdefault(task.ingress_address, set()).add(service.name)
        for name, load in loads.items():
            load.wait_for("ok", 40)
            result = load.stop()
            assert result["failures"] == [] and all(task.startswith(f"{name}.") for task in result["tasks"])
        for name, connections in held.items():
            assert all(task.startswith(f"{name}.") for connection in connections for task in connection.stop()["tasks"])
    assert {"first", "second"} in owners.values(), f"no address changed hands: {owners}"


@contextlib.contextmanager
def frames_of(switch: Lan, node: str, file: str) -> Iterator[Callable[[int], int]]:
    """Captures what the node's data-path NIC sends and receives; yields: VNI -> number of its frames in the clear so far."""
    capture = switch.popen(["tcpdump", "-i", node, "-nn", "-U", "-w", file, "udp", "dst", "port", str(DATA_PORT)], log="tcpdump.log")
    wait_until(lambda: "listening on" in capture.output(), 10, "tcpdump to listen")

    def count(vni: int) -> int:
        read = switch.run(["tcpdump", "-nn", "-r", file, f"udp[12:4] = {vni << 8}"])
        return len(read.stdout.splitlines())

    try:
        yield count
    finally:
        capture.stop()


def test_network_left_to_docker(mesh: Mesh, lab: Lab, data_switch: Lan, deploy: Callable[..., Service]) -> None:
    """Not one packet in the clear for an encrypted network: not while it takes the place of a plain one, nor by an xlbd that
    finds the plain one's maps. Nor any for one with direct server return."""
    swarm, capture = mesh.swarm, str(data_switch.logs / "data.pcap")
    targets = [(address, HTTP) for address in mesh.addresses]

    def vni() -> int:
        network = swarm.leader.inspect("network", "inspect", swarm.leader.ingress_name())[0]
        return int(network["Options"]["com.docker.network.driver.overlay.vxlanid_list"])

    def publish(name: str) -> None:
        deploy(name, replicas=2, publish=PUBLISH, max_per_node=1)

    with frames_of(data_switch, "c0", capture) as frames, lab.client.load(*targets, rate=40, timeout=2), lab.client.hold(*targets[0]):
        swarm.replace_ingress("plain", "--subnet", "10.78.0.0/24")
        service = deploy("clear", replicas=2, publish=PUBLISH, max_per_node=1)
        mesh.settle(lab.far_client, HTTP, {task.host_name for task in service.tasks()})
        wait_until(lambda: frames(vni()) > 0, 5, "frames of the plain network")
        mesh.xlb["c1"].kill()
        service.remove()
        for name, options, reason in (
            ("secret", ["--opt", "encrypted"], "the ingress network is encrypted"),
            ("direct", ["--opt", "dsr"], "the ingress network uses direct server return"),
        ):
            swarm.replace_ingress(name, "--subnet", "10.79.0.0/24", *options)
            publish(f"of-{name}")
            if not mesh.xlb["c1"].running():
                mesh.xlb["c1"].start()
            for xlb in mesh.xlb.values():
                wait_until(lambda: reason in xlb.ctl("status"), 10, f"status: {reason}")
            lab.client.gets(mesh.addresses[0], HTTP, 10, timeout=0.3)
            assert frames(vni()) == 0
            Service(swarm, f"of-{name}").remove()
        # Back again.
        swarm.replace_ingress("plain", "--subnet", "10.78.0.0/24")
        service = deploy("again", replicas=2, publish=PUBLISH, max_per_node=1)
        mesh.settle(lab.client, HTTP, {task.host_name for task in service.tasks()})
        assert frames(vni()) > 0


def test_demotion_and_promotion(mesh: Mesh, lab: Lab, deploy: Callable[..., Service]) -> None:
    """The node's tasks go on meanwhile, whatever the managers think of it for a moment. Last: Docker takes half a minute for a promotion."""
    deployed(mesh, lab, deploy, "steady", [])
    entry = mesh.swarm.leader.address
    with lab.client.load((entry, HTTP), rate=50, timeout=4) as load, contextlib.ExitStack() as stack:
        connections = [stack.enter_context(lab.client.hold(entry, ECHO)) for _ in range(2)]
        for change in ("demote", "promote"):
            mesh.swarm.leader.docker("node", change, "c1")
            load.wait_for("ok", 150)
        result = load.stop()
        assert result["failures"] == [] and len(result["tasks"]) == 2
        assert [broken for connection in connections for broken in connection.stop()["breaks"]] == []
