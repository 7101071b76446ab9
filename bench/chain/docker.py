"""The cases with Docker: a real swarm in the machine, whose published port is reached through Docker's own ingress or through xlb.

    the switch's end of n0's cable (pktgen; the far end of what n0 sends)  <-- veth -->  eth0 of n0, the entry node

pktgen sends by the switch's port itself, so that the switch has no part in it. A packet ends where all that the entry node has to do
for it is done: for a task on the node at the task's own device, before its network stack and its socket; for one on another
node at the far end of the cable, in its VXLAN. So both meshes are measured from the same place to the same place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from chain import TUNNELLED, UDP, Chain, Pktgen, TcSink, XdpSink, XlbCounts

from lab import Lab, Swarm, Xlb, run, wait_until
from lab.inside import Inside
from lab.netns import Host
from lab.swarm import Task

MODULES = ["ip_vs", "ip_vs_rr", "xt_ipvs", "vxlan", "br_netfilter", "nf_conntrack"]
PORT, TARGET = 8093, 5353
PATIENT = 20  # seconds of the machine's clock


class Stage:
    """A swarm with one task, on the entry node or on the other one, that answers through Docker's ingress."""

    def __init__(self, remote: bool):
        for module in MODULES:
            run(["modprobe", module])
        # Room for every flow: up to three entries each (node, ingress sandbox, tunnel).
        run(["sysctl", "-q", "-w", "net.ipv4.ip_forward=1", "net.netfilter.nf_conntrack_max=1000000"])
        self.lab = Lab()
        self.swarm = Swarm(self.lab, managers=1, workers=1 if remote else 0)
        self.entry = self.swarm.leader
        host = self.swarm.nodes[-1].name
        self.service = self.swarm.deploy("names", publish=[f"{PORT}:{TARGET}/udp"], constraints=[f"node.hostname=={host}"])
        self.answers()

    def answers(self) -> None:
        """The client has an answer by way of the entry node, and with it every neighbour is known."""
        client = self.lab.client
        wait_until(lambda: client.udp(self.entry.address, PORT, 1, timeout=PATIENT).answers, 60, "an answer", interval=1)

    def serve(self, xdp: str, remote: bool) -> XlbCounts:
        """By xlbd on the entry node."""
        xlb = Xlb(self.entry.node, xdp=xdp).start()

        def served() -> bool:
            services = xlb.json("service", "ls")["services"]
            return any(service["frontend"].endswith(f":{PORT}") and service["backends"] for service in services)

        wait_until(served, 60, "the published port in xlb", interval=1)
        self.answers()
        # One on the node is reached from TC, whatever XDP does before.
        return XlbCounts(xlb, "xdp" if xdp == "native" and remote else "tc", "forward_vxlan" if remote else "forward_local")

    @property
    def far_end(self) -> tuple[Host, str]:
        """Of the entry node's cable."""
        return self.lab.lan, self.entry.name

    def at_cable(self, *, frames: bool = False) -> TcSink | XdpSink:
        """The sink for a remote task's packets."""
        lan, port = self.far_end
        if frames:
            return XdpSink(lan, port, "tunnel")
        self._without_xdp()
        return TcSink(lan, port, TUNNELLED)

    def at_task(self, address: Callable[[Task], str], port: int, *, frames: bool = False) -> TcSink:
        """The sink for a local task's packets, on the device that has the address."""
        if not frames:
            self._without_xdp()
        [task] = self.service.tasks()
        inside = Inside(task.node.node, task.pid, "task")
        links = json.loads(inside.run(["ip", "-json", "-4", "address", "show"]).stdout)
        wanted = address(task)
        [device] = [link["ifname"] for link in links if any(info["local"] == wanted for info in link["addr_info"])]
        return TcSink(inside, device, [*UDP, "match", "ip", "dport", str(port), "0xffff"])

    def _without_xdp(self) -> None:
        """The lab readies each port for native XDP; what comes as an skb would be made a frame for nothing."""
        lan, port = self.far_end
        lan.run(["ip", "link", "set", "dev", port, "xdpdrv", "off"])

    def chain(self, sink: TcSink | XdpSink) -> Chain:
        lan, port = self.far_end
        [link] = json.loads(self.entry.node.run(["ip", "-json", "link", "show", "dev", "eth0"]).stdout)
        return Chain(Pktgen(lan, port, self.entry.address, link["address"], PORT), sink, keep=self)


class DockerCounts:
    """Of the rules that Docker made for the port, on the node: the filter's meets every packet, NAT's every flow."""

    def __init__(self, node: Host):
        self._node = node

    def __call__(self) -> dict[str, int]:
        rules = self._node.run(["iptables-save", "-c"]).stdout
        counts = {}
        for name, kind in (("passed", "ACCEPT"), ("begun", "DNAT")):
            [packets] = re.findall(rf"\[(\d+):\d+\] -A DOCKER-INGRESS -p udp .*--dport {PORT} -j {kind}", rules)
            counts[name] = int(packets)
        return counts


def docker(remote: bool) -> Chain:
    stage = Stage(remote)
    # Docker reaches a task on the ingress network, by the published port: rules in the task's own namespace make it the target's.
    chain = stage.chain(stage.at_cable() if remote else stage.at_task(lambda task: task.ingress_address, PORT))
    chain.counts = DockerCounts(stage.entry.node)
    return chain


def xlb(remote: bool, xdp: str) -> Chain:
    stage = Stage(remote)
    counts = stage.serve(xdp, remote)
    frames = xdp == "native"
    # xlb reaches one on the node on docker_gwbridge.
    sink = stage.at_cable(frames=frames) if remote else stage.at_task(lambda task: task.gateway_address, TARGET, frames=frames)
    chain = stage.chain(sink)
    chain.counts = counts
    return chain


CASES: dict[str, Callable[[], Chain]] = {
    "docker-local": lambda: docker(False),
    "docker-remote": lambda: docker(True),
    "xlb-local-xdp": lambda: xlb(False, "native"),
    "xlb-local-tc": lambda: xlb(False, "off"),
    "xlb-remote-xdp": lambda: xlb(True, "native"),
    "xlb-remote-tc": lambda: xlb(True, "off"),
}
