"""A stage ends when its held-out loss says so, the same way in a resumed run and in several processes."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError, Interrupted
from coconut_core.terminal.progress import lines
from coconut_core.training.data import StepExamples
from coconut_core.training.metrics import _stage_starts
from coconut_core.training.optimizer import learning_rate
from coconut_core.training.recipe import OptimizerChoice, Recipe
from coconut_core.training.run_folder import RunFolder
from coconut_core.training.trainer import Trainer
from tests.core.tiny_recipes import (
    LITTLE_ROOM,
    Died,
    Row,
    assert_same_weights,
    problem_file,
    run_logged,
    timeless,
    tiny_recipe,
    train,
    trainer_for,
)

LIMIT = 40


def advancing_recipe(advance: float, evaluate_every: int = 4) -> Recipe:
    """A warm-up of two steps, then four stages of at most 40, and ten steps of the last. Chains have three
    hops: behind the third step gone only the answer is in words."""
    lengths = {"lookup": 2, "first": LIMIT, "per_stage": LIMIT, "stages": 4, "total": 4 * LIMIT + 12}
    return tiny_recipe(
        step_style="nodes", batch_size=8, evaluate_every=evaluate_every, checkpoint_every=1000,
        evaluation_problems=3, model=LITTLE_ROOM, data={"hops": [3, 3]}, optimizer={"learning_rate": 1e-2},
        curriculum={**lengths, "other_stages": 0.0, "advance": advance},
    )  # fmt: skip


def stages_seen(trainer: Trainer) -> list[int]:
    """The step that each stage began with, by the batches of the steps taken."""
    numbers = [trainer.batches.at(step).stage for step in range(trainer.step)]
    return [numbers.index(stage) for stage in sorted(set(numbers))]


def test_a_stage_ends_when_its_held_out_loss_is_low(tmp_path: Path) -> None:
    trainer = trainer_for(advancing_recipe(3.9), tmp_path)
    rows: list[Row] = []
    trainer.run(rows.append)
    starts, judged = [0, 2], set()
    for row in rows:
        if "evaluation" not in row:
            continue
        step, seen = row["step"], row["evaluation"]
        while len(starts) < 6 and step > starts[-1] + LIMIT:
            starts.append(starts[-1] + LIMIT)
        stage, parts = len(starts) - 1, seen["loss_by_part"]
        part = "first_step" if stage < 4 else "answer"
        learned = 0 < stage < 5 and parts[part] < 3.9
        assert ("first_step" in parts) is (stage < 4)
        assert seen.get("stage_learned", False) is learned, step
        if learned:
            starts.append(step)
            judged.add(part)
    assert judged == {"first_step", "answer"}
    assert len(starts) == 6
    assert stages_seen(trainer) == starts
    assert trainer.step == trainer.batches.total_steps == starts[-1] + 10 < 4 * LIMIT
    assert RunFolder(tmp_path).steps() == [trainer.step]
    assert rows[-2]["of"] == trainer.step


def test_a_stage_whose_loss_stays_high_ends_at_its_limit(tmp_path: Path) -> None:
    trainer = trainer_for(advancing_recipe(1e-6, evaluate_every=20), tmp_path)
    rows: list[Row] = []
    trainer.run(rows.append)
    assert stages_seen(trainer) == [0, 2, 42, 82, 122, 162]
    assert trainer.step == 4 * LIMIT + 12
    assert not any("stage_learned" in row.get("evaluation", {}) for row in rows)


def hasty_recipe(schedule: str = "cosine") -> Recipe:
    """Any loss is low enough: stages of at most five steps end after their first evaluation, so that they begin
    with steps 0, 2, 4 and 6, and the run ends after eight of 17."""
    return tiny_recipe(
        model=LITTLE_ROOM, evaluate_every=2, evaluation_problems=2, optimizer={"schedule": schedule},
        curriculum={"lookup": 0, "first": 5, "per_stage": 5, "stages": 3, "total": 17, "advance": 100.0},
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Row]]:
    """An uninterrupted run of it, and its log."""
    folder = tmp_path_factory.mktemp("advance") / "whole"
    return folder, run_logged(hasty_recipe(), folder)


@pytest.mark.parametrize("until", [1, 2, 3, 4, 7])
def test_a_resumed_run_ends_its_stages_at_the_same_steps(
    until: int, whole: tuple[Path, list[Row]], tmp_path: Path
) -> None:
    train(hasty_recipe(), tmp_path, until)
    trainer = trainer_for(hasty_recipe(), tmp_path)
    trainer.resume()
    trainer.run(lambda row: None)
    assert trainer.batches.starts == [0, 2, 4, 6]
    assert trainer.step == 8
    assert_same_weights(whole[0], tmp_path)


def test_a_run_that_dies_behind_any_row_ends_with_the_log_of_an_uninterrupted_one(
    whole: tuple[Path, list[Row]], tmp_path: Path
) -> None:
    """Every third step is saved, so what an evaluation found is sometimes lost, and found again."""
    for rows in range(1, len(whole[1])):
        parts = tmp_path / str(rows)
        with pytest.raises(Died):
            run_logged(hasty_recipe(), parts, rows)
        assert timeless(run_logged(hasty_recipe(), parts)) == timeless(whole[1])
        assert_same_weights(whole[0], parts)


def test_a_run_stopped_in_front_of_an_evaluation_ends_its_stage_when_it_goes_on(
    whole: tuple[Path, list[Row]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = trainer_for(hasty_recipe(), tmp_path)
    monkeypatch.setattr(trainer.batches, "at", stopping(trainer.batches.at, 1))
    with pytest.raises(Interrupted, match="stopped at step 2"):
        trainer.run(lambda row: None)
    later = trainer_for(hasty_recipe(), tmp_path)
    later.resume()
    assert later.owes_evaluation
    assert later.batches.starts == [0, 5, 10, 15]
    later.run(lambda row: None)
    assert later.batches.starts == [0, 2, 4, 6]
    assert_same_weights(whole[0], tmp_path)


def stopping(draw: Callable[[int], StepExamples], at: int) -> Callable[[int], StepExamples]:
    """The same, but the run is asked to stop while it takes a step."""

    def drawn(step: int) -> StepExamples:
        if step == at:
            signal.raise_signal(signal.SIGINT)
        return draw(step)

    return drawn


def test_checkpoint_and_log_say_which_stage_it_was(whole: tuple[Path, list[Row]]) -> None:
    folder, rows = whole
    ends = [row["step"] for row in rows if row.get("evaluation", {}).get("stage_learned")]
    assert ends == [2, 4, 6]
    model = CoconutModel.from_pretrained(folder / "checkpoint", device="cpu")
    assert (model.config.stage, model.config.thoughts) == (3, 3)
    assert "learned: the stage ends" in lines(rows[1])[0]


def test_the_figure_marks_where_a_stage_ended_early() -> None:
    rows: list[Row] = [
        {"step": 25, "stage": 0, "thoughts": 0, "loss": 2.0},
        {"step": 40, "evaluation": {"accuracy": 0.1, "stage_learned": True}},
        {"step": 50, "stage": 1, "thoughts": 1, "loss": 1.0},
    ]
    assert _stage_starts(rows) == [(0, "0 thoughts"), (40, "1 thought")]


def test_a_stage_that_comes_early_has_the_learning_rates_that_it_would_have_had() -> None:
    choice = OptimizerChoice(learning_rate=1.0, warmup_steps=3, schedule="cosine")
    planned = [learning_rate(choice, step, 17) for step in range(17)]
    assert [learning_rate(choice, step, 17, 9) for step in range(6, 8)] == planned[15:]
    assert [learning_rate(choice, step, 17, 9) for step in range(3)] == planned[:3], "the warm-up is never cut"


def test_the_run_follows_these_rates(tmp_path: Path) -> None:
    recipe = hasty_recipe()
    trainer = trainer_for(recipe, tmp_path)
    rates = []
    for step in range(8):
        trainer.run(lambda row: None, until=step + 1)
        rates.append(trainer.optimizer.param_groups[0]["lr"])
    assert trainer.step == trainer.batches.total_steps == 8
    planned = [learning_rate(recipe.optimizer, step, 17) for step in (0, 1, 5, 6, 10, 11, 15, 16)]
    assert rates == pytest.approx(planned)


def test_a_constant_rate_stays_behind_the_warm_up(tmp_path: Path) -> None:
    trainer = trainer_for(hasty_recipe(schedule="constant"), tmp_path)
    rates = []
    for step in range(8):
        trainer.run(lambda row: None, until=step + 1)
        rates.append(trainer.optimizer.param_groups[0]["lr"])
    full = trainer.recipe.optimizer.learning_rate
    assert rates == [full / 2, *[full] * 7]


def test_epochs_are_a_limit_like_steps(tmp_path: Path) -> None:
    """Twelve problems are three steps of an epoch."""
    files = {"train": str(problem_file(tmp_path, 12)), "validation": str(problem_file(tmp_path, 2, seed=1))}
    lengths = {"unit": "epochs", "first": 2, "per_stage": 2, "stages": 2, "total": 6}
    recipe = tiny_recipe(
        evaluate_every=1,
        evaluate_unit="epochs",
        data=files,
        curriculum={"lookup": 0, "advance": 100.0, **lengths},
    )
    trainer = trainer_for(recipe, tmp_path / "run")
    assert trainer.batches.starts == [0, 6, 12]
    trainer.run(lambda row: None)
    assert trainer.batches.starts == [0, 3, 6]
    assert trainer.step == 12


def test_without_held_out_problems_no_stage_can_say_that_it_is_learned(tmp_path: Path) -> None:
    with pytest.raises(CoconutError, match=r"curriculum.advance needs data\.validation"):
        tiny_recipe(data={"train": str(problem_file(tmp_path, 4))}, curriculum={"lookup": 0, "advance": 1.0})
