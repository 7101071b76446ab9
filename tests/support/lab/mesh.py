"""xlbd on nodes of a swarm, and what it leaves in the kernel."""

from __future__ import annotations

import json
from collections.abc import Iterable

from .client import Answers, Traffic
from .node import Node
from .processes import wait_until
from .swarm import Swarm
from .xlb import Xlb


class Mesh:
    """xlbd on some nodes of a swarm (all of them unless told otherwise)."""

    def __init__(self, swarm: Swarm, *, xdp: str = "auto", nodes: Iterable[str] | None = None):
        self.swarm, self.xdp = swarm, xdp
        names = [member.name for member in swarm.nodes] if nodes is None else list(nodes)
        self.xlb = {name: Xlb(swarm.node(name).node, xdp=xdp) for name in names}

    @property
    def addresses(self) -> list[str]:
        """Where xlb answers."""
        return [self.swarm.node(name).address for name in self.xlb]

    def start(self) -> "Mesh":
        for xlb in self.xlb.values():
            xlb.start(wait=False)
        for xlb in self.xlb.values():
            xlb.wait_ready()
        return self

    def remove(self) -> None:
        """Ends the daemons and takes the data path off the nodes."""
        for xlb in self.xlb.values():
            xlb.remove()

    def __enter__(self) -> "Mesh":
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def settle(self, client: Traffic, port: int, tasks: Iterable[str], timeout: float = 20) -> None:
        """Waits until every address answers, by exactly these tasks."""
        for address in self.addresses:
            settle(client, address, port, tasks, timeout)


def settle(client: Traffic, address: str, port: int, tasks: Iterable[str], timeout: float = 20) -> Answers:
    """Waits until the address answers every request, and all these tasks and no others do it."""
    wanted = set(tasks)
    seen = Answers()

    def settled() -> bool:
        nonlocal seen
        seen = client.gets(address, port, 2 * len(wanted), timeout=1)
        return not seen.failures and set(seen.tasks) == wanted

    try:
        wait_until(settled, timeout, f"answers of {sorted(wanted)} at {address}:{port}")
    except TimeoutError as error:
        raise TimeoutError(f"{error}; tasks: {seen.tasks}, failures: {seen.failures[:2]}") from None
    return seen


def xdp_modes(node: Node) -> dict[str, str]:
    """Device -> `native` or `generic`, for those with an XDP program."""
    modes = {}
    for link in json.loads(node.run(["ip", "-json", "-details", "link", "show"]).stdout):
        if "xdp" in link:
            modes[link["ifname"]] = {1: "native", 2: "generic"}.get(link["xdp"].get("mode"), "other")
    return modes


def leftovers(node: Node) -> list[str]:
    """Everything in the node's kernel that xlb could have left: programs, filters, qdiscs, cgroup hooks, pins."""
    found = [f"XDP program on {device}" for device in xdp_modes(node)]
    found += [line for line in node.run(["tc", "qdisc", "show"]).stdout.splitlines() if "clsact" in line]
    attached = json.loads(node.run(["bpftool", "--json", "net", "show"]).stdout)
    found += [f"{kind}: {entry}" for group in attached for kind, entries in group.items() for entry in entries]
    mounts = node.run(["findmnt", "--noheadings", "--output", "TARGET", "--types", "cgroup2"]).stdout.split()
    for mount in mounts[:1]:
        found += node.run(["bpftool", "cgroup", "show", mount]).stdout.splitlines()[1:]
    # Empty directories of others (iproute2 makes some) are not xlb's.
    search = "( -type f ! -name *.debug ) -o -name xlb*"
    pins = node.run(["find", "/sys/fs/bpf", "-mindepth", "1", *search.split()]).stdout.split()
    return found + [f"pin {path}" for path in pins]
