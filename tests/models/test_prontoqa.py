"""models/prontoqa: it judges, needs its thoughts, and they walk from the person to the property."""

from pathlib import Path

import pytest

from coconut_core.analysis.search import frontier_readings
from coconut_core.analysis.study import Study
from coconut_core.coconut import CoconutModel
from coconut_core.evaluation.controls import run_controls
from coconut_core.evaluation.evaluate import evaluate
from coconut_core.evaluation.verdict import Usage, usage_line
from coconut_core.problems import Problem, generate_problems

FOLDER = Path(__file__).resolve().parents[2] / "models" / "prontoqa"


@pytest.fixture(scope="module")
def problems() -> list[Problem]:
    """Problems that it was not trained on, of the official size."""
    return generate_problems("prontoqa", 120, seed=5, split="test")


def test_it_judges_and_needs_its_thoughts(model: CoconutModel, problems: list[Problem]) -> None:
    assert evaluate(model, problems).accuracy > 0.88
    assert evaluate(model, problems, thoughts=0).accuracy < 0.65  # a guess is right in half of them


def test_another_problems_thoughts_are_worth_a_guess(model: CoconutModel, problems: list[Problem]) -> None:
    controls = run_controls(model, problems[:60], names=["none", "random", "twin"])
    assert controls.verdict.usage is Usage.USED
    twin = next(row for row in controls.results if row.name == "twin")
    assert twin.counterfactual / twin.counterfactual_count > 0.8
    assert usage_line(FOLDER).startswith("USED: 94 % right with them, 51 % without them")


def test_its_thoughts_hold_the_frontier_hop_by_hop(model: CoconutModel, problems: list[Problem]) -> None:
    study = Study(model, problems[:60], thoughts=6)
    real, control = (frontier_readings(study, maps) for maps in (study.maps, study.control_maps))
    for place in range(5):
        assert real[place]["frontier"].mean > 0.9
        assert control[place]["frontier"].mean < 0.25


def test_no_thought_of_it_was_labelled(model: CoconutModel) -> None:
    assert model.config.recipe is not None
    assert model.config.recipe["label_thoughts"] == "last"
    assert sum(path.stat().st_size for path in FOLDER.rglob("*")) < 20_000_000
