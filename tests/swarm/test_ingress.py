"""Published ports answer on every node, from every side, and each task gets its share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab import Lab, Mesh, Service
from lab.mesh import xdp_modes

HTTP, ECHO, UDP = 8091, 8092, 8093
BULK = 50_000_000


def test_attaches_as_told(mesh: Mesh) -> None:
    for name in mesh.xlb:
        expected = "native" if mesh.xdp == "auto" else None
        assert xdp_modes(mesh.swarm.node(name).node).get("eth0") == expected


def test_every_node_answers_every_client(mesh: Mesh, lab: Lab) -> None:
    for client in (lab.client, lab.far_client):
        for address in mesh.addresses:
            client.gets(address, HTTP, 4).expect_all()


def test_tasks_take_turns_exactly(mesh: Mesh, lab: Lab) -> None:
    for address in mesh.addresses:
        answers = lab.client.take_turns(address, HTTP)
        assert sorted(answers.tasks.values()) == [20, 20]
        first, second = answers.sequence[:2]
        assert first != second
        assert answers.sequence == [first, second] * 20


def test_task_on_the_entry_node_sees_the_client(mesh: Mesh, lab: Lab) -> None:
    for name in ("n0", "n1"):
        for client in (lab.client, lab.far_client):
            answers = client.gets(mesh.swarm.node(name).address, HTTP, 4).expect_all().answers
            local = [answer for answer in answers if answer["task"].endswith(name)]
            assert local and all(answer["client"] == answer["local"] for answer in local)


def test_udp_echo(mesh: Mesh, lab: Lab) -> None:
    for address in mesh.addresses:
        new = lab.client.udp(address, UDP, 20, source="new").expect_all()
        # In turn, but for a source port that happens to come twice: that is the same flow, and stays with its task.
        assert len(new.tasks) == 2 and min(new.tasks.values()) >= 7, new.tasks
        # A flow of datagrams from one port stays with one task.
        fixed = lab.client.udp(address, UDP, 20, source="fixed").expect_all()
        assert list(fixed.tasks.values()) == [20]


@pytest.mark.parametrize("size", [1400, 4000, 8000])
def test_large_datagrams(mesh: Mesh, lab: Lab, size: int) -> None:
    """From 1473 bytes on in fragments, which are larger than the tunnel carries; the answers come in smaller ones.

    An answer between the tunnel's size and a whole packet, which its task sends with "don't fragment", is lost once: the task learns
    from ICMP that it has to cut what goes to this client.
    """
    for client in (lab.client, lab.far_client):
        client.run(["ip", "route", "flush", "cache"])
        for address in mesh.addresses:
            assert len(client.udp(address, UDP, 4, payload=size).failures) <= 2
            assert len(client.udp(address, UDP, 8, payload=size).expect_all().tasks) == 2


def test_path_mtu_of_the_tunnel_is_learnt(mesh: Mesh, lab: Lab) -> None:
    """What the tunnel does not carry and may not be cut is answered by ICMP; its sender then makes it smaller."""
    address = mesh.swarm.node("n2").address  # no task: all goes by the tunnel
    lab.client.run(["ip", "route", "flush", "cache"])
    try:
        answers = lab.client.udp(address, UDP, 6, source="fixed", payload=1460)
        assert len(answers.answers) >= 5, answers.failures
        assert "mtu 1450" in lab.client.run(["ip", "route", "get", address]).stdout
    finally:
        lab.client.run(["ip", "route", "flush", "cache"])


def test_long_lived_connection(mesh: Mesh, lab: Lab) -> None:
    for address in mesh.addresses:
        with lab.far_client.hold(address, ECHO) as held:
            held.wait_for("echoes", 5)
            assert held.stop()["breaks"] == []


@pytest.mark.parametrize("node", ["n0", "n2"])
def test_bulk_both_ways(mesh: Mesh, lab: Lab, node: str) -> None:
    # Two connections each: one for a task here or nearby, one for the other task.
    address = mesh.swarm.node(node).address
    for _ in range(2):
        for result in (lab.client.download(address, HTTP, BULK), lab.client.upload(address, HTTP, BULK)):
            assert result.get("equal"), result


def test_two_services(mesh: Mesh, lab: Lab, web: Service, deploy: Callable[..., Service]) -> None:
    deploy("shop", replicas=2, publish=["8100:80"])
    expected = {f"shop.{slot}" for slot in (1, 2)}
    for address in mesh.addresses:
        lab.client.wait_answer(address, 8100)
        seen = {name.rpartition(".")[0] for name in lab.client.gets(address, 8100, 8).expect_all().tasks}
        assert seen == expected
        assert all(name.startswith("web.") for name in lab.client.gets(address, HTTP, 8).expect_all().tasks)


def test_one_port_for_two_protocols_of_two_services(mesh: Mesh, lab: Lab, deploy: Callable[..., Service]) -> None:
    deploy("stream", publish=["8200:80/tcp"])
    deploy("datagram", publish=["8200:5353/udp"])
    for address in mesh.addresses:
        lab.client.wait_answer(address, 8200)
        assert all(name.startswith("stream.") for name in lab.client.gets(address, 8200, 4).expect_all().tasks)
        assert all(name.startswith("datagram.") for name in lab.client.udp(address, 8200, 4).expect_all().tasks)


def test_port_of_the_host_stays_dockers(mesh: Mesh, lab: Lab, deploy: Callable[..., Service]) -> None:
    options = {"publish": ["mode=host,target=80,published=8300"], "constraints": ["node.hostname==n0"]}
    task = deploy("on-host", **options).tasks()[0]
    answers = lab.client.gets(mesh.swarm.node("n0").address, 8300, 10).expect_all()
    assert answers.tasks == {task.host_name: 10}
    for name in ("n1", "n2"):
        assert "failure" in lab.client.get(mesh.swarm.node(name).address, 8300, timeout=1)


def test_other_ports_are_untouched(mesh: Mesh, lab: Lab) -> None:
    for address in mesh.addresses:
        assert "ConnectionRefused" in lab.client.get(address, 9, timeout=2)["failure"]
