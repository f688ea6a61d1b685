"""The trainer: what stops it, and going on; neither changes what is learned, and what is kept opens."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError, Interrupted
from coconut_core.training.metrics import MetricsLog, read_metrics
from coconut_core.training.run_folder import STATE, RunFolder
from tests.core.tiny_recipes import (
    Died,
    Row,
    assert_same_weights,
    go_on,
    run_logged,
    timeless,
    tiny_recipe,
    train,
    trainer_for,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("until", [3, 6])
def test_a_resumed_run_reaches_the_same_weights_to_the_bit(tmp_path: Path, until: int) -> None:
    whole = train(tiny_recipe(), tmp_path / "whole")
    train(tiny_recipe(), tmp_path / "parts", until)
    later = go_on(tiny_recipe(), tmp_path / "parts")
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")
    assert [row.get("loss") for row in later] == [row.get("loss") for row in whole if row["step"] > until]


def test_a_run_that_dies_behind_a_row_ends_with_the_log_of_an_uninterrupted_one(tmp_path: Path) -> None:
    """Rows 2 and 4 are those of evaluations; only behind them their step is saved."""
    recipe = tiny_recipe(checkpoint_every=2, evaluation_problems=1)
    whole = run_logged(recipe, tmp_path / "whole")
    assert [row["step"] for row in whole] == [1, 6, 9, 9]
    for rows in (1, 2, 4):
        parts = tmp_path / f"parts-{rows}"
        with pytest.raises(Died):
            run_logged(recipe, parts, rows)
        assert timeless(run_logged(recipe, parts)) == timeless(whole)
        assert_same_weights(tmp_path / "whole", parts)
        assert RunFolder(tmp_path / "whole").read_best() == RunFolder(parts).read_best()


def test_a_run_stopped_where_an_evaluation_is_due_saves_first_and_makes_up_for_it(tmp_path: Path) -> None:
    recipe = tiny_recipe(
        evaluation_problems=1,
        evaluate_every=1,
        curriculum={"lookup": 0, "first": 1, "per_stage": 1, "stages": 1, "total": 3},
    )
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    expected = run_logged(recipe, whole)
    parts.mkdir()
    with MetricsLog(parts, step=0) as log:

        def report(row: Row) -> None:
            log.append(row)
            signal.raise_signal(signal.SIGINT)

        with pytest.raises(Interrupted, match="stopped at step 1; go on with: coconut train --resume --out"):
            trainer_for(recipe, parts).run(report)
    assert [row["step"] for row in read_metrics(log.path)] == [1], "it was not held up by an evaluation"
    with pytest.raises(Died):
        run_logged(recipe, parts, 1)  # behind the evaluation that it makes up for
    assert timeless(run_logged(recipe, parts)) == timeless(expected)
    assert RunFolder(whole).read_best() == RunFolder(parts).read_best()


def test_newest_and_best_checkpoints_are_kept_and_open(tmp_path: Path) -> None:
    train(tiny_recipe(checkpoint_every=1, evaluate_every=1, keep=2), tmp_path)
    run = RunFolder(tmp_path)
    best = run.read_best()
    assert best is not None
    assert set(run.steps()) == {8, 9, best[0]}
    for step in run.steps():
        CoconutModel.from_pretrained(run.folder_of(step), device="cpu")
    assert not (run.checkpoint / STATE).exists()


def test_a_loss_that_is_no_number_ends_the_run_and_the_last_good_checkpoint_stays(tmp_path: Path) -> None:
    asked = tiny_recipe(optimizer={"warmup_steps": 0})
    recipe = replace(
        asked, optimizer=replace(asked.optimizer, learning_rate=1e30)
    )  # which is refused in a file
    trainer = trainer_for(recipe, tmp_path)
    trainer.save()
    with pytest.raises(CoconutError, match=r"learning_rate.*step 0"):
        trainer.run(lambda row: None)
    run = RunFolder(tmp_path)
    assert run.steps() == [0]
    assert all(parameter.isfinite().all() for parameter in run.load_state(0)["model"].values())


def test_memory_that_is_out_ends_the_run_and_says_what_to_do(tmp_path: Path) -> None:
    code = (
        "import pathlib, resource, sys\n"
        "from coconut_core.common.errors import CoconutError\n"
        "from tests.core.tiny_recipes import tiny_recipe, trainer_for\n"
        "recipe = tiny_recipe(batch_size=300, curriculum={'lookup': 0})\n"
        "trainer = trainer_for(recipe, pathlib.Path(sys.argv[1]))\n"
        "size = int(pathlib.Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (size + (64 << 20), resource.RLIM_INFINITY))\n"
        "try: trainer.run(lambda row: None)\n"
        "except CoconutError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False, timeout=300,
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.stdout == (
        "out of memory at step 0: set micro_batch below 300, or gradient_checkpointing=true; "
        "there is no checkpoint yet\n"
    ), done.stderr[-2000:]
