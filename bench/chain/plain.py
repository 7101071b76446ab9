"""The cases without Docker: a generator, a node, and the way back.

    gen0 (192.0.2.1 and .61, clients 198.18.0.0/15)  <-- veth -->  up0 (192.0.2.50) the node

What the node sends on goes back by the device that it came in by, so that all cases have the same hops; the generator's side
counts it and drops it.
"""

from __future__ import annotations

from collections.abc import Callable

from chain import EXCHANGE, Chain, Pktgen, TcSink, XdpSink, XlbCounts, attach

from lab import Xlb
from lab.links import cable
from lab.netns import Host
from lab.static import document, service

NODE, SERVER, GATEWAY, ROUTED = "192.0.2.50", "192.0.2.61", "192.0.2.1", "10.9.0.1"
GEN_MAC, NODE_MAC = "02:00:00:00:00:01", "02:00:00:00:00:50"
FRONT, BACK = 53, 5353


class Bench:
    def __init__(self) -> None:
        logs = EXCHANGE / "log"
        logs.mkdir(exist_ok=True)
        self.gen, self.node = Host("gen", logs), Host("node", logs)
        for host in (self.gen, self.node):
            host.sysctl("net.ipv6.conf.default.disable_ipv6", 1)  # its own packets would be counted
        cable(self.gen, "gen0", self.node, "up0")
        self.gen.run(["ip", "link", "set", "gen0", "address", GEN_MAC])
        self.node.run(["ip", "link", "set", "up0", "address", NODE_MAC])
        self.node.run(["ip", "address", "add", f"{NODE}/24", "dev", "up0"])
        self.node.address = NODE
        for neighbor in (GATEWAY, SERVER):
            self.node.run(["ip", "neighbor", "add", neighbor, "lladdr", GEN_MAC, "dev", "up0", "nud", "permanent"])
        self.node.run(["ip", "route", "add", "default", "via", GATEWAY])
        self.node.run(["ip", "route", "add", f"{ROUTED}/32", "via", SERVER])
        self.node.sysctl("net.ipv4.ip_forward", 1)
        for scope in ("all", "up0"):
            for key in ("rp_filter", "send_redirects"):
                self.node.sysctl(f"net.ipv4.conf.{scope}.{key}", 0)

    def chain(self, sink: TcSink | XdpSink | None, *, address: str = NODE, device: str = "gen0") -> Chain:
        return Chain(Pktgen(self.gen, device, address, NODE_MAC, FRONT), sink)

    def serve(self, xdp: str) -> XlbCounts:
        """By xlbd: a service with the one backend that lies behind the generator's side."""
        xlb = Xlb(self.node, xdp=xdp, options=["--docker-socket", "none", "--uplink", "up0"]).start()  # type: ignore[arg-type]
        xlb.ctl("apply", "-", stdin=document([service("names", f"udp/{NODE}:{FRONT}", [f"{SERVER}:{BACK}"])]))
        return XlbCounts(xlb, "xdp" if xdp == "native" else "tc", "forward_route")


def generator() -> Chain:
    bench = Bench()
    bench.gen.run(["ip", "link", "add", "gen1", "type", "dummy"])
    bench.gen.run(["ip", "link", "set", "gen1", "up"])
    return bench.chain(None, device="gen1")


def forward() -> Chain:
    bench = Bench()
    return bench.chain(TcSink(bench.gen, "gen0"), address=ROUTED)


def iptables() -> Chain:
    bench = Bench()
    at = ["-p", "udp", "--dport"]
    bench.node.run(["iptables", "-t", "nat", "-A", "PREROUTING", "-d", NODE, *at, str(FRONT), "-j", "DNAT", "--to", f"{SERVER}:{BACK}"])
    bench.node.run(["iptables", "-t", "nat", "-A", "POSTROUTING", "-d", SERVER, *at, str(BACK), "-j", "MASQUERADE"])
    return bench.chain(TcSink(bench.gen, "gen0"))


def xdp_drop() -> Chain:
    bench = Bench()
    attach(bench.node, "up0", "drop")
    return bench.chain(None)


def xdp_swap() -> Chain:
    bench = Bench()
    attach(bench.node, "up0", "swap")
    return bench.chain(XdpSink(bench.gen, "gen0"))


def xlb(xdp: str) -> Chain:
    bench = Bench()
    chain = bench.chain(XdpSink(bench.gen, "gen0") if xdp == "native" else TcSink(bench.gen, "gen0"))
    chain.counts = bench.serve(xdp)
    return chain


CASES: dict[str, Callable[[], Chain]] = {
    "generator": generator,
    "forward": forward,
    "iptables": iptables,
    "xdp-drop": xdp_drop,
    "xdp-swap": xdp_swap,
    "xlb-xdp": lambda: xlb("native"),
    "xlb-tc": lambda: xlb("off"),
}
