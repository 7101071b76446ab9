"""xlb on every node: each task sees the client's own address, by whatever node the client came; and a node that goes is noticed."""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab import Lab, Mesh, Service, Swarm, wait_until
from lab.mesh import settle
from lab.netns import PYTHON
from lab.processes import PATIENCE

pytestmark = pytest.mark.parametrize("mesh", ["auto"], indirect=True, ids=["native"])

HTTP, ECHO, UDP = 8091, 8092, 8093
VIP = "203.0.113.80"
PEER_VNI = 0x786C62  # include/xlb/abi.h


def host_names(service: Service) -> set[str]:
    return {task.host_name for task in service.tasks()}


def remote_backends(mesh: Mesh, name: str, port: int = HTTP) -> list[dict[str, Any]]:
    """Those on other nodes, as the node tells them."""
    listed = mesh.xlb[name].try_ctl("-o", "json", "backend", "ls", f"tcp/*:{port}")
    if listed.returncode != 0:  # it has just started, and knows no service yet
        return []
    services = json.loads(listed.stdout)["services"]
    return [backend for service in services for backend in service["backends"] if backend["kind"] != "local"]


def wait_peers(mesh: Mesh, port: int = HTTP) -> None:
    """Until every node sends clients' packets to every other one as they come."""

    def all_peers() -> bool:
        kinds = [[backend["kind"] for backend in remote_backends(mesh, name, port)] for name in mesh.xlb]
        return all(kinds) and set().union(*kinds) == {"peer"}

    wait_until(all_peers, 10, "every backend on another node to be a peer's")


@pytest.fixture
def peers(settled: Mesh) -> Iterator[Mesh]:
    wait_peers(settled)
    yield settled
    wait_peers(settled)
    settled.swarm.wait_ready()


def expect_own_addresses(mesh: Mesh, lab: Lab, http: int = HTTP, udp: int = UDP) -> None:
    """The port is the client's own as well, unless an earlier connection to another node's address still has it at the task."""
    for client in (lab.client, lab.far_client):
        for address in mesh.addresses:
            answers = client.gets(address, http, 4).expect_all()
            assert len(answers.tasks) == 2
            assert answers.clients == {client.address}
            datagrams = client.udp(address, udp, 8).expect_all()
            assert datagrams.clients == {client.address}


def test_every_task_sees_the_client(peers: Mesh, lab: Lab) -> None:
    expect_own_addresses(peers, lab)


def test_whatever_the_reverse_path_filters(peers: Mesh, lab: Lab, web: Service) -> None:
    """In the kernel the larger of `all` and the device's own counts."""
    hosts = [member.node for member in peers.swarm.nodes]

    def set_filters(value: int) -> None:
        strict = f"for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo {value} > $f; done"
        for host in hosts:
            host.run(["sh", "-c", strict])
        for task in web.tasks():
            task.node.node.run(["nsenter", "-t", str(task.pid), "-n", "--", "sh", "-c", strict])

    try:
        for value in (1, 2, 0):
            set_filters(value)
            expect_own_addresses(peers, lab)
    finally:
        set_filters(0)


def test_a_connection_goes_on_at_another_node(peers: Mesh, lab: Lab, deploy: Callable[..., Service]) -> None:
    """As after a change of an ECMP route upstream: with maglev every node leads the client to the same task."""
    service = deploy("steady", replicas=2, publish=["8600:80", "8601:7000"], labels={"xlb.scheduler": "maglev"})
    peers.settle(lab.client, 8600, host_names(service))
    wait_peers(peers, 8600)
    nodes = [member.node for member in peers.swarm.nodes]
    for node in nodes:
        node.run(["ip", "address", "add", f"{VIP}/32", "dev", "lo"])
    try:
        lab.client.run(["ip", "route", "replace", VIP, "via", nodes[0].address])
        lab.client.wait_answer(VIP, 8600)
        holds = [lab.client.hold(VIP, 8601) for _ in range(4)]
        try:
            for node in (*nodes[1:], *nodes):
                for hold in holds:
                    hold.wait_for("echoes", 2)
                lab.client.run(["ip", "route", "replace", VIP, "via", node.address])
            for hold in holds:
                hold.wait_for("echoes", 3)
            results = [hold.stop() for hold in holds]
        finally:
            for hold in holds:
                hold.stop()
        assert [broken for result in results for broken in result["breaks"]] == []
        assert {name for result in results for name in result["tasks"]} <= host_names(service)
    finally:
        lab.client.run(["ip", "route", "delete", VIP], check=False)
        for node in nodes:
            node.run(["ip", "address", "delete", f"{VIP}/32", "dev", "lo"])


def counter(mesh: Mesh, name: str, kind: str, counter_name: str) -> int:
    """Packets, over all hooks."""
    stats = mesh.xlb[name].json("stats")
    return sum(entry["traffic"]["packets"] for entry in stats[kind] if entry["name"] == counter_name)


def test_replies_that_go_straight_to_the_client(peers: Mesh, lab: Lab, deploy: Callable[..., Service]) -> None:
    service = deploy("straight", replicas=2, publish=["8610:80", "8611:5353/udp"], max_per_node=1, labels={"xlb.return": "direct"})
    peers.settle(lab.client, 8610, host_names(service))
    wait_peers(peers, 8610)
    before = {name: counter(peers, name, "counters", "reply_peer") for name in peers.xlb}
    expect_own_addresses(peers, lab, 8610, 8611)
    for address in peers.addresses:
        assert lab.client.download(address, 8610, 5_000_000).get("equal")
        assert lab.client.upload(address, 8610, 5_000_000).get("equal")
    assert {name: counter(peers, name, "counters", "reply_peer") for name in peers.xlb} == before


def test_a_service_that_hides_its_clients(peers: Mesh, lab: Lab, deploy: Callable[..., Service]) -> None:
    service = deploy("hidden", replicas=2, publish=["8620:80"], max_per_node=1, labels={"xlb.source-ip": "snat"})
    peers.settle(lab.client, 8620, host_names(service))
    for address in peers.addresses:
        clients = lab.client.gets(address, 8620, 4).expect_all().clients
        assert lab.client.address not in clients and len(clients) <= 2, clients


def test_labels_that_say_who_gets_the_client(peers: Mesh, lab: Lab, deploy: Callable[..., Service]) -> None:
    service = deploy("chosen", replicas=2, publish=["8630:80"], constraints=["node.hostname!=n2"], max_per_node=1)
    names = {task.node.name: task.host_name for task in service.tasks()}
    peers.settle(lab.client, 8630, names.values())

    def label(*pairs: str) -> None:
        adds = [word for pair in pairs for word in ("--label-add", pair)]
        removes = [word for name in ("scheduler", "weight", "affinity", "prefer-local") for word in ("--label-rm", f"xlb.{name}")]
        peers.swarm.leader.docker("service", "update", "--detach", "--no-resolve-image", *removes, service.name)
        peers.swarm.leader.docker("service", "update", "--detach", "--no-resolve-image", *adds, service.name)

    def shares(address: str, count: int) -> list[int]:
        return sorted(lab.client.gets(address, 8630, count).expect_all().tasks.values())

    def comes(condition: Callable[[], bool], what: str) -> None:
        wait_until(condition, 5, what)

    entry = peers.swarm.node("n2").address
    label("xlb.weight=n0=3,n1=1")
    comes(lambda: lab.client.gets(entry, 8630, 40).expect_all().tasks == {names["n0"]: 30, names["n1"]: 10}, "three to one")
    label("xlb.affinity=client-ip")
    comes(lambda: shares(entry, 12) == [12], "one task for one client")
    label("xlb.scheduler=sh")
    comes(lambda: [shares(address, 6) for address in peers.addresses] == [[6]] * 3, "one task for one client")
    assert len({lab.client.gets(address, 8630, 1).expect_all().sequence[0] for address in peers.addresses}) == 1
    label("xlb.prefer-local=true")
    for name in ("n0", "n1"):
        address = peers.swarm.node(name).address
        comes(lambda: set(lab.client.gets(address, 8630, 8).expect_all().tasks) == {names[name]}, f"the task on {name}")  # noqa: B023
    comes(lambda: len(shares(entry, 8)) == 2, "both tasks where there is none")
    label("xlb.scheduler=least-conn", "xlb.affinity=soon")
    comes(lambda: peers.xlb["n2"].json("service", "show", "tcp/*:8630")["services"][0]["scheduler"] == "least-conn", "least-conn")
    assert any("xlb.affinity=soon" in warning for warning in peers.xlb["n2"].json("status")["warnings"])


def test_one_node_without_xlb(peers: Mesh, lab: Lab, web: Service) -> None:
    """It says its farewell; its tasks are then served by full NAT, and `backend ls` says so."""
    entry = peers.swarm.node("n2").address
    away = web.tasks_on("n1")[0].host_name
    with lab.client.load((entry, HTTP), rate=50, timeout=4) as load:
        load.wait_for("ok", 50)
        peers.xlb["n1"].remove()
        try:
            wait_until(lambda: "vxlan" in {b["kind"] for b in remote_backends(peers, "n2")}, 2, "n2 to know that n1 has no xlb")
            load.wait_for("ok", 100)
            result = load.stop()
            assert [b["reason"] for b in remote_backends(peers, "n2") if b["kind"] == "vxlan"] == ["no xlb on n1"]
            assert "no xlb" in peers.xlb["n2"].ctl("status")
            seen = lab.client.gets(entry, HTTP, 10).expect_all().answers
            assert {a["client"].startswith(f"{lab.client.address}:") for a in seen if a["task"] == away} == {False}
            assert {a["client"].startswith(f"{lab.client.address}:") for a in seen if a["task"] != away} == {True}
        finally:
            peers.xlb["n1"].start()
    # Those that were under way to n1 when it went.
    assert len(result["failures"]) <= 2, result["failures"]


def test_a_stopped_xlbd_is_no_dead_node(peers: Mesh, lab: Lab) -> None:
    entry = peers.swarm.node("n2").address
    peers.xlb["n1"].process.pause()
    try:
        with lab.client.load((entry, HTTP), rate=50) as load:
            load.wait_for("ok", 250)
            result = load.stop()
        assert {backend["state"] for backend in remote_backends(peers, "n2")} == {"active"}
    finally:
        peers.xlb["n1"].process.resume()
    assert result["failures"] == [] and result["slow"] == []


def test_a_dead_data_path_is_a_dead_node(peers: Mesh, lab: Lab) -> None:
    """Its daemon lives, and says nothing in the programs' stead."""
    entry, node = peers.swarm.node("n2").address, peers.swarm.node("n1").node
    node.run(["sh", "-c", "rm /sys/fs/bpf/xlb/link_xdp_* && tc qdisc del dev eth0 clsact"])
    try:
        wait_until(lambda: "down" in {b["state"] for b in remote_backends(peers, "n2")}, 4, "n1's task to be down", interval=0.05)
        assert peers.xlb["n1"].running() and "up" in peers.xlb["n2"].ctl("status")
        assert len(lab.client.gets(entry, HTTP, 8).expect_all().tasks) == 1
    finally:
        peers.xlb["n1"].restart()


def cut(lab: Lab, name: str, *, whole: bool) -> None:
    lab.lan.run(["ip", "link", "set", name, "up" if whole else "down"])


def test_a_node_cut_off_under_load(peers: Mesh, lab: Lab) -> None:
    """Within two seconds its tasks get nothing any more, and no connection fails: a SYN without an answer goes elsewhere."""
    entry = peers.swarm.node("n2").address
    with lab.client.load((entry, HTTP), rate=50, timeout=8) as load:
        load.wait_for("ok", 100)
        try:
            cut(lab, "n1", whole=False)
            begin = time.time()
            wait_until(lambda: "down" in {b["state"] for b in remote_backends(peers, "n2")}, 4, "n1's task to be down", interval=0.05)
            noticed = time.time() - begin
            load.wait_for("ok", 100)
            wait_until(lambda: len(lab.client.gets(entry, HTTP, 8, timeout=1).expect_all().tasks) == 1, 1, "one task to answer alone")
            time.sleep(2)
        finally:
            cut(lab, "n1", whole=True)
        back = time.time()
        wait_peers(peers)
        wait_until(lambda: {b["state"] for b in remote_backends(peers, "n2")} == {"active"}, 5, "n1's task to be back")
        settle(lab.client, entry, HTTP, load.snapshot()["tasks"], 5)
        result = load.stop()
    late = [one for one in result["slow"] + result["failures"] if not begin - 1 < one["time"] < begin + 2.5 * PATIENCE]
    print(f"noticed after {noticed:.2f} s; {len(result['failures'])} failed, {len(result['slow'])} slow; back {time.time() - back:.1f} s")
    assert noticed < 2.5 * PATIENCE
    assert late == []
    # Requests that n1 had accepted when the cable went cannot be saved.
    assert len(result["failures"]) <= 1, result["failures"]


WAIT_FOR_END = """
import socket, sys, time
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=30) as connection:
    connection.sendall(b"who\\n")
    print(connection.recv(200).decode().split()[0], flush=True)
    begin = time.monotonic()
    try:
        end = connection.recv(200) and "data" or "closed"
    except OSError as error:
        end = type(error).__name__
    print(end, round(time.monotonic() - begin, 2), flush=True)
"""


def test_connections_of_a_node_cut_off_end(peers: Mesh, lab: Lab, web: Service) -> None:
    """Also those whose client says nothing and waits. UDP flows go on with another task."""
    entry, away = peers.swarm.node("n2").address, web.tasks_on("n1")[0].host_name
    waiting = [lab.client.popen([PYTHON, "-c", WAIT_FOR_END, entry, str(ECHO)], log=f"waits-{i}.log") for i in range(4)]
    try:
        for process in waiting:
            wait_until(lambda: process.output().strip(), 10, "the first answer")  # noqa: B023
        theirs = [process for process in waiting if process.output().startswith(away)]
        assert theirs
        ports = range(41000, 41010)
        udp = next(port for port in ports if away in lab.client.udp(entry, UDP, source="fixed", source_port=port).expect_all().tasks)
        cut(lab, "n1", whole=False)
        try:
            for process in theirs:
                wait_until(lambda: len(process.output().split()) == 3, 8, "the end of a connection")  # noqa: B023
            assert away not in lab.client.udp(entry, UDP, 3, source="fixed", source_port=udp).expect_all().tasks
        finally:
            cut(lab, "n1", whole=True)
        assert [process.output().split()[1] for process in theirs] == ["ConnectionResetError"] * len(theirs)
        others = [process for process in waiting if process not in theirs]
        assert all(process.running() and len(process.output().split()) == 1 for process in others)
    finally:
        for process in waiting:
            process.kill()


@pytest.mark.parametrize("at", ["n1", "n2"], ids=["on-its-own-node", "on-another-node"])
def test_a_killed_task_costs_one_connection_at_most(peers: Mesh, lab: Lab, web: Service, at: str) -> None:
    victim = web.tasks_on("n1")[0]
    with lab.client.load((peers.swarm.node(at).address, HTTP), rate=50, timeout=8) as load:
        load.wait_for("ok", 50)
        victim.node.node.run(["kill", "-KILL", str(victim.pid)])
        wait_until(lambda: victim.container not in {task.container for task in web.tasks()}, 30, "the task to be replaced")
        web.wait_running(2)
        load.wait_for("ok", 50)
        result = load.stop()
    print(f"{len(result['failures'])} failed, {len(result['slow'])} slow")
    # Beside the connection that finds nobody, one that the task had accepted when it was killed.
    refused = [failure for failure in result["failures"] if "Refused" in failure["reason"] and "cut off" not in failure["reason"]]
    assert len(refused) <= 1 and len(result["failures"]) <= 2, result["failures"]


def vxlan(vni: int, inner_destination: bytes, inner_source: bytes, kind: int, payload: bytes) -> bytes:
    return struct.pack("!II", 0x08000000, vni << 8) + inner_destination + inner_source + struct.pack("!H", kind) + payload


SEND_FROM = """
import socket, struct, sys
source, target, port, payload = sys.argv[1], sys.argv[2], int(sys.argv[3]), bytes.fromhex(sys.argv[4])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
udp = struct.pack("!HHHH", 50000, port, 8 + len(payload), 0)
ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(target))
for _ in range(20):
    raw.sendto(ip + udp + payload, (target, 0))
"""


def datagram_of_a_client(source: str, target: str, port: int) -> bytes:
    """The IP packet inside a frame: checksums right."""
    payload = b"forged"
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 1, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(target))
    total = sum(struct.unpack("!10H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    header = header[:10] + struct.pack("!H", ~total & 0xFFFF) + header[12:]
    return header + struct.pack("!HHHH", 40404, port, 8 + len(payload), 0) + payload


def test_forged_frames_and_hellos_get_nowhere(peers: Mesh, lab: Lab) -> None:
    """Of a host that is not a node: from its own address, and in the name of a node."""
    target = peers.swarm.node("n1")
    forged = vxlan(PEER_VNI, b"\xa1" * 6, b"\xc1" * 6, 0x0800, datagram_of_a_client("198.51.100.77", target.address, UDP))
    hello = vxlan(PEER_VNI, b"\xa1" * 6, b"\xc1" * 6, 0x88B6, struct.pack("!HBxHHQ", 1, 1, 0, 0, 1 << 63) + bytes(80))
    before = counter(peers, "n1", "drops", "peer_unknown")
    for source in (lab.client.address, peers.swarm.node("n2").address):
        for payload in (forged, hello):
            lab.client.run([PYTHON, "-c", SEND_FROM, source, target.address, "4789", payload.hex()])
    wait_until(lambda: counter(peers, "n1", "drops", "peer_unknown") - before >= 80, 5, "the frames to be dropped")
    assert not [flow for flow in peers.xlb["n1"].json("flow", "ls")["flows"] if "198.51.100.77" in str(flow)]
    # What the forged answers say is not believed: n2 is as it was.
    assert {backend["state"] for backend in remote_backends(peers, "n1")} == {"active"}
    expect_own_addresses(peers, lab)


def test_an_underlay_with_a_smaller_mtu(peers: Mesh, lab: Lab) -> None:
    """Smaller than the ingress network and VXLAN take: packets between the nodes are kept to what it carries."""
    entry = peers.swarm.node("n2").address  # no task: all goes by the tunnel
    nodes = [member.node for member in peers.swarm.nodes]
    try:
        for node in nodes:
            node.run(["ip", "link", "set", "eth0", "mtu", "1400"])
        for xlb in peers.xlb.values():
            wait_until(lambda: "the MTU of eth0 is 1400" in xlb.ctl("status"), 5, "the MTU to be known")  # noqa: B023
        for _ in range(2):
            assert lab.client.download(entry, HTTP, 5_000_000).get("equal")
            assert lab.client.upload(entry, HTTP, 5_000_000).get("equal")
        assert len(lab.client.udp(entry, UDP, 8, payload=1000).expect_all().tasks) == 2
    finally:
        for node in nodes:
            node.run(["ip", "link", "set", "eth0", "mtu", "1500"])
    for xlb in peers.xlb.values():
        wait_until(lambda: "the MTU of eth0" not in xlb.ctl("status"), 5, "the MTU to be as before")  # noqa: B023


def test_a_new_join_token_changes_the_keys_unnoticed(peers: Mesh, lab: Lab) -> None:
    """Managers look for it every 15 s, each at another time: meanwhile some have it and some do not."""
    entry = peers.swarm.node("n2").address
    seconds = float(os.environ.get("XLB_KEYS_SECONDS", "20"))  # 140: until the former keys are gone

    def key() -> str:
        return peers.xlb["n2"].node.run(["bpftool", "--json", "map", "dump", "pinned", "/sys/fs/bpf/xlb/peers"]).stdout

    former = key()
    with lab.client.load((entry, HTTP), rate=50, timeout=4) as load, lab.client.hold(entry, ECHO) as held:
        held.wait_for("echoes", 2)
        peers.swarm.leader.docker("swarm", "join-token", "--rotate", "--quiet", "worker")
        wait_until(lambda: key() != former, 30, "n2 to have the new keys")
        load.wait_for("ok", int(50 * seconds), timeout=3 * seconds)
        connection, requests = held.stop(), load.stop()
    assert requests["failures"] == [] and requests["slow"] == [] and connection["breaks"] == []
    wait_peers(peers)


def test_peers_are_shown(peers: Mesh, swarm: Swarm) -> None:
    page = peers.xlb["n2"].ctl("status")
    for name in ("n0", "n1"):
        assert f"{name} ({swarm.node(name).address}) up" in page
