#!/usr/bin/python3
"""Instructions per packet of whole chains, exactly: on Debian's kernel, in a machine whose clock counts them, one boot a case.

usage: run.py [--json FILE] [CASE[:new]…]      default: all; programs from XLB_BIN_DIR
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests" / "support"))
sys.dont_write_bytecode = True

import report  # noqa: E402

from lab import xlb  # noqa: E402
from lab.images import build_server  # noqa: E402
from lab.links import compile_xdp_pass  # noqa: E402
from vm import Machine, Unavailable  # noqa: E402

PYTHON = "/usr/bin/python3"
PLAIN = ["generator", "forward", "iptables", "xdp-drop", "xdp-swap", "xlb-xdp", "xlb-tc"]
DOCKER = ["docker-local", "xlb-local-xdp", "xlb-local-tc", "docker-remote", "xlb-remote-xdp", "xlb-remote-tc"]
FRAMES = ["frames-alone", "frames-swap", "frames-xlb", "frames-xlb-remote"]
CASES = [*PLAIN, *DOCKER, *FRAMES]
WITH_STATE = ["iptables", "xlb-xdp", "xlb-tc", *DOCKER, "frames-xlb", "frames-xlb-remote"]  # where a new flow is another matter
MEMORY = {case: 3072 for case in [*DOCKER, "frames-xlb-remote"]}  # MB; else 2048


def compile_all(directory: Path) -> None:
    """What would take long in there: BPF programs and the lab's own server."""
    include = f"-I/usr/include/{os.uname().machine}-linux-gnu"
    for source in HERE.glob("*.bpf.c"):
        target = directory / source.with_suffix(".o").name
        subprocess.run(["clang-14", "-O2", "-g", "-target", "bpf", include, "-c", str(source), "-o", str(target)], check=True)
    compile_xdp_pass(directory)
    (directory / "pass.bpf.c").unlink()
    build_server(directory)


def measure(case: str, flows: str, prebuilt: Path, timeout: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="xlb-chain-") as name:
        exchange = Path(name)
        machine = Machine(memory=MEMORY.get(case, 2048), exact=True)
        environment = {"XLB_BIN_DIR": str(xlb.bin_dir()), "XLB_LAB_PATIENCE": "100", "XLB_LAB_PREBUILT": str(prebuilt)}
        log = exchange / "output"
        with log.open("wb") as output:
            command = [PYTHON, "-B", str(HERE / "inside.py"), case, flows]
            status = machine.run(command, exchange=exchange, environment=environment, timeout=timeout, output=output)
        if status == 0:
            return json.loads((exchange / "result.json").read_text())
        # The others go on: all of them take more than an hour.
        print(f"{case}, {flows}:\n{log.read_text()[-3000:]}\n{machine.console[-1000:]}", file=sys.stderr)
        return {"case": case, "flows": flows, "instructions": None, "wrong": [f"the machine ended with status {status}"]}


def measure_all(wanted: list[tuple[str, str]], timeout: float, keep: Path | None) -> list[dict[str, Any]]:
    """Kept after each, for they take minutes."""
    results = []
    with tempfile.TemporaryDirectory(prefix="xlb-chain-prebuilt-") as prebuilt:
        compile_all(Path(prebuilt))
        for case, flows in wanted:
            results.append(measure(case, flows, Path(prebuilt), timeout))
            print(json.dumps(results[-1]), file=sys.stderr, flush=True)
            if keep:
                keep.write_text(json.dumps(results, indent=1))
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE[:new]")
    parser.add_argument("--timeout", type=float, default=1500, help="seconds for each")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if obstacle := xlb.missing():
        print(f"SKIPPED: {obstacle}", file=sys.stderr)
        return 77
    wanted = []
    for words in options.cases or [*CASES, *(f"{case}:new" for case in WITH_STATE)]:
        case, _, flows = words.partition(":")
        if case not in CASES or flows not in ("", "new"):
            parser.error(f"{words}: cases are {', '.join(CASES)}, with :new for new flows")
        wanted.append((case, flows or "one"))
    try:
        results = measure_all(wanted, options.timeout, options.json)
    except Unavailable as reason:
        print(f"SKIPPED: {reason}", file=sys.stderr)
        return 77
    print(report.table(results))
    if reached := report.aims(results):
        print(f"\n{reached}")
    return 1 if any(row["wrong"] for row in results) else 0


if __name__ == "__main__":
    sys.exit(main())
