"""Who reaches a static service, and where: lists, addresses and devices, sockets of the host itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import Xlb, wait_until
from lab.mesh import settle
from lab.netns import PYTHON
from lab.processes import Process
from lab.static import ECHO, HTTP, StaticLab

LISTENER = """
import socket, sys
family, address, port = (socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET), sys.argv[1], int(sys.argv[2])
with socket.socket(family) as listener:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen()
    while True:
        connection, _ = listener.accept()
        if not connection.recv(4096):
            continue
        body = b"task=host\\nclient=-:0\\n"
        connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body))
        connection.close()
"""
PORT = 2222


@pytest.fixture
def everywhere(xlb: Xlb, static: StaticLab) -> Iterator[int]:
    """Service `all`: TCP port 2222 of every address, both backends."""
    xlb.ctl("service", "add", f"tcp/*:{PORT}", "--name", "all")
    for backend in static.backends:
        xlb.ctl("backend", "add", "all", f"{backend.address}:{HTTP}")
    settle(static.lab.client, static.vip, PORT, static.names, timeout=5)
    yield PORT


def refused(static: StaticLab, address: str, port: int) -> bool:
    return "failure" in static.lab.client.get(address, port, timeout=1)


def drops(xlb: Xlb, name: str) -> int:
    return sum(row["traffic"]["packets"] for row in xlb.json("stats", "--all")["drops"] if row["name"] == name)


def listen(static: StaticLab, address: str, port: int) -> Process:
    process = static.balancer.popen([PYTHON, "-c", LISTENER, address, str(port)])
    local = "127.0.0.1" if address in ("0.0.0.0", "::") else address
    probe = f"import socket; socket.create_connection(({local!r}, {port}), 1)"
    wait_until(lambda: static.balancer.run([PYTHON, "-c", probe], check=False).returncode == 0, 10, "the host's own server")
    return process


def test_deny_and_allow(web: str, xlb: Xlb, static: StaticLab) -> None:
    near, far = static.lab.client, static.lab.far_client
    xlb.ctl("service", "set", "web", "--deny", near.address)
    assert refused(static, web, 80)
    assert drops(xlb, "source_denied") > 0
    far.gets(web, 80, 2).expect_all()
    xlb.ctl("service", "set", "web", "--deny", "", "--allow", f"{near.address}/32")
    near.gets(web, 80, 2).expect_all()
    assert "failure" in far.get(web, 80, timeout=1)
    shown = xlb.ctl("service", "show", "web")
    assert "allow" in shown and near.address in shown
    xlb.ctl("service", "set", "web", "--allow", "")
    far.gets(web, 80, 2).expect_all()


def test_lists_survive_a_restart_and_export(web: str, xlb: Xlb, static: StaticLab) -> None:
    xlb.ctl("service", "set", "web", "--deny", static.lab.client.address)
    document = xlb.ctl("export")
    xlb.restart()
    assert refused(static, web, 80)
    xlb.ctl("service", "set", "web", "--deny", "")
    static.lab.client.wait_answer(web, 80, timeout=5)
    assert "other clients" in xlb.ctl("apply", "-", stdin=document)
    assert refused(static, web, 80)


def test_living_connections_end_when_they_are_denied(xlb: Xlb, static: StaticLab) -> None:
    xlb.ctl("service", "add", f"tcp/{static.vip}:7000", "--name", "echo")
    xlb.ctl("backend", "add", "echo", f"{static.backends[0].address}:{ECHO}")
    with static.lab.client.hold(static.vip, 7000) as one, static.lab.far_client.hold(static.vip, 7000) as other:
        one.wait_for("echoes", 5)
        other.wait_for("echoes", 5)
        xlb.ctl("service", "set", "echo", "--deny", static.lab.client.address)
        wait_until(lambda: drops(xlb, "source_denied") > 0, 10, "the connection's packets to be dropped")
        other.wait_for("echoes", 10)
        assert other.stop()["breaks"] == []


def test_changes_under_load(web: str, xlb: Xlb, static: StaticLab) -> None:
    """Lists that never mean this client are put in place of each other, and nothing of its traffic fails."""
    with static.lab.client.load((web, 80)) as load:
        load.wait_for("ok", 10)
        for number in range(20):
            xlb.ctl("service", "set", "web", "--deny", ",".join(f"203.0.113.{number + more}" for more in range(30)))
        load.wait_for("ok", 10)
        assert load.stop()["failures"] == []


def test_bad_lists_are_refused(web: str, xlb: Xlb) -> None:
    for option, value in (("--allow", "10.0.0.1/8"), ("--deny", "nonsense"), ("--bind", "a/b")):
        answer = xlb.try_ctl("service", "set", "web", option, value)
        assert answer.returncode == 1 and value.split(",")[0] in answer.stderr, answer
    answer = xlb.try_ctl("service", "set", "web", "--bind", "eth0")
    assert answer.returncode == 1 and "one address already" in answer.stderr


def test_bound_to_an_address(everywhere: int, xlb: Xlb, static: StaticLab) -> None:
    xlb.ctl("service", "set", "all", "--bind", static.vip)
    static.lab.client.gets(static.vip, everywhere, 2).expect_all()
    assert refused(static, static.balancer.address, everywhere)
    assert drops(xlb, "not_bound") > 0
    # An address that comes later is closed from its first moment.
    later = static.vip.rpartition(".")[0] + ".90"
    static.balancer.run(["ip", "address", "add", f"{later}/32", "dev", "eth0"])
    try:
        assert refused(static, later, everywhere)
        xlb.ctl("service", "set", "all", "--bind", "eth0")
        for address in (static.vip, static.balancer.address, later):
            static.lab.client.wait_answer(address, everywhere, timeout=5)
    finally:
        static.balancer.run(["ip", "address", "del", f"{later}/32", "dev", "eth0"])
    xlb.ctl("service", "set", "all", "--bind", "eth9")
    assert refused(static, static.vip, everywhere)
    assert "eth9" in xlb.ctl("status")


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_a_port_of_the_hosts_own_is_left(everywhere: int, xlb: Xlb, static: StaticLab, address: str) -> None:
    with static.lab.client.load((static.vip, everywhere)) as load:
        load.wait_for("ok", 10)
        process = listen(static, address, everywhere)
        try:
            settle(static.lab.client, static.vip, everywhere, {"host"}, timeout=10)
            assert f"tcp/{everywhere} (all) is left to python3 (pid " in xlb.ctl("status")
            assert '"kind":"port-left"' in xlb.ctl("-o", "json", "events")
        finally:
            process.kill()
        settle(static.lab.client, static.vip, everywhere, static.names, timeout=10)
        # Only those may fail that met the server while it was being killed.
        assert len(load.stop()["failures"]) <= 150


def test_an_address_of_the_hosts_own_is_left_there_alone(everywhere: int, xlb: Xlb, static: StaticLab) -> None:
    process = listen(static, static.balancer.address, everywhere)
    try:
        settle(static.lab.client, static.balancer.address, everywhere, {"host"}, timeout=10)
        static.lab.client.gets(static.vip, everywhere, 4).expect_all()
        assert "host" not in static.lab.client.gets(static.vip, everywhere, 4).expect_all().tasks
        assert f"at {static.balancer.address} is left to python3" in xlb.ctl("status")
    finally:
        process.kill()
    settle(static.lab.client, static.balancer.address, everywhere, static.names, timeout=10)


def test_established_connections_outlive_a_listener(xlb: Xlb, static: StaticLab) -> None:
    xlb.ctl("service", "add", "tcp/*:7001", "--name", "echo")
    xlb.ctl("backend", "add", "echo", f"{static.backends[0].address}:{ECHO}")
    with static.lab.client.hold(static.vip, 7001) as held:
        held.wait_for("echoes", 5)
        process = listen(static, "0.0.0.0", 7001)
        try:
            settle(static.lab.client, static.vip, 7001, {"host"}, timeout=10)
            held.wait_for("echoes", 10)
            assert held.stop()["breaks"] == []
        finally:
            process.kill()
