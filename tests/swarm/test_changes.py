"""The mesh while things change: scaling, crashes, restarts, removal."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from lab import Lab, Mesh, Service, Swarm, wait_until
from lab.mesh import leftovers, settle, xdp_modes

HTTP, ECHO, UDP = 8091, 8092, 8093
FOLLOW = 3  # seconds within which a change of the tasks must show


def host_names(service: Service) -> set[str]:
    return {task.host_name for task in service.tasks()}


def test_scaling_is_followed_without_a_failed_connection(mesh: Mesh, lab: Lab, deploy: Callable[..., Service]) -> None:
    service = deploy("scaled", publish=["8400:80"], ready_first=True)
    mesh.settle(lab.client, 8400, host_names(service))
    with lab.client.load(*((address, 8400) for address in mesh.addresses), rate=20) as load:
        for replicas in (4, 2):
            service.scale(replicas)
            mesh.settle(lab.client, 8400, host_names(service), timeout=FOLLOW)
        load.wait_for("ok", 20)
        result = load.stop()
    assert result["failures"] == []


def test_last_task_gone_and_back(mesh: Mesh, lab: Lab, deploy: Callable[..., Service]) -> None:
    service = deploy("empty", publish=["8410:80"])
    mesh.settle(lab.client, 8410, host_names(service))
    service.scale(0)
    for address in mesh.addresses:
        wait_until(lambda: "failure" in lab.client.get(address, 8410, timeout=1), FOLLOW, f"{address}:8410 to be dead")
    service.scale(1)
    mesh.settle(lab.client, 8410, host_names(service), timeout=FOLLOW)


def test_published_ports_added_and_removed(mesh: Mesh, lab: Lab, deploy: Callable[..., Service]) -> None:
    service = deploy("ports", publish=["8420:80"])
    service.publish_add("8421:7000")
    service.wait_running(1)
    for address in mesh.addresses:
        lab.client.wait_answer(address, 8420)
        with lab.client.hold(address, 8421) as held:
            held.wait_for("echoes", 2)
    service.publish_rm("7000")
    service.wait_running(1)
    for address in mesh.addresses:
        wait_until(lambda: "failure" in lab.client.get(address, 8421, timeout=1), FOLLOW, f"{address}:8421 to be dead")
        lab.client.wait_answer(address, 8420)


def test_removed_service_leaves_no_open_port(mesh: Mesh, lab: Lab, swarm: Swarm) -> None:
    service = swarm.deploy("brief", publish=["8430:80"])
    try:
        mesh.settle(lab.client, 8430, host_names(service))
    finally:
        service.remove()
    for address in mesh.addresses:
        wait_until(lambda: "failure" in lab.client.get(address, 8430, timeout=1), FOLLOW, f"{address}:8430 to be dead")


@pytest.mark.parametrize("node", ["n0", "n1"])
def test_killed_container(settled: Mesh, lab: Lab, web: Service, node: str) -> None:
    victim = web.tasks_on(node)[0]
    victim.node.docker("kill", victim.container)
    # The other task answers alone until the new one is there; a connection attempt may need its first retransmission.
    for address in settled.addresses:
        wait_until(lambda: not lab.client.gets(address, HTTP, 6, timeout=2).failures, 5, f"{address} to answer")
    wait_until(lambda: victim.container not in {task.container for task in web.tasks()}, 30, "the killed task to be replaced")
    web.wait_running(2)
    settled.settle(lab.client, HTTP, host_names(web), timeout=FOLLOW)


def test_crash_of_xlbd_fails_no_connection(settled: Mesh, lab: Lab) -> None:
    targets = [(address, HTTP) for address in settled.addresses]
    without_task = settled.swarm.node("n2").address
    with lab.client.load(*targets, rate=50) as load, lab.client.hold(without_task, ECHO) as held:
        held.wait_for("echoes", 3)
        for xlb in settled.xlb.values():
            xlb.kill()
            load.wait_for("ok", 100)
            xlb.start()
            load.wait_for("ok", 50)
        held.wait_for("echoes", 3)
        connection, requests = held.stop(), load.stop()
    assert requests["failures"] == []
    assert connection["breaks"] == []


def test_crash_of_xlbd_where_only_docker_can_tell_the_uplink(settled: Mesh, lab: Lab) -> None:
    """No default route names the device; until Docker has said which is the data path's, the new xlbd keeps the old one's."""
    member, xlb = settled.swarm.node("n2"), settled.xlb["n2"]
    route = member.node.run(["ip", "route", "show", "default"]).stdout.split()
    member.node.run(["ip", "route", "delete", *route])
    try:
        with lab.client.load((member.address, HTTP), rate=50) as load, lab.client.hold(member.address, ECHO) as held:
            held.wait_for("echoes", 3)
            for _ in range(2):
                xlb.kill()
                load.wait_for("ok", 50)
                xlb.start()
                load.wait_for("ok", 50)
            held.wait_for("echoes", 3)
            connection, requests = held.stop(), load.stop()
    finally:
        member.node.run(["ip", "route", "add", *route])
    assert requests["failures"] == []
    assert connection["breaks"] == []


def test_stop_of_xlbd_leaves_the_data_path(settled: Mesh, lab: Lab) -> None:
    xlb = settled.xlb["n2"]
    address = settled.swarm.node("n2").address
    xlb.stop()
    assert sorted(lab.client.take_turns(address, HTTP).tasks.values()) == [20, 20]
    lab.client.udp(address, UDP, 6).expect_all()
    xlb.start()
    lab.client.gets(address, HTTP, 20).expect_all()


def test_changes_while_xlbd_was_down(settled: Mesh, lab: Lab, deploy: Callable[..., Service]) -> None:
    service = deploy("unseen", publish=["8440:80"])
    settled.settle(lab.client, 8440, host_names(service))
    xlb, address = settled.xlb["n2"], settled.swarm.node("n2").address
    xlb.stop()
    service.scale(3)
    xlb.start()
    settle(lab.client, address, 8440, host_names(service), timeout=FOLLOW)


@pytest.mark.parametrize("node", ["n2", "n1"], ids=["without-task", "with-task"])
def test_dockerd_restart(settled: Mesh, lab: Lab, web: Service, node: str) -> None:
    member = settled.swarm.node(node)
    pid = settled.xlb[node].process.pid
    member.restart()
    web.wait_running(2)
    settle(lab.client, member.address, HTTP, host_names(web), timeout=10)
    settled.settle(lab.client, HTTP, host_names(web), timeout=10)
    assert settled.xlb[node].running() and settled.xlb[node].process.pid == pid


def test_restart_of_dockerd_breaks_nothing_to_tasks_elsewhere(settled: Mesh, lab: Lab, web: Service) -> None:
    """It takes the ingress network down and builds it anew, step by step; the tasks on other nodes stay where they are."""
    member = settled.swarm.node("n2")
    with lab.client.load((member.address, HTTP), rate=50) as load, lab.client.hold(member.address, ECHO) as held:
        held.wait_for("echoes", 3)
        member.restart()
        member.wait_active()
        load.wait_for("ok", 250)  # until its ingress network is complete again, and some more
        held.wait_for("echoes", 3)
        connection, requests = held.stop(), load.stop()
    assert requests["failures"] == []
    assert connection["breaks"] == []


def test_data_path_lives_through_a_crash_of_dockerd(settled: Mesh, lab: Lab, web: Service) -> None:
    member = settled.swarm.node("n2")
    with lab.client.load((member.address, HTTP), rate=20) as load:
        load.wait_for("ok", 10)
        member.kill()
        load.wait_for("ok", 60)
        result = load.stop()
    assert result["failures"] == []
    member.start()
    member.wait_ready()
    member.wait_active()


def test_detach_leaves_nothing(settled: Mesh, lab: Lab) -> None:
    member = settled.swarm.node("n2")
    xlb = settled.xlb["n2"]
    xlb.ctl("detach")
    assert leftovers(member.node) == []
    assert xlb.running(), "a daemon whose data path was taken away stays, passive"
    assert "failure" in lab.client.get(member.address, HTTP, timeout=1)
    xlb.stop()
    assert leftovers(member.node) == []
    # The others have not noticed.
    lab.client.gets(settled.swarm.node("n0").address, HTTP, 4).expect_all()


def test_detach_without_a_daemon(settled: Mesh, lab: Lab) -> None:
    member = settled.swarm.node("n2")
    xlb = settled.xlb["n2"]
    xlb.kill()
    lab.client.gets(member.address, HTTP, 4).expect_all()
    xlb.ctl("detach")
    assert leftovers(member.node) == []
    # Once more has nothing to do, and says so without failing.
    assert xlb.try_ctl("detach").returncode == 0


def test_other_programs_on_the_uplink_are_not_removed(settled: Mesh, lab: Lab) -> None:
    """A clsact filter of someone else, at another priority, outlives a detach."""
    member = settled.swarm.node("n2")
    xlb = settled.xlb["n2"]
    xlb.remove()
    member.node.run(["tc", "qdisc", "add", "dev", "eth0", "clsact"])
    try:
        # Behind ours, which hands on what it does not balance; u32, because not every kernel has matchall.
        match_all = ["u32", "match", "u32", "0", "0", "flowid", "1:1"]
        member.node.run(["tc", "filter", "add", "dev", "eth0", "ingress", "prio", "40000", *match_all])
        xlb.start()
        lab.client.wait_answer(member.address, HTTP)
        xlb.remove()
        filters = json.loads(member.node.run(["tc", "-json", "filter", "show", "dev", "eth0", "ingress"]).stdout)
        assert {entry["pref"] for entry in filters} == {40000}
        assert "eth0" not in xdp_modes(member.node)
    finally:
        member.node.run(["tc", "qdisc", "del", "dev", "eth0", "clsact"])
