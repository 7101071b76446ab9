"""The server on a machine of its own: directly, through a router, by iptables' DNAT, by xlb with a routed backend.

All but the direct way have a hop more than it, which no balancer between two machines can avoid.
"""

from __future__ import annotations

import argparse

from ways import Way, as_by_default, by_xlb, measure_in_turn, pinned

from lab import Lab, Xlb
from lab.client import Client
from lab.static import document, service

SERVER, ROUTER, NAT, XDP, TC = 61, 51, 52, 53, 54  # numbers on the lab's switch
BEHIND_ROUTER = "10.77.0.1"  # the server's address that is reached through the router
FRONT, BACK = 80, 8080


def add_server(lab: Lab) -> Client:
    server = lab.add_client("server", SERVER)
    server.run(["ip", "address", "add", f"{BEHIND_ROUTER}/32", "dev", "lo"])
    server.popen([*pinned(0), "serve", str(BACK)])
    return server


def add_direct(lab: Lab, server: Client) -> Way:
    return Way("direct", server.address, BACK)


def add_router(lab: Lab, server: Client) -> Way:
    """The same hops as through a balancer, with nothing done on the way but IP forwarding."""
    router = lab.add_client("forwarder", ROUTER)
    as_by_default(lab, router.name)
    router.sysctl("net.ipv4.ip_forward", 1)
    for scope in ("all", "eth0"):
        router.sysctl(f"net.ipv4.conf.{scope}.send_redirects", 0)
    router.run(["ip", "route", "add", BEHIND_ROUTER, "via", server.address])
    server.run(["ip", "route", "add", "default", "via", router.address, "table", "77"])
    server.run(["ip", "rule", "add", "from", BEHIND_ROUTER, "lookup", "77"])
    lab.client.run(["ip", "route", "add", BEHIND_ROUTER, "via", router.address])
    return Way("routed", BEHIND_ROUTER, BACK)


def add_iptables(lab: Lab, server: Client) -> Way:
    nat = lab.add_client("nat", NAT)
    as_by_default(lab, nat.name)
    nat.sysctl("net.ipv4.ip_forward", 1)
    to_server = ["-p", "tcp", "--dport"]
    nat.run(["iptables", "-t", "nat", "-A", "PREROUTING", "-d", nat.address, *to_server, str(FRONT), "-j", "DNAT", "--to", f"{server.address}:{BACK}"])
    nat.run(["iptables", "-t", "nat", "-A", "POSTROUTING", "-d", server.address, *to_server, str(BACK), "-j", "MASQUERADE"])
    return Way("iptables", nat.address, FRONT)


def add_xlb(lab: Lab, server: Client, name: str, number: int, xdp: str, hook: str) -> tuple[Way, Xlb]:
    node = lab.add_node(f"node-{name}", number, native=xdp == "native")
    if xdp == "off":
        as_by_default(lab, node.name)
    node.sysctl("net.ipv4.ip_forward", 1)
    xlb = Xlb(node, xdp=xdp).start()
    xlb.ctl("apply", "-", stdin=document([service("web", f"tcp/{node.address}:{FRONT}", [f"{server.address}:{BACK}"])]))
    return by_xlb(name, node.address, FRONT, xlb, hook, "forward_route"), xlb


def run(options: argparse.Namespace) -> list[Way]:
    with Lab() as lab:
        server = add_server(lab)
        as_by_default(lab, server.name)
        as_by_default(lab, lab.client.name)
        by_xdp, xdp = add_xlb(lab, server, "xdp", XDP, "native", "xdp")
        by_tc, tc = add_xlb(lab, server, "tc", TC, "off", "tc")
        ways = [add_direct(lab, server), add_router(lab, server), add_iptables(lab, server), by_xdp, by_tc]
        measure_in_turn(lab, ways, options)
        for xlb in (xdp, tc):
            xlb.remove()
        return ways
