"""DOCKER-USER and the labels that say who reaches a published port."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lab import Lab, Mesh, Service, wait_until
from lab.node import Node
from lab.xlb import Xlb

HTTP, ECHO = 8091, 8092


class Firewall:
    """Rules on the entry node: what a test adds is gone after it."""

    def __init__(self, node: Node, tool: str = "iptables"):
        self.node, self.tool = node, tool

    def add(self, *rule: str, chain: str = "DOCKER-USER") -> None:
        self.node.run([self.tool, "-I", chain, *rule])

    def flush(self) -> None:
        self.node.run([self.tool, "-F", "DOCKER-USER"])
        self.node.run([self.tool, "-A", "DOCKER-USER", "-j", "RETURN"])


@pytest.fixture
def entry(mesh: Mesh) -> Xlb:
    return mesh.xlb["n2"]


@pytest.fixture
def address(mesh: Mesh) -> str:
    return mesh.swarm.node("n2").address


@pytest.fixture
def firewall(mesh: Mesh, lab: Lab, address: str) -> Iterator[Firewall]:
    made = Firewall(mesh.swarm.node("n2").node)
    yield made
    made.flush()
    wait_until(lambda: "failure" not in lab.client.get(address, HTTP, timeout=1), 15, "the port to be open again")


def count(xlb: Xlb, kind: str, name: str) -> int:
    return sum(row["traffic"]["packets"] for row in xlb.json("stats", "--all")[kind] if row["name"] == name)


def wait_closed(lab: Lab, address: str, port: int = HTTP) -> None:
    wait_until(lambda: "failure" in lab.client.get(address, port, timeout=1), 15, "the port to be closed")


def test_nothing_is_left_on_a_fresh_node(entry: Xlb) -> None:
    status = entry.ctl("status")
    assert "firewall" not in status and "is left to" not in status, status


def test_one_client_and_one_port(firewall: Firewall, entry: Xlb, lab: Lab, address: str) -> None:
    firewall.add("-s", lab.client.address, "-p", "tcp", "--dport", str(HTTP), "-j", "DROP")
    wait_closed(lab, address)
    assert count(entry, "drops", "source_denied") > 0
    lab.far_client.gets(address, HTTP, 4).expect_all()
    # The other ports are as they were.
    with lab.client.hold(address, ECHO) as held:
        held.wait_for("echoes", 3)
        assert held.stop()["breaks"] == []


def test_only_these_clients(firewall: Firewall, lab: Lab, address: str) -> None:
    firewall.add("-i", "eth0", "!", "-s", f"{lab.far_client.address}/32", "-m", "conntrack", "--ctstate", "NEW", "-j", "DROP")
    wait_closed(lab, address)
    lab.far_client.gets(address, HTTP, 4).expect_all()


def test_living_connections(firewall: Firewall, entry: Xlb, lab: Lab, address: str) -> None:
    """A rule about beginnings leaves what lives; one about every packet does not."""
    with lab.client.hold(address, ECHO) as held:
        held.wait_for("echoes", 3)
        firewall.add("-p", "tcp", "-s", lab.client.address, "-m", "conntrack", "--ctstate", "NEW", "-j", "DROP")
        wait_closed(lab, address)
        held.wait_for("echoes", 10)
        before = count(entry, "drops", "source_denied")
        firewall.add("-p", "tcp", "--dport", str(ECHO), "-s", lab.client.address, "-j", "DROP")
        wait_until(lambda: count(entry, "drops", "source_denied") > before + 1, 15, "its packets to be dropped")
        echoes = held.snapshot()["echoes"]
        wait_until(lambda: count(entry, "drops", "source_denied") > before + 3, 15, "its packets to be dropped")
        assert held.snapshot()["echoes"] <= echoes + 1


def test_reject_is_left_to_the_kernel(firewall: Firewall, entry: Xlb, lab: Lab, address: str) -> None:
    firewall.add("-s", lab.client.address, "-p", "tcp", "--dport", str(HTTP), "-j", "REJECT")
    wait_until(lambda: "some clients are left" in entry.ctl("status"), 15, "the status to say so")
    assert "-j REJECT" in entry.ctl("service", "show", f"tcp/*:{HTTP}")
    before = count(entry, "counters", "pass_source")
    assert "failure" in lab.client.get(address, HTTP, timeout=1)
    assert count(entry, "counters", "pass_source") > before
    lab.far_client.gets(address, HTTP, 4).expect_all()


def test_what_is_not_understood_leaves_the_port(firewall: Firewall, entry: Xlb, lab: Lab, address: str) -> None:
    firewall.add("-p", "tcp", "--dport", str(HTTP), "-m", "length", "--length", "0:1", "-j", "DROP")
    wait_until(lambda: f"tcp/{HTTP} (" in entry.ctl("status") and "is left to Docker's mesh" in entry.ctl("status"), 15, "the status")
    assert "--length 0:1" in entry.ctl("status")
    before = count(entry, "counters", "pass_left")
    lab.client.get(address, HTTP, timeout=1)
    assert count(entry, "counters", "pass_left") > before
    assert '"kind":"port-left"' in entry.ctl("-o", "json", "events")
    firewall.flush()
    lab.client.wait_answer(address, HTTP, timeout=15)
    assert '"kind":"port-taken-back"' in entry.ctl("-o", "json", "events")


def test_rules_come_and_go_under_load(firewall: Firewall, lab: Lab, address: str) -> None:
    with lab.far_client.load((address, HTTP)) as load:
        load.wait_for("ok", 10)
        for last in range(10):
            firewall.add("-s", f"203.0.113.{last}", "-j", "DROP")
        firewall.add("-s", lab.client.address, "-j", "DROP")
        wait_closed(lab, address)
        firewall.flush()
        lab.client.wait_answer(address, HTTP, timeout=15)
        assert load.stop()["failures"] == []


def test_flushed_with_a_policy_of_drop(firewall: Firewall, lab: Lab, address: str) -> None:
    node = firewall.node
    saved = node.run(["iptables-save"]).stdout
    try:
        with lab.client.load((address, HTTP)) as load:
            load.wait_for("ok", 10)
            node.run(["iptables", "-P", "FORWARD", "DROP"])
            node.run(["iptables", "-F"])
            node.run(["iptables", "-t", "nat", "-F"])
            load.wait_for("ok", 250)  # longer than the rules are read in
            assert load.stop()["failures"] == []
    finally:
        node.run(["iptables-restore"], stdin=saved)


def test_both_kinds_of_tables(firewall: Firewall, lab: Lab, address: str) -> None:
    other = "iptables-legacy" if "nf_tables" in firewall.node.run(["iptables", "--version"]).stdout else "iptables-nft"
    node = firewall.node
    rule = ["FORWARD", "-s", lab.client.address, "-p", "tcp", "--dport", str(HTTP), "-j", "DROP"]
    node.run([other, "-I", *rule])
    try:
        wait_closed(lab, address)
    finally:
        node.run([other, "-D", *rule])


def test_docker_user_again_after_a_crash(firewall: Firewall, entry: Xlb, lab: Lab, address: str) -> None:
    """Rules that came while no xlbd ran hold from its first moment."""
    entry.kill()
    firewall.add("-s", lab.client.address, "-j", "DROP")
    entry.start()
    wait_closed(lab, address)


def test_labels(mesh: Mesh, lab: Lab, entry: Xlb, address: str, deploy: Callable[..., Service]) -> None:
    service = deploy("guarded", publish=["8110:80"])
    lab.client.wait_answer(address, 8110)
    service.update("--label-add", f"xlb.deny={lab.client.address}/32", wait=False)
    wait_closed(lab, address, 8110)
    lab.far_client.gets(address, 8110, 2).expect_all()
    service.update("--label-rm", "xlb.deny", "--label-add", f"xlb.bind={address}", wait=False)
    lab.client.wait_answer(address, 8110)
    service.update("--label-rm", "xlb.bind", "--label-add", "xlb.allow=typo", wait=False)
    wait_closed(lab, address, 8110)
    wait_until(lambda: "xlb.allow=typo" in entry.ctl("status"), 10, "the status to name the label")
    # What is said on the node stands over the labels, and goes again.
    entry.ctl("service", "set", "guarded", "--allow", f"{lab.client.address}")
    lab.client.wait_answer(address, 8110)
    assert "failure" in lab.far_client.get(address, 8110, timeout=1)
    entry.ctl("service", "set", "guarded", "--as-labelled")
    wait_closed(lab, address, 8110)


def test_a_published_port_of_the_hosts_own(mesh: Mesh, lab: Lab, entry: Xlb, address: str, deploy: Callable[..., Service]) -> None:
    """moby#39089: `-p 22:80` and the machine was out of reach."""
    node = mesh.swarm.node("n2").node
    ssh = node.popen(["/usr/bin/python3", "-m", "http.server", "2022", "--bind", "0.0.0.0"])
    try:
        wait_until(lambda: "ConnectionRefused" not in str(lab.client.get(address, 2022, timeout=1)), 10, "the host's own server")
        deploy("thief", publish=["2022:80"])
        lab.client.wait_answer(mesh.swarm.node("n0").address, 2022)
        wait_until(lambda: "tcp/2022 (thief) is left to python3 (pid" in entry.ctl("status"), 10, "the status to say so")
        before = count(entry, "counters", "pass_left")
        assert "task" not in lab.client.get(address, 2022, timeout=1)
        assert count(entry, "counters", "pass_left") > before
    finally:
        ssh.kill()
    lab.client.wait_answer(address, 2022)


def test_rules_that_iptables_does_not_know_are_said(firewall: Firewall, entry: Xlb) -> None:
    """nft itself is no package that tests need: ebtables makes a table of its own family through it."""
    rule = ["FORWARD", "-p", "ARP", "-j", "ACCEPT"]
    if firewall.node.run(["ebtables-nft", "-A", *rule], check=False).returncode != 0:
        pytest.skip("no ebtables-nft that works here")
    try:
        wait_until(lambda: "table bridge filter" in entry.ctl("status"), 15, "the status to name the table")
    finally:
        firewall.node.run(["ebtables-nft", "-D", *rule])
    wait_until(lambda: "table bridge filter" not in entry.ctl("status"), 15, "the warning to go")
