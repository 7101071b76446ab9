"""The cases with true XDP frames: the kernel's live-frames mode gives the program pages as a driver would.

pktgen's packets are skbs, and veth has to make a frame of each before native XDP sees it. Here the kernel runs the program on
frames of its own, as if the device had received them, and what the program sends by XDP_TX leaves by the device and is dropped by
XDP at its far end.
"""

from __future__ import annotations

import ipaddress
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

from chain import Chain, XdpSink, program

import docker
import plain
from lab.netns import PYTHON, Host

RUNNER = Path(__file__).with_name("live_frames.py")
PINS = "/sys/fs/bpf/frames"
SOURCE_PORT, TTL = 4000, 32  # pktgen's own
PAYLOAD = bytes(18)


class Frames:
    """In pktgen's place: gives the device's program frames of a flow, or each of a new one."""

    def __init__(self, host: Host, device: str, address: str, port: int):
        self._host, self._address, self._port = host, address, port
        [self._link] = json.loads(host.run(["ip", "-json", "-details", "link", "show", "dev", device]).stdout)
        host.run(["mkdir", "-p", PINS])
        host.run(["bpftool", "prog", "load", str(program("frames.bpf.o")), f"{PINS}/frames", "type", "xdp", "pinmaps", PINS])

    def behind(self, section: str) -> None:
        """What is measured is a program of floors.bpf.c."""
        self._host.run(["bpftool", "prog", "loadall", str(program("floors.bpf.o")), f"{PINS}/floors", "type", "xdp"])
        self._target("pinned", f"{PINS}/floors/xdp_{section}")

    def behind_attached(self) -> None:
        """What is measured is the program that the device has."""
        self._target("id", str(self._link["xdp"]["prog"]["id"]))

    def _target(self, *words: str) -> None:
        self._host.run(["bpftool", "map", "update", "pinned", f"{PINS}/target", "key", "0", "0", "0", "0", "value", *words])

    def __call__(self, packets: int, new: bool, first_client: str) -> float:
        frame = self._frame(first_client)
        control = struct.pack("<II", int(new), 0) + frame.ljust(64, b"\0")
        value = ["value", "hex", *control.hex(" ").split()]
        self._host.run(["bpftool", "map", "update", "pinned", f"{PINS}/control", "key", "0", "0", "0", "0", *value])
        command = ["chrt", "-f", "40", PYTHON, "-B", str(RUNNER), f"{PINS}/frames", str(self._link["ifindex"]), str(packets), frame.hex()]
        return float(self._host.run(command).stdout)

    def _frame(self, client: str) -> bytes:
        to, source = self._link["address"].replace(":", ""), "020000000001"
        udp = struct.pack("!4H", SOURCE_PORT, self._port, 8 + len(PAYLOAD), 0) + PAYLOAD
        addresses = ipaddress.ip_address(client).packed + ipaddress.ip_address(self._address).packed
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, TTL, 17, 0) + addresses
        total = sum(struct.unpack("!10H", head))
        total = (total & 0xFFFF) + (total >> 16)
        check = struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF)
        return bytes.fromhex(f"{to}{source}0800") + head[:10] + check + head[12:] + udp


def floor(section: str) -> Chain:
    bench = plain.Bench()
    sink = XdpSink(bench.gen, "gen0")
    frames = Frames(bench.node, "up0", plain.NODE, plain.FRONT)
    frames.behind(section)
    return Chain(frames, None if section == "drop" else sink)


def without_dispatcher() -> None:
    """xlbd then attaches by a link: a program in libxdp's dispatcher cannot be reached by a tail call (EBUSY, EXT)."""
    os.environ["LIBXDP_OBJECT_PATH"] = "/nonexistent"


def xlb() -> Chain:
    without_dispatcher()
    bench = plain.Bench()
    sink, counts = XdpSink(bench.gen, "gen0"), bench.serve("native")
    frames = Frames(bench.node, "up0", plain.NODE, plain.FRONT)
    frames.behind_attached()
    return Chain(frames, sink, counts)


def xlb_remote() -> Chain:
    without_dispatcher()
    stage = docker.Stage(remote=True)
    counts = stage.serve("native", remote=True)
    frames = Frames(stage.entry.node, "eth0", stage.entry.address, docker.PORT)
    frames.behind_attached()
    return Chain(frames, stage.at_cable(frames=True), counts, keep=stage)


CASES: dict[str, Callable[[], Chain]] = {
    "frames-alone": lambda: floor("drop"),
    "frames-swap": lambda: floor("swap"),
    "frames-xlb": xlb,
    "frames-xlb-remote": xlb_remote,
}
