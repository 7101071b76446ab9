"""A way from the client to the server, and what a client that goes it measures."""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab import Lab, Xlb, wait_until
from lab.xlb import bin_dir

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


def by_xlb(name: str, address: str, port: int, xlb: Xlb, hook: str, counter: str) -> Way:
    def forwarded() -> int:
        rows = xlb.json("stats")["counters"]
        return sum(row["traffic"]["packets"] for row in rows if row["hook"] == hook and row["name"] == counter)

    return Way(f"xlb, {name}", address, port, forwarded)


def as_by_default(lab: Lab, port: str) -> None:
    """Takes from a port of the lab's switch what readies it for native XDP at the other end. A program there ends the segmentation offload
    of that end's device, and full checksums that of the port itself: all would be cut, whatever the way does."""
    lab.lan.run(["ip", "link", "set", "dev", port, "xdpdrv", "off"])
    lab.lan.run(["ethtool", "-K", port, "tx", "on"])


def run_client(lab: Lab, way: Way, what: str, *options: object) -> dict[str, Any]:
    command = [*pinned(1), what, way.address, str(way.port), *(str(option) for option in options)]
    return json.loads(lab.client.run(command).stdout)


def wait_for(lab: Lab, ways: Sequence[Way]) -> None:
    for way in ways:
        wait_until(lambda: run_client(lab, way, "request", "--seconds", 0.1)["answered"] > 0, 20, f"an answer by {way.name}")


def measure(lab: Lab, way: Way, options: argparse.Namespace) -> None:
    seconds = ("--seconds", options.seconds)
    before = way.forwarded()
    many = run_client(lab, way, "request", "--parallel", options.parallel, *seconds)
    one = run_client(lab, way, "request", *seconds)
    down, up = (run_client(lab, way, direction, *seconds) for direction in ("download", "upload"))
    if many["failed"] or one["failed"]:
        raise RuntimeError(f"{way.name}: {many['failed'] + one['failed']} connections failed")
    if not (many["answered"] and one["answered"] and down["bytes"] and up["bytes"]):
        raise RuntimeError(f"{way.name}: nothing came through in {options.seconds:g} s; a busy machine needs more --seconds")
    # SYN, ACK, request and FIN at least: or else it went another way than the one that is measured.
    least = 4 * (many["answered"] + one["answered"])
    if way.name.startswith("xlb") and way.forwarded() - before < least:
        raise RuntimeError(f"{way.name}: {way.forwarded() - before} packets forwarded, at least {least} expected")
    way.add("connections/s", many["per_second"])
    way.add("p50 us", one["p50_us"])
    way.add("p99 us", one["p99_us"])
    way.add("Gbit/s down", down["gbit_per_second"])
    way.add("Gbit/s up", up["gbit_per_second"])


def measure_in_turn(lab: Lab, ways: Sequence[Way], options: argparse.Namespace) -> None:
    wait_for(lab, ways)
    for _ in range(options.rounds):
        for way in ways:
            measure(lab, way, options)


def ratio(way: Way, other: Way, figure: str) -> float:
    """Median over the rounds of what was measured side by side."""
    return statistics.median(mine / its for mine, its in zip(way.figures[figure], other.figures[figure]))


def table(ways: Sequence[Way]) -> str:
    """The first way, and beside it the second one, are what the others are compared with."""
    figures = list(ways[0].figures)
    of = f"(of {ways[0].name} / {ways[1].name})"
    lines = [f"{'':12}" + "".join(f"{f'{figure} {of}':>42}" for figure in figures)]
    for way in ways:
        cells = (
            f"{statistics.median(way.figures[figure]):.5g} ({ratio(way, ways[0], figure):.2f} / {ratio(way, ways[1], figure):.2f})"
            for figure in figures
        )
        lines.append(f"{way.name:12}" + "".join(f"{cell:>42}" for cell in cells))
    return "\n".join(lines)
