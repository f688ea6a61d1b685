"""An atlas of some problems, made and written, beside a plain evaluation of the same: what a run costs more."""

import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.measure import Comparison, Way, take_turns
from bench.shapes import Shape
from coconut_core import CoconutModel
from coconut_core.atlas import Atlas
from coconut_core.atlas.building import build
from coconut_core.atlas.folder import Settings
from coconut_core.evaluation.evaluate import evaluate
from coconut_core.problems import Problem, generate_problems

MODEL = "models/prosqa"
PROBLEMS = 128
EVALUATION = "coconut eval"
MOST = {0: 1.5, 1: 2.5}  # times as long as the evaluation, by number of swaps


@dataclass(frozen=True)
class Found:
    """The answers that are right."""

    right: tuple[bool, ...]


def compare(shape: Shape, repetitions: int, count: int = PROBLEMS) -> list[Comparison]:
    """Measure the checkpoint that has the prosqa shape; nothing for other shapes. AssertionError where an
    atlas and an evaluation find other answers right."""
    if shape.name != "prosqa":
        return []
    model = CoconutModel.from_pretrained(MODEL)
    problems = generate_problems("prosqa", count, 1, "test")
    results = []
    for swaps, most in MOST.items():
        name = f"atlas, {swaps} swap{'' if swaps == 1 else 's'}"
        ways = [
            Way(name, partial(make, model, problems, swaps)),
            Way(EVALUATION, partial(judge, model, problems)),
        ]
        seconds, same = take_turns(ways, repetitions, check_same)
        told = f"{same[EVALUATION]}; {1000 * min(seconds[name]) / count:.1f} ms of one core a run"
        results.append(
            Comparison(
                "atlas", name, EVALUATION, told, seconds[name], seconds[EVALUATION], target=most, cost=True
            )
        )
    return results


def make(model: CoconutModel, problems: list[Problem], swaps: int) -> Found:
    """All problems into a new atlas."""
    with tempfile.TemporaryDirectory() as folder:
        build(model, problems, Path(folder) / "A", source=MODEL, settings=Settings(swaps=swaps))
        rows = Atlas.open(Path(folder) / "A").rows(columns=["right"])
    return Found(tuple(row["right"] for row in rows))


def judge(model: CoconutModel, problems: list[Problem]) -> Found:
    """All problems evaluated."""
    return Found(evaluate(model, problems, max_new_tokens=64).right)


def check_same(found: Found, expected: Found) -> str:
    """How many are right. Raises AssertionError where they are others."""
    if found != expected:
        raise AssertionError("an atlas and an evaluation find other answers right")
    return f"{sum(found.right)} of {len(found.right)} right"
