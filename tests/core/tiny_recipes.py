"""Recipes small enough to train in a test, and the pieces to train them with."""

import os
import random
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel

from coconut_core.coconut import CoconutModel
from coconut_core.problems import Problem, generate_problems, write_problems
from coconut_core.training.metrics import MetricsLog, read_metrics
from coconut_core.training.recipe import Recipe, recipe_from_table
from coconut_core.training.run_folder import RunFolder
from coconut_core.training.start import build_model
from coconut_core.training.trackers import Reporting
from coconut_core.training.trainer import Trainer
from tests.core.real_tokenizers import gpt2_tokenizer

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

# A model that reads TINY's own problems and has little room behind them: an untrained one goes on to the end of
# it each time it is evaluated.
LITTLE_ROOM = {"max_positions": 184}


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
    reporting = Reporting(recipe.report_to, recipe.to_json())
    with MetricsLog(
        folder, step=trainer.step, owes_evaluation=trainer.owes_evaluation, reporting=reporting
    ) as log:
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


def problem_file(folder: Path, count: int, seed: int = 0, family: str = "prosqa") -> Path:
    """A file of generated problems."""
    path = folder / f"{family}-{count}-{seed}.json"
    own = path.with_name(f"{os.getpid()}-{path.name}")  # another process may write the same
    write_problems(own, generate_problems(family, count, seed))
    return own.replace(path)


def sums_file(folder: Path, count: int, seed: int = 0) -> Path:
    """A file of sums about nuts, as docs/TRAINING.md makes them: short problems of two steps."""
    rng = random.Random(seed)
    problems = []
    for _ in range(count):
        first, more, fewer = rng.randint(10, 50), rng.randint(1, 20), rng.randint(1, 9)
        have = first + more
        question = f"Ann has {first} nuts, finds {more} and eats {fewer}. How many are left?"
        steps = (f"{first}+{more}={have}", f"{have}-{fewer}={have - fewer}")
        problems.append(Problem(question, steps, str(have - fewer)))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"sums-{count}-{seed}.json"
    own = path.with_name(f"{os.getpid()}-{path.name}")  # another process may write the same
    write_problems(own, problems)
    return own.replace(path)


def lora_recipe(base: Path, data: Path, **changes: Any) -> Recipe:
    """CODI with LoRA beside a base, on sums about nuts; data is a folder for them."""
    table: dict[str, Any] = {
        "method": "codi",
        "step_style": "sentence",
        "answer_prefix": "The answer is:",
        "model": {"base": str(base)},
        "data": {"train": str(sums_file(data, 8)), "family": ""},
        "curriculum": {"lookup": 0, "stages": 2, "total": 6},
        "thinking": {"projection": 16},
        "lora": {"rank": 4, "alpha": 16, "dropout": 0.1},
        "optimizer": {"learning_rate": 1e-2},
    }
    return tiny_recipe(**{**table, **changes})


def dropout_modes(model: nn.Module) -> list[tuple[bool, bool]]:
    """A list that grows with each pass through the first dropout of a model that has some: whether gradients
    were wanted, and whether it was on."""
    seen: list[tuple[bool, bool]] = []
    first = next(module for module in model.modules() if isinstance(module, nn.Dropout) and module.p > 0)
    first.register_forward_pre_hook(lambda module, _: seen.append((torch.is_grad_enabled(), module.training)))
    return seen


def tiny_gpt2(folder: Path, positions: int = 1024) -> Path:
    """An ordinary GPT-2 folder, no coconut.json: tiny weights with dropout, and GPT-2's own tokenizer class."""
    tokenizer = gpt2_tokenizer()
    end = tokenizer.eos_token_id
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=4, n_positions=positions,
        bos_token_id=end, eos_token_id=end, initializer_range=0.2,
    )  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
