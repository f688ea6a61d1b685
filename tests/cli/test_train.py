"""coconut train, end to end through the installed command."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from accelerate.tracking import get_available_trackers
from safetensors.torch import load_file

from coconut_core.training.trackers import SERVICES
from tests.cli.conftest import ROOT, Run
from tests.cli.tiny_recipe import TINY


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="module")
def finished(coconut: Run, recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that went through all stages."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    result = coconut("train", recipe, "--out", folder, "--device", "cpu")
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    assert "done:" in result.stderr
    return folder


def test_goes_through_all_stages_and_the_checkpoint_answers(coconut: Run, finished: Path) -> None:
    rows = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    assert [row["evaluation"]["thoughts"] for row in rows if "evaluation" in row] == [0, 2, 2]
    asked = coconut("ask", "--model", finished / "checkpoint", "--example", 1, "--json")
    assert json.loads(asked.stdout)["tokens"]["thoughts"] == 2


def test_a_run_is_not_written_over(coconut: Run, recipe: Path, finished: Path) -> None:
    again = coconut("train", recipe, "--out", finished)
    assert again.returncode == 2
    assert "--resume" in again.stderr


def test_a_run_is_drawn(coconut: Run, finished: Path, tmp_path: Path) -> None:
    drawn = coconut("train", "--plot", finished, "--svg", tmp_path / "run.svg")
    assert drawn.returncode == 0, drawn.stderr
    assert "loss by part" in drawn.stdout
    assert (tmp_path / "run.svg").read_text().startswith("<?xml")


def test_ctrl_c_saves_and_resuming_reaches_the_same_weights(
    recipe: Path, finished: Path, tmp_path: Path
) -> None:
    command = Path(sys.executable).with_name("coconut")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    started = [str(command), "train", str(recipe), "--out", str(tmp_path / "run"), "--device", "cpu"]
    with subprocess.Popen(started, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as process:
        deadline = time.monotonic() + 120
        while not (tmp_path / "run" / "step-000003").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=300)
    if process.returncode == 0:
        pytest.skip("the run was over before the signal came")
    assert process.returncode == 130
    assert f"--resume --out {tmp_path / 'run'}" in told
    assert "Traceback" not in told
    resumed = subprocess.run(
        [command, "train", "--resume", "--out", tmp_path / "run", "--device", "cpu"],
        capture_output=True, text=True, check=True, cwd=ROOT, env=environment, timeout=300,
    )  # fmt: skip
    assert "going on from step" in resumed.stderr
    assert_same_weights(finished, tmp_path / "run")


def test_two_processes_learn_what_one_learns(finished: Path, recipe: Path, tmp_path: Path) -> None:
    launched = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2",
         "-m", "coconut_core", "train", recipe, "--out", tmp_path / "run", "--device", "cpu"],
        capture_output=True, text=True, check=False, cwd=ROOT, timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_FSDP": "true"},
    )  # fmt: skip
    assert launched.returncode == 0, launched.stderr[-3000:]
    told = launched.stderr.splitlines()
    assert told.count("2 processes") == 1
    assert told.count("note: no FSDP here: accelerate has it for several processes on GPUs only") == 1
    assert_same_weights(finished, tmp_path / "run", 1e-5)


def assert_same_weights(one: Path, other: Path, tolerance: float = 0.0) -> None:
    first, second = (load_file(folder / "checkpoint" / "model.safetensors") for folder in (one, other))
    assert first.keys() == second.keys()
    for name in first:
        assert (first[name] - second[name]).abs().max() <= tolerance, name


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no-such-recipe"], "no recipe"),
        (["small", "--set", "speed=3"], "speed"),
        (["small", "--set", "batch_size=many"], "batch_size"),
        (["small", "--set", "step_style=poem"], "step_style"),
        (["small", "--set", "method=magic"], "method"),
        (["small", "--set", "label_thoughts=frontier", "--set", "data.train=f.json"], "label_thoughts"),
        (["small", "--set", "curriculum.total=700"], "curriculum.total"),
        (["prosqa-gpt2", "--set", "model.base=no/such/folder"], "no/such/folder"),
        (["--resume"], "nothing to resume"),
        (["prosqa"], "no runs/prosqa-grow/checkpoint yet: train it first, coconut train prosqa-grow\n"),
        ([], "name a recipe"),
        (["prosqa-labelled", "--svg", "run.svg"], "--svg"),
    ],
)
def test_errors_are_one_line(coconut: Run, tmp_path: Path, arguments: list[str], said: str) -> None:
    result = coconut("train", *arguments, "--out", tmp_path / "run")
    assert result.returncode == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_tracker_that_is_not_installed_leaves_nothing_behind(
    coconut: Run, recipe: Path, tmp_path: Path
) -> None:
    absent = next(name for name in SERVICES if name not in map(str, get_available_trackers()))
    refused = coconut("train", recipe, "--set", f"report_to=['{absent}']", "--out", tmp_path / "run")
    assert (refused.returncode, refused.stdout) == (2, "")
    said = f"report_to: {absent} is not installed: pip install {absent}, or leave it out"
    assert refused.stderr == f"error: {said}\n"
    assert not (tmp_path / "run").exists()


def test_half_precision_needs_a_gpu(coconut: Run, recipe: Path, tmp_path: Path) -> None:
    chosen = ("--set", "precision=fp16", "--device", "cpu")
    refused = coconut("train", recipe, *chosen, "--out", tmp_path / "run")
    assert refused.returncode == 2
    assert (
        refused.stderr
        == "reading problems\nerror: precision 'fp16' needs a GPU: set precision=bf16 or precision=no\n"
    )


def test_recipes_are_listed_and_printed_whole(coconut: Run, tmp_path: Path) -> None:
    listed = coconut("recipes")
    assert {"prosqa", "gsm8k-gpt2"} <= {line.split()[0] for line in listed.stdout.splitlines()}
    printed = coconut("recipes", "prosqa").stdout
    path = tmp_path / "printed.toml"
    path.write_text(printed)
    assert (
        coconut("recipes", "prosqa", "--json").stdout
        == json.dumps(json.loads(coconut("recipes", "--json").stdout)["prosqa"]) + "\n"
    )
    assert coconut("train", path, "--set", "batch_size=0", "--out", tmp_path / "run").returncode == 2
