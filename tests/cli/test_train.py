"""coconut train on a tiny recipe: through all stages, interrupted and resumed to the same weights."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.cli.conftest import Run

TINY = """
name = "tiny"
batch_size = 4
step_style = "chain"
label_thoughts = true
earlier_stages = 0.3
checkpoint_every = 3
evaluate_every = 6
evaluation_problems = 4
[model]
hidden_size = 16
heads = 2
intermediate_size = 16
[data]
problems = 30
[[stages]]
kind = "lookup"
steps = 3
[[stages]]
thoughts = 0
steps = 3
[[stages]]
thoughts = 2
steps = 6
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(TINY)
    return path


def test_trains_through_all_stages_and_the_checkpoint_answers(
    coconut: Run, recipe: Path, tmp_path: Path
) -> None:
    result = coconut("train", recipe, "--out", tmp_path / "run", "--device", "cpu")
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["evaluation"]["thoughts"] for row in rows if "evaluation" in row] == [0, 2]
    asked = coconut("ask", "--model", tmp_path / "run" / "checkpoint", "--example", 1, "--json")
    assert json.loads(asked.stdout)["tokens"]["thoughts"] == 2
    again = coconut("train", recipe, "--out", tmp_path / "run")
    assert again.returncode == 2
    assert "--resume" in again.stderr


def test_a_resumed_run_reaches_the_same_weights(coconut: Run, recipe: Path, tmp_path: Path) -> None:
    coconut("train", recipe, "--out", tmp_path / "whole", "--device", "cpu")
    _stop_after(recipe, tmp_path / "parts", steps=6)
    resumed = coconut("train", "--resume", "--out", tmp_path / "parts", "--device", "cpu")
    assert "going on from step 6" in resumed.stderr
    whole = load_file(tmp_path / "whole" / "checkpoint" / "model.safetensors")
    parts = load_file(tmp_path / "parts" / "checkpoint" / "model.safetensors")
    assert whole.keys() == parts.keys()
    assert all((whole[name] == parts[name]).all() for name in whole)


def _stop_after(recipe: Path, folder: Path, steps: int) -> None:
    """Begin a run and leave it after some steps, as a killed process would at its last save."""
    from coconut_core.training.recipe import load_recipe
    from coconut_core.training.run_folder import RunFolder
    from coconut_core.training.scratch import build_model
    from coconut_core.training.trainer import Trainer

    chosen, run = load_recipe(str(recipe)), RunFolder(folder)
    run.create()
    run.write_recipe(chosen.to_json())
    Trainer(build_model(chosen), chosen, run, report=lambda row: None, device="cpu").run(until=steps)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no-such-recipe"], "no recipe"),
        (["prosqa", "--set", "speed=3"], "speed"),
        (["prosqa", "--set", "batch_size=many"], "batch_size"),
        (["prosqa", "--set", "step_style=poem"], "step_style"),
        (["--resume"], "nothing to resume"),
        ([], "name a recipe"),
    ],
)
def test_errors_are_one_line(coconut: Run, tmp_path: Path, arguments: list[str], said: str) -> None:
    result = coconut("train", *arguments, "--out", tmp_path / "run")
    assert result.returncode == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
