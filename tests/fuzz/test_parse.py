"""The parsers under libFuzzer, for a bounded time; what breaks them is kept beside the build for a look and for the next run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

BINARIES = Path(os.environ.get("XLB_BIN_DIR", "build/release/bin"))
SECONDS = int(os.environ.get("XLB_FUZZ_SECONDS", "20"))
KEPT = BINARIES.parent / "fuzz"
LEAST_RUNS = 10_000  # some hundred thousand a second are usual


def fuzz(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(BINARIES / "parse_fuzz"), f"-artifact_prefix={KEPT}/", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS * 10 + 120)


@pytest.fixture(autouse=True)
def kept() -> Path:
    KEPT.mkdir(exist_ok=True)
    return KEPT


def test_what_broke_them_before(kept: Path) -> None:
    for crash in sorted(kept.iterdir()):
        outcome = fuzz(str(crash))
        assert outcome.returncode == 0, f"{crash}:\n{outcome.stderr[-4000:]}"


def test_frames_that_nobody_thought_of(tmp_path: Path) -> None:
    subprocess.run([str(BINARIES / "fuzz_seeds"), str(tmp_path)], check=True)
    assert any(tmp_path.iterdir())
    outcome = fuzz(f"-max_total_time={SECONDS}", "-max_len=600", "-print_final_stats=1", str(tmp_path))
    assert outcome.returncode == 0, f"the input is kept in {KEPT}:\n{outcome.stderr[-4000:]}"
    runs = [line.split()[-1] for line in outcome.stderr.splitlines() if "number_of_executed_units" in line]
    assert runs, outcome.stderr[-2000:]
    print(f"{runs[0]} frames, {len(list(tmp_path.iterdir()))} kept as ways through the parsers")
    assert int(runs[0]) > LEAST_RUNS
