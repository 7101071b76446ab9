"""Cables and switches: veth pairs between hosts, and a bridge in a namespace of its own."""

from __future__ import annotations

from pathlib import Path

from .netns import Host
from .processes import run

XDP_PASS_SOURCE = """\
__attribute__((section("xdp"), used)) int pass(void *ctx) { return 2; /* XDP_PASS */ }
char license_text[] __attribute__((section("license"), used)) = "GPL";
"""


def compile_xdp_pass(directory: Path) -> Path:
    """The smallest XDP program there is."""
    source, target = directory / "pass.bpf.c", directory / "pass.bpf.o"
    if not target.exists():
        source.write_text(XDP_PASS_SOURCE)
        run(["clang-14", "-O2", "-g", "-target", "bpf", "-c", str(source), "-o", str(target)])
    return target


def cable(left: Host, left_name: str, right: Host, right_name: str) -> None:
    """A veth pair, both ends up."""
    left.run(["ip", "link", "add", left_name, "type", "veth", "peer", "name", right_name, "netns", str(right.pid)])
    left.run(["ip", "link", "set", left_name, "up"])
    right.run(["ip", "link", "set", right_name, "up"])


def give_address(host: Host, device: str, address: str) -> None:
    """`address` with its prefix length; the first one given becomes the host's address."""
    host.run(["ip", "address", "add", address, "dev", device])
    host.address = host.address or address.partition("/")[0]


def prepare_for_xdp(host: Host, device: str, xdp_pass: Path) -> None:
    """Readies the near end of a veth whose far end will run native XDP.

    The kernel drops frames sent by native XDP_TX unless the receiving end has a program too, and packets that never saw a wire
    carry partial checksums, which XDP would copy into what it forwards.
    """
    host.run(["ethtool", "-K", device, "tx", "off"])
    host.run(["ip", "link", "set", "dev", device, "xdpdrv", "obj", str(xdp_pass), "sec", "xdp"])


class Lan(Host):
    """A switch: a namespace with a bridge and a port for each host."""

    def __init__(self, logs: Path, xdp_pass: Path):
        super().__init__("lan", logs)
        self._xdp_pass = xdp_pass
        # Zero forward delay and no multicast querying: a port carries packets as soon as it is up.
        self.run(["ip", "link", "add", "switch", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0"])
        self.run(["ip", "link", "set", "switch", "up"])

    def attach(self, host: Host, address: str, *, device: str = "eth0", native: bool = True) -> None:
        """Plugs the host in as `device`; the port is named after the host. native: the host may run native XDP."""
        cable(self, host.name, host, device)
        self.run(["ip", "link", "set", host.name, "master", "switch"])
        if native:
            prepare_for_xdp(self, host.name, self._xdp_pass)
        else:
            self.run(["ethtool", "-K", host.name, "tx", "off"])
        give_address(host, device, address)
