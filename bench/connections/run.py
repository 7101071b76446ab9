#!/usr/bin/python3
"""New connections, latency and bulk throughput of real clients, by several ways to the same server, in turn.

usage: run.py [--server on-node|apart] [--rounds N] [--seconds S] [--parallel N] [--json FILE]      (as root; programs from XLB_BIN_DIR)
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))

import on_node  # noqa: E402
import routed  # noqa: E402
from lab.xlb import missing  # noqa: E402
from ways import LOAD, table  # noqa: E402

PLACES = {"on-node": ("the server is a task on the node that is asked", on_node.run), "apart": ("the server is a machine apart", routed.run)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", choices=PLACES, action="append", help="where; default: both")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each of the four measurements")
    parser.add_argument("--parallel", type=int, default=32, help="connections side by side")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if os.geteuid() != 0 or (obstacle := missing()) or not LOAD.exists():
        print(f"SKIPPED: {'needs root' if os.geteuid() != 0 else obstacle or f'not built: {LOAD}'}", file=sys.stderr)
        return 77
    results = {}
    for place in options.server or PLACES:
        words, run = PLACES[place]
        load_before = os.getloadavg()[0]
        ways = run(options)
        results[place] = {"ways": {way.name: way.figures for way in ways}, "load_before": load_before}
        print(f"{words}; {os.cpu_count()} CPUs, Linux {os.uname().release}, load {load_before:.2f} before, {os.getloadavg()[0]:.2f} after")
        print(f"medians of {options.rounds} rounds; in brackets the median ratios within a round")
        print(table(ways), flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
