"""Where it gets tight: full tables, many services, idle flows, a Docker that misbehaves, and crashes at any moment."""

from __future__ import annotations

import collections
import json
import random
import threading
import time
from pathlib import Path

import pytest

from conftest import Launch
from lab import Xlb, wait_until
from lab.mesh import settle
from lab.netns import PYTHON
from lab.static import ECHO, HTTP, StaticLab, document, service

FLOW_PIN = "/sys/fs/bpf/xlb/flows"
DOCKER_SOCKET = "/run/fake-docker.sock"
FAKE_DOCKER = Path(__file__).parent.parent / "support" / "fake_docker.py"
DAY = 24 * 3600


def packets(xlb: Xlb, kind: str, name: str) -> int:
    """How often something was counted, over all hooks; kind: `counters` or `drops`."""
    return sum(row["traffic"]["packets"] for row in xlb.json("stats")[kind] if row["name"] == name)


# ---- full ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("xdp", ["auto", "off"])
def test_full_flow_table(launch: Launch, static: StaticLab, xdp: str) -> None:
    """Many more connections than it holds: the least used flows go, those with traffic stay.

    (They do as long as the table does not turn over between two packets of theirs.)
    """
    xlb = launch("--max-flows", "1024", xdp=xdp)
    assert xlb.json("status")["flow_capacity"] == 1024
    static.serve(xlb)
    near, far = static.lab.client, static.lab.far_client
    with near.hold(static.vip, 7000, interval=0.05) as first, far.hold(static.vip, 7000, interval=0.05) as second:
        first.wait_for("echoes", 20)
        with far.load((static.vip, 80), rate=200) as load:
            requests = near.gets(static.vip, 80, 2500)
            datagrams = near.udp(static.vip, 53, 200)
            result = load.stop()
        first.wait_for("echoes", 20)
        second.wait_for("echoes", 20)
        assert first.stop()["breaks"] == [] and second.stop()["breaks"] == []
    assert result["failures"] == []
    for answers in (requests.expect_all(), datagrams.expect_all()):
        assert answers.tasks.keys() == static.names
    # Not one for each datagram: the client's system takes a port again now and then.
    assert packets(xlb, "counters", "flow_new") >= 2500 + result["ok"]
    assert sum(row["traffic"]["packets"] for row in xlb.json("stats")["drops"]) == 0
    assert 0 < len(xlb.json("flow", "ls", "--limit", "100000")["flows"]) <= 2048


def test_new_flow_limit_is_a_named_drop(launch: Launch, static: StaticLab) -> None:
    xlb = launch("--new-flow-limit", "5")
    static.serve(xlb)
    with static.lab.client.hold(static.vip, 7000) as held:
        held.wait_for("echoes", 2)
        datagrams = static.lab.client.udp(static.vip, 53, 200, timeout=0.01)
        held.wait_for("echoes", 2)
        assert held.stop()["breaks"] == []
    assert datagrams.failures and datagrams.answers
    # Each is one drop, but for answers that only came late.
    assert packets(xlb, "drops", "new_flow_limit") > 100
    static.lab.client.wait_answer(static.vip, 80, timeout=5)


def test_more_backends_than_there_is_room_for(launch: Launch, static: StaticLab) -> None:
    xlb = launch()
    static.serve(xlb)
    before = xlb.ctl("export")
    endpoints = [f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}:80" for number in range(32769)]
    many = [service(f"s{part}", f"tcp/{static.vip}:{1000 + part}", endpoints[part::3]) for part in range(3)]
    outcome = xlb.try_ctl("apply", "-", stdin=document(many))
    assert outcome.returncode == 1 and "32767 backends" in outcome.stderr, outcome
    assert len(outcome.stderr.splitlines()) == 1
    assert xlb.ctl("export") == before
    static.check()
    xlb.restart()
    assert xlb.ctl("export") == before


def test_a_thousand_services(launch: Launch, static: StaticLab) -> None:
    xlb = launch()
    endpoints = [f"{backend.address}:{HTTP}" for backend in static.backends]
    many = [service(f"s{number}", f"tcp/{static.vip}:{10000 + number}", endpoints) for number in range(1000)]
    xlb.ctl("apply", "-", stdin=document(many))
    assert xlb.json("status")["services"] == 1000
    for port in (10000, 10001, 10499, 10998, 10999):
        # Not always in strict turns: a backend that remembers an older connection from the same port takes a second SYN.
        settle(static.lab.client, static.vip, port, static.names, timeout=2)
    xlb.restart()
    settle(static.lab.client, static.vip, 10999, static.names, timeout=2)
    xlb.ctl("apply", "-", stdin=document(many[1:]))
    assert "failure" in static.lab.client.get(static.vip, 10000, timeout=1)
    assert xlb.json("status")["backends"] == 2 * 999


# ---- idle flows ----------------------------------------------------------------------------------------------------------------


def age(static: StaticLab, port: int, seconds: int) -> None:
    """Makes every flow to or from this port look unused for so long (a tick is about a second)."""
    node, pin = static.balancer, ["pinned", FLOW_PIN]
    for entry in json.loads(node.run(["bpftool", "--json", "map", "dump", *pin]).stdout):
        key, value = (bytes(int(byte, 16) for byte in entry[part]) for part in ("key", "value"))
        # struct xlb_flow: the tick is the first half of its first word, the client's key follows it.
        if port not in (int.from_bytes(value[at : at + 2], "big") for at in (16, 18)):
            continue
        seen = (int.from_bytes(value[:4], "little") - seconds) % 2**32
        value = seen.to_bytes(4, "little") + value[4:]
        words = [part for name, raw in (("key", key), ("value", value)) for part in (name, "hex", *raw.hex(" ").split())]
        node.run(["bpftool", "map", "update", *pin, *words])


# State of a flow -> seconds after which it goes.
IDLE_LIMITS = {"reset": 10, "closed": 60, "udp": 300}
OPEN_PORT, RESET_PORT = 30001, 30002  # outside the range that the client's system takes ports from


def test_idle_flows_are_swept(launch: Launch, static: StaticLab) -> None:
    xlb = launch("--max-flows", "1024")  # the whole table is read, place by place
    static.serve(xlb)
    client = static.lab.client
    longest: dict[str, float] = {}

    def states() -> dict[str, int]:
        found = xlb.json("flow", "ls")["flows"]
        for flow in found:
            longest[flow["state"]] = max(longest.get(flow["state"], 0), flow["idle_seconds"])
        return dict(collections.Counter(flow["state"] for flow in found))

    held = client.popen([PYTHON, "-c", HELD_OPEN, static.vip, str(OPEN_PORT), str(RESET_PORT)])
    try:
        client.gets(static.vip, 80, 4).expect_all()
        client.udp(static.vip, 53, 5).expect_all()
        # `serve` asked once, too.
        wait_until(lambda: states() == {"established": 1, "reset": 1, "closed": 5, "udp": 5}, 5, "flows of every state")
        for port, limit in ((RESET_PORT, IDLE_LIMITS["reset"]), (80, IDLE_LIMITS["closed"]), (53, IDLE_LIMITS["udp"])):
            age(static, port, limit - 4)
        age(static, OPEN_PORT, 4 * DAY)
        wait_until(lambda: states() == {"established": 1}, 25, "the end of all flows but the established one")
        for state, limit in IDLE_LIMITS.items():
            assert longest[state] > limit - 2, f"{state} went after {longest[state]} s"
        age(static, OPEN_PORT, DAY)
        wait_until(lambda: not states(), 15, "the end of a connection that was idle for five days")
    finally:
        held.kill()


# Two connections to the echo port: one stays open, the other one is reset.
HELD_OPEN = """
import signal, socket, struct, sys
def open_one(port):
    connection = socket.create_connection((sys.argv[1], 7000), source_address=("", int(port)))
    connection.sendall(b"line\\n")
    connection.recv(100)
    return connection
first, second = open_one(sys.argv[2]), open_one(sys.argv[3])
second.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
second.close()
signal.pause()
"""


# ---- Docker --------------------------------------------------------------------------------------------------------------------

# How it misbehaves -> words of the status, all in one line.
MANNERS = {
    "refuses": ["connecting:", "refuses connections"],
    "closes": ["connecting:", "closed the connection"],
    "garbage": ["connecting:", "does not speak HTTP"],
    "wrong-json": ["connecting:", "not JSON"],
    "endless-body": ["connecting:", "without end"],
    "endless-header": ["connecting:", "Docker's socket"],
    "hangs": ["connecting:", "does not answer"],
}


def test_docker_that_misbehaves(launch: Launch, static: StaticLab) -> None:
    node = static.balancer

    def says(words: list[str]) -> bool:
        text = xlb.json("status")["docker"]
        return "\n" not in text and all(word in text for word in words)

    xlb = launch("--docker-socket", DOCKER_SOCKET)
    assert says(["absent:", DOCKER_SOCKET])
    static.serve(xlb)
    for manner, words in [*MANNERS.items(), ("good", ["connected"])]:
        fake = node.popen([PYTHON, str(FAKE_DOCKER), DOCKER_SOCKET, manner])
        try:
            wait_until(lambda: says(words), 30, f"what {words} to be said of a Docker that {manner}")
            settle(static.lab.client, static.vip, 80, static.names, timeout=2)
        finally:
            fake.kill()
            node.run(["rm", "-f", DOCKER_SOCKET])
    wait_until(lambda: says(["absent:"]), 10, "Docker to be absent again")
    static.check()


# ---- crashes -------------------------------------------------------------------------------------------------------------------


class Edits(threading.Thread):
    """Changes the backends of some services until the daemon is gone, as several people at once would."""

    def __init__(self, xlb: Xlb, static: StaticLab, ports: list[int], seed: int):
        super().__init__()
        self._xlb, self._random = xlb, random.Random(seed)
        self._vip, self._ports = static.vip, ports
        self._endpoints = [f"{backend.address}:{HTTP}" for backend in static.backends]

    def run(self) -> None:
        while self._xlb.try_ctl(*self._words(), stdin=self._document()).returncode == 0 or self._xlb.running():
            pass

    def _words(self) -> list[str]:
        name, endpoint = f"s{self._random.choice(self._ports)}", self._random.choice(self._endpoints)
        return self._random.choice([["backend", "add", name, endpoint], ["backend", "rm", name, endpoint], ["apply", "-"]])

    def _document(self) -> str:
        chosen = {port: self._random.sample(self._endpoints, self._random.randint(0, 2)) for port in self._ports}
        return document([service(f"s{port}", f"tcp/{self._vip}:{port}", endpoints) for port, endpoints in chosen.items()])


def served_tasks(static: StaticLab, port: int) -> set[str]:
    return set(static.lab.client.gets(static.vip, port, 4, timeout=2).tasks)


def test_crashes_amid_changes(launch: Launch, static: StaticLab) -> None:
    ports = [8001, 8002, 8003]
    names = {f"{backend.address}:{HTTP}": backend.name for backend in static.backends}
    pause = random.Random(7)
    xlb = launch()
    for turn in range(20):
        edits = [Edits(xlb, static, ports, seed=2 * turn), Edits(xlb, static, ports, seed=2 * turn + 1)]
        for thread in edits:
            thread.start()
        time.sleep(pause.uniform(0.05, 0.5))
        xlb.kill()
        for thread in edits:
            thread.join()
        xlb.start()
        exported = {entry["frontend"]: entry["backends"] for entry in json.loads(xlb.ctl("export"))["services"]}
        for port in ports:
            backends = exported.get(f"tcp/{static.vip}:{port}", [])
            assert served_tasks(static, port) == {names[backend["endpoint"]] for backend in backends}, (turn, port)
