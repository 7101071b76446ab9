#!/usr/bin/python3
"""New connections, latency and bulk throughput of real clients, by several ways to the same server, in turn.

usage: run.py [--rounds N] [--seconds S] [--parallel N] [--json FILE]      (as root; programs from XLB_BIN_DIR)
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))

from lab import Lab, Xlb, wait_until  # noqa: E402
from lab.client import Client  # noqa: E402
from lab.static import document, service  # noqa: E402
from lab.xlb import bin_dir, missing  # noqa: E402

SERVER, ROUTER, NAT, XDP, TC = 61, 51, 52, 53, 54  # numbers on the lab's switch
BEHIND_ROUTER = "10.77.0.1"  # the server's address that is reached through the router
FRONT, BACK = 80, 8080
LOAD = bin_dir() / "xlb_bench_load"


def pinned(cpu: int) -> list[str]:
    """The load program on one CPU, and before whatever else the machine does."""
    return ["nice", "-n", "-20", str(LOAD), "--cpu", str(cpu % (os.cpu_count() or 1))]


@dataclass
class Way:
    """How the client gets to the server, and how to tell that it really went there."""

    name: str
    address: str
    port: int
    forwarded: Callable[[], int] = lambda: 0  # packets that xlb's hook of this way sent on so far
    figures: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        self.figures.setdefault(name, []).append(value)


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
    nat.sysctl("net.ipv4.ip_forward", 1)
    to_server = ["-p", "tcp", "--dport"]
    nat.run(["iptables", "-t", "nat", "-A", "PREROUTING", "-d", nat.address, *to_server, str(FRONT), "-j", "DNAT", "--to", f"{server.address}:{BACK}"])
    nat.run(["iptables", "-t", "nat", "-A", "POSTROUTING", "-d", server.address, *to_server, str(BACK), "-j", "MASQUERADE"])
    return Way("iptables", nat.address, FRONT)


def add_xlb(lab: Lab, server: Client, name: str, number: int, xdp: str, hook: str) -> tuple[Way, Xlb]:
    node = lab.add_node(f"node-{name}", number, native=xdp == "native")
    node.sysctl("net.ipv4.ip_forward", 1)
    xlb = Xlb(node, xdp=xdp).start()
    xlb.ctl("apply", "-", stdin=document([service("web", f"tcp/{node.address}:{FRONT}", [f"{server.address}:{BACK}"])]))

    def forwarded() -> int:
        rows = xlb.json("stats")["counters"]
        return sum(row["traffic"]["packets"] for row in rows if row["hook"] == hook and row["name"] == "forward_route")

    return Way(f"xlb, {name}", node.address, FRONT, forwarded), xlb


def run_client(lab: Lab, way: Way, what: str, *options: object) -> dict[str, Any]:
    command = [*pinned(1), what, way.address, str(way.port), *(str(option) for option in options)]
    return json.loads(lab.client.run(command).stdout)


def measure(lab: Lab, way: Way, options: argparse.Namespace) -> None:
    seconds = ("--seconds", options.seconds)
    before = way.forwarded()
    many = run_client(lab, way, "request", "--parallel", options.parallel, *seconds)
    one = run_client(lab, way, "request", *seconds)
    stream = run_client(lab, way, "stream", *seconds)
    if many["failed"] or one["failed"]:
        raise RuntimeError(f"{way.name}: {many['failed'] + one['failed']} connections failed")
    if not (many["answered"] and one["answered"] and stream["bytes"]):
        raise RuntimeError(f"{way.name}: nothing came through in {options.seconds:g} s; a busy machine needs more --seconds")
    # SYN, ACK, request and FIN at least: or else it went another way than the one that is measured.
    least = 4 * (many["answered"] + one["answered"])
    if way.name.startswith("xlb") and way.forwarded() - before < least:
        raise RuntimeError(f"{way.name}: {way.forwarded() - before} packets forwarded, at least {least} expected")
    way.add("connections/s", many["per_second"])
    way.add("p50 us", one["p50_us"])
    way.add("p99 us", one["p99_us"])
    way.add("Gbit/s", stream["gbit_per_second"])


def ratio(way: Way, other: Way, figure: str) -> float:
    """Median over the rounds of what was measured side by side."""
    return statistics.median(mine / its for mine, its in zip(way.figures[figure], other.figures[figure]))


def table(ways: list[Way]) -> str:
    figures = list(ways[0].figures)
    lines = [f"{'':12}" + "".join(f"{figure + ' (of direct / routed)':>40}" for figure in figures)]
    for way in ways:
        cells = (
            f"{statistics.median(way.figures[figure]):.5g} ({ratio(way, ways[0], figure):.2f} / {ratio(way, ways[1], figure):.2f})"
            for figure in figures
        )
        lines.append(f"{way.name:12}" + "".join(f"{cell:>40}" for cell in cells))
    return "\n".join(lines)


def run(options: argparse.Namespace) -> list[Way]:
    with Lab() as lab:
        server = add_server(lab)
        by_xdp, xdp = add_xlb(lab, server, "xdp", XDP, "native", "xdp")
        by_tc, tc = add_xlb(lab, server, "tc", TC, "off", "tc")
        ways = [add_direct(lab, server), add_router(lab, server), add_iptables(lab, server), by_xdp, by_tc]
        for way in ways:
            wait_until(lambda: run_client(lab, way, "request", "--seconds", 0.1)["answered"] > 0, 10, f"an answer by {way.name}")
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
            for way in ways:
                measure(lab, way, options)
        for xlb in (xdp, tc):
            xlb.remove()
        return ways


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each of the three measurements")
    parser.add_argument("--parallel", type=int, default=32, help="connections side by side")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if os.geteuid() != 0 or (obstacle := missing()) or not LOAD.exists():
        print(f"SKIPPED: {'needs root' if os.geteuid() != 0 else obstacle or f'not built: {LOAD}'}", file=sys.stderr)
        return 77
    load_before = os.getloadavg()[0]
    ways = run(options)
    print(f"{os.cpu_count()} CPUs, Linux {os.uname().release}, load {load_before:.2f} before, {os.getloadavg()[0]:.2f} after")
    print(f"medians of {options.rounds} rounds; in brackets the median ratio within a round to direct access and to plain forwarding")
    print(table(ways))
    if options.json:
        options.json.write_text(json.dumps({"ways": {way.name: way.figures for way in ways}, "load_before": load_before}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
