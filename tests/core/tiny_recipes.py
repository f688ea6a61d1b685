"""Recipes small enough to train in a test, and the pieces to train them with."""

from pathlib import Path
from typing import Any

from coconut_core.problems import generate_problems, write_problems
from coconut_core.training.recipe import Recipe, recipe_from_table
from coconut_core.training.run_folder import RunFolder
from coconut_core.training.start import build_model
from coconut_core.training.trainer import Trainer
from tests.core.tiny_models import tiny_model

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


def problem_file(folder: Path, count: int, seed: int = 0) -> Path:
    """A file of generated ProsQA problems."""
    path = folder / f"problems-{count}-{seed}.json"
    write_problems(path, generate_problems("prosqa", count, seed))
    return path


def tiny_gpt2(folder: Path) -> Path:
    """An ordinary GPT-2 folder: weights and tokenizer, no coconut.json."""
    model = tiny_model("gpt2", max_positions=400)
    model.base_lm.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    return folder
