"""xlbd beside Docker's own mesh at work: real engines, IPVS, a task on the node and one behind VXLAN.

One story, in the order of the tests: connections made through Docker's mesh, then xlbd comes, then it goes again.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from docker_mesh import ECHO, HTTP, NAMES, DockerMesh, Rules
from lab import Lab, Xlb, wait_until
from lab.client import Answers, Background
from lab.engine import Engine
from lab.mesh import leftovers

OLD_PORTS = [40101, 40102, 40103, 40104]
LOCAL, REMOTE = "n0", "n1"
OWN_SETTINGS = ["accept_local", "route_localnet", "forwarding"]  # which xlb changes, on lo alone, until it is detached
PATIENT = 20  # seconds; emulated


@dataclass
class Story:
    """What one test leaves to the next."""

    mesh: DockerMesh
    xlb: Xlb
    rules: Rules
    held: list[Background] = field(default_factory=list)
    old_udp: dict[int, dict[str, str]] = field(default_factory=dict)  # source port -> the answer before xlb

    def udp(self, source_port: int, count: int = 2) -> Answers:
        return self.mesh.lab.client.udp(self.mesh.address, NAMES, count, source="fixed", source_port=source_port, timeout=PATIENT)

    def held_by(self, task: str) -> list[Background]:
        return [held for held in self.held if held.snapshot()["tasks"] == [task]]

    def check_held(self, echoes: int) -> None:
        """Every connection from before xlb goes on, with the task that it began with."""
        for held in self.held:
            held.wait_for("echoes", echoes)
            assert held.snapshot()["breaks"] == []
        assert [len(self.held_by(task)) for task in (LOCAL, REMOTE)] == [2, 2]

    def passed(self, counter: str) -> int:
        counters = self.xlb.json("stats")["counters"]
        return sum(entry["traffic"]["packets"] for entry in counters if entry["name"] == counter)

    def served(self, port: int) -> dict[str, int]:
        """Node of the task -> flows that xlb has given it."""
        [service] = [service for service in self.xlb.json("service", "ls")["services"] if service["frontend"].endswith(f":{port}")]
        return {backend["node"]: backend["stats"]["flows"] for backend in service["backends"]}


@pytest.fixture(scope="module")
def story(lab: Lab, xlb_built: None) -> Iterator[Story]:
    if obstacle := Engine.missing():
        pytest.skip(obstacle)
    mesh = DockerMesh(lab)
    xlb = Xlb(mesh.entry.node)
    made = Story(mesh, xlb, mesh.rules())
    yield made
    for held in made.held:
        held.__exit__()
    xlb.remove()
    mesh.close()


def test_docker_serves_alone(story: Story) -> None:
    """And two connections of each kind are left open to each of the tasks."""
    client, mesh = story.mesh.lab.client, story.mesh
    for _ in OLD_PORTS:
        story.held.append(client.hold(mesh.address, ECHO, interval=1, timeout=PATIENT))
        story.held[-1].wait_for("echoes", 1)
    story.check_held(1)
    for port in OLD_PORTS:
        [answer, again] = story.udp(port).expect_all().answers
        assert answer["task"] == again["task"]
        story.old_udp[port] = answer
    assert sorted(answer["task"] for answer in story.old_udp.values()) == [LOCAL, LOCAL, REMOTE, REMOTE]
    # The address that the tasks see is the sandbox's, with the client's port.
    assert {answer["client"].partition(":")[2] for answer in story.old_udp.values()} == {str(port) for port in OLD_PORTS}
    assert client.address not in {answer["client"].partition(":")[0] for answer in story.old_udp.values()}


def test_xlb_starts(story: Story) -> None:
    for port in OLD_PORTS:
        story.udp(port, 1).expect_all()  # under way, not waiting for its timeout
    story.xlb.start()
    wait_until(lambda: len(story.xlb.json("service", "ls")["services"]) == 3, 30, "the three published ports", interval=1)
    assert "docker-flows " in story.xlb.ctl("events")


def test_old_connections_go_on_through_docker(story: Story) -> None:
    before, passed = story.mesh.replies(ECHO), story.passed("pass_docker")
    story.check_held(3)
    assert story.mesh.replies(ECHO) - before >= 3 * len(story.held)
    assert story.served(ECHO) == {LOCAL: 0, REMOTE: 0}
    assert story.passed("pass_docker") - passed >= 3 * len(story.held)


def test_old_datagram_flows_go_on_through_docker(story: Story) -> None:
    before, passed = story.mesh.replies(NAMES), story.passed("pass_docker")
    for port, old in story.old_udp.items():
        for answer in story.udp(port, 3).expect_all().answers:
            assert {key: answer[key] for key in ("task", "client")} == {key: old[key] for key in ("task", "client")}
    assert story.mesh.replies(NAMES) - before >= 3 * len(OLD_PORTS)
    assert story.served(NAMES) == {LOCAL: 0, REMOTE: 0}
    assert story.passed("pass_docker") - passed >= 3 * len(OLD_PORTS)
    assert story.xlb.json("flow", "ls")["flows"] == []


def test_new_connections_go_by_xlb(story: Story) -> None:
    client, mesh = story.mesh.lab.client, story.mesh
    before = {port: mesh.new_connections(port) for port in (HTTP, NAMES)}
    answers = client.gets(mesh.address, HTTP, 4, timeout=PATIENT).expect_all()
    datagrams = client.udp(mesh.address, NAMES, 4, source="new", timeout=PATIENT).expect_all()
    for found in (answers, datagrams):
        assert found.tasks == {LOCAL: 2, REMOTE: 2}
        seen = {answer["task"]: answer["client"].partition(":")[0] for answer in found.answers}
        assert seen[LOCAL] == client.address
        assert seen[REMOTE] != client.address
    assert {port: mesh.new_connections(port) for port in (HTTP, NAMES)} == before
    assert story.served(HTTP) == story.served(NAMES) == {LOCAL: 2, REMOTE: 2}


def test_another_client_with_an_old_flows_port(story: Story) -> None:
    """Both meshes send from this node's ingress address. The far client's flow must not be given the near one's port."""
    far, mesh = story.mesh.lab.far_client, story.mesh
    changed = story.passed("port_changed")
    met = 0
    for port in [port for port, old in story.old_udp.items() if old["task"] == REMOTE]:
        answer = far.udp(mesh.address, NAMES, 1, source="fixed", source_port=port, timeout=PATIENT).expect_all().answers[0]
        if answer["task"] == REMOTE:
            met += 1
            assert answer["client"] != story.old_udp[port]["client"]
        assert story.udp(port, 1).expect_all().answers[0]["client"] == story.old_udp[port]["client"]
    [task] = mesh.swarm.node(REMOTE).tasks_of("web")
    old = [entry for entry in mesh.sandbox_connections() if (entry["dport"], entry["reply_src"]) == (str(ECHO), task.ingress_address)]
    assert len(old) == len(story.held_by(REMOTE))
    others = []
    for entry in old:
        others.append(far.hold(mesh.address, ECHO, interval=1, source_port=int(entry["sport"]), timeout=PATIENT))
        others[-1].wait_for("echoes", 2)
    results = [other.stop() for other in others]
    assert [result["breaks"] for result in results] == [[]] * len(results)
    met += sum(result["tasks"] == [REMOTE] for result in results)
    assert story.passed("port_changed") == changed + met >= changed + 2
    story.check_held(2)


def test_dockers_rules_are_as_they_were(story: Story) -> None:
    rules = story.mesh.rules()
    changed = set(rules.sysctl.splitlines()) - set(story.rules.sysctl.splitlines())
    assert changed <= {f"net.ipv4.conf.lo.{name} = 1" for name in OWN_SETTINGS}
    assert dataclasses.replace(rules, sysctl=story.rules.sysctl) == story.rules


def test_status_names_dockers_mesh(story: Story) -> None:
    def looked_at() -> bool:
        return story.xlb.json("status")["docker_mesh"] == "generation A (IPVS, iptables), alive"

    wait_until(looked_at, 40, "what status says of Docker's mesh", interval=2)
    assert story.xlb.json("status")["docker_flows"] > 0


def test_docker_serves_again(story: Story) -> None:
    client, mesh = story.mesh.lab.client, story.mesh
    story.xlb.ctl("detach")
    assert leftovers(mesh.entry.node) == []
    before = {port: mesh.new_connections(port) for port in (HTTP, NAMES)}
    answers = client.gets(mesh.address, HTTP, 4, timeout=PATIENT).expect_all()
    assert answers.tasks == {LOCAL: 2, REMOTE: 2}
    assert client.udp(mesh.address, NAMES, 4, source="new", timeout=PATIENT).expect_all().tasks.keys() == {LOCAL, REMOTE}
    assert mesh.new_connections(HTTP) == before[HTTP] + 4
    assert mesh.new_connections(NAMES) == before[NAMES] + 4
    story.check_held(2)
    for held in story.held:
        held.stop()
    assert mesh.rules() == story.rules


@pytest.mark.skipif("XLB_KERNEL_LONG" not in os.environ, reason="an emulated restart takes minutes: set XLB_KERNEL_LONG=1")
def test_docker_restarts_beside_xlb(story: Story) -> None:
    mesh = story.mesh
    story.xlb.stop()
    story.xlb.start()
    started = time.monotonic()
    mesh.entry.restart()
    mesh.wait_tasks(120)
    print(f"dockerd and its tasks were back after {time.monotonic() - started:.0f} s")
    wait_until(lambda: sum(story.served(HTTP).values()) > 0, 60, "new connections by xlb", interval=2)
    before = mesh.new_connections(HTTP)
    answers = mesh.lab.client.gets(mesh.address, HTTP, 4, timeout=PATIENT).expect_all()
    assert answers.tasks.keys() == {LOCAL, REMOTE}
    assert mesh.new_connections(HTTP) == before
