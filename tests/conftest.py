"""Shared by the tests that need namespaces: where the lab is found, what it needs, and logs beside failures.

A killed run needs no handler here: the lab's processes die with this one, and its janitor removes the rest.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

from lab import Lab  # noqa: E402
from lab import xlb as xlb_programs  # noqa: E402

TOOLS = ["ip", "ethtool", "nsenter", "unshare", "setpriv", "sysctl", "clang-14", "gcc"]


def lab_obstacle() -> str:
    """Why no lab can be built here; empty if one can."""
    if os.geteuid() != 0:
        return "needs root"
    absent = [tool for tool in TOOLS if not shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")]
    return f"not installed (see scripts/setup): {', '.join(absent)}" if absent else ""


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    if obstacle := lab_obstacle():
        pytest.skip(obstacle)
    with Lab() as made:
        yield made


@pytest.fixture(scope="session")
def xlb_built() -> None:
    if obstacle := xlb_programs.missing():
        pytest.skip(obstacle)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """A failed test shows the last lines of every log of the lab."""
    outcome = yield
    report = outcome.get_result()
    made = getattr(item, "funcargs", {}).get("lab")
    if report.failed and isinstance(made, Lab):
        for path, text in made.log_tails():
            report.sections.append((path, text))
