"""Adds up the results of a test run: python3 tally.py DIRECTORY KIND...

DIRECTORY/KIND/*.xml are JUnit files (GoogleTest's and pytest's alike); DIRECTORY/KIND.failed says that the runner of that kind
ended badly. Closes with "N passed, N failed, N skipped" and exits 1 if anything failed, or if a kind ran nothing at all.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

WITHOUT_CASES = {"check"}  # kinds that are one command: it passed or it failed


def outcome(case: ElementTree.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    if case.find("skipped") is not None or case.get("result") == "skipped" or case.get("status") == "notrun":
        return "skipped"
    return "passed"


def count(directory: Path) -> Counter[str]:
    counts: Counter[str] = Counter()
    for path in sorted(directory.glob("*.xml")):
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            counts[outcome(case)] += 1
    return counts


def tally(results: Path, kind: str) -> Counter[str]:
    ended_badly = (results / f"{kind}.failed").exists()
    if kind in WITHOUT_CASES:
        return Counter({"failed" if ended_badly else "passed": 1})
    counts = count(results / kind)
    if ended_badly and counts["failed"] == 0:
        print(f"{kind}: the runner failed, though none of its cases says so")
        counts["failed"] += 1
    if counts["passed"] + counts["failed"] == 0:
        print(f"{kind}: every test was skipped, or there was none: that proves nothing")
        counts["failed"] += 1
    return counts


def main() -> int:
    results, kinds = Path(sys.argv[1]), sys.argv[2:]
    total: Counter[str] = Counter()
    for kind in kinds:
        counts = tally(results, kind)
        print(f"{kind:8} {counts['passed']:6} passed {counts['failed']:4} failed {counts['skipped']:4} skipped")
        total += counts
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if total["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
