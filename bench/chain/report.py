"""The table of bench/chain."""

from __future__ import annotations

from typing import Any

COLUMNS = ("case", "flows", "instructions", "less generator", "of docker's", "delivered")


def _docker_of(case: str) -> str:
    """The case of Docker's own ingress that one of xlb's is measured by."""
    return case.replace("xlb-", "docker-").rsplit("-", 1)[0] if case.startswith(("xlb-local", "xlb-remote")) else ""


def table(results: list[dict[str, Any]]) -> str:
    found = {(row["case"], row["flows"]): row["instructions"] for row in results}
    generator = found.get(("generator", "one"))
    rows = [COLUMNS]
    for row in results:
        docker = found.get((_docker_of(row["case"]), row["flows"]))
        less = ratio = ""
        if generator is not None and row["case"] != "generator":
            own = row["instructions"] - generator
            less = str(own)
            ratio = f"1/{(docker - generator) / own:.1f}" if docker else ""
        counts = f"{row['delivered']}/{row['sent']}" if row["delivered"] is not None else ""
        note = f"INCOMPLETE: {', '.join(row['wrong'])}" if row["wrong"] else ""
        rows.append((row["case"], row["flows"], str(row["instructions"]), less, ratio, f"{counts} {note}".strip()))
    widths = [max(len(line[column]) for line in rows) for column in range(len(COLUMNS))]
    return "\n".join("  ".join(_pad(word, width, index) for index, (word, width) in enumerate(zip(line, widths))).rstrip() for line in rows)


def _pad(word: str, width: int, column: int) -> str:
    return word.rjust(width) if 2 <= column <= 4 else word.ljust(width)
