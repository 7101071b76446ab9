"""The guard of the programs' speed: each path against a floor of the same run, and that ratio against the one on record.

Counted in instructions, in a machine whose clock counts them (scripts/vm-run --exact), with one flow and small tables: so the figures are the
same on every machine that this runs on, however busy it is. What caches make of it is for bench/program on the machine itself.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from lab.xlb import bin_dir

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench" / "program"
OPTIONS = ["--flows", "1024", "--rounds", "1", "--packets", "8192"]
LIMIT = 25  # per cent
NO_MACHINE = 77


def load_report() -> ModuleType:
    spec = importlib.util.spec_from_file_location("report", BENCH / "report.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


report = load_report()
ON_RECORD = report.ratios(json.loads((BENCH / "baseline.json").read_text()))
Ratios = dict[tuple[str, str, str, int], float]


@pytest.fixture(scope="module")
def measured() -> Ratios:
    program = bin_dir() / "xlb_bench_program"
    if os.geteuid() != 0 or not program.exists():
        pytest.skip("needs root" if os.geteuid() != 0 else f"not built: {program}")
    machine = [ROOT / "scripts" / "vm-run", "--exact", "--memory", "3072", "--timeout", "600"]
    run = subprocess.run([*machine, program, *OPTIONS, "--json", "-"], capture_output=True, text=True, timeout=660, check=False)
    if run.returncode == NO_MACHINE:
        pytest.skip(run.stderr.strip().splitlines()[-1] if run.stderr.strip() else "no emulated machine here")
    assert run.returncode == 0, run.stdout + run.stderr
    return report.ratios(json.loads(run.stdout[run.stdout.index("{\n") if "{\n" in run.stdout else run.stdout.index("{") :]))


@pytest.mark.parametrize("path", ON_RECORD, ids=lambda path: f"{path[0]}, {path[1]} ({path[2]})")
def test_no_path_is_slower(measured: Ratios, path: tuple[str, str, str, int]) -> None:
    assert report.worse(measured, {path: ON_RECORD[path]}, LIMIT) == []


def test_every_path_is_on_record(measured: Ratios) -> None:
    assert measured.keys() == ON_RECORD.keys()


def test_a_slower_path_is_noticed() -> None:
    slower = {path: ratio * 1.3 for path, ratio in ON_RECORD.items()}
    a_little = {path: ratio * 1.2 for path, ratio in ON_RECORD.items()}
    assert len(report.worse(slower, ON_RECORD, LIMIT)) == len(ON_RECORD)
    assert report.worse(a_little, ON_RECORD, LIMIT) == []
    assert len(report.worse({}, ON_RECORD, LIMIT)) == len(ON_RECORD)
