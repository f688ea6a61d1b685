"""The example for those who train with transformers: it is short, runs, and leaves a folder that is asked."""

import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from coconut_core.cli.app import app

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_with_transformers.py"


def test_it_is_short_trains_and_leaves_a_folder_that_answers(tmp_path: Path) -> None:
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) < 80
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), str(tmp_path / "tiny"), "64"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Evaluation(" in done.stdout
    asked = CliRunner().invoke(app, ["ask", "--model", str(tmp_path / "tiny"), "--example", "1", "--trace"])
    assert asked.exit_code == 0, asked.output
    assert "takes 1 thought: took 1, ended by: number" in asked.output
