"""How xlbd starts: what it refuses, what it makes do with, and how it changes its mode."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import pytest

from conftest import Launch
from lab import Xlb, wait_until
from lab.links import compile_xdp_pass
from lab.mesh import leftovers, settle, xdp_modes
from lab.node import Node
from lab.static import StaticLab
from lab.topology import NEAR
from lab.xlb import bin_dir

NODE_PIN = "/sys/fs/bpf/xlb/this_node"
STATE_FILE = "/var/lib/xlb/services.json"
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--")
NO_CAPABILITIES = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--")

# Name -> options, and a word that the reason must have.
REFUSED = {
    "no such uplink": (["--uplink", "eth0,eth9"], "eth9"),
    "pins on another file system": (["--bpffs", "/run/pins"], "BPF file system"),
    "pins nowhere": (["--bpffs", "/nowhere/at/all"], "/nowhere/at"),
    "state directory below a file": (["--state-dir", "/etc/passwd/xlb"], "/etc/passwd"),
    "state directory read-only": (["--state-dir", "/sys/xlb"], "/sys/xlb"),
    "socket below a file": (["--api-socket", "/etc/passwd/xlbd.sock"], "/etc/passwd"),
    "socket that is a file": (["--api-socket", "/etc/passwd"], "not a socket"),
    "metrics at no address": (["--metrics", "everywhere"], "everywhere"),
}

USAGE = {
    "no such option": ["--frobnicate"],
    "no such mode": ["--xdp", "sometimes"],
    "too few flows": ["--max-flows", "1023"],
    "no number": ["--new-flow-limit", "many"],
    "stray word": ["status"],
    "no such file": ["--config", "/nowhere/xlbd.conf"],
}


def attempt(node: Node, options: Sequence[str], prefix: Sequence[str] = ()) -> str:
    """An xlbd that must refuse to start; the reason it gives."""
    outcome = node.run([*prefix, str(bin_dir() / "xlbd"), *options], check=False, timeout=20)
    assert outcome.returncode == 1, outcome
    assert outcome.stdout == ""
    lines = outcome.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("xlbd: "), outcome.stderr
    return lines[0]


def marks(node: Node) -> list[str]:
    """All that an xlbd that starts would change: attachments with their programs' ids, pins, and files."""
    files = node.run(["find", "/sys/fs/bpf", "/var/lib/xlb"]).stdout.splitlines()
    return leftovers(node) + files


@pytest.fixture
def stopped(launch: Launch, static: StaticLab) -> Xlb:
    """An xlbd that served, and whose data path still does."""
    xlb = launch()
    static.serve(xlb)
    xlb.stop()
    return xlb


def check_refused(static: StaticLab, options: Sequence[str], word: str, prefix: Sequence[str] = ()) -> None:
    before = marks(static.balancer)
    assert word in attempt(static.balancer, options, prefix)
    assert marks(static.balancer) == before


def test_refused_with_nothing_there(xlb_built: None, static: StaticLab) -> None:
    for options, word in REFUSED.values():
        check_refused(static, options, word)
    check_refused(static, [], "root", NOBODY)
    check_refused(static, [], "root", NO_CAPABILITIES)
    assert leftovers(static.balancer) == []


def test_refused_beside_a_data_path_at_work(stopped: Xlb, static: StaticLab) -> None:
    for options, word in REFUSED.values():
        check_refused(static, options, word)
    check_refused(static, [], "root", NOBODY)
    check_refused(static, [], "root", NO_CAPABILITIES)
    static.check()


def test_corrupt_state_is_refused_and_kept(stopped: Xlb, static: StaticLab) -> None:
    good = static.balancer.run(["cat", STATE_FILE]).stdout
    for text in ("", good[:-20], '{"version": 1, "services": [{"name": "web"}]}', '{"version": 99, "services": []}'):
        static.balancer.run(["tee", STATE_FILE], stdin=text)
        check_refused(static, [], STATE_FILE)
        assert static.balancer.run(["cat", STATE_FILE]).stdout == text
    settle(static.lab.client, static.vip, 80, static.names, timeout=2)
    static.balancer.run(["tee", STATE_FILE], stdin=good)
    stopped.start()
    static.check()


def test_pins_of_another_schema_are_refused(stopped: Xlb, static: StaticLab) -> None:
    dumped = json.loads(static.balancer.run(["bpftool", "--json", "map", "dump", "pinned", NODE_PIN]).stdout)
    value = [byte.removeprefix("0x") for byte in dumped[0]["value"]]
    update = ["bpftool", "map", "update", "pinned", NODE_PIN, "key", "hex", *["00"] * 4, "value", "hex"]
    static.balancer.run([*update, "63", *value[1:]])
    check_refused(static, [], "xlbctl detach")
    static.check()
    stopped.ctl("detach")
    assert leftovers(static.balancer) == []
    stopped.start()
    settle(static.lab.client, static.vip, 80, static.names, timeout=5)


@pytest.mark.parametrize("kind", ["hash", "array"])
def test_a_strangers_map_under_our_name_is_refused(xlb_built: None, static: StaticLab, kind: str) -> None:
    node = static.balancer
    node.run(["mkdir", "/sys/fs/bpf/xlb"])
    shape = ["type", kind, "key", "4", "value", "8", "entries", "3", "name", "stranger"]
    try:
        node.run(["bpftool", "map", "create", NODE_PIN, *shape])
        check_refused(static, [], NODE_PIN)
        assert "stranger" in node.run(["bpftool", "map", "show", "pinned", NODE_PIN]).stdout
    finally:
        node.run(["rm", "-r", "/sys/fs/bpf/xlb"])


def test_second_xlbd_is_refused(launch: Launch, static: StaticLab) -> None:
    static.serve(launch())
    with static.lab.client.load((static.vip, 80)) as load:
        check_refused(static, [], "another xlbd")
        check_refused(static, ["--api-socket", "/run/other.sock"], "another xlbd")
        check_refused(static, ["--bpffs", "/sys/fs/bpf/other"], "another xlbd")
        load.wait_for("ok", 20)
        assert load.stop()["failures"] == []
    static.check()


@pytest.mark.parametrize("options", USAGE.values(), ids=USAGE.keys())
def test_usage(xlb_built: None, static: StaticLab, options: list[str]) -> None:
    outcome = static.balancer.run([str(bin_dir() / "xlbd"), *options], check=False, timeout=20)
    assert outcome.returncode == 2 and outcome.stderr.strip(), outcome
    assert leftovers(static.balancer) == []


def test_unknown_setting_in_the_configuration_is_no_usage(xlb_built: None, static: StaticLab) -> None:
    static.balancer.run(["tee", "/run/xlbd.conf"], stdin="uplnk = eth0\n")
    outcome = static.balancer.run([str(bin_dir() / "xlbd"), "--config", "/run/xlbd.conf"], check=False, timeout=20)
    assert outcome.returncode == 2 and "uplnk" in outcome.stderr, outcome


def uplink(xlb: Xlb) -> dict[str, str]:
    (only,) = xlb.json("status")["uplinks"]
    return only


@pytest.fixture(scope="module")
def plain(static: StaticLab) -> Iterator[Node]:
    """A second balancer, at a switch whose ports have no XDP program."""
    node = static.lab.add_node("plain", 51, native=False)
    node.sysctl("net.ipv4.ip_forward", 1)
    yield node
    node.close()


def test_network_that_comes_after_xlbd(launch: Launch, static: StaticLab) -> None:
    """As at boot: services in the file, and neither link nor route yet."""
    node = static.balancer
    xlb = launch()
    static.serve(xlb)
    xlb.remove()
    node.run(["ip", "link", "set", "eth0", "down"])
    try:
        xlb.start()
        assert xlb.json("status")["uplinks"] == []
        assert any("no uplink" in warning for warning in xlb.json("status")["warnings"])
    finally:
        node.run(["ip", "link", "set", "eth0", "up"])
        node.run(["ip", "route", "add", "default", "via", static.lab.router.address])
    settle(static.lab.client, static.vip, 80, static.names, timeout=5)
    static.check()


def test_uplink_that_is_removed_leaves_the_others(launch: Launch, static: StaticLab) -> None:
    node = static.balancer
    spare = ["ip", "link", "add", "spare", "up", "type", "bridge"]

    def uplinks(xlb: Xlb) -> list[str]:
        return sorted(uplink["name"] for uplink in xlb.json("status")["uplinks"])

    try:
        node.run(spare)
        xlb = launch("--uplink", "eth0,spare")
        assert uplinks(xlb) == ["eth0", "spare"]
        static.serve(xlb)
        with static.lab.client.load((static.vip, 80)) as load:
            node.run(["ip", "link", "del", "spare"])
            wait_until(lambda: "spare" not in uplinks(xlb), 5, "the removed uplink to be gone")
            assert uplinks(xlb) == ["eth0"]
            assert any('uplink "spare" does not exist' in warning for warning in xlb.json("status")["warnings"])
            load.wait_for("ok", 20)
            assert load.stop()["failures"] == []
        node.run(spare)
        wait_until(lambda: uplinks(xlb) == ["eth0", "spare"], 5, "the uplink to be back")
    finally:
        node.run(["ip", "link", "del", "spare"], check=False)


def test_veth_whose_other_end_drops_xdp(launch: Launch, static: StaticLab, plain: Node) -> None:
    xlb = launch(node=plain)
    assert (uplink(xlb)["xdp"], uplink(xlb)["attach"]) == ("off", "none")
    assert "eth0 is a veth" in uplink(xlb)["reason"]
    assert xdp_modes(plain) == {}
    static.check(static.serve(xlb, plain.address))
    xlb.remove()
    xlb = launch(node=plain, xdp="native")  # as told, and said
    assert uplink(xlb)["xdp"] == "native" and "eth0 is a veth" in uplink(xlb)["reason"]


def test_veth_whose_other_end_polls_but_lets_xdp_lie(launch: Launch, static: StaticLab, plain: Node) -> None:
    """With GRO on and no program, the kernel takes frames of XDP_TX into its ring, and wakes nobody."""
    static.lab.lan.run(["ethtool", "-K", plain.name, "gro", "on"])
    try:
        xlb = launch(node=plain)
        assert (uplink(xlb)["xdp"], uplink(xlb)["attach"]) == ("off", "none")
        static.check(static.serve(xlb, plain.address))
    finally:
        static.lab.lan.run(["ethtool", "-K", plain.name, "gro", "off"])


def test_veth_whose_other_end_has_a_program(launch: Launch, static: StaticLab, plain: Node) -> None:
    program = str(compile_xdp_pass(static.lab.workspace.path))
    static.lab.lan.run(["ip", "link", "set", "dev", plain.name, "xdpdrv", "obj", program, "sec", "xdp"])
    try:
        xlb = launch(node=plain)
        assert uplink(xlb)["xdp"] == "native" and "veth" not in uplink(xlb)["reason"]
        static.check(static.serve(xlb, plain.address))
    finally:
        static.lab.lan.run(["ip", "link", "set", "dev", plain.name, "xdpdrv", "off"])


@pytest.fixture
def bridge(plain: Node) -> Iterator[str]:
    """The node's address on a bridge that eth0 is a port of."""
    address, router = f"{plain.address}/24", str(NEAR[1])

    def move(origin: str, target: str) -> None:
        plain.run(["ip", "address", "del", address, "dev", origin])
        plain.run(["ip", "address", "add", address, "dev", target])
        plain.run(["ip", "route", "add", "default", "via", router])

    plain.run(["ip", "link", "add", "br0", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0"])
    plain.run(["ip", "link", "set", "br0", "up"])
    plain.run(["ip", "link", "set", "eth0", "master", "br0"])
    move("eth0", "br0")
    yield "br0"
    move("br0", "eth0")
    plain.run(["ip", "link", "del", "br0"])


@pytest.mark.parametrize("mode", ["auto", "native"])
def test_driver_without_xdp(launch: Launch, static: StaticLab, plain: Node, bridge: str, mode: str) -> None:
    xlb = launch(node=plain, xdp=mode)
    assert (uplink(xlb)["name"], uplink(xlb)["xdp"], uplink(xlb)["attach"]) == (bridge, "off", "none")
    assert "no native XDP" in uplink(xlb)["reason"]
    static.check(static.serve(xlb, plain.address))


def test_generic(launch: Launch, static: StaticLab) -> None:
    xlb = launch(xdp="generic")
    assert (uplink(xlb)["xdp"], uplink(xlb)["attach"]) == ("generic", "link")
    assert xdp_modes(static.balancer) == {"eth0": "generic"}
    static.check(static.serve(xlb))
    forwarded = {counter["hook"] for counter in xlb.json("stats")["counters"] if counter["name"] == "forward_route"}
    assert "xdp" in forwarded


@pytest.mark.parametrize("theirs,ours", [("xdpdrv", "auto"), ("xdpgeneric", "native"), ("xdpdrv", "generic")])
def test_a_strangers_xdp_program_stays(launch: Launch, static: StaticLab, theirs: str, ours: str) -> None:
    node = static.balancer
    program = str(compile_xdp_pass(static.lab.workspace.path))
    node.run(["ip", "link", "set", "dev", "eth0", theirs, "obj", program, "sec", "xdp"])
    try:
        before = node.run(["bpftool", "--json", "net", "show"]).stdout
        xlb = launch(xdp=ours)
        assert (uplink(xlb)["xdp"], uplink(xlb)["attach"]) == ("off", "none")
        assert "another XDP program" in uplink(xlb)["reason"]
        static.check(static.serve(xlb))
        xlb.remove()
        assert node.run(["bpftool", "--json", "net", "show"]).stdout == before
    finally:
        node.run(["ip", "link", "set", "dev", "eth0", theirs, "off"])


def test_mode_changes_over_restarts(launch: Launch, static: StaticLab) -> None:
    xlb = launch()
    static.serve(xlb)
    with static.lab.client.load((static.vip, 80)) as load, static.lab.far_client.hold(static.vip, 7000) as held:
        held.wait_for("echoes", 2)
        for mode, attached in (("off", {}), ("generic", {"eth0": "generic"}), ("auto", {"eth0": "native"}), ("generic", {"eth0": "generic"})):
            xlb.stop()
            xlb = launch(xdp=mode)
            assert uplink(xlb)["xdp"] == attached.get("eth0", "off"), uplink(xlb)
            assert xdp_modes(static.balancer) == attached
            pins = static.balancer.run(["ls", "/sys/fs/bpf/xlb"]).stdout.split()
            assert any(pin.startswith("link_xdp_") for pin in pins) == bool(attached)
            load.wait_for("ok", 20)
            held.wait_for("echoes", 2)
        connection, requests = held.stop(), load.stop()
    assert connection["breaks"] == [] and requests["failures"] == []
    xlb.remove()
    assert leftovers(static.balancer) == []
