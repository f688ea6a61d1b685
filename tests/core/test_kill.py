"""SIGKILL at random moments and while a checkpoint is written; weights and log end as they would have."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from coconut_core.training.metrics import read_metrics
from tests.core.killed_runs import RECIPE
from tests.core.tiny_recipes import run_logged, timeless

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_twenty_kills_change_nothing(tmp_path: Path) -> None:
    rows = run_logged(RECIPE, tmp_path / "whole")
    assert [row["step"] for row in rows] == [1, 25, 50, 50, 75, 100, 100]
    done = subprocess.run(
        [sys.executable, "-m", "tests.core.killed_runs", str(tmp_path / "killed"), "20"],
        capture_output=True,
        text=True,
        check=True,
        timeout=500,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    killed, torn, status = map(int, done.stdout.split())
    assert status == 0, done.stderr
    assert killed >= 10
    assert torn >= 2, "no kill fell into the writing of a checkpoint"
    whole = load_file(tmp_path / "whole" / "checkpoint" / "model.safetensors")
    parts = load_file(tmp_path / "killed" / "checkpoint" / "model.safetensors")
    assert all((whole[name] == parts[name]).all() for name in whole)
    assert timeless(read_metrics(tmp_path / "killed" / "metrics.jsonl")) == timeless(rows)
