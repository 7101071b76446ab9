#!/usr/bin/python3
"""What xlb_bench_program wrote, as a table and as a plot; or two of its files compared.

usage: report.py RESULTS.json [--svg PLOT.svg] [--against EARLIER.json [--limit PERCENT]] [--baseline FILE.json]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

Row = dict[str, Any]


def amount(flows: int) -> str:
    if flows == 0:
        return "all new"
    for size, unit in ((1 << 20, "M"), (1 << 10, "K")):
        if flows >= size:
            return f"{flows // size}{unit}"
    return str(flows)


def key(row: Row) -> tuple[str, str, str, int]:
    return row["scene"], row["path"], row["program"], row["flows"]


def title(results: dict[str, Any]) -> str:
    """Where, when and under what load: no figure goes without."""
    load = f"load {results['load_before']:g} before, {results['load_after']:g} after"
    return f"{results['date']}, {results['cpu']}, Linux {results['kernel']}, CPU {results['on_cpu']}, {load}, {results['rounds']} rounds"


def table(results: dict[str, Any]) -> str:
    head = ["scene", "path", "program", "flows", "raw best", "raw median", "net best", "net median", "of the floor", ""]
    lines = [head]
    for row in results["rows"]:
        line = [row["scene"], row["path"], row["program"], amount(row["flows"])]
        line += [f"{row[name]:.1f}" if name in row else "" for name in ("raw_best", "raw_median", "net_best", "net_median")]
        line += [f"{row['ratio_best']:.2f} / {row['ratio_median']:.2f}", row["floor"]] if "floor" in row else ["", ""]
        lines.append(line)
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    right = range(3, 9)
    return "\n".join(
        "  ".join(cell.rjust(width) if column in right else cell.ljust(width) for column, (cell, width) in enumerate(zip(line, widths))).rstrip()
        for line in lines
    )


BAR, GAP, LABEL, WIDTH, MARGIN = 16, 4, 330, 480, 12
COLORS = {True: "#9aa3ad", False: "#1769aa"}  # floors, xlb


def plot(results: dict[str, Any]) -> str:
    """One bar a figure: the net median; the white line in it is the best round. A scale of its own for each scene."""
    parts: list[str] = []
    y = MARGIN + 10

    def text(x: float, at: float, words: str, **attributes: str) -> None:
        extra = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
        parts.append(f'<text x="{x:.1f}" y="{at:.1f}"{extra}>{escape(words)}</text>')

    text(MARGIN, y, "ns per packet, less the wrapper's; grey: floors", font_weight="bold")
    y += 16
    text(MARGIN, y, title(results), fill="#555")
    scenes = list(dict.fromkeys(row["scene"] for row in results["rows"]))
    for scene in scenes:
        rows = [row for row in results["rows"] if row["scene"] == scene and "net_median" in row and not row["path"].startswith("empty")]
        if not rows:
            continue
        scale = WIDTH / max(row["net_median"] for row in rows)
        y += 28
        text(MARGIN, y, scene, font_weight="bold")
        y += 8
        for row in rows:
            flows = f", {amount(row['flows'])}" + (" flows" if row["flows"] > 1 else " flow" if row["flows"] else "")
            length, best = max(row["net_median"], 0) * scale, max(row["net_best"], 0) * scale
            text(MARGIN + LABEL - 8, y + BAR - 4, row["path"] + flows, text_anchor="end")
            color = COLORS[row["program"].startswith("floor_")]
            parts.append(f'<rect x="{MARGIN + LABEL}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{color}"/>')
            parts.append(f'<rect x="{MARGIN + LABEL + best - 1:.1f}" y="{y}" width="1.5" height="{BAR}" fill="#fff"/>')
            text(MARGIN + LABEL + length + 6, y + BAR - 4, f"{row['net_median']:.0f}")
            y += BAR + GAP
    size = f'width="{LABEL + WIDTH + 80}" height="{y + MARGIN}"'
    style = "<style>text{font:12px sans-serif;fill:#222}</style>"
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{style}<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'


def ratios(results: dict[str, Any]) -> dict[tuple[str, str, str, int], float]:
    """Of each path to its floor; of several runs' medians the lowest is the one that the machine disturbed least."""
    return {key(row): row["ratio_median"] for row in results["rows"] if "floor" in row}


def worse(now: dict[tuple[str, str, str, int], float], earlier: dict[tuple[str, str, str, int], float], limit: float) -> list[str]:
    """Paths whose ratio to their floor grew by more than `limit` per cent, or that are not measured any more."""
    complaints = []
    for path, before in earlier.items():
        scene, name, program, flows = path
        words = f"{scene}, {name} ({program}), {amount(flows)}"
        if path not in now:
            complaints.append(f"{words}: not measured")
        elif now[path] > before * (1 + limit / 100):
            complaints.append(f"{words}: {now[path]:.2f} of its floor, was {before:.2f}")
    return complaints


def baseline(results: dict[str, Any]) -> str:
    """Only what a later run is compared with."""
    names = ("scene", "path", "program", "flows", "floor", "ratio_median")
    rows = [json.dumps({name: row[name] for name in names}) for row in results["rows"] if "floor" in row]
    about = json.dumps({"date": results["date"], "cpu": results["cpu"], "kernel": results["kernel"]})[1:-1]
    return "{" + about + ', "rows": [\n' + ",\n".join(rows) + "\n]}\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--svg", type=Path, help="write the plot here")
    parser.add_argument("--against", type=Path, help="fail when a path is slower, against its floor, than in these results")
    parser.add_argument("--baseline", type=Path, help="write what later runs are compared with here")
    parser.add_argument("--limit", type=float, default=25, help="per cent that it may be slower by")
    arguments = parser.parse_args()
    results = json.loads(arguments.results.read_text())
    print(title(results))
    print(table(results))
    if arguments.svg:
        arguments.svg.write_text(plot(results))
    if arguments.baseline:
        arguments.baseline.write_text(baseline(results))
    if not arguments.against:
        return 0
    complaints = worse(ratios(results), ratios(json.loads(arguments.against.read_text())), arguments.limit)
    print("\n".join(complaints) if complaints else f"no path is more than {arguments.limit:g} % slower against its floor")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
