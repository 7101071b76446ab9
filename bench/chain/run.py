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

from lab import xlb  # noqa: E402
from vm import Machine, Unavailable  # noqa: E402

PYTHON = "/usr/bin/python3"
CASES = ["generator", "forward", "iptables", "xdp-drop", "xdp-swap", "xlb-xdp", "xlb-tc"]
WITH_STATE = ["iptables", "xlb-xdp", "xlb-tc"]  # where a new flow is another matter


def compile_floors(directory: Path) -> None:
    source, target = HERE / "floors.bpf.c", directory / "floors.bpf.o"
    include = f"-I/usr/include/{os.uname().machine}-linux-gnu"
    subprocess.run(["clang-14", "-O2", "-g", "-target", "bpf", include, "-c", str(source), "-o", str(target)], check=True)


def measure(case: str, flows: str, timeout: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="xlb-chain-") as name:
        exchange = Path(name)
        compile_floors(exchange)
        machine = Machine(memory=2048, exact=True)
        environment = {"XLB_BIN_DIR": str(xlb.bin_dir()), "XLB_LAB_PATIENCE": "100"}
        log = exchange / "output"
        with log.open("wb") as output:
            command = [PYTHON, "-B", str(HERE / "inside.py"), case, flows]
            status = machine.run(command, exchange=exchange, environment=environment, timeout=timeout, output=output)
        if status != 0:
            raise RuntimeError(f"{case}, {flows}: the machine ended with status {status}\n{log.read_text()[-3000:]}\n{machine.console[-1000:]}")
        return json.loads((exchange / "result.json").read_text())


def table(results: list[dict[str, Any]]) -> str:
    generator = next((row["instructions"] for row in results if row["case"] == "generator"), None)
    lines = [f"{'case':12} {'flows':6} {'instructions':>12} {'less the generator':>20} {'delivered':>14}"]
    for row in results:
        less = "" if generator is None or row["case"] == "generator" else str(row["instructions"] - generator)
        note = "" if row["complete"] else "  INCOMPLETE"
        counts = f"{row['delivered']}/{row['sent']}"
        lines.append(f"{row['case']:12} {row['flows']:6} {row['instructions']:>12} {less:>20} {counts:>14}{note}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE[:new]")
    parser.add_argument("--timeout", type=float, default=900, help="seconds for each")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if obstacle := xlb.missing():
        print(f"SKIPPED: {obstacle}", file=sys.stderr)
        return 77
    wanted = options.cases or [*CASES, *(f"{case}:new" for case in WITH_STATE)]
    results = []
    try:
        for words in wanted:
            case, _, flows = words.partition(":")
            if case not in CASES or flows not in ("", "new"):
                parser.error(f"{words}: cases are {', '.join(CASES)}, with :new for new flows")
            results.append(measure(case, flows or "one", options.timeout))
            print(json.dumps(results[-1]), file=sys.stderr)
    except Unavailable as reason:
        print(f"SKIPPED: {reason}", file=sys.stderr)
        return 77
    print(table(results))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    return 0 if all(row["complete"] for row in results) else 1


if __name__ == "__main__":
    sys.exit(main())
