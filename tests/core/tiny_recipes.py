"""Recipes small enough to train in a test, and the pieces to train them with."""

import os
from pathlib import Path
from typing import Any

from torch import Tensor

from coconut_core.model import CoconutModel
from coconut_core.problems import generate_problems, write_problems
from coconut_core.training.metrics import MetricsLog, read_metrics
from coconut_core.training.recipe import Recipe, recipe_from_table
from coconut_core.training.run_folder import RunFolder
from coconut_core.training.start import build_model
from coconut_core.training.trainer import Trainer
from tests.core.tiny_models import tiny_model

Row = dict[str, Any]

TINY: dict[str, Any] = {
    "name": "tiny",
    "batch_size": 4,
    "step_style": "chain",
    "checkpoint_every": 3,
    "evaluate_every": 6,
    "evaluation_problems": 4,
    "model": {"hidden_size": 16, "heads": 2, "intermediate_size": 16},
    "data": {"problems": 30, "nodes": [18, 20], "hops": [3, 4]},
    "curriculum": {"lookup": 2, "first": 2, "per_stage": 2, "stages": 2, "total": 9, "other_stages": 0.3},
    "optimizer": {"warmup_steps": 2},
}


def tiny_recipe(**changes: Any) -> Recipe:
    """TINY with changes; a table is laid over the one it has."""
    table = {name: dict(value) if isinstance(value, dict) else value for name, value in TINY.items()}
    for name, value in changes.items():
        table[name] = {**table.get(name, {}), **value} if isinstance(value, dict) else value
    return recipe_from_table(table)


def trainer_for(recipe: Recipe, folder: Path) -> Trainer:
    """A trainer as `coconut train` makes it, on the CPU."""
    run = RunFolder(folder)
    run.create()
    run.write_recipe(recipe.to_json())
    return Trainer(build_model(recipe), recipe, run, device="cpu")


class Died(BaseException):
    """As if the process had been killed."""


def train(recipe: Recipe, folder: Path, until: int | None = None) -> list[Row]:
    """Begin a run; its rows."""
    rows: list[Row] = []
    trainer_for(recipe, folder).run(rows.append, until)
    return rows


def go_on(recipe: Recipe, folder: Path) -> list[Row]:
    """Resume a run; its rows from there."""
    rows: list[Row] = []
    trainer = trainer_for(recipe, folder)
    trainer.resume()
    trainer.run(rows.append)
    return rows


def run_logged(recipe: Recipe, folder: Path, rows: int | None = None) -> list[Row]:
    """Begin or go on as the command does; with rows it dies behind so many. Returns the log."""
    trainer = trainer_for(recipe, folder)
    if trainer.folder.steps():
        trainer.resume()
    with MetricsLog(folder, step=trainer.step, owes_evaluation=trainer.owes_evaluation) as log:
        written = 0

        def report(row: Row) -> None:
            nonlocal written
            log.append(row)
            written += 1
            if written == rows:
                raise Died

        trainer.run(report)
    return read_metrics(folder / "metrics.jsonl")


def timeless(rows: list[Row]) -> list[Row]:
    """Rows without what is another time each time."""
    return [
        {name: value for name, value in row.items() if name not in ("tokens_per_second", "seconds_left")}
        for row in rows
    ]


def weights(folder: Path) -> dict[str, Tensor]:
    """Those that a run ended with."""
    return dict(CoconutModel.from_pretrained(folder / "checkpoint", device="cpu").named_parameters())


def assert_same_weights(one: Path, other: Path, tolerance: float = 0.0) -> None:
    """Two runs ended with the same weights."""
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    for name in first:
        assert (first[name] - second[name]).abs().max() <= tolerance, name


def problem_file(folder: Path, count: int, seed: int = 0) -> Path:
    """A file of generated ProsQA problems."""
    path = folder / f"problems-{count}-{seed}.json"
    own = path.with_name(f"{os.getpid()}-{path.name}")  # another process may write the same
    write_problems(own, generate_problems("prosqa", count, seed))
    return own.replace(path)


def tiny_gpt2(folder: Path) -> Path:
    """An ordinary GPT-2 folder: weights and tokenizer, no coconut.json."""
    model = tiny_model("gpt2", max_positions=400)
    model.base_lm.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    return folder
