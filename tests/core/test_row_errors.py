"""What goes wrong with one question ends that question alone."""

from dataclasses import replace

import pytest
import torch

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.evaluation.controls import run_controls
from coconut_core.evaluation.evaluate import evaluate
from coconut_core.problems import Problem, generate_problems
from coconut_core.runs.edits import HiddenPositions, PatchLayer, Replace, Scale
from coconut_core.runs.generate import generate
from coconut_core.runs.plan import Plan
from tests.core.tiny_models import QUESTIONS, overflowing_model, tiny_model

OVERFLOW = "not finite (NaN or infinity): the numbers overflow"
PLANS = {
    "an overflow": (Plan({1: Scale(3e38), 2: Scale(3e38)}), OVERFLOW),
    "a vector of another size": (Plan({2: Replace(torch.zeros(5))}), "shape (5,)"),
    "a position that is not there": (Plan({2: HiddenPositions((999,))}), "no position 999"),
    "a layer that is not there": (Plan({1: PatchLayer(7, torch.zeros(32))}), "no layer 7"),
}


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
@pytest.mark.parametrize("kind", PLANS)
def test_an_intervention_that_fails_ends_its_row_alone(architecture: str, kind: str) -> None:
    model = tiny_model(architecture)
    plan, said = PLANS[kind]
    wanted = generate(model, QUESTIONS, max_new_tokens=9)
    with pytest.raises(CoconutError) as caught:
        generate(model, QUESTIONS, max_new_tokens=9, plans=[None, plan, None, None])
    assert said in str(caught.value)
    answers = generate(model, QUESTIONS, max_new_tokens=9, plans=[None, plan, None, None], raising=False)
    assert answers.pop(1).error == str(caught.value)
    assert answers == [wanted[0], *wanted[2:]]


def test_in_parallel_passes_too(llama: CoconutModel) -> None:
    plans = [None, Plan({1: Replace(torch.zeros(5))}), Plan({1: HiddenPositions((1,))}), None]
    wanted = generate(llama, QUESTIONS, passes=2)
    answers = generate(llama, QUESTIONS, passes=2, plans=plans, raising=False)
    assert "shape (5,)" in answers[1].error
    assert "parallel passes" in answers[2].error
    assert [answers[0], answers[3]] == [wanted[0], wanted[3]]


def test_weights_that_are_no_numbers_are_not_an_error_of_a_row() -> None:
    model = tiny_model("llama")
    with torch.no_grad():
        model.base_lm.get_output_embeddings().weight[0] = torch.nan
    with pytest.raises(CoconutError, match="take other weights"):
        generate(model, QUESTIONS, raising=False)


@pytest.fixture(scope="module")
def spiky() -> CoconutModel:
    """A model whose numbers overflow at the word 'sterpus'."""
    return overflowing_model("sterpus")


def problems_with_one_that_overflows() -> list[Problem]:
    """The third holds 'sterpus', no other does."""
    others = [each for each in generate_problems("prosqa", 60, seed=1) if "sterpus" not in each.question][:5]
    assert len(others) == 5
    spoilt = replace(others[2], question="Bob is a sterpus. Is Bob a sterpus or impus?", steps=(), graph=None)
    return [*others[:2], spoilt, *others[2:]]


def test_an_evaluation_counts_what_overflows_as_not_right_and_says_so(spiky: CoconutModel) -> None:
    problems = problems_with_one_that_overflows()
    result = evaluate(spiky, problems, max_new_tokens=4)
    without = evaluate(spiky, [*problems[:2], *problems[3:]], max_new_tokens=4)
    (error,) = result.errors
    assert OVERFLOW in error
    assert result.to_json()["failed"] == 1
    assert (result.count, result.right[2], result.outcomes[2]) == (6, False, None)
    assert [answer.text for answer in result.answers if not answer.error] == [
        answer.text for answer in without.answers
    ]
    assert result.cut_off == without.cut_off


def test_controls_leave_out_what_overflows_and_say_so(spiky: CoconutModel) -> None:
    problems = problems_with_one_that_overflows()
    found = run_controls(spiky, problems, names=("mean", "zero", "random"), max_new_tokens=4)
    without = run_controls(
        spiky, [*problems[:2], *problems[3:]], names=("mean", "zero", "random"), max_new_tokens=4
    )
    assert found.count == 5
    assert found.settings["failed"] >= 1
    assert OVERFLOW in found.settings["error"]
    assert [each.count for each in found.results] == [5, 5, 5]
    assert found.results[:2] == without.results[:2]


def test_controls_of_problems_that_all_overflow_are_refused(spiky: CoconutModel) -> None:
    with pytest.raises(CoconutError, match="the numbers overflow"):
        run_controls(spiky, [problems_with_one_that_overflows()[2]])
