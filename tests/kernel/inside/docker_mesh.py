"""Docker's own routing mesh, as it works where the kernel has IPVS: its rules, its tables, and traffic that goes by it."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

from lab import Lab, Swarm, wait_until
from lab.swarm import SwarmNode

HTTP, ECHO, NAMES = 8091, 8092, 8093  # published for the server's 80, 7000 and 5353/udp
MODULES = ["ip_vs", "ip_vs_rr", "xt_ipvs", "vxlan", "br_netfilter"]
SANDBOX = ["nsenter", "--net=/run/docker/netns/ingress_sbox"]
# What changes by itself, or comes and goes with devices.
UNSTEADY = re.compile(r"^net\.(netfilter\.nf_conntrack_count|ipv[46]\.(conf|neigh)\.(?!all|default|eth0|docker|lo)|.*random|.*uuid)")


@dataclass(frozen=True)
class Rules:
    """All of Docker's in a node's kernel, in the words of the tools that show them."""

    host: str
    sandbox: str
    ipvs: str
    sysctl: str


class DockerMesh:
    """Two nodes, a task on each; only dockerd so far."""

    def __init__(self, lab: Lab):
        for module in MODULES:
            subprocess.run(["modprobe", module], check=True)
        # A new namespace gets the first one's value, and the sandbox forwards.
        subprocess.run(["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"], check=True)
        self.lab = lab
        self.swarm = Swarm(lab, managers=1, workers=1)
        self.entry: SwarmNode = self.swarm.leader
        self.address = self.entry.address
        ports = [f"--publish={published}:{target}" for published, target in ((HTTP, "80"), (ECHO, "7000"), (NAMES, "5353/udp"))]
        hostname = "--hostname={{.Node.Hostname}}"
        self.entry.docker("service", "create", "--name=web", "--detach", "--mode=global", "--no-resolve-image", hostname, *ports, "xlbtest")
        self.wait_tasks()

    @property
    def tasks(self) -> set[str]:
        return {"n0", "n1"}

    def wait_tasks(self, timeout: float = 60) -> None:
        """Both tasks answer at the first node. Every look costs what dockerd needs, too: emulated, a second of it."""

        def both() -> bool:
            return self.lab.client.gets(self.address, HTTP, 2, timeout=3).tasks.keys() == self.tasks

        wait_until(both, timeout, f"answers of {sorted(self.tasks)} at {self.address}:{HTTP}", interval=2)

    def close(self) -> None:
        for member in self.swarm.nodes:
            member.node.close()

    def show(self, *argv: str) -> str:
        return self.entry.node.run(argv).stdout

    def rules(self) -> Rules:
        return Rules(
            host=_without_counters(self.show("iptables-save")),
            sandbox=_without_counters(self.show(*SANDBOX, "iptables-save")),
            ipvs="\n".join(" ".join(line.split()[:4]) for line in self.show(*SANDBOX, "cat", "/proc/net/ip_vs").splitlines()),
            sysctl="\n".join(line for line in self.show("sysctl", "-e", "-a", "-r", "^net\\.").splitlines() if not UNSTEADY.match(line)),
        )

    def rule_packets(self, pattern: str) -> int:
        """How many packets (in the table nat: connections) the one rule of the host that has `pattern` in it has met."""
        [line] = [line for line in self.show("iptables-save", "-c").splitlines() if re.search(pattern, line)]
        return int(line[1:].partition(":")[0])

    def new_connections(self, port: int) -> int:
        """Those that Docker's mesh has taken on, so far."""
        return self.rule_packets(rf"-A DOCKER-INGRESS .*--dport {port} -j DNAT")

    def replies(self, port: int) -> int:
        """Packets that came back to clients through Docker's mesh."""
        return self.rule_packets(rf"-A DOCKER-INGRESS .*--sport {port} -j ACCEPT")

    def sandbox_connections(self) -> list[dict[str, str]]:
        """The sandbox's connection tracker: protocol, state and the fields of both tuples (`src`, …, `reply_src`, …)."""
        found = []
        for line in self.show(*SANDBOX, "cat", "/proc/net/nf_conntrack").splitlines():
            fields: dict[str, str] = {"protocol": line.split()[2]}
            for name, value in re.findall(r"(src|dst|sport|dport)=(\S+)", line):
                fields[f"reply_{name}" if name in fields else name] = value
            found.append(fields)
        return found


def _without_counters(text: str) -> str:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return "\n".join(line.rpartition(" [")[0] if line.startswith(":") else line for line in lines)
