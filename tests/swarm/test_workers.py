"""Workers serve like managers: a manager's xlbd tells theirs what Docker tells managers alone. n0 manages, n1 and n2 work."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from lab import Lab, Mesh, Service, Swarm, wait_until
from lab.engine import Engine
from lab.mesh import settle

HTTP, ECHO, UDP = 8091, 8092, 8093
PEER_PORT = 9651
FOLLOW = 3  # seconds within which a change of the tasks must show
NOTICE = 15  # seconds within which a change of certificates must
WORKERS = ("n1", "n2")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    if obstacle := Engine.missing():
        pytest.skip(obstacle)
    with Lab() as made:
        yield made


@pytest.fixture(scope="module")
def swarm(lab: Lab) -> Swarm:
    return Swarm(lab, managers=1, workers=2)


@pytest.fixture(scope="module")
def web(swarm: Swarm) -> Service:
    return swarm.deploy_classic()


@pytest.fixture(scope="module")
def mesh(xlb_built: None, lab: Lab, swarm: Swarm, web: Service) -> Iterator[Mesh]:
    with Mesh(swarm) as made:
        made.start()
        made.settle(lab.client, HTTP, host_names(web))
        yield made


@pytest.fixture
def settled(mesh: Mesh, lab: Lab, web: Service) -> Iterator[Mesh]:
    yield mesh
    for xlb in mesh.xlb.values():
        if not xlb.running():
            xlb.start()
    web.wait_running(2)
    mesh.settle(lab.client, HTTP, host_names(web))
    for name in WORKERS:
        until_peers(mesh, name, "follows the manager n0 at 192.0.2.10:9651", timeout=NOTICE)


def host_names(service: Service) -> set[str]:
    return {task.host_name for task in service.tasks()}


def peers(mesh: Mesh, node: str) -> str:
    return mesh.xlb[node].json("status")["peers"]


def warnings(mesh: Mesh, node: str) -> str:
    return "\n".join(mesh.xlb[node].json("status")["warnings"])


def until_peers(mesh: Mesh, node: str, text: str, timeout: float = 10) -> None:
    wait_until(lambda: text in peers(mesh, node), timeout, f"{text!r} in the status of {node}")


def until_warning(mesh: Mesh, node: str, text: str, timeout: float = 10) -> None:
    wait_until(lambda: text in warnings(mesh, node), timeout, f"the warning {text!r} on {node}")


def test_workers_serve_tcp_and_udp(mesh: Mesh, lab: Lab) -> None:
    """n1 has a task of the service, n2 has none."""
    for name in WORKERS:
        address = mesh.swarm.node(name).address
        assert sorted(lab.client.take_turns(address, HTTP).tasks.values()) == [20, 20]
        assert len(lab.client.udp(address, UDP, 20).expect_all().tasks) == 2
        with lab.client.hold(address, ECHO) as held:
            held.wait_for("echoes", 3)
            assert held.stop()["breaks"] == []


def test_status_says_who_tells_whom(mesh: Mesh) -> None:
    until_peers(mesh, "n0", "serves the swarm's nodes at 192.0.2.10:9651, 2 connected")
    for name in WORKERS:
        status = mesh.xlb[name].json("status")
        assert status["swarm_role"] == "worker" and status["mode"] == "swarm"
        assert re.fullmatch(r"follows the manager n0 at 192\.0\.2\.10:9651, last heard \d+ s ago", status["peers"])
        assert status["warnings"] == []


def test_scaling_is_followed_without_a_failed_connection(mesh: Mesh, lab: Lab, deploy: Callable[..., Service]) -> None:
    service = deploy("scaled", publish=["8400:80"], ready_first=True)
    mesh.settle(lab.client, 8400, host_names(service))
    targets = [(mesh.swarm.node(name).address, 8400) for name in WORKERS]
    with lab.client.load(*targets, rate=20) as load:
        for replicas in (4, 2):
            service.scale(replicas)
            mesh.settle(lab.client, 8400, host_names(service), timeout=FOLLOW)
        load.wait_for("ok", 20)
        result = load.stop()
    assert result["failures"] == []


def test_a_draining_task_keeps_its_connections_and_gets_no_new_ones(mesh: Mesh, lab: Lab, deploy: Callable[..., Service]) -> None:
    """The task ends 8 s after SIGTERM, which comes 2 s after the manager has decided; workers know at once."""
    options = ["--stop-grace-period", "30s"]
    service = deploy("slow", replicas=2, publish=["8410:80", "8411:7000"], environment={"DRAIN": "8"}, options=options)
    mesh.settle(lab.client, 8410, host_names(service))
    addresses = [mesh.swarm.node(name).address for name in WORKERS]
    with lab.client.hold(addresses[0], 8411) as first, lab.client.hold(addresses[0], 8411) as second:
        first.wait_for("echoes", 2)
        second.wait_for("echoes", 2)
        service.scale(1, wait=False)

        def drains(name: str) -> bool:
            (shown,) = mesh.xlb[name].json("service", "show", "tcp/*:8411")["services"]
            return any(backend["state"] == "draining" for backend in shown["backends"])

        for name in WORKERS:
            wait_until(lambda: drains(name), FOLLOW, f"{name} to know of the drain")
        for address in addresses:
            assert len(lab.client.gets(address, 8410, 8).expect_all().tasks) == 1
        # Both tasks still answer those whom they have, one of them draining.
        for held in (first, second):
            held.wait_for("echoes", 10)
        assert first.stop()["breaks"] == [] and second.stop()["breaks"] == []
    service.wait_running(1)


def test_what_was_last_known_is_served_when_nobody_tells(settled: Mesh, lab: Lab, web: Service, deploy: Callable[..., Service]) -> None:
    service = deploy("later", publish=["8420:80"])
    settled.settle(lab.client, 8420, host_names(service))
    targets = [(settled.swarm.node(name).address, HTTP) for name in WORKERS]
    with lab.client.load(*targets, rate=30) as load:
        settled.xlb["n0"].stop()
        for name in WORKERS:
            until_warning(settled, name, "192.0.2.10 refuses the connection: does xlbd run on that manager")
            assert "what was last known is served" in warnings(settled, name)
            assert "follows no manager, last heard" in peers(settled, name)
        # A worker's xlbd that starts now knows only what the maps hold.
        settled.xlb["n2"].kill()
        settled.xlb["n2"].start()
        until_warning(settled, "n2", "waiting: no manager's xlbd can be followed")
        load.wait_for("ok", 60)
        settled.xlb["n0"].start()
        for name in WORKERS:
            until_peers(settled, name, "follows the manager n0")
        service.scale(2)
        settled.settle(lab.client, 8420, host_names(service), timeout=FOLLOW)
        result = load.stop()
    assert result["failures"] == []


def test_without_xlbd_on_managers_workers_serve_what_they_know(settled: Mesh, lab: Lab, web: Service) -> None:
    """n1 has a task, whose namespace shows what its ports are; nothing on n2 does."""
    names = ("n0", *WORKERS)
    for name in names:
        settled.xlb[name].remove()
    addresses = {name: settled.swarm.node(name).address for name in WORKERS}
    for name in WORKERS:
        settled.xlb[name].start()
    settle(lab.client, addresses["n1"], HTTP, host_names(web))
    assert len(lab.client.udp(addresses["n1"], UDP, 20).expect_all().tasks) == 2
    for port in (HTTP, ECHO, UDP):
        until_warning(settled, "n2", f"web: port {port} is left to Docker's mesh")
    assert "waiting: no manager's xlbd can be followed" in warnings(settled, "n2")
    assert "left to Docker's mesh" not in warnings(settled, "n1")
    assert "failure" in lab.client.get(addresses["n2"], HTTP, timeout=1)
    settled.xlb["n0"].start()
    settle(lab.client, addresses["n2"], HTTP, host_names(web))
    for name in WORKERS:
        wait_until(lambda: not warnings(settled, name), 10, f"no warning on {name}")


def test_tasks_that_come_and_go_while_nobody_tells(settled: Mesh, lab: Lab, deploy: Callable[..., Service]) -> None:
    service = deploy("untold", replicas=2, publish=["8440:80"])
    settled.settle(lab.client, 8440, host_names(service))
    settled.xlb["n0"].stop()
    service.scale(1)
    service.scale(3)
    for name in WORKERS:
        settle(lab.client, settled.swarm.node(name).address, 8440, host_names(service), timeout=20)


def test_a_node_promoted_and_demoted_changes_sides(settled: Mesh, lab: Lab, swarm: Swarm) -> None:
    targets = [(settled.swarm.node(name).address, HTTP) for name in WORKERS]
    with lab.client.load(*targets, rate=30) as load:
        swarm.leader.docker("node", "promote", "n1")
        try:
            until_peers(settled, "n1", "serves the swarm's nodes at 192.0.2.11:9651", timeout=NOTICE)
            # The other worker takes whichever manager tells.
            settled.xlb["n0"].stop()
            until_peers(settled, "n2", "follows the manager n1 at 192.0.2.11:9651", timeout=NOTICE)
            settled.xlb["n0"].start()
        finally:
            wait_until(lambda: demoted(swarm, "n1"), 30, "n1 to be demoted", interval=1)
        until_peers(settled, "n1", "follows the manager n0", timeout=30)
        until_peers(settled, "n2", "follows the manager n0", timeout=30)
        load.wait_for("ok", 30)
        result = load.stop()
    assert result["failures"] == []


def demoted(swarm: Swarm, name: str) -> bool:
    return swarm.leader.run("node", "demote", name, check=False).returncode == 0


def test_a_rotation_of_the_ca_is_followed(settled: Mesh, lab: Lab, swarm: Swarm, deploy: Callable[..., Service]) -> None:
    service = deploy("rotated", publish=["8430:80"])
    settled.settle(lab.client, 8430, host_names(service))
    root = ["cat", "/var/lib/docker/swarm/certificates/swarm-root-ca.crt"]
    before = swarm.node("n2").node.run(root).stdout
    swarm.leader.docker("swarm", "ca", "--rotate", "--quiet")
    wait_until(lambda: swarm.node("n2").node.run(root).stdout != before, 30, "the new CA on n2")
    service.scale(3)
    settled.settle(lab.client, 8430, host_names(service), timeout=NOTICE)
    # And after the managers' xlbd has begun anew, with nothing but the new files.
    settled.xlb["n0"].restart()
    for name in WORKERS:
        until_peers(settled, name, "follows the manager n0", timeout=NOTICE)


def test_strangers_are_told_nothing(mesh: Mesh, lab: Lab, tmp_path: object) -> None:
    key, certificate = f"{tmp_path}/key.pem", f"{tmp_path}/stranger.pem"
    subject = "/O=swarm/OU=swarm-worker/CN=n9"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    lab.client.run([*make, "-keyout", key, "-out", certificate, "-subj", subject])
    request = "GET /v1/swarm HTTP/1.1\r\nHost: x\r\n\r\n"
    for shown in ([], ["-cert", certificate, "-key", key]):
        command = ["openssl", "s_client", "-connect", f"192.0.2.10:{PEER_PORT}", "-ign_eof", *shown]
        said = lab.client.run(["timeout", "5", *command], check=False, stdin=request)
        assert "OU = swarm-manager" in said.stdout, "the client has talked to xlbd"
        assert "HTTP/" not in said.stdout and "services" not in said.stdout
    # The workers, which were asked nothing of this, have no such port.
    assert "ConnectionRefused" in lab.client.get("192.0.2.12", PEER_PORT, timeout=2)["failure"]
    until_peers(mesh, "n0", "2 connected")


def test_an_autolocked_manager_says_that_it_cannot_serve(settled: Mesh, lab: Lab, swarm: Swarm, web: Service) -> None:
    output = swarm.leader.docker("swarm", "update", "--autolock=true")
    unlock_key = re.search(r"SWMKEY-\S+", output)
    assert unlock_key
    try:
        until_warning(settled, "n0", "the swarm's managers are autolocked", timeout=NOTICE)
        assert peers(settled, "n0") == "serves no other node"
        until_warning(settled, "n2", "what was last known is served")
        # A manager that starts locked is not a manager until it is unlocked; its node's ports go on.
        swarm.leader.stop()
        swarm.leader.start()
        swarm.leader.wait_ready()
        lab.client.gets(swarm.node("n2").address, HTTP, 4)
        swarm.leader.node.run(["docker", "swarm", "unlock"], stdin=unlock_key.group() + "\n")
        swarm.leader.wait_active()
        until_warning(settled, "n0", "the swarm's managers are autolocked", timeout=NOTICE)
    finally:
        swarm.leader.docker("swarm", "update", "--autolock=false")
    wait_until(lambda: "autolocked" not in warnings(settled, "n0"), NOTICE, "the manager to serve again")


def test_a_worker_leaves_and_joins_again(settled: Mesh, lab: Lab, web: Service) -> None:
    """Its xlbd runs all the while. Through the other nodes nobody notices."""
    swarm, gone = settled.swarm, settled.swarm.node("n2")
    former = gone.docker("info", "--format", "{{.Swarm.NodeID}}")
    others = [swarm.node(name).address for name in ("n0", "n1")]
    with lab.client.load(*((address, HTTP) for address in others), rate=50, timeout=4) as load, lab.client.hold(others[1], ECHO) as held:
        held.wait_for("echoes", 2)
        gone.docker("swarm", "leave")
        wait_until(lambda: "failure" in lab.client.get(gone.address, HTTP, timeout=1), 10, "n2 to serve nothing")
        load.wait_for("ok", 100)
        swarm.leader.docker("node", "rm", "--force", former)
        token = swarm.leader.docker("swarm", "join-token", "--quiet", "worker")
        gone.docker("swarm", "join", "--advertise-addr", gone.address, "--token", token, f"{swarm.leader.address}:2377")
        gone.wait_active()
        settle(lab.client, gone.address, HTTP, host_names(web), 30)
        load.wait_for("ok", 50)
        connection, requests = held.stop(), load.stop()
    assert requests["failures"] == [] and connection["breaks"] == []
