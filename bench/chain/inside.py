"""One case of bench/chain, inside the machine whose clock counts instructions: a generator, a node, and the way back.

    gen0 (192.0.2.1 and .61, clients 198.18.0.0/15)  <-- veth -->  up0 (192.0.2.50) the node

What the node sends on goes back by the device that it came in by, so that all cases have the same hops; the generator's side
counts it and drops it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from lab import Xlb, run  # noqa: E402
from lab.links import cable  # noqa: E402
from lab.netns import Host  # noqa: E402
from lab.static import document, service  # noqa: E402

EXCHANGE = Path("/run/vm/exchange")
PKTGEN = ROOT / "bench" / "pktgen" / "pktgen.sh"
NODE, SERVER, GATEWAY, ROUTED = "192.0.2.50", "192.0.2.61", "192.0.2.1", "10.9.0.1"
GEN_MAC, NODE_MAC = "02:00:00:00:00:01", "02:00:00:00:00:50"
FRONT, BACK = 53, 5353
PACKETS, WARM = 20_000, 2_000


class Bench:
    def __init__(self) -> None:
        for line in Path("/proc").glob("[0-9]*/comm"):
            if line.read_text().startswith("ksoftirqd"):
                run(["chrt", "-f", "-p", "50", line.parent.name])
        run(["sysctl", "-q", "-w", "net.core.netdev_max_backlog=100000"])
        run(["modprobe", "pktgen"])
        logs = EXCHANGE / "log"
        logs.mkdir(exist_ok=True)
        self.gen, self.node = Host("gen", logs), Host("node", logs)
        cable(self.gen, "gen0", self.node, "up0")
        self.gen.run(["ip", "link", "set", "gen0", "address", GEN_MAC])
        self.node.run(["ip", "link", "set", "up0", "address", NODE_MAC])
        self.node.run(["ip", "address", "add", f"{NODE}/24", "dev", "up0"])
        self.node.address = NODE
        for neighbor in (GATEWAY, SERVER):
            self.node.run(["ip", "neighbor", "add", neighbor, "lladdr", GEN_MAC, "dev", "up0", "nud", "permanent"])
        self.node.run(["ip", "route", "add", "default", "via", GATEWAY])
        self.node.run(["ip", "route", "add", f"{ROUTED}/32", "via", SERVER])
        for key in ("ip_forward=1", "conf.all.rp_filter=0", "conf.up0.rp_filter=0", "conf.all.send_redirects=0", "conf.up0.send_redirects=0"):
            self.node.run(["sysctl", "-q", "-w", f"net.ipv4.{key}"])

    def sink_by_tc(self) -> None:
        """As skbs they come, as skbs they are dropped."""
        self.gen.run(["tc", "qdisc", "add", "dev", "gen0", "clsact"])
        self.gen.run(["tc", "filter", "add", "dev", "gen0", "ingress", "matchall", "action", "drop"])

    def sink_by_xdp(self) -> None:
        """As frames they come: the other end of a veth that sends by XDP_TX must have a program."""
        self.attach(self.gen, "gen0", "drop")

    def attach(self, host: Host, device: str, section: str) -> None:
        host.run(["ip", "link", "set", "dev", device, "xdpdrv", "obj", str(EXCHANGE / "floors.bpf.o"), "sec", section])

    def received(self) -> int:
        [link] = json.loads(self.gen.run(["ip", "-s", "-j", "link", "show", "dev", "gen0"]).stdout)
        return link["stats64"]["rx"]["packets"]

    def send(self, packets: int, new: bool, device: str = "gen0", address: str = NODE) -> float:
        """ns of a packet."""
        command = ["bash", str(PKTGEN), "-i", device, "-d", address, "-m", NODE_MAC, "-p", str(FRONT), "-n", str(packets)]
        command += ["-s", "198.18.0.1" if packets == WARM else "198.19.0.1", "-f", str(packets if new else 1)]
        words = self.gen.run(command).stdout
        found = re.search(r"sent (\d+) packets .* in (\d+) us.* (\d+) errors", words)
        if found is None or int(found[1]) != packets or int(found[3]) != 0:
            raise RuntimeError(f"pktgen: {words}")
        return int(found[2]) * 1000 / packets


def generator(bench: Bench) -> str:
    bench.gen.run(["ip", "link", "add", "gen1", "type", "dummy"])
    bench.gen.run(["ip", "link", "set", "gen1", "up"])
    return "gen1"


def forward(bench: Bench) -> str:
    bench.sink_by_tc()
    return ROUTED


def iptables(bench: Bench) -> str:
    bench.sink_by_tc()
    at = ["-p", "udp", "--dport"]
    bench.node.run(["iptables", "-t", "nat", "-A", "PREROUTING", "-d", NODE, *at, str(FRONT), "-j", "DNAT", "--to", f"{SERVER}:{BACK}"])
    bench.node.run(["iptables", "-t", "nat", "-A", "POSTROUTING", "-d", SERVER, *at, str(BACK), "-j", "MASQUERADE"])
    return NODE


def xdp_drop(bench: Bench) -> str:
    bench.attach(bench.node, "up0", "drop")
    return ""


def xdp_swap(bench: Bench) -> str:
    bench.sink_by_xdp()
    bench.attach(bench.node, "up0", "swap")
    return NODE


def with_xlb(xdp: str) -> Callable[[Bench], str]:
    def prepare(bench: Bench) -> str:
        if xdp == "native":
            bench.sink_by_xdp()
        else:
            bench.sink_by_tc()
        xlb = Xlb(bench.node, xdp=xdp, options=["--docker-socket", "none", "--uplink", "up0"]).start()  # type: ignore[arg-type]
        xlb.ctl("apply", "-", stdin=document([service("names", f"udp/{NODE}:{FRONT}", [f"{SERVER}:{BACK}"])]))
        return NODE

    return prepare


# What each prepares, and returns: the address to send to; "" when nothing comes back.
CASES: dict[str, Callable[[Bench], str]] = {
    "generator": generator,
    "forward": forward,
    "iptables": iptables,
    "xdp-drop": xdp_drop,
    "xdp-swap": xdp_swap,
    "xlb-xdp": with_xlb("native"),
    "xlb-tc": with_xlb("off"),
}


def main() -> None:
    name, flows = sys.argv[1:]
    new = flows == "new"
    bench = Bench()
    address = CASES[name](bench)
    device = address if name == "generator" else "gen0"
    to = NODE if name == "generator" or not address else address
    bench.send(WARM, new, device, to)
    before = bench.received()
    if not new:
        bench.send(WARM // 10, False, device, to)  # the flow that is measured exists
        before = bench.received()
    per_packet = bench.send(PACKETS, new, device, to)
    delivered = bench.received() - before
    result = {"case": name, "flows": flows, "instructions": round(per_packet), "sent": PACKETS, "delivered": delivered}
    result["complete"] = device == "gen1" or not address or abs(delivered - PACKETS) <= 2
    (EXCHANGE / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
