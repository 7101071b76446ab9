"""The table of bench/chain, and what is aimed at beside what was reached."""

from __future__ import annotations

from typing import Any

COLUMNS = ("case", "flows", "instructions", "less generator", "of docker's", "over bare TX", "delivered")
BARE_TX = "frames-swap"

# Each less the generator, of Docker's with the task in the same place.
AIMS = [
    ("xlb-remote-xdp", "one", 6),
    ("xlb-remote-tc", "one", 6),
    ("xlb-remote-xdp", "new", 5),
    ("xlb-remote-tc", "new", 5),
    ("xlb-local-xdp", "one", 3),
    ("xlb-local-tc", "one", 4),
]
FRAMES_AIM = 700  # instructions over the bare TX
FRAMES = ["frames-xlb", "frames-xlb-remote"]


class Figures:
    def __init__(self, results: list[dict[str, Any]]):
        self._found = {(row["case"], row["flows"]): row["instructions"] for row in results}

    def net(self, case: str, flows: str) -> int | None:
        """Less the generator, where that is pktgen."""
        whole, generator = self._found.get((case, flows)), self._found.get(("generator", "one"))
        if whole is None or generator is None or case == "generator" or case.startswith("frames-"):
            return None
        return whole - generator

    def of_docker(self, case: str, flows: str) -> float | None:
        """How many of its packets Docker's ingress could have had for one of its own."""
        if not case.startswith(("xlb-local", "xlb-remote")):
            return None
        own, docker = self.net(case, flows), self.net(case.replace("xlb-", "docker-").rsplit("-", 1)[0], flows)
        return docker / own if own and docker else None

    def over_tx(self, case: str, flows: str) -> int | None:
        whole, bare = self._found.get((case, flows)), self._found.get((BARE_TX, "one"))
        return whole - bare if case in FRAMES and whole is not None and bare is not None else None


def _words(value: object, form: str = "{}") -> str:
    return "" if value is None else form.format(value)


def table(results: list[dict[str, Any]]) -> str:
    figures = Figures(results)
    rows = [COLUMNS]
    for row in results:
        case, flows = row["case"], row["flows"]
        counts = _words(row.get("delivered"), f"{{}}/{row.get('sent')}")
        note = f" INCOMPLETE: {', '.join(row['wrong'])}" if row["wrong"] else ""
        ratio, over = _words(figures.of_docker(case, flows), "1/{:.1f}"), _words(figures.over_tx(case, flows), "{:+}")
        rows.append((case, flows, _words(row["instructions"]), _words(figures.net(case, flows)), ratio, over, f"{counts}{note}".strip()))
    widths = [max(len(line[column]) for line in rows) for column in range(len(COLUMNS))]
    return "\n".join("  ".join(map(_pad, line, widths, range(len(COLUMNS)))).rstrip() for line in rows)


def _pad(word: str, width: int, column: int) -> str:
    return word.rjust(width) if 2 <= column < len(COLUMNS) - 1 else word.ljust(width)


def aims(results: list[dict[str, Any]]) -> str:
    """One line for each whose figures are there."""
    figures = Figures(results)
    lines = []
    for case, flows, aim in AIMS:
        if (reached := figures.of_docker(case, flows)) is not None:
            lines.append(f"{case} {flows}: aim 1/{aim} of docker's, 1/{reached:.1f}{'' if reached >= aim else ': missed'}")
    for case in FRAMES:
        if (over := figures.over_tx(case, "one")) is not None:
            lines.append(f"{case} one: aim +{FRAMES_AIM} over bare TX, {over:+}{'' if over <= FRAMES_AIM else ': missed'}")
    return "\n".join(lines)
