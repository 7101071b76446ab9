"""What an operator does to services and nodes while clients use them: new connections at a steady rate, long-lived ones, UDP."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from lab import Lab, Mesh, Service, wait_until
from lab.client import Background
from lab.mesh import settle
from lab.swarm import Task

# What is changed here is the same with XDP and without; test_changes.py has the crashes and restarts in both modes.
pytestmark = pytest.mark.parametrize("mesh", ["auto"], indirect=True, ids=["native"])

HTTP, ECHO, UDP = 8091, 8092, 8093
FOLLOW = 3  # seconds within which a change of the tasks must show


def host_names(tasks: Iterable[Task]) -> set[str]:
    return {task.host_name for task in tasks}


@contextlib.contextmanager
def unharmed(mesh: Mesh, lab: Lab, port: int, *, rate: float = 60, more: int = 40) -> Iterator[Background]:
    """New connections to every node while the block runs and for a moment after it: none may fail."""
    with lab.client.load(*((address, port) for address in mesh.addresses), rate=rate, timeout=4) as load:
        load.wait_for("ok", more)
        yield load
        load.wait_for("ok", more)
        result = load.stop()
    assert result["failures"] == []


@contextlib.contextmanager
def held(mesh: Mesh, lab: Lab, port: int) -> Iterator[list[Background]]:
    """Two long-lived connections through every node, which two tasks share."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(lab.client.hold(address, port)) for address in mesh.addresses for _ in range(2)]
        for connection in connections:
            connection.wait_for("echoes", 2)
        yield connections


def breaks_of(connections: list[Background]) -> list[dict[str, Any]]:
    """Stops them all."""
    return [broken for connection in connections for broken in connection.stop()["breaks"]]


def test_ports_added_removed_and_moved_to_another_target(mesh: Mesh, lab: Lab, deploy: Callable[..., Service]) -> None:
    """Tasks of both specifications run side by side, and each gets the packets at its own target port."""
    publish, at_once = ["8500:80", "8501:7000"], ["--update-parallelism", "0"]
    service = deploy("ports", replicas=2, publish=publish, options=at_once, ready_first=True)
    mesh.settle(lab.client, 8500, host_names(service.tasks()))
    with unharmed(mesh, lab, 8500):
        service.update("--update-order", "start-first", "--publish-add", "8502:5353/udp")
        for address in mesh.addresses:
            wait_until(lambda: not lab.client.udp(address, 8502, 2).failures, FOLLOW, f"answers of {address}:8502")
        service.update("--publish-rm", "5353/udp", "--publish-rm", "80", "--publish-add", "8500:81", "--args", "81")
        one_by_one = ["--update-order", "stop-first", "--update-parallelism", "1"]
        service.update(*one_by_one, "--publish-rm", "81", "--publish-add", "8500:82", "--args", "82")
    mesh.settle(lab.client, 8500, host_names(service.tasks()), timeout=FOLLOW)
    assert len(lab.client.udp(mesh.addresses[0], 8502, 1).failures) == 1


def test_a_removed_port_keeps_its_connections(mesh: Mesh, lab: Lab, deploy: Callable[..., Service]) -> None:
    """As long as the tasks from before run: they drain."""
    options = ["--stop-grace-period", "10s", "--update-parallelism", "0"]
    service = deploy("fewer", replicas=2, publish=["8505:80", "8506:7000"], environment={"DRAIN": "6"}, options=options)
    mesh.settle(lab.client, 8505, host_names(service.tasks()))
    with held(mesh, lab, 8506) as connections:
        service.update("--update-order", "start-first", "--publish-rm", "7000", wait=False)
        for address in mesh.addresses:
            wait_until(lambda: "failure" in lab.client.get(address, 8506, timeout=1), FOLLOW, f"{address}:8506 to be gone")
        for connection in connections:
            connection.wait_for("echoes", 3)
        assert breaks_of(connections) == []


def test_a_service_in_the_place_of_another(mesh: Mesh, lab: Lab, deploy: Callable[..., Service]) -> None:
    """The same port, published anew while the tasks of the old service still serve the connections that they have."""
    publish = ["8510:80", "8511:7000", "8512:5353/udp"]
    old = deploy("old", replicas=2, publish=publish, environment={"DRAIN": "8"}, options=["--stop-grace-period", "10s"])
    former = host_names(old.tasks())
    mesh.settle(lab.client, 8510, former)
    with held(mesh, lab, 8511) as connections:
        before = lab.client.udp(mesh.addresses[0], 8512, source="fixed", source_port=40512).expect_all()
        old.remove(wait=False)
        new = host_names(deploy("new", replicas=2, publish=publish).tasks())
        mesh.settle(lab.client, 8510, new, timeout=FOLLOW)
        assert old.tasks(), "the old tasks ended too early to show anything"
        assert breaks_of(connections) == []
        # The same UDP flow has moved on.
        after = lab.client.udp(mesh.addresses[0], 8512, source="fixed", source_port=40512).expect_all()
        assert set(before.tasks) <= former and set(after.tasks) <= new


def test_drained_node(mesh: Mesh, lab: Lab, deploy: Callable[..., Service]) -> None:
    """Its tasks keep their connections while they end, and get no new one from the moment that the manager says so."""
    options = ["--stop-grace-period", "8s"]
    more = {"environment": {"DRAIN": "6"}, "max_per_node": 1, "options": options, "ready_first": True}
    service = deploy("leaving", replicas=2, publish=["8520:80", "8521:7000"], **more)
    mesh.settle(lab.client, 8520, host_names(service.tasks()))
    leader = mesh.swarm.leader
    node = next(task.node for task in service.tasks() if task.node is not leader)
    leaving, client = service.tasks_on(node.name)[0].host_name, lab.client
    try:
        with unharmed(mesh, lab, 8520), held(mesh, lab, 8521) as connections:
            leader.docker("node", "update", "--availability", "drain", node.name)
            wait_until(lambda: ("Shutdown", "Running") in service.states(), 5, f"the end of {leaving} to be wanted")
            for address in mesh.addresses:
                wait_until(lambda: leaving not in client.gets(address, 8520, 4).expect_all().tasks, 1, f"{address} without {leaving}")
            for address in mesh.addresses:
                assert leaving not in client.gets(address, 8520, 20).expect_all().tasks
            for connection in connections:
                connection.wait_for("echoes", 3)
            assert ("Shutdown", "Running") in service.states(), "the task ended too early to show anything"
            assert breaks_of(connections) == []
        assert [leaving] in [connection.stop()["tasks"] for connection in connections]
    finally:
        leader.docker("node", "update", "--availability", "active", node.name)


def test_flushed_firewall(mesh: Mesh, lab: Lab) -> None:
    """Docker's own rules gone, and nothing let through or in that xlb does not carry past the rules: no connection notices."""
    members = mesh.swarm.nodes
    saved = {member.name: member.node.run(["iptables-save"]).stdout for member in members}
    swarms_own = ["-p", "tcp", "-m", "multiport", "--ports", "2377,7946"], ["-p", "udp", "-m", "multiport", "--ports", "4789,7946"], ["-i", "lo"]
    try:
        with unharmed(mesh, lab, HTTP), held(mesh, lab, ECHO) as connections:
            for member in members:
                member.node.run(["iptables", "-t", "nat", "-F"])
                member.node.run(["iptables", "-F"])
                member.node.run(["iptables", "-P", "FORWARD", "DROP"])
                for rule in swarms_own:
                    member.node.run(["iptables", "-A", "INPUT", *rule, "-j", "ACCEPT"])
                member.node.run(["iptables", "-P", "INPUT", "DROP"])
            for address in mesh.addresses:
                lab.client.udp(address, UDP, 6).expect_all()
            for connection in connections:
                connection.wait_for("echoes", 3)
            # And as a reload puts everything back.
            for member in members:
                member.node.run(["iptables-restore"], stdin=saved[member.name])
            for connection in connections:
                connection.wait_for("echoes", 3)
            assert breaks_of(connections) == []
    finally:
        for member in members:
            member.node.run(["iptables-restore"], stdin=saved[member.name])


def forget_neighbor(tasks: Iterable[Task], address: str) -> None:
    """The tasks forget who has this ingress address, as they do by themselves within a minute of silence."""
    for task in tasks:
        enter = ["nsenter", "-t", str(task.pid), "-n", "--"]
        device = json.loads(task.node.node.run([*enter, "ip", "-json", "route", "get", address]).stdout)[0]["dev"]
        task.node.node.run([*enter, "ip", "neigh", "del", address, "dev", device], check=False)


def test_dockerd_away_from_the_entry_node(mesh: Mesh, lab: Lab, web: Service) -> None:
    """The other nodes forget this one when its Docker leaves in good order: it has to keep itself known to their tasks."""
    member, tasks = mesh.swarm.node("n2"), web.tasks()
    ingress = member.inspect("network", "inspect", "ingress")[0]["Containers"]["ingress-sbox"]["IPv4Address"].partition("/")[0]
    with lab.client.load((member.address, HTTP), rate=50) as load, lab.client.hold(member.address, ECHO) as connection:
        connection.wait_for("echoes", 3)
        member.stop()
        forget_neighbor(tasks, ingress)
        lab.client.udp(member.address, UDP, 10, source="fixed", timeout=3).expect_all()
        lab.client.udp(member.address, UDP, 10, timeout=3).expect_all()
        load.wait_for("ok", 550)  # longer than a round of those that are told
        member.start()
        member.wait_ready()
        member.wait_active()
        load.wait_for("ok", 250)  # until its ingress network is complete again, and some more
        connection.wait_for("echoes", 3)
        assert connection.stop()["breaks"] == []
        assert load.stop()["failures"] == []
    settle(lab.client, member.address, HTTP, host_names(web.tasks()), timeout=10)
