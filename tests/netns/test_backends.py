"""The static lab itself: backends answer, and the search for leftovers finds what there is."""

from __future__ import annotations

from lab.links import compile_xdp_pass
from lab.mesh import leftovers, xdp_modes
from lab.static import ECHO, HTTP, UDP, StaticLab


def test_backends_answer_directly(static: StaticLab) -> None:
    for backend in static.backends:
        answers = static.balancer.gets(backend.address, HTTP, 3).expect_all()
        assert answers.tasks == {backend.name: 3}
        assert answers.clients == {static.balancer.address}
        assert static.lab.far_client.udp(backend.address, UDP, 3).expect_all().tasks == {backend.name: 3}
        with static.lab.client.hold(backend.address, ECHO) as held:
            held.wait_for("echoes", 3)
            assert held.stop()["breaks"] == []


def test_stopped_backend_is_noticed(static: StaticLab) -> None:
    backend = static.backends[1]
    with static.lab.client.load((backend.address, HTTP)) as load, static.lab.client.hold(backend.address, ECHO) as held:
        load.wait_for("ok", 10)
        held.wait_for("echoes", 2)
        backend.stop()
        load.wait_for("started", 60)
        backend.start()
        load.wait_for("ok", 10)
        held.wait_for("echoes", 2)
        assert load.stop()["failures"] and held.stop()["breaks"]


def test_leftovers_are_found(static: StaticLab) -> None:
    node = static.balancer
    assert leftovers(node) == []
    program = str(compile_xdp_pass(static.lab.workspace.path))
    node.run(["ip", "link", "set", "dev", "eth0", "xdpdrv", "obj", program, "sec", "xdp"])
    node.run(["tc", "qdisc", "add", "dev", "eth0", "clsact"])
    node.run(["bpftool", "prog", "load", program, "/sys/fs/bpf/pinned", "type", "xdp"])
    try:
        assert xdp_modes(node) == {"eth0": "native"}
        found = leftovers(node)
        assert "XDP program on eth0" in found and "pin /sys/fs/bpf/pinned" in found
        assert any("clsact" in entry for entry in found)
    finally:
        node.run(["ip", "link", "set", "dev", "eth0", "xdpdrv", "off"])
        node.run(["tc", "qdisc", "del", "dev", "eth0", "clsact"])
        node.run(["rm", "-f", "/sys/fs/bpf/pinned"])
    assert leftovers(node) == []
