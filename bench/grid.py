"""The causal grid of one question: cells as rows of batches on a shared prompt, against one run for each."""

from functools import partial

from bench.ask import OURS, make_talkative
from bench.measure import Comparison, Way, take_turns
from bench.shapes import Shape, random_question
from coconut_core.coconut import CoconutModel
from coconut_core.evaluation.ablations import ablations_of
from coconut_core.evaluation.deciding import Parting, next_words
from coconut_core.evaluation.variants import answers_with
from coconut_core.interventions.donors import Sources
from coconut_core.interventions.text import parse_plan
from coconut_core.problems import Problem
from coconut_core.runs.plan import Plan

SEPARATELY = "cell by cell"
WORDS = 8  # of an answer, as those to ProsQA questions have them
OTHERS = 4  # problems that donors are drawn from

Cells = list[tuple[str, float | None]]  # the answer and the logit difference of each


def compare(shape: Shape, repetitions: int) -> list[Comparison]:
    """Measure one shape. Raises AssertionError where the two ways give different cells."""
    model = shape.build()
    make_talkative(model)
    question = random_question(shape)
    others = [Problem(random_question(shape, seed), (), "") for seed in range(1, OTHERS)]
    sources = Sources(model, question, Problem(question, (), ""), others, shape.thoughts)
    texts = [text for thought in range(1, shape.thoughts + 1) for text in ablations_of(thought)]
    plans = [Plan(), *(parse_plan(text, sources) for text in texts if "twin" not in text)]
    ways = [
        Way(OURS, partial(measured, model, question, shape, [plans])),
        Way(SEPARATELY, partial(measured, model, question, shape, [[plan] for plan in plans])),
    ]
    seconds, same = take_turns(ways, repetitions, check_same)
    return [Comparison("grid", shape.name, SEPARATELY, same[SEPARATELY], seconds[OURS], seconds[SEPARATELY])]


def measured(model: CoconutModel, question: str, shape: Shape, groups: list[list[Plan]]) -> Cells:
    """Answers and logit differences with each plan, those of a group side by side."""
    at = Parting(tuple(range(10, 10 + WORDS // 2)), (6, 7), judged=False)
    cells: Cells = []
    for plans in groups:
        answers = answers_with(model, question, plans, thoughts=shape.thoughts, max_new_tokens=WORDS)
        words = next_words(model, question, plans, at, thoughts=shape.thoughts)
        cells += [(answer.text, found.logit_difference) for answer, found in zip(answers, words, strict=True)]
    return cells


def check_same(ours: Cells, theirs: Cells) -> str:
    """How many cells there are. Raises AssertionError where one differs by more than rounding."""
    for (answer, difference), (other, expected) in zip(ours, theirs, strict=True):
        if answer != other or abs((difference or 0) - (expected or 0)) > 1e-3:
            raise AssertionError(f"a cell differs: {answer!r} {difference} and {other!r} {expected}")
    return f"{len(ours)} cells"
