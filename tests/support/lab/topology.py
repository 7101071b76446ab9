"""The lab as a whole: one switch, clients on it and behind a router, and nodes.

    192.0.2.0/24      the switch: the router .1, nodes .10 and up, the client .100
    198.51.100.0/24   behind the router: its own end .1, the far client .100
"""

from __future__ import annotations

import ipaddress
from types import TracebackType

from .client import Client
from .links import Lan, cable, compile_xdp_pass, give_address
from .netns import Host
from .node import Node
from .workspace import Workspace

NEAR = ipaddress.ip_network("192.0.2.0/24")
FAR = ipaddress.ip_network("198.51.100.0/24")
ROUTER_NUMBER = 1
CLIENT_NUMBER = 100


def numbered(network: ipaddress.IPv4Network, number: int) -> str:
    """The network's address with that number, and its prefix length."""
    return f"{network[number]}/{network.prefixlen}"


class Lab:
    """Everything of one run; leave the `with` block and all of it is gone."""

    def __init__(self) -> None:
        self.workspace = Workspace()
        self._hosts: list[Host] = []
        try:
            self.lan = self._keep(Lan(self.workspace.directory("lan"), compile_xdp_pass(self.workspace.path)))
            self.router = self._add_router()
            self.client = self.add_client("client", CLIENT_NUMBER)
            self.far_client = self._add_far_client()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Lab":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        for host in reversed(self._hosts):
            host.close()
        self._hosts.clear()
        self.workspace.close()

    def log_tails(self, lines: int = 40) -> list[tuple[str, str]]:
        """(name, last lines) of every log, for the report of a failed test."""
        tails = []
        for path in sorted(self.workspace.path.glob("*/log/*.log")):
            text = path.read_text(errors="replace").splitlines()[-lines:]
            tails.append((str(path.relative_to(self.workspace.path)), "\n".join(text)))
        return tails

    def _keep(self, host):  # type: ignore[no-untyped-def]
        self._hosts.append(host)
        return host

    def _add_router(self) -> Host:
        router = self._keep(Host("router", self.workspace.directory("router")))
        self.lan.attach(router, numbered(NEAR, ROUTER_NUMBER), native=False)
        router.sysctl("net.ipv4.ip_forward", 1)
        return router

    def _add_far_client(self) -> Client:
        client = self._keep(Client("far-client", self.workspace.directory("far-client")))
        cable(self.router, "far", client, "eth0")
        give_address(self.router, "far", numbered(FAR, ROUTER_NUMBER))
        give_address(client, "eth0", numbered(FAR, CLIENT_NUMBER))
        client.run(["ip", "route", "add", "default", "via", str(FAR[ROUTER_NUMBER])])
        return client

    def _plug_in(self, host: Host, number: int, native: bool) -> None:
        self.lan.attach(host, numbered(NEAR, number), native=native)
        host.run(["ip", "route", "add", "default", "via", str(NEAR[ROUTER_NUMBER])])

    def add_switch(self, name: str) -> Lan:
        """Another one, for more devices of nodes."""
        return self._keep(Lan(self.workspace.directory(name), compile_xdp_pass(self.workspace.path)))

    def remove(self, host: Host) -> None:
        """Before the lab's own end."""
        self._hosts.remove(host)
        host.close()

    def add_client(self, name: str, number: int) -> Client:
        client = self._keep(Client(name, self.workspace.directory(name)))
        self._plug_in(client, number, native=False)
        return client

    def add_node(self, name: str, number: int, *, native: bool = True, rp_filter: int | None = None) -> Node:
        """rp_filter: 1 as cloud images have it (the kernel's default is 0)."""
        node = self._keep(Node(name, self.workspace))
        if rp_filter is not None:
            for scope in ("all", "default"):
                node.sysctl(f"net.ipv4.conf.{scope}.rp_filter", rp_filter)
        self._plug_in(node, number, native)
        return node
