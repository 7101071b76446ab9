"""Uplinks that are VLANs of a device, and devices with VLANs on them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from conftest import WEB, Balancer
from lab import Client, wait_until
from lab.static import HTTP

VLAN = "eth0.100"
NETWORK = "203.0.113"


@pytest.fixture
def tagged(balancer: Balancer) -> Iterator[str]:
    """The client, the balancer and the backends have a second network, in VLAN 100: the balancer's address there."""
    subprocess.run(["modprobe", "8021q"], check=True)
    static = balancer.static
    hosts: list[Client] = [static.lab.client, balancer.node, *(backend.host for backend in static.backends)]
    for host in hosts:
        host.run(["ip", "link", "add", "link", "eth0", "name", VLAN, "type", "vlan", "id", "100"])
        host.run(["ip", "address", "add", f"{NETWORK}.{host.address.rpartition('.')[2]}/24", "dev", VLAN])
        host.run(["ip", "link", "set", VLAN, "up"])
    yield vlan_address(balancer.node)
    balancer.remove()
    for host in hosts:
        host.run(["ip", "link", "delete", VLAN])


def vlan_address(host: Client) -> str:
    return f"{NETWORK}.{host.address.rpartition('.')[2]}"


def serve_tagged(balancer: Balancer, address: str) -> None:
    balancer.ctl("service", "add", f"tcp/{address}:{WEB}", "--name", "tagged")
    for backend in balancer.static.backends:
        balancer.ctl("backend", "add", "tagged", f"{vlan_address(backend.host)}:{HTTP}")


@pytest.mark.parametrize(("mode", "hook", "xdp"), [("auto", "tc", "off"), ("off", "tc", "off"), ("generic", "xdp", "generic")])
def test_vlan_as_an_uplink(balancer: Balancer, tagged: str, mode: str, hook: str, xdp: str) -> None:
    """It has the default route, so it is found; a VLAN device has no native XDP."""
    static = balancer.static
    balancer.node.run(["ip", "route", "replace", "default", "via", f"{NETWORK}.1", "dev", VLAN])
    try:
        balancer.launch(mode)
        assert balancer.uplinks()[VLAN]["xdp"] == xdp
        serve_tagged(balancer, tagged)
        assert static.lab.client.gets(tagged, WEB, 4).expect_all().tasks == {name: 2 for name in static.names}
        assert balancer.packets(hook, "forward_route") > 0
        assert balancer.packets(hook, "reply_route") > 0
    finally:
        balancer.node.run(["ip", "route", "replace", "default", "via", "192.0.2.1", "dev", "eth0"])


def test_vlan_and_the_device_below_it(balancer: Balancer, tagged: str) -> None:
    """Each frame is served once, where it belongs: one with a tag passes up the device below. XDP there would not see the tag."""
    static = balancer.static
    balancer.launch("auto", options=["--uplink", f"eth0,{VLAN}"])
    below = balancer.uplinks()["eth0"]
    assert below["xdp"] == "off"
    assert below["reason"].startswith("VLANs lie on it")
    balancer.serve()
    serve_tagged(balancer, tagged)
    for address in (tagged, static.vip):
        assert static.lab.client.gets(address, WEB, 4).expect_all().tasks == {name: 2 for name in static.names}
    assert balancer.packets("tc", "pass_vlan") > 0


def test_a_vlan_comes_and_goes(balancer: Balancer) -> None:
    subprocess.run(["modprobe", "8021q"], check=True)
    static = balancer.static
    assert balancer.begin("auto")["xdp"] == "native"
    balancer.serve()
    add = ["ip", "link", "add", "link", "eth0", "name", "eth0.200", "type", "vlan", "id", "200"]
    for command, expected in ((add, "off"), (["ip", "link", "delete", "eth0.200"], "native")):
        balancer.node.run(command)
        wait_until(lambda: balancer.uplinks()["eth0"]["xdp"] == expected, 10, f"XDP {expected} after {' '.join(command)}", interval=0.5)
        assert static.lab.client.gets(static.vip, WEB, 4).expect_all().tasks == {name: 2 for name in static.names}
