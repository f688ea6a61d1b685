"""A run's folder is enough to go on with it, wherever it is, and only with what it began with."""

import json
import os
import shutil
from pathlib import Path

import pytest

from coconut_core.cli.train import train as train_command
from coconut_core.common.errors import CoconutError
from coconut_core.training.metrics import read_metrics
from coconut_core.training.run_folder import RunFolder
from tests.core.tiny_recipes import assert_same_weights, problem_file, timeless, tiny_gpt2

RECIPE = """
name = "sums"
batch_size = 4
checkpoint_every = 3
evaluate_every = 3
evaluation_problems = 3
keep = 5
[model]
base = "base"
[data]
train = "train.json"
validation = "valid.json"
[curriculum]
first = 2
per_stage = 2
stages = 2
total = 9
[optimizer]
warmup_steps = 1
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run in it that went to its end, and all that it was made from, by relative paths."""
    home = tmp_path_factory.mktemp("home")
    tiny_gpt2(home / "base")
    shutil.move(problem_file(home, 30), home / "train.json")
    shutil.move(problem_file(home, 5, seed=1), home / "valid.json")
    (home / "recipe.toml").write_text(RECIPE)
    before = Path.cwd()
    os.chdir(home)
    try:
        train_command(recipe="recipe.toml", out=Path("run"), device="cpu")
    finally:
        os.chdir(before)
    return home


@pytest.fixture
def begun(whole: Path, tmp_path: Path) -> Path:
    """A copy of it, as it was after step 3."""
    home = tmp_path / "home"
    shutil.copytree(whole, home)
    for name in ("step-000006", "step-000009", "checkpoint"):
        shutil.rmtree(home / "run" / name)
    recipe = (home / "run" / "recipe.json").read_text().replace(str(whole), str(home))
    (home / "run" / "recipe.json").write_text(recipe)
    assert RunFolder(home / "run").steps() == [3]
    return home


def resume(run: Path) -> None:
    train_command(resume=True, out=run, device="cpu")


def test_it_goes_on_from_elsewhere_without_what_it_began_with(whole: Path, begun: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.move(begun / "run", moved)
    shutil.rmtree(begun)
    resume(moved)
    assert_same_weights(whole / "run", moved)
    logs = [timeless(read_metrics(run / "metrics.jsonl")) for run in (whole / "run", moved)]
    assert logs[0] == logs[1]
    for name in ("coconut.json", "config.json", "tokenizer.json", "generation_config.json"):
        one, other = ((run / "checkpoint" / name).read_text() for run in (whole / "run", moved))
        assert one == other, name


def test_its_recipe_names_files_for_any_working_folder_and_its_models_do_not(whole: Path) -> None:
    recipe = json.loads((whole / "run" / "recipe.json").read_text())
    assert recipe["model"]["base"] == str(whole / "base")
    assert recipe["data"]["train"] == str(whole / "train.json")
    assert recipe["data"]["validation"] == str(whole / "valid.json")
    said = (whole / "run" / "checkpoint" / "coconut.json").read_text()
    assert str(whole) not in said, "where somebody keeps files is nobody else's business"


def test_another_training_file_is_refused(begun: Path) -> None:
    data, tokens = begun / "train.json", begun / "run" / "tokens" / "tokens.i32"
    before, text = tokens.read_bytes(), data.read_text()
    data.write_text(text.replace("lempus", "rompus"))
    with pytest.raises(CoconutError, match=r"train\.json has changed since .*: put back") as caught:
        resume(begun / "run")
    assert "\n" not in str(caught.value)
    assert tokens.read_bytes() == before
    assert RunFolder(begun / "run").steps() == [3]
    data.write_text(text)  # another time, the same content
    resume(begun / "run")


def test_other_problems_to_select_by_change_nothing(whole: Path, begun: Path) -> None:
    (begun / "valid.json").write_text("[]")
    resume(begun / "run")
    assert (begun / "run" / "best.json").read_text() == (whole / "run" / "best.json").read_text()


@pytest.mark.parametrize("name", ["tokens/mine.txt", "checkpoint/mine.txt", "recipe.json", "metrics.jsonl"])
def test_no_run_begins_over_somebodys_files(name: str, whole: Path, tmp_path: Path) -> None:
    mine = tmp_path / "project" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("{}")
    with pytest.raises(CoconutError, match="which is of no run: choose another --out"):
        train_command(recipe=str(whole / "recipe.toml"), out=tmp_path / "project", device="cpu")
    assert mine.read_text() == "{}"


def test_a_run_that_ended_before_its_first_checkpoint_begins_anew(whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole / "run", run, ignore=shutil.ignore_patterns("step-*", "checkpoint"))
    RunFolder(run).check_new()
