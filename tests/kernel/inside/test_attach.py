"""How the XDP program gets onto a device where libxdp's dispatcher works, and off it again."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from conftest import WEB, Balancer
from lab import wait_until
from lab.mesh import leftovers, xdp_modes
from lab.processes import Process

DISPATCHER = {"xdp": "native", "attach": "dispatcher", "reason": ""}
OURS, STRANGER = "xlb_xdp", "xdpfilt_alw_all"


@pytest.fixture
def plain_program(balancer: Balancer) -> Iterator[str]:
    """A program that knows nothing of the dispatcher."""
    object_file = balancer.static.lab.workspace.path / "pass.bpf.o"
    balancer.node.run(["ip", "link", "set", "dev", "eth0", "xdpdrv", "obj", str(object_file), "sec", "xdp"])
    yield "pass"
    balancer.node.run(["ip", "link", "set", "dev", "eth0", "xdpdrv", "off"])


def watch_device(balancer: Balancer) -> Process:
    """The kernel tells every change of a device to those who listen, so that none is missed between two looks."""
    watch = balancer.node.popen(["ip", "-oneline", "monitor", "link"])

    def listens() -> bool:
        balancer.node.run(["ip", "link", "set", "dev", "eth0", "alias", "watched"])
        return "eth0" in watch.output()

    wait_until(listens, 5, "the first change")
    return watch


def xdp_links(balancer: Balancer) -> list[int]:
    """Ids of the links for XDP (of the whole machine, where only xlb makes any); the kernel tells nobody of their changes."""
    links = json.loads(balancer.node.run(["bpftool", "--json", "link", "show"]).stdout)
    return [link["id"] for link in links if link.get("type") == "xdp"]


def moments_without_xdp(watch: Process) -> list[str]:
    watch.stop()
    seen = [line for line in watch.output().splitlines() if "eth0" in line]
    assert len(seen) >= 2, f"nothing but the change that began the watch: {seen}"
    return [line for line in seen if "xdp/id:" not in line]


def test_restarts_leave_no_gap(balancer: Balancer) -> None:
    assert balancer.begin("auto") == DISPATCHER
    balancer.serve()
    static = balancer.static
    watch = watch_device(balancer)
    with static.lab.client.load((static.vip, WEB), rate=20) as load:
        for end in (balancer.stop, balancer.kill):
            load.wait_for("ok", 10)
            end()
            load.wait_for("ok", 10)
            balancer.start()
            assert balancer.uplink() == DISPATCHER
            assert balancer.in_dispatcher() == [OURS]
        load.wait_for("ok", 10)
        result = load.stop()
    assert result["failures"] == []
    assert set(result["tasks"]) == static.names
    assert moments_without_xdp(watch) == []


@pytest.mark.parametrize("daemon", ["running", "killed"])
def test_detach_leaves_nothing(balancer: Balancer, daemon: str) -> None:
    balancer.begin("auto")
    if daemon == "killed":
        balancer.kill()
    assert "XDP program removed from eth0" in balancer.ctl("detach")
    assert leftovers(balancer.node) == []


def test_another_user_of_the_dispatcher(balancer: Balancer) -> None:
    """xdp-filter comes after xlbd, sees it restart and go, meets it again, and goes first."""
    both = sorted([STRANGER, OURS])
    assert balancer.begin("auto") == DISPATCHER
    balancer.node.run(["xdp-filter", "load", "--mode", "native", "eth0"])
    watch = watch_device(balancer)
    assert sorted(balancer.in_dispatcher()) == both
    assert balancer.begin("auto") == DISPATCHER
    assert sorted(balancer.in_dispatcher()) == both
    balancer.remove()
    assert balancer.in_dispatcher() == [STRANGER]
    assert balancer.begin("auto") == DISPATCHER
    assert sorted(balancer.in_dispatcher()) == both
    balancer.node.run(["xdp-filter", "unload", "eth0"])
    assert balancer.in_dispatcher() == [OURS]
    assert moments_without_xdp(watch) == []


def test_program_outside_the_dispatcher_keeps_the_device(plain_program: str, balancer: Balancer) -> None:
    uplink = balancer.begin("auto")
    assert (uplink["xdp"], uplink["attach"]) == ("off", "none")
    assert "another XDP program is on the device; TC does all the work" in uplink["reason"]
    balancer.serve()
    static = balancer.static
    assert static.lab.client.gets(static.vip, WEB, 10).expect_all().tasks.keys() == static.names
    assert balancer.packets("tc", "forward_route") > 0
    balancer.remove()
    [link] = json.loads(balancer.node.run(["ip", "-json", "-details", "link", "show", "eth0"]).stdout)
    assert link["xdp"]["prog"]["name"] == plain_program


def test_modes_replace_each_other(balancer: Balancer) -> None:
    """Whatever an earlier xlbd left, the next one gets the mode that it was told."""
    states = []
    for mode, dispatcher in (("auto", True), ("generic", True), ("native", True), ("auto", False), ("auto", True), ("off", True)):
        uplink = balancer.begin(mode, dispatcher=dispatcher)
        states.append((uplink["xdp"], uplink["attach"]))
        assert xdp_modes(balancer.node) == ({} if uplink["xdp"] == "off" else {"eth0": uplink["xdp"]})
    assert states == [
        ("native", "dispatcher"),
        ("generic", "link"),
        ("native", "dispatcher"),
        ("native", "link"),  # libxdp does not find its dispatcher: a link it is
        ("native", "link"),  # and stays, because a link is replaced without a gap
        ("off", "none"),
    ]


def test_link_without_a_dispatcher(balancer: Balancer) -> None:
    uplink = balancer.begin("auto", dispatcher=False)
    assert (uplink["xdp"], uplink["attach"]) == ("native", "link")
    assert uplink["reason"].startswith("no dispatcher: ")
    balancer.serve()
    static = balancer.static
    before = xdp_links(balancer)
    with static.lab.client.load((static.vip, WEB), rate=20) as load:
        load.wait_for("ok", 10)
        balancer.restart()
        load.wait_for("ok", 10)
        assert load.stop()["failures"] == []
    assert len(before) == 1, balancer.node.run(["bpftool", "link", "show"]).stdout
    assert xdp_links(balancer) == before  # the same link, another program
    balancer.remove()
    assert leftovers(balancer.node) == []
