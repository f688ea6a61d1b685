"""Accuracy: what counts as right, its interval, and an evaluation that equals single runs."""

from collections.abc import Sequence

import pytest
import torch

from coconut_core.coconut import CoconutModel
from coconut_core.common.plots import LinePanel, StackPanel
from coconut_core.evaluation.evaluate import (
    Evaluation,
    evaluate,
    figure_by_hops,
    figure_by_thoughts,
    judge,
)
from coconut_core.evaluation.outcomes import Outcome
from coconut_core.evaluation.significance import wilson_interval
from coconut_core.latent.model import Work
from coconut_core.problems import Problem, generate_problems
from coconut_core.records.answers import final_answer, is_right, read_number
from coconut_core.runs.generate import Answer
from tests.core.answering import answer_alone
from tests.core.reference import states_of, word_embeddings
from tests.core.tiny_models import QUESTIONS, talkative_model, tiny_model


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
    ("text", "number"),
    [
        ("18", 18),
        (" 1,234.50 ", 1234.5),
        ("$5.", 5),
        ("-$3", -3),
        ("+.5", 0.5),
        ("18.0", 18),
        ("1e3", None),
        ("18 or 20", None),
        ("1 2", None),
        ("eighteen", None),
        ("1.2.3", None),
        ("٣", None),
        ("", None),
        ("$", None),
    ],
)
def test_a_number_is_read_only_where_the_text_is_one(text: str, number: float | None) -> None:
    assert read_number(text) == number


@pytest.mark.parametrize("said", ["1200", "1,200", "$1200.", "1200.00", " $1,200.0 "])
def test_a_number_is_right_however_it_is_written(said: str) -> None:
    assert is_right(f"<<600*2=1200>>\n### {said}", Problem("question", (), "1,200"), "###")


@pytest.mark.parametrize("said", ["1201", "12 00", "1200 or 1300", "", "about 1200"])
def test_another_number_is_wrong(said: str) -> None:
    assert not is_right(f"### {said}", Problem("question", (), "1200"), "###")


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
    shares = {hops: (share.right, share.count) for hops, share in result.shares_by_hops.items()}
    assert shares == {3: (1, 2), 4: (1, 1), 5: (0, 1)}
    assert result.shares_by_hops[3].interval == wilson_interval(1, 2)
    assert result.outcomes == (None,) * 4
    assert result.outcome_counts == {}
    assert result.cut_off == sum(not answer.finished for answer in alone)
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


def test_each_answer_to_a_graph_problem_is_of_a_class() -> None:
    """The class follows what was said, right or wrong the answer, and thoughts make a path partial."""
    problem = generate_problems("prosqa", 1, seed=3)[0]
    wrong = problem.answer.replace("is a", "is not a")
    texts = [
        "\n".join([*problem.steps, f"### {problem.answer}"]),
        "\n".join([*problem.steps, f"### {wrong}"]),
        "\n".join([*problem.steps[1:], f"### {problem.answer}"]),
        f"### {problem.answer}",
        f"### {wrong}",
    ]
    for thoughts, third in ((0, Outcome.HALLUCINATION), (2, Outcome.CORRECT_PATH)):
        answers = [Answer(text, [1], thoughts, True) for text in texts]
        result = judge([problem] * 5, answers, "###", 1.0, Work())
        assert result.right == (True, False, True, True, False)
        assert result.outcomes == (
            Outcome.CORRECT_PATH,
            Outcome.CORRECT_PATH,
            third,
            Outcome.CORRECT_LABEL,
            Outcome.INCORRECT_LABEL,
        )
        assert sum(result.outcome_counts.values()) == 5


def test_the_work_of_an_evaluation_is_its_own() -> None:
    model = tiny_model("llama")
    problems = [Problem(question, ("step",), "x") for question in QUESTIONS]
    first = evaluate(model, problems, thoughts=2, max_new_tokens=4)
    second = evaluate(model, problems, thoughts=2, max_new_tokens=4)
    assert first.work == second.work
    assert first.work.passes > 2 + 4  # thoughts and words, each a pass of its own
    assert model.work == Work(2 * first.work.passes, 2 * first.work.positions)


def made_up(right: str, outcomes: Sequence[Outcome | None]) -> Evaluation:
    """An evaluation of four problems, two of 3 steps and two of 4; right is a string of 0 and 1."""
    answers = tuple(Answer("text", [1, 2, 3], 2, True) for _ in right)
    return Evaluation(
        tuple(char == "1" for char in right), answers, tuple(outcomes), (3, 3, 4, 4), 1.5, Work(7, 90)
    )


def test_the_json_object_holds_every_figure() -> None:
    record = made_up("1101", [Outcome.CORRECT_PATH] * 3 + [Outcome.HALLUCINATION]).to_json()
    assert record["accuracy"] == 0.75
    assert record["interval_95"] == list(wilson_interval(3, 4))
    assert record["by_hops"] == {3: 1.0, 4: 0.5}
    assert record["hops"][4] == {"n": 2, "right": 1, "interval_95": list(wilson_interval(1, 2))}
    assert record["outcomes"]["Correct Path"] == 3
    assert record["outcomes"]["Wrong Target"] == 0
    assert (record["mean_answer_tokens"], record["cut_off"]) == (6.0, 0)
    assert (record["forward_passes"], record["positions"], record["seconds"]) == (7, 90, 1.5)


def test_figures_show_what_was_measured() -> None:
    none = [Outcome.INCORRECT_LABEL] * 4
    path = [Outcome.CORRECT_PATH] * 4
    figure = figure_by_thoughts({0: made_up("0000", none), 2: made_up("1101", path)}, "a model")
    lines, classes = figure.panels
    assert isinstance(lines, LinePanel)
    assert isinstance(classes, StackPanel)
    assert [(line.label, line.x, line.y) for line in lines.lines] == [
        ("all problems", [0, 2], [0.0, 75.0]),
        ("3 steps", [0, 2], [0.0, 100.0]),
        ("4 steps", [0, 2], [0.0, 50.0]),
    ]
    assert lines.lines[0].high == pytest.approx([100 * wilson_interval(right, 4)[1] for right in (0, 3)])
    assert {stack.label: stack.values for stack in classes.stacks if any(stack.values)} == {
        "Correct Path": [0.0, 100.0],
        "Incorrect Label": [100.0, 0.0],
    }
    (by_hops,) = figure_by_hops(made_up("1101", path), "a model").panels
    assert isinstance(by_hops, LinePanel)
    assert (by_hops.lines[0].x, by_hops.lines[0].y) == ([3, 4], [100.0, 50.0])
    assert len(figure_by_thoughts({0: made_up("0000", [None] * 4)}, "no graphs").panels) == 1


def test_the_official_evaluation_decodes_on_behind_bot_and_reads_letter_by_letter() -> None:
    """The reference is greedy decoding without a cache, in which <bot> is a word like any other."""
    (bot,) = tiny_model("llama").config.fed_before
    model = talkative_model("llama", bot, thoughts=2, max_positions=400)
    problems = [Problem(question, ("a",), "1,200") for question in QUESTIONS]
    result = evaluate(model, problems, official=True, max_new_tokens=12)
    assert [answer.thoughts for answer in result.answers] == [2] * len(problems)
    assert any(bot in answer.token_ids for answer in result.answers), "none said <bot>, so nothing was tested"
    table = word_embeddings(model)
    for problem, answer in zip(problems, result.answers, strict=True):
        fed = [table[token] for token in model.encode_prompt(problem.question)]
        with torch.inference_mode():
            for _ in range(2):
                fed.append(states_of(model, fed)[-1])
            fed += [table[token] for token in model.config.fed_behind]
            for token in answer.token_ids:
                logits = model.logits(states_of(model, fed)[-1])
                logits[model.config.latent_id] = -torch.inf  # which is never said here
                assert int(logits.argmax()) == token
                fed.append(table[token])
    again = evaluate(model, problems, answer_only=False, max_new_tokens=12)
    assert any(answer.thoughts > 2 for answer in again.answers)
    said = [Answer(text=text) for text in ("### 1200", "### $1200", "1200", "# 1,200")]
    right = judge(problems, said, "###", 0.0, Work(), official=True).right
    assert right == (True, False, False, True)
    assert judge(problems, said, "###", 0.0, Work()).right == (True, True, True, True)
