"""Accuracy: what counts as right, its interval, and an evaluation that equals single runs."""

import pytest
import torch

from coconut_core.evaluate import evaluate, final_answer, is_right, wilson_interval
from coconut_core.model import CoconutModel
from coconut_core.problems import Problem, generate_problems
from tests.core.test_generate import answer_alone
from tests.core.tiny_models import QUESTIONS, tiny_model


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("### Alex is a lempus.", "Alex is a lempus."),
        ("Alex is a impus.\n###  Alex is\n a lempus. ", "Alex is a lempus."),
        ("### one ### two", "two"),
        ("no prefix at all", "no prefix at all"),
        ("###", ""),
        ("", ""),
    ],
)
def test_the_final_answer(text: str, answer: str) -> None:
    assert final_answer(text, "###") == answer


def test_without_a_prefix_the_whole_text_counts() -> None:
    assert final_answer(" a  b ", "") == "a b"


def test_only_the_exact_answer_is_right() -> None:
    problem = Problem("question", (), "Alex is a lempus.")
    assert is_right("steps ### Alex is a lempus.", problem, "###")
    for wrong in (
        "### Alex is a rompus.",
        "### Alex is a lempus",
        "### Alex is a lempus. Bob",
        "### alex is a lempus.",
    ):
        assert not is_right(wrong, problem, "###")


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [
        (0, 0, 0.0, 1.0),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (50, 100, 0.4038, 0.5962),
        (291, 300, 0.9440, 0.9841),
    ],
)  # the two-sided 95 % score interval, as published calculators give it
def test_the_interval(right: int, count: int, low: float, high: float) -> None:
    assert wilson_interval(right, count) == pytest.approx((low, high), abs=2e-4)


def test_an_evaluation_equals_single_runs(model: CoconutModel) -> None:
    alone = [
        answer_alone(model, question, thoughts=2, answer_only=True, max_new_tokens=6) for question in QUESTIONS
    ]
    answers = [final_answer(answer.text, "###") for answer in alone]
    problems = [
        Problem(question, ("step",) * hops, answer if good else answer + " not")
        for question, hops, answer, good in zip(
            QUESTIONS, (3, 3, 4, 5), answers, (True, False, True, False), strict=True
        )
    ]
    seen: list[int] = []
    result = evaluate(model, problems, thoughts=2, max_new_tokens=6, batch_size=3, progress=seen.append)
    assert result.right == (True, False, True, False)
    assert list(result.answers) == alone
    assert (result.count, result.accuracy) == (4, 0.5)
    assert result.by_hops == {3: 0.5, 4: 1.0, 5: 0.0}
    assert result.mean_tokens == sum(len(answer.token_ids) + answer.thoughts + 1 for answer in alone) / 4
    assert result.interval == wilson_interval(2, 4)
    assert seen == [3, 1]


def test_thoughts_in_words_are_allowed_where_asked_for() -> None:
    model = tiny_model("llama")
    problems = [Problem(question, (), "x") for question in QUESTIONS]
    result = evaluate(model, problems, thoughts=1, answer_only=False, max_new_tokens=5)
    assert [answer.token_ids for answer in result.answers] == [
        answer_alone(model, question, thoughts=1, max_new_tokens=5).token_ids for question in QUESTIONS
    ]


def test_nothing_to_evaluate() -> None:
    result = evaluate(tiny_model("llama"), [])
    assert (result.count, result.accuracy, result.by_hops, result.interval) == (0, 0.0, {}, (0.0, 1.0))


def test_long_questions_do_not_disturb_gradients() -> None:
    """Evaluation inside training leaves no trace in the model."""
    model = tiny_model("llama", max_positions=512)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    evaluate(model, generate_problems("prosqa", 3, seed=1), thoughts=1, max_new_tokens=2)
    assert torch.is_grad_enabled()
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
