"""The lab is what it claims to be: a working swarm whose routing mesh is dead without xlb."""

from __future__ import annotations

import pytest

from lab import Lab, Service, Swarm


def test_tasks_answer_on_their_own_node(web: Service) -> None:
    tasks = web.tasks()
    assert sorted(task.node.name for task in tasks) == ["n0", "n1"]
    for task in tasks:
        answer = task.node.node.get(task.gateway_address, 80)
        assert answer.get("task") == task.host_name, answer


def test_server_moves_bytes_and_echoes(web: Service) -> None:
    task = web.tasks()[0]
    host = task.node.node
    assert host.download(task.gateway_address, 80, 1_000_000)["equal"]
    assert host.upload(task.gateway_address, 80, 1_000_000)["equal"]
    assert host.udp(task.gateway_address, 5353, 3).expect_all().tasks == {task.host_name: 3}
    with host.hold(task.gateway_address, 7000) as held, host.load((task.gateway_address, 80)) as load:
        held.wait_for("echoes", 3)
        load.wait_for("ok", 20)
        assert held.stop()["breaks"] == []
        assert load.stop()["failures"] == []


def test_published_port_is_dead_without_ipvs(lab: Lab, swarm: Swarm, web: Service) -> None:
    if any(member.kernel_has_ipvs() for member in swarm.nodes):
        pytest.skip("this kernel has IPVS: Docker's own mesh answers")
    for member in swarm.nodes:
        for client in (lab.client, lab.far_client):
            assert "failure" in client.get(member.address, 8091, timeout=2)


def test_far_client_reaches_every_node(lab: Lab, swarm: Swarm) -> None:
    for member in swarm.nodes:
        # Nothing listens there: a refusal is the node's own answer.
        assert "ConnectionRefused" in lab.far_client.get(member.address, 9, timeout=2)["failure"]
