"""The trainer: every method runs; micro-batches, dropout, resets of the optimizer and a halting head work."""

import json
from pathlib import Path
from typing import Any

import pytest

from coconut_core.coconut import CoconutModel
from coconut_core.problems import read_problems
from coconut_core.training.methods.table import PAPER_METHODS as METHODS
from coconut_core.training.recipe import Recipe
from tests.core.tiny_recipes import (
    assert_same_weights,
    dropout_modes,
    problem_file,
    sums_file,
    tiny_gpt2,
    tiny_recipe,
    train,
    trainer_for,
    weights,
)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_goes_through_its_stages_and_its_checkpoint_answers(method: str, tmp_path: Path) -> None:
    recipe = tiny_recipe(method=method)
    rows = train(recipe, tmp_path)
    last = recipe.stages[-1]
    assert [row["step"] for row in rows if "evaluation" in row] == [6, 9]
    model = CoconutModel.from_pretrained(tmp_path / "checkpoint", device="cpu")
    assert model.config.thoughts == last.thoughts
    assert model.config.feedback == METHODS[method].feedback
    assert model.config.trained is (method not in ("cot", "no-cot", "icot", "coconut-no-thoughts"))
    assert model.config.recipe["method"] == method
    run = model.start(read_problems(problem_file(tmp_path, 1))[0].question)
    run.finish()
    assert len(run.thought_steps()) == last.thoughts


def test_the_loss_falls(tmp_path: Path) -> None:
    recipe = tiny_recipe(
        batch_size=16, evaluate_every=200,
        curriculum={"lookup": 0, "first": 60, "per_stage": 60, "stages": 1, "total": 120},
        optimizer={"learning_rate": 1e-2},
    )  # fmt: skip
    rows = [row for row in train(recipe, tmp_path) if "loss" in row]
    assert rows[-1]["loss"] < 0.6 * rows[0]["loss"]


@pytest.mark.parametrize("micro", [1, 3])
def test_micro_batches_learn_the_same(tmp_path: Path, micro: int) -> None:
    train(tiny_recipe(), tmp_path / "whole")
    train(tiny_recipe(micro_batch=micro), tmp_path / "parts")
    assert_same_weights(tmp_path / "whole", tmp_path / "parts", 2e-5)


def sums_recipe(folder: Path, **changes: Any) -> Recipe:
    """From a tiny GPT-2, whose dropout is on, on sums; evaluated every second step."""
    return tiny_recipe(
        step_style="sentence", evaluate_every=2, curriculum={"lookup": 0, "total": 6},
        model={"base": str(tiny_gpt2(folder / "gpt2"))},
        data={"train": str(sums_file(folder, 10)), "validation": str(sums_file(folder, 3, seed=1))},
        **changes,
    )  # fmt: skip


@pytest.mark.parametrize("micro", [0, 1])
def test_dropout_is_on_in_every_step_and_the_same_after_a_resume(tmp_path: Path, micro: int) -> None:
    recipe = sums_recipe(tmp_path, micro_batch=micro)
    trainer = trainer_for(recipe, tmp_path / "whole")
    whole = dropout_modes(trainer.model)
    trainer.run(lambda row: None)
    train(recipe, tmp_path / "parts", 3)
    resumed = trainer_for(recipe, tmp_path / "parts")
    resumed.resume()
    parts = dropout_modes(resumed.model)
    resumed.run(lambda row: None)
    for modes in (whole, parts):
        learning = [on for gradients, on in modes if gradients]
        evaluating = [on for gradients, on in modes if not gradients]
        assert learning
        assert all(learning)
        assert evaluating
        assert not any(evaluating)
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")


def test_dropout_changes_what_is_learned(tmp_path: Path) -> None:
    recipe = sums_recipe(tmp_path)
    train(recipe, tmp_path / "with")
    settings = tmp_path / "gpt2" / "config.json"
    off = {"attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0}
    settings.write_text(json.dumps(json.loads(settings.read_text()) | off))
    train(recipe, tmp_path / "without")
    first, second = weights(tmp_path / "with"), weights(tmp_path / "without")
    assert max(float((first[name] - second[name]).abs().max()) for name in first) > 1e-3


@pytest.mark.parametrize(("when", "cleared"), [("never", []), ("stage", [2, 4, 6]), ("epoch", [3, 6])])
def test_the_optimizer_is_reset(tmp_path: Path, when: str, cleared: list[int]) -> None:
    recipe = tiny_recipe(
        data={"train": str(problem_file(tmp_path, 12))},
        curriculum={"lookup": 0, "total": 8, "stages": 3, "reset_optimizer": when},
    )
    trainer = trainer_for(recipe, tmp_path / "run")
    found = []
    for step in range(8):
        trainer.run(lambda row: None, until=step + 1)
        counts = {int(state["step"]) for state in trainer.optimizer.state.values()}
        if step and counts == {1}:
            found.append(step)
    assert found == cleared


def test_a_halting_head_is_trained_along_and_honoured(tmp_path: Path) -> None:
    recipe = tiny_recipe(
        batch_size=16, evaluate_every=150, checkpoint_every=150,
        thinking={"ends": "halting", "threshold": 0.5},
        curriculum={"lookup": 0, "first": 1, "per_stage": 1, "stages": 7, "total": 150, "other_stages": 0.0},
        optimizer={"learning_rate": 1e-2},
    )  # fmt: skip
    train(recipe, tmp_path)
    model = CoconutModel.from_pretrained(tmp_path / "checkpoint", device="cpu")
    problems = read_problems(problem_file(tmp_path, 20))
    taken = []
    for problem in problems:
        run = model.start(problem.question)
        run.finish()
        taken.append(len(run.thought_steps()))
    # It cannot know the number of hops of a problem, but that no chain is shorter than three steps.
    assert all(3 <= count <= 7 for count in taken)
    assert any(count < 7 for count in taken)
