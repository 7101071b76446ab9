"""xlb on Debian 12's own kernel: boots it once, runs the tests of `inside` there, and reports each of them here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import xlb as xlb_programs
from lab.images import build_server
from lab.links import compile_xdp_pass
from vm import Machine, Unavailable

INSIDE = Path(__file__).with_name("inside")
PYTEST = ["/usr/bin/python3", "-B", "-m", "pytest", "-p", "no:cacheprovider", str(INSIDE)]


def packet_programs() -> list[str]:
    """The built programs that ctest has under the label `packet`."""
    tree = xlb_programs.bin_dir().parent
    if not (tree / "CTestTestfile.cmake").exists():
        return []
    listed = subprocess.run(["ctest", "-L", "packet", "--show-only=json-v1"], cwd=tree, capture_output=True, text=True, check=True)
    return [test["command"][0] for test in json.loads(listed.stdout)["tests"] if "command" in test]


ENVIRONMENT = {
    "XLB_IN_VM": "1",
    "XLB_BIN_DIR": str(xlb_programs.bin_dir()),
    "XLB_PACKET_TESTS": os.pathsep.join(packet_programs()),
    "XLB_LAB_PATIENCE": "6",  # emulated, on a machine that may do other things
}
if "XLB_KERNEL_LONG" in os.environ:
    ENVIRONMENT["XLB_KERNEL_LONG"] = "1"
TIMEOUT = 3000  # engines of Docker, emulated: 10 minutes alone on one CPU, 14 beside two labs, twice that on a slow machine
MEMORY = 3072


def collect_inside() -> list[str]:
    """`module.py::test` for each; collected out here, where nothing of it is run."""
    collected = subprocess.run(
        [*PYTEST, "--collect-only", "-q"], env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True, timeout=60
    )
    if collected.returncode != 0:
        raise RuntimeError(collected.stdout + collected.stderr)
    return [line.rpartition("/")[2] for line in collected.stdout.splitlines() if "::" in line]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    metafunc.parametrize("name", collect_inside())


class Outcome:
    """What the tests inside left behind."""

    def __init__(self, status: int, report: Path, output: str):
        self.status, self.output = status, output
        self._cases = {}
        if report.exists():
            for case in ElementTree.parse(report).iter("testcase"):
                module = case.get("classname", "").rpartition(".")[2]
                self._cases[f"{module}.py::{case.get('name')}"] = case

    def check(self, name: str) -> None:
        case = self._cases.get(name)
        if case is None:
            pytest.fail(f"not run: the machine's script ended with status {self.status}\n{self.output[-4000:]}", pytrace=False)
        for kind in ("failure", "error"):
            if (found := case.find(kind)) is not None:
                pytest.fail(found.text or found.get("message") or kind, pytrace=False)
        if (skipped := case.find("skipped")) is not None:
            pytest.skip(skipped.get("message") or "")
        print(f"{float(case.get('time', 0)):.1f} s inside")


@pytest.fixture(scope="module")
def outcome(xlb_built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    prebuilt, exchange = tmp_path_factory.mktemp("prebuilt"), tmp_path_factory.mktemp("exchange")
    log = exchange / "output"
    compile_xdp_pass(prebuilt)
    (prebuilt / "pass.bpf.c").unlink()
    build_server(prebuilt)
    started = time.monotonic()
    command = [*PYTEST, "-v", "--durations=8", "--junitxml=/run/vm/exchange/report.xml"]
    with log.open("wb") as output:
        try:
            machine = Machine(memory=MEMORY)
            environment = {**ENVIRONMENT, "XLB_LAB_PREBUILT": str(prebuilt)}
            status = machine.run(command, exchange=exchange, environment=environment, timeout=TIMEOUT, output=output)
        except Unavailable as reason:
            pytest.skip(str(reason))
    text = log.read_text(errors="replace")
    print(f"{text}\nLinux {machine.kernel.release}: {time.monotonic() - started:.0f} s in the machine", file=sys.stderr)
    if status not in (0, 1):  # not pytest's "all passed" or "some failed"
        text += f"\nkernel messages:\n{machine.console}"
    yield Outcome(status, exchange / "report.xml", text)


def test_inside(outcome: Outcome, name: str) -> None:
    outcome.check(name)
