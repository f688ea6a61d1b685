"""The sibling whose thoughts were labelled: it answers, needs them, and keeps a verdict of its weights."""

from pathlib import Path

import pytest

from coconut_core.coconut import CoconutModel
from coconut_core.evaluation.controls import run_controls
from coconut_core.evaluation.evaluate import evaluate
from coconut_core.evaluation.verdict import Usage, usage_line
from coconut_core.problems import Problem, generate_problems

FOLDER = Path(__file__).resolve().parents[2] / "models" / "prosqa-labelled"
FLOOR = 0.9  # accuracy, well under what the card says


@pytest.fixture(scope="module")
def problems() -> list[Problem]:
    """Graphs that it was not trained on: another seed than the pool's, and of the test split."""
    return generate_problems("prosqa", 200, seed=5, split="test")


def test_it_answers_and_needs_its_thoughts(model: CoconutModel, problems: list[Problem]) -> None:
    with_thoughts = evaluate(model, problems).accuracy
    without = evaluate(model, problems, thoughts=0).accuracy
    assert with_thoughts > FLOOR
    assert with_thoughts - without > 0.3


def test_its_thoughts_are_found_to_be_used(model: CoconutModel) -> None:
    """The instrument on the bundled model: a swap costs accuracy, and the twin's thoughts give its answer."""
    found = run_controls(model, generate_problems("prosqa", 60, 6, "test"), names=["none", "random", "twin"])
    assert found.verdict.usage is Usage.USED
    twin = next(result for result in found.results if result.name == "twin")
    assert twin.counterfactual / twin.counterfactual_count > 0.8


def test_the_verdict_kept_with_it_is_of_these_weights() -> None:
    assert usage_line(FOLDER).startswith("USED: 95 % right with them, 24 % without them")
