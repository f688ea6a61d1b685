"""The bundled model whose thoughts nobody labelled: it answers, needs them, and they hold the search."""

from pathlib import Path

import pytest

from coconut_core.analysis.search import frontier_readings
from coconut_core.analysis.study import Study
from coconut_core.controls import run_controls
from coconut_core.evaluate import evaluate
from coconut_core.model import CoconutModel
from coconut_core.problems import Problem, generate_problems, trained_size
from coconut_core.verdict import Usage, usage_line

FOLDER = Path(__file__).resolve().parents[2] / "models" / "prosqa-unlabelled"


@pytest.fixture(scope="module")
def model() -> CoconutModel:
    return CoconutModel.from_pretrained(FOLDER, device="cpu")


@pytest.fixture(scope="module")
def problems(model: CoconutModel) -> list[Problem]:
    """Graphs that it was not trained on: another seed than the pool's, and of the test split."""
    assert trained_size("prosqa", model.config.recipe) is None  # the official size
    return generate_problems("prosqa", 200, 5, "test")


def test_it_answers_and_needs_its_thoughts(model: CoconutModel, problems: list[Problem]) -> None:
    assert evaluate(model, problems).accuracy > 0.9
    assert evaluate(model, problems, thoughts=2).accuracy < 0.6
    assert evaluate(model, problems, thoughts=0).accuracy < 0.2


def test_another_problems_thoughts_bring_its_answer(model: CoconutModel, problems: list[Problem]) -> None:
    controls = run_controls(model, problems[:60], names=["none", "random", "twin"])
    assert controls.verdict.usage is Usage.USED
    random, twin = (next(row for row in controls.results if row.name == name) for name in ("random", "twin"))
    assert random.donor is not None
    assert random.donor / random.count > 0.5
    assert twin.counterfactual / twin.counterfactual_count > 0.8


def test_its_thoughts_hold_the_frontier_hop_by_hop(model: CoconutModel, problems: list[Problem]) -> None:
    """Far above the same graphs with their names dealt out anew, which nobody trained it on."""
    study = Study(model, problems[:100], thoughts=6)
    real, control = (frontier_readings(study, maps) for maps in (study.maps, study.control_maps))
    for place in range(4):
        assert real[place]["frontier"].mean > 0.6
        assert control[place]["frontier"].mean < 0.35


def test_the_verdict_kept_with_it_is_of_these_weights() -> None:
    assert usage_line(FOLDER).startswith("USED: 96 % right with them, 7 % without them")


def test_no_thought_of_it_was_labelled(model: CoconutModel) -> None:
    assert model.config.recipe is not None
    assert model.config.recipe["label_thoughts"] == "last"
    assert model.config.recipe["method"] == "coconut"
