"""coconut train --seeds: each run as if it had been trained by itself, and what lies between them."""

import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, Run
from tests.cli.tiny_recipe import TINY
from tests.core.tiny_recipes import assert_same_weights


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(TINY.replace("evaluation_problems = 4", "evaluation_problems = 16"))
    return path


@pytest.fixture(scope="module")
def trained(coconut: Run, recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of seeds 4 and 2, and what was said on stdout."""
    folder = tmp_path_factory.mktemp("runs") / "both"
    result = coconut("train", recipe, "--seeds", "4,2", "--out", folder, "--device", "cpu")
    assert result.returncode == 0, result.stderr
    return folder, result.stdout


def accuracy(run: Path) -> float:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return 100 * float([row for row in rows if "evaluation" in row][-1]["evaluation"]["accuracy"])


def test_each_seed_is_trained_as_by_itself(
    coconut: Run, recipe: Path, trained: tuple[Path, str], tmp_path: Path
) -> None:
    alone = coconut("train", recipe, "--set", "seed=2", "--out", tmp_path / "alone", "--device", "cpu")
    assert alone.returncode == 0, alone.stderr
    assert_same_weights(trained[0] / "seed-2", tmp_path / "alone")
    with pytest.raises(AssertionError):
        assert_same_weights(trained[0] / "seed-4", tmp_path / "alone")


def test_a_line_a_seed_and_what_lies_between_them(trained: tuple[Path, str]) -> None:
    folder, told = trained
    four, two = accuracy(folder / "seed-4"), accuracy(folder / "seed-2")
    first, second, last = told.splitlines()
    assert re.split("  +", first) == ["seed 4", f"{four:.1f} %", str(folder / "seed-4" / "checkpoint")]
    assert re.split("  +", second) == ["seed 2", f"{two:.1f} %", str(folder / "seed-2" / "checkpoint")]
    assert last == (
        f"mean of 2 seeds: {statistics.mean((two, four)):.1f} % of 16 held-out problems, standard deviation "
        f"{statistics.stdev((two, four)):.1f}, from {min(two, four):.1f} to {max(two, four):.1f} %"
    )


def test_resuming_finishes_what_was_not_finished_and_adds_seeds(
    coconut: Run, trained: tuple[Path, str], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(trained[0], folder)
    shutil.rmtree(folder / "seed-2" / "checkpoint")  # as if it had been killed before the last step
    shutil.rmtree(folder / "seed-2" / "step-000015")
    written = (folder / "seed-4" / "checkpoint" / "model.safetensors").stat().st_mtime_ns
    result = coconut("train", "--resume", "--seeds", "7", "--out", folder, "--device", "cpu")
    assert result.returncode == 0, result.stderr
    assert "going on from step 12" in result.stderr
    assert f"seed 4, 1 of 3: {folder / 'seed-4'} is done" in result.stderr
    assert (folder / "seed-4" / "checkpoint" / "model.safetensors").stat().st_mtime_ns == written
    assert_same_weights(trained[0] / "seed-2", folder / "seed-2")
    assert result.stdout.startswith("seed 4 ")
    assert "mean of 3 seeds: " in result.stdout
    again = coconut("train", "--resume", "--out", folder, "--device", "cpu")
    assert again.stdout == result.stdout


def test_ctrl_c_says_how_to_go_on_with_all_of_them(recipe: Path, tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("coconut")
    words = ["train", str(recipe), "--seeds", "1,2", "--device", "cpu", "--set", "curriculum.total=100000"]
    started = [str(command), *words, "--out", str(tmp_path / "run")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(started, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as process:
        deadline = time.monotonic() + 120
        while not (tmp_path / "run" / "seed-1" / "step-000003").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=300)
    assert process.returncode == 130
    assert re.fullmatch(
        rf"seed 1: stopped at step \d+; go on with: coconut train --resume --out {tmp_path / 'run'}",
        told.splitlines()[-1],
    )
    assert not (tmp_path / "run" / "seed-2").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["TINY", "--seeds", "1,x"], "--seeds takes whole numbers, like 1,2,3, not '1,x'"),
        (["TINY", "--seeds", "1,1"], "seeds are different whole numbers, like 1,2,3, not 1,1"),
        (["TINY", "--seeds", f"{2**63}"], "'seed' must be from"),
        (["TINY", "--seeds", "1", "--set", "seed=3"], "leave out --set seed"),
        (["--resume", "--seeds", "1"], "nothing to resume in"),
        (["--seeds", "1"], "name a recipe"),
    ],
)
def test_errors_are_one_line(
    coconut: Run, recipe: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    words = [recipe if word == "TINY" else word for word in arguments]
    result = coconut("train", *words, "--out", tmp_path / "run", "--device", "cpu")
    assert result.returncode == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_no_run_is_written_over(coconut: Run, recipe: Path, trained: tuple[Path, str]) -> None:
    folder, _ = trained
    for arguments, said in (
        (("--seeds", "1", "--out", folder), "already holds runs of several seeds"),
        (("--out", folder), "already holds runs of several seeds"),
        (("--seeds", "1", "--out", folder / "seed-4"), "already holds a run"),
    ):
        refused = coconut("train", recipe, *arguments, "--device", "cpu")
        assert refused.returncode == 2
        assert said in refused.stderr
        assert refused.stderr.count("\n") == 1


def test_runs_that_could_not_begin_leave_the_folder_free(coconut: Run, recipe: Path, tmp_path: Path) -> None:
    words = ("--seeds", "1", "--out", tmp_path / "run", "--device", "cpu")
    refused = coconut("train", recipe, "--set", "model.base=no/such/folder", *words)
    assert refused.returncode == 2
    assert "error: seed 1: " in refused.stderr
    assert "no/such/folder" in refused.stderr
    begun = coconut("train", recipe, *words)
    assert begun.returncode == 0, begun.stderr
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "seeds.json").write_text("[3, 4]")
    foreign = coconut("train", recipe, "--seeds", "1", "--out", tmp_path / "own", "--device", "cpu")
    assert foreign.returncode == 2
    assert "holds seeds.json, which is of no runs: choose another --out" in foreign.stderr
    assert (tmp_path / "own" / "seeds.json").read_text() == "[3, 4]"


def test_a_broken_record_is_named(coconut: Run, tmp_path: Path) -> None:
    for text in ("{", "[]", '{"seeds": [1]}', '{"seeds": [1, 1], "recipe": {}}', '{"seeds": 3, "recipe": {}}'):
        (tmp_path / "seeds.json").write_text(text)
        refused = coconut("train", "--resume", "--out", tmp_path, "--device", "cpu")
        assert refused.returncode == 2
        assert f"{tmp_path / 'seeds.json'} cannot be read: " in refused.stderr
        assert refused.stderr.count("\n") == 1
