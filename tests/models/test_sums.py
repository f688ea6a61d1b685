"""models/sums: it answers, needs its thoughts, and says the results of the steps in them."""

from pathlib import Path

import pytest

from coconut_core.analysis.results import result_readouts
from coconut_core.analysis.study import Study
from coconut_core.coconut import CoconutModel
from coconut_core.evaluation.controls import run_controls
from coconut_core.evaluation.evaluate import evaluate
from coconut_core.evaluation.verdict import Usage, usage_line
from coconut_core.problems import Problem, generate_problems

FOLDER = Path(__file__).resolve().parents[2] / "models" / "sums"
FLOOR = 0.65  # accuracy, well under what the card says


@pytest.fixture(scope="module")
def problems() -> list[Problem]:
    """Sums that it was not trained on."""
    return generate_problems("sums", 200, seed=5, split="test")


def test_it_answers_and_needs_its_thoughts(model: CoconutModel, problems: list[Problem]) -> None:
    with_thoughts = evaluate(model, problems).accuracy
    assert with_thoughts > FLOOR
    assert with_thoughts - evaluate(model, problems, thoughts=0).accuracy > 0.3


def test_its_thoughts_are_found_to_be_used(model: CoconutModel) -> None:
    found = run_controls(model, generate_problems("sums", 60, 6, "test"), names=["none", "random", "twin"])
    assert found.verdict.usage is Usage.USED
    assert usage_line(FOLDER).startswith("USED")


def test_its_thoughts_say_the_results_that_nobody_asked_them_for(
    model: CoconutModel, problems: list[Problem]
) -> None:
    said = result_readouts(Study(model, problems, model.config.thoughts))
    for step in range(2):
        assert said[step][step].likeliest.mean > 0.5
        assert said[step][step].probability.low > said[step][step].control.high + 0.3


def test_the_folder_is_small_and_has_a_card() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*")) < 20_000_000
    assert "95 % interval" in (FOLDER / "README.md").read_text(encoding="utf-8")
