"""What all cases of bench/chain have in common, inside the machine: the generator, the ends of packets, and the counts of both."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from lab import Xlb, run  # noqa: E402
from lab.netns import Host  # noqa: E402

EXCHANGE = Path("/run/vm/exchange")
PKTGEN = ROOT / "bench" / "pktgen" / "pktgen.sh"
PACKETS, WARM = 20_000, 2_000
WARM_CLIENTS, CLIENTS = "198.18.0.1", "198.19.0.1"  # the first of each: a new flow that is measured was never seen


def program(name: str) -> Path:
    """A BPF object that run.py compiled, where nodes see it, too."""
    return Path(os.environ["XLB_LAB_PREBUILT"]) / name


def prepare_machine() -> None:
    """No queue is short, and no daemon is at work while packets are counted."""
    run(["modprobe", "pktgen"])
    run(["sysctl", "-q", "-w", "net.core.netdev_max_backlog=100000", "kernel.sched_rt_runtime_us=-1"])
    _prefer("ksoftirqd", 50)


def _prefer(thread: str, priority: int) -> None:
    for file in Path("/proc").glob("[0-9]*/comm"):
        try:
            if file.read_text().startswith(thread):
                run(["chrt", "-f", "-p", str(priority), file.parent.name])
        except (FileNotFoundError, ProcessLookupError):
            pass  # it ended just now


UDP = ["match", "ip", "protocol", "17", "0xff"]
# IPv4 in VXLAN; what else is in VXLAN are xlb's hellos. 48: from the outer IP header to the inner frame's ethertype.
TUNNELLED = [*UDP, "match", "ip", "dport", "4789", "0xffff", "match", "u16", "0x0800", "0xffff", "at", "48"]


class TcSink:
    """Where skbs end: counted and dropped as they come in, before the stack looks at them."""

    def __init__(self, host: Host, device: str, match: Sequence[str] = UDP):
        self._host, self._device = host, device
        host.run(["tc", "qdisc", "add", "dev", device, "clsact"])
        host.run(["tc", "filter", "add", "dev", device, "ingress", "protocol", "ip", "u32", *match, "action", "drop"])

    def packets(self) -> int:
        words = self._host.run(["tc", "-s", "filter", "show", "dev", self._device, "ingress"]).stdout
        return sum(int(count) for count in re.findall(r"Sent \d+ bytes (\d+) pkt", words))


class XdpSink:
    """Where frames end. The other end of a veth that sends by XDP_TX must have a program anyway."""

    def __init__(self, host: Host, device: str, section: str = "drop"):
        self._host, self._device = host, device
        attach(host, device, section)

    def packets(self) -> int:
        words = self._host.run(["ethtool", "-S", self._device]).stdout
        return sum(int(count) for count in re.findall(r"xdp_drops: (\d+)", words))


def attach(host: Host, device: str, section: str) -> None:
    """A program of floors.bpf.c, in the place of any other."""
    host.run(["ip", "-force", "link", "set", "dev", device, "xdpdrv", "obj", str(program("floors.bpf.o")), "sec", section])


class XlbCounts:
    """xlb's own, as `xlbctl stats` has them: that the packets took the way which the case is about."""

    def __init__(self, xlb: Xlb, hook: str, counter: str):
        self._xlb, self._hook, self._counter = xlb, hook, counter

    def __call__(self) -> dict[str, int]:
        stats = self._xlb.json("stats")
        counters = [(entry["hook"], entry["name"], entry["traffic"]["packets"]) for entry in stats["counters"]]
        return {
            "passed": sum(packets for hook, name, packets in counters if (hook, name) == (self._hook, self._counter)),
            # XDP begins the flow to a task on the node as well, and leaves its packets to TC.
            "begun": sum(packets for _, name, packets in counters if name == "flow_new"),
            "dropped": sum(entry["traffic"]["packets"] for entry in stats["drops"]),
        }


class Pktgen:
    """The kernel's packet generator, on a device: UDP packets of a flow, or each of a new one."""

    def __init__(self, host: Host, device: str, address: str, mac: str, port: int):
        self._host = host
        self._command = ["bash", str(PKTGEN), "-i", device, "-d", address, "-m", mac, "-p", str(port)]
        _prefer("kpktgend", 40)  # below ksoftirqd, which else would find no time to empty the queues

    def __call__(self, packets: int, new: bool, first_client: str) -> float:
        words = self._host.run([*self._command, "-n", str(packets), "-s", first_client, "-f", str(packets if new else 1)]).stdout
        found = re.search(r"sent (\d+) packets .* in (\d+) us.* (\d+) errors", words)
        if found is None or int(found[1]) != packets or int(found[3]) != 0:
            raise RuntimeError(f"pktgen: {words}")
        return int(found[2]) * 1000 / packets


@dataclass
class Chain:
    """What a case made ready: what sends, and how to tell what became of it."""

    send: Callable[[int, bool, str], float]  # packets, each a new flow?, first client -> ns of a packet, which are instructions
    sink: TcSink | XdpSink | None = None  # None: nothing is to come out
    counts: Callable[[], Mapping[str, int]] = dict  # `passed`, `begun` (flows), `dropped`
    keep: object = None  # what would be taken down when nobody refers to it

    def measure(self, new: bool) -> dict[str, Any]:
        """Warms everything up, then sends and counts."""
        self.send(WARM, new, WARM_CLIENTS)
        if not new:
            self.send(WARM // 10, False, CLIENTS)  # the flow that is measured exists
        before = self._count()
        instructions = self.send(PACKETS, new, CLIENTS)
        grown = {name: count - before[name] for name, count in self._count().items()}
        expected = {"delivered": PACKETS, "passed": PACKETS, "begun": PACKETS if new else 0, "dropped": 0}
        wrong = [f"{name} {count} instead of {expected[name]}" for name, count in grown.items() if count != expected[name]]
        return {"instructions": round(instructions), "sent": PACKETS, "delivered": grown.get("delivered"), "wrong": wrong}

    def _count(self) -> dict[str, int]:
        delivered = {} if self.sink is None else {"delivered": self.sink.packets()}
        return {**delivered, **self.counts()}
