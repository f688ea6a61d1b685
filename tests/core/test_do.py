"""What a caller says is to be done to the runs of many questions: text, objects, functions; and sweeps."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.evaluation.evaluate import evaluate
from coconut_core.interventions import Plan, Scale, Zero
from coconut_core.interventions.donors import Sources
from coconut_core.interventions.text import parse_plan
from coconut_core.problems import Problem, generate_problems
from coconut_core.problems.prosqa import ProsqaSize
from tests.core.precision import EXACT
from tests.core.tiny_models import QUESTIONS, tiny_model

PROBLEMS = generate_problems("prosqa", 5, 1, size=ProsqaSize(nodes=(5, 7), hops=(1, 3)))
TEXTS = (
    "zero@2; steer rompus 4@1",
    "replace twin@all",
    "replace random@2",
    "mean@all",
    "noise@1-2",
    "shuffle",
    "drop@2",
    "patch 0 random@3",
    "patch-head 1.0 own:1@2",
    "truncate 1",
)


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_does_to_many_what_it_does_to_each_alone(llama: CoconutModel, text: str) -> None:
    runs = llama.run(PROBLEMS, do=text, max_new_tokens=4)
    for number, problem in enumerate(PROBLEMS):
        sources = Sources(llama, problem.question, problem, PROBLEMS, 3, draw=number)
        alone = llama.start(problem.question, max_new_tokens=4)
        alone.apply(parse_plan(text, sources))
        assert alone.finish() == runs.results[number].text
        first = torch.stack([step.hidden for step in alone.thought_steps() if step.segment == 0])
        assert runs.mask[number].sum() == len(first)
        torch.testing.assert_close(runs.thoughts[number, : len(first)], first, **EXACT)


def test_the_runs_of_donors_are_made_at_once(llama: CoconutModel) -> None:
    def passes(do: str) -> int:
        before = llama.work.passes
        llama.run(PROBLEMS, do=do, speak=False)
        return llama.work.passes - before

    assert passes("replace twin@all") <= 2 * passes("zero@all")


SAME = {
    "an object at every thought": (Scale(2.0), "scale 2@all"),
    "by number": ({1: Zero(), 3: Scale(2.0)}, "zero@1; scale 2@3"),
    "a function at every thought": (lambda thought: 2 * thought, "scale 2@all"),
    "functions by number": ({2: torch.zeros_like, 3: lambda thought: thought.mul_(2)}, "zero@2; scale 2@3"),
    "vectors": ({2: torch.zeros(32)}, "zero@2"),
    "a plan": (Plan({2: Zero()}, thoughts=2), "zero@2; truncate 2"),
}


@pytest.mark.parametrize(("do", "text"), SAME.values(), ids=SAME.keys())
def test_objects_and_functions_do_what_text_says(llama: CoconutModel, do: Any, text: str) -> None:
    ways: list[Callable[[Any], Any]] = [
        lambda what: llama.run(QUESTIONS, do=what, max_new_tokens=3).thoughts,
        lambda what: torch.stack([_finished(llama, question, what) for question in QUESTIONS]),
    ]
    for way in ways:
        torch.testing.assert_close(way(do), way(text), **EXACT)
    assert llama.generate(QUESTIONS, do=do, max_new_tokens=6) == llama.generate(
        QUESTIONS, do=text, max_new_tokens=6
    )


def _finished(model: CoconutModel, question: str, do: Any) -> torch.Tensor:
    run = model.start(question, do=do, max_new_tokens=3)
    run.finish()
    return run.thought_vectors


REFUSED = {
    "unknown word": ("zap@2", "'zap@2' is no intervention: there are zero"),
    "no such thought in text": ("zero@4", "there is no thought 4, the run takes 3"),
    "no such thought": ({4: Zero()}, "there is no thought 4: the run takes 3"),
    "number as text": ({"2": Zero()}, "go by number of the thought, such as {2: Zero.*, not by '2'"),
    "a number below zero": ({-1: Zero()}, "thoughts are numbered from 1, not -1"),
    "a class": (Zero, r"Zero is a class, no intervention: write Zero\(…\) for one"),
    "a vector of another shape": ({1: torch.zeros(5)}, r"the vector has shape \(5,\), a thought here \(32,\)"),
    "a number": (2, "2 is no intervention: give one such as"),
    "another shape": (lambda thought: thought[:5], r"shape \(5,\), a thought here has \(32,\)"),
    "nothing": (lambda thought: None, "<lambda> returns nothing"),
    "no number": (lambda thought: thought / 0, "<lambda> returns numbers that are not finite"),
    "no twin": ("replace twin@1", "this question has no minimal twin"),
}


@pytest.mark.parametrize(("do", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_done_is_refused_in_one_line(llama: CoconutModel, do: Any, message: str) -> None:
    for ask in (llama.run, llama.generate, lambda questions, do: llama.start(questions[0], do=do).finish()):
        with pytest.raises(CoconutError, match=message) as refusal:
            ask(["Is Bob a impus?"] if do == "replace twin@1" else QUESTIONS[:2], do=do)
        assert "\n" not in str(refusal.value)


def test_a_question_is_a_text_or_a_problem(llama: CoconutModel) -> None:
    said = llama.generate(PROBLEMS[0], max_new_tokens=3)
    assert said == llama.generate([PROBLEMS[0].question], max_new_tokens=3)
    assert llama.start(PROBLEMS[0], max_new_tokens=3).finish() == said[0]
    many: tuple[Any, ...] = ([["Is it?"]], 3, None)
    one: tuple[Any, ...] = (["Is it?"], 3, None)
    for ask, questions in ((llama.run, many), (llama.generate, many), (llama.start, one)):
        for wrong in questions:
            with pytest.raises(CoconutError, match="a question is a text or a Problem, not "):
                ask(wrong)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"thoughts": [1]}, "thoughts: 1 are given for 2 questions"),
        ({"thoughts": "3"}, "thoughts must be a whole number, not '3'"),
        ({"seed": [1, 2, 3]}, "seeds: 3 are given for 2 questions"),
        ({"keep": "all"}, "keep is one of nothing, thoughts, inside, not 'all'"),
    ],
)
def test_an_option_that_does_not_fit_is_refused(
    llama: CoconutModel, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(CoconutError, match=message):
        llama.run(QUESTIONS[:2], **options)


def test_a_sweep_gives_each_plan_what_it_would_have_alone() -> None:
    model = tiny_model("llama", dtype=torch.float64)
    plans: dict[str, Any] = {
        "own": None,
        "none": "truncate 0",
        "twin": "replace twin@all",
        "doubled": {2: lambda t: 2 * t},
    }
    seen: list[int] = []
    sweep = evaluate(model, PROBLEMS, plans=plans, max_new_tokens=5, batch_size=8, progress=seen.append)
    assert list(sweep) == list(plans)
    assert (seen, sum(seen)) == ([8, 8, 4], 4 * len(PROBLEMS))
    for name, do in plans.items():
        alone = evaluate(model, PROBLEMS, do=do, max_new_tokens=5)
        assert (sweep[name].answers, sweep[name].right) == (alone.answers, alone.right)
        assert [answer.thoughts for answer in alone.answers] == [0 if name == "none" else 3] * len(PROBLEMS)


def test_a_sweep_reads_a_prompt_once() -> None:
    model = tiny_model("llama")
    problems = [Problem(QUESTIONS[0], (), "x")]
    plans: dict[int, Any] = {number: {1: Scale(float(number))} for number in range(8)}
    alone = evaluate(model, problems, max_new_tokens=1).work.positions
    sweep = evaluate(model, problems, plans=plans, max_new_tokens=1)
    assert all(result.work == sweep[0].work for result in sweep.values())
    prompt = len(model.encode_prompt(QUESTIONS[0]))
    assert sweep[0].work.positions == prompt + 8 * (alone - prompt)


def test_a_sweep_of_nothing_and_one_asked_twice() -> None:
    model = tiny_model("llama")
    assert evaluate(model, PROBLEMS, plans={}) == {}
    with pytest.raises(CoconutError, match="do= is one intervention and plans= are several"):
        evaluate(model, PROBLEMS, do="zero@1", plans={"zero": "zero@1"})  # type: ignore[call-overload]


def test_an_evaluation_says_in_one_line_what_came_of_it() -> None:
    result = evaluate(tiny_model("llama"), PROBLEMS, max_new_tokens=2)
    assert repr(result).startswith("Evaluation(0 of 5 right, 0.0 % (0.0–43.4); by steps ")
    assert "\n" not in repr(result)
    assert len(repr(PROBLEMS[0])) < 300
