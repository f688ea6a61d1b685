"""Sums: word problems that are sound, read back from their text, and leak nothing."""

import random
import re
from collections import Counter
from dataclasses import replace
from math import sqrt

import pytest
import torch
from torch import Tensor

from coconut_core.common.errors import CoconutError
from coconut_core.problems import FAMILIES, SPLITS, Problem, generate_problems, recognise, split_of
from coconut_core.problems.arithmetic import check_equation, step_equation
from coconut_core.problems.sums import SAYINGS, SumsSize
from coconut_core.problems.twins import changed_words, twin_of
from coconut_core.problems.wording import build_tokenizer
from coconut_core.runs.recording import trace_session
from coconut_core.training.recipe import load_recipe
from coconut_core.training.start import build_model

LARGEST = 20
COUNT = 3000
PROBLEMS = generate_problems("sums", COUNT, seed=3, size=SumsSize(largest=LARGEST))


def numbers_of(text: str) -> list[int]:
    """The whole numbers of a text, in order."""
    return [int(word) for word in text.replace(".", "").split() if word.isdigit()]


# -- sound, and read back ------------------------------------------------------------------------------------


def test_each_step_goes_on_from_the_result_of_the_one_before() -> None:
    for problem in PROBLEMS:
        results: list[str] = []
        for step in problem.steps:
            total, result = step_equation(step)
            assert step == f"<<{total}={result}>>"
            check_equation(step[2:-2])
            assert not results or total.startswith((f"{results[-1]}+", f"{results[-1]}-", f"{results[-1]}*2",
                                                    f"{results[-1]}/2"))  # fmt: skip
            results.append(result)
        assert results[-1] == problem.answer
        assert all(1 <= int(result) <= LARGEST for result in results)
        assert all(2 <= number <= LARGEST for number in numbers_of(problem.question))
        assert recognise(problem.question) == problem


def test_sizes_are_kept_and_equally_often() -> None:
    steps = Counter(len(problem.steps) for problem in PROBLEMS)
    assert set(steps) == {2, 3, 4, 5}
    assert all(abs(count - COUNT / 4) <= 5 * sqrt(COUNT * 3 / 16) for count in steps.values())
    few = generate_problems("sums", 200, 1, size=SumsSize(steps=(2, 2), largest=100))
    assert {len(problem.steps) for problem in few} == {2}
    assert max(max(numbers_of(problem.question)) for problem in few) > 90
    for size in ({"steps": (1, 2)}, {"steps": (3, 7)}, {"largest": 101}, {"largest": 3}):
        with pytest.raises(CoconutError, match="must be a range within"):
            SumsSize(**size)


def test_every_saying_is_told() -> None:
    told = " ".join(problem.question for problem in PROBLEMS)
    for saying in SAYINGS:
        pattern = re.sub(r"\\{\w+\\}", r"\\w+", re.escape(saying.text))
        assert re.search(rf"{pattern}\.", told), saying


def test_nobody_whose_number_is_told_of_gives_or_gets_as_another() -> None:
    for problem in PROBLEMS[:500]:
        *told, last = problem.question.split(". ")
        told = [re.sub(r"^On \w+ ", "", sentence) for sentence in told]
        holders = [sentence.split()[0] for sentence in told if " has " in sentence]
        assert len(set(holders)) == len(holders)
        assert last.split()[4] == holders[-1]
        for sentence in told:
            others = {word for word in sentence.split() if word.istitle()} - {holders[0]}
            if " has " not in sentence:
                assert len(others & set(holders)) <= 1


@pytest.mark.parametrize(
    ("question", "steps", "answer"),
    [
        (
            "Ann has 8 pens. On Monday Ann buys 5 more pens. On Tuesday Ben has twice as many pens as Ann. "
            "How many pens does Ben have?",
            ("<<8+5=13>>", "<<13*2=26>>"),
            "26",
        ),
        (
            "Ann has 9 coins. On Monday Ben gives 3 coins to Ann. On Tuesday Ann gives 5 coins to Ben. "
            "How many coins does Ann have?",
            ("<<9+3=12>>", "<<12-5=7>>"),
            "7",
        ),
        (
            "Ann has 3 pens. On Monday Ann loses 5 pens. How many pens does Ann have?",
            (),
            "",
        ),  # less than nothing
        ("Ann has 5 pens. On Monday Ann gives half of the pens to Ben. How many pens does Ann have?", (), ""),
    ],
)
def test_a_typed_question(question: str, steps: tuple[str, ...], answer: str) -> None:
    assert recognise(question) == Problem(question, steps, answer)


@pytest.mark.parametrize(
    "question",
    [
        "Ann has 8 pens. On Monday Ben buys 5 more pens. How many pens does Ann have?",
        "Ann has 8 pens. On Monday Ann buys 5 more pens. How many pens does Ben have?",
        "Ann has 8 pens. Ann buys 5 more pens. How many pens does Ann have?",  # no day
        "Ann has 8 pens. On Friday Ann buys 5 more pens. How many pens does Ann have?",
        "Ann has 8 pens. On Monday Ann buys 5 more books. How many pens does Ann have?",
        "Ann has 8 pens. How many pens does Ann have?",
        "Ann has 800 pens. On Monday Ann buys 5 more pens. How many pens does Ann have?",
        "Ann has 8 pens. On Monday Ann paints 5 pens. How many pens does Ann have?",
        "How many pens does Ann have?",
    ],
)
def test_what_is_told_otherwise_is_not_recognised(question: str) -> None:
    assert recognise(question) is None


def test_retelling_keeps_the_sums_only() -> None:
    problem, rng = PROBLEMS[0], random.Random(1)
    again = [FAMILIES["sums"].retell(problem.shape, rng) for _ in range(20)]
    assert len({other.question for other in again}) == 20
    for other in again:
        assert (other.steps, other.answer) == (problem.steps, problem.answer)
        assert recognise(other.question) == other


def test_each_number_is_one_token_wherever_it_stands() -> None:
    tokenizer = build_tokenizer("sums")
    ids = tokenizer.encode("Ann has 13 pens.\n<<8+5=13>>\n<<13*2=26>>\n### 26")
    assert [tokenizer.convert_ids_to_tokens(number) for number in ids] == [
        " Ann", " has", " 13", " pens", ".", "\n", "<<", " 8", "+", " 5", "=", " 13", ">>", "\n",
        "<<", " 13", "*", " 2", "=", " 26", ">>", "\n", "###", " 26",
    ]  # fmt: skip
    assert tokenizer.decode(ids) == "Ann has 13 pens.\n<<8+5=13>>\n<<13*2=26>>\n### 26"
    assert tokenizer.unk_token_id in tokenizer.encode("Ann has 101 pens.")


# -- splits --------------------------------------------------------------------------------------------------


def test_splits_share_no_sums() -> None:
    size = SumsSize(steps=(2, 2), largest=6)  # so few that the same come up again and again
    found = {split: generate_problems("sums", 60, 3, split, size) for split in SPLITS}
    sums = {split: {problem.steps for problem in problems} for split, problems in found.items()}
    for split, problems in found.items():
        assert {split_of(problem.shape) for problem in problems} == {split}
        assert all(not sums[split] & sums[other] for other in SPLITS if other != split)
    assert {p.steps for p in generate_problems("sums", 60, 4, size=size)} & sums["train"]
    assert split_of(("<<3+9=12>>", "<<12-2=10>>")) == split_of(("<<9+3=12>>", "<<12-2=10>>"))
    assert "".join(split_of(problem.shape)[1] for problem in PROBLEMS[:30]) == SPLITS_OF_THIRTY


# The hash is part of the format: files made by another version or machine must not meet.
SPLITS_OF_THIRTY = "earrrrrrarerrrrrrrererrrrrrrrr"


# -- twins ---------------------------------------------------------------------------------------------------


def test_a_twin_changes_one_number_and_the_answer() -> None:
    rng, none = random.Random(5), 0
    for problem in PROBLEMS[:300]:
        twin = twin_of(problem, rng)
        if twin is None:
            none += 1
            continue
        assert changed_words(problem.question, twin.question) == 1
        assert twin.answer != problem.answer
        assert recognise(twin.question) == twin
        largest = max(int(number) for step in problem.steps for number in numbers_of(spaced(step)))
        assert all(1 <= number <= largest for step in twin.steps for number in numbers_of(spaced(step)))
        back = twin_of(twin, rng)
        assert back is None or changed_words(back.question, twin.question) == 1
    assert none <= 3


def spaced(step: str) -> str:
    return "".join(char if char.isdigit() else " " for char in step)


def test_a_question_that_cannot_be_answered_has_no_twin() -> None:
    assert twin_of(Problem("Ann has 3 pens. On Monday Ann loses 5 pens. How many pens does Ann have?", (), ""),
                   random.Random(0)) is None  # fmt: skip


# -- leaks ---------------------------------------------------------------------------------------------------
#
# A probe sees of a question how many numbers it has, where they stand, in which order of size, the first, the
# last, the smallest and the largest of them, and is asked two things: the answer itself, and whether it is
# above the middle. By chance it would name the answer with 1/20, and tell the half with 1/2; four standard
# deviations are allowed. The same probe has to find two leaks that are built in.

CHANCE = 1 / LARGEST


def surface(problem: Problem) -> list[float]:
    words = problem.question.replace(".", "").split()
    places = [place for place, word in enumerate(words) if word.isdigit()]
    numbers = [int(words[place]) for place in places]
    order = sorted(range(len(numbers)), key=lambda index: numbers[index])
    padded = [order.index(index) if index < len(numbers) else -1 for index in range(6)]
    row = [len(words), len(numbers), places[0], places[-1], places[order[0]], places[order[-1]], *padded]
    return [float(each) for each in (*row, numbers[0], numbers[-1], min(numbers), max(numbers))]


def probe(problems: list[Problem]) -> tuple[float, float]:
    """How often a ridge regression, fitted on the other half, names the answer and tells its half."""
    features = torch.tensor([surface(problem) for problem in problems], dtype=torch.float64)
    features = (features - features.mean(0)) / features.std(0).clamp(min=1e-6)
    features = torch.cat([features, torch.ones(len(features), 1)], dim=1)
    answers = torch.tensor([int(problem.answer) for problem in problems])
    named = torch.nn.functional.one_hot(answers, LARGEST + 1).double()
    above = torch.where(answers * 2 > LARGEST, 1.0, -1.0).double()[:, None]
    half = len(problems) // 2
    hits, sides = 0, 0
    for fitted, asked in ((slice(half), slice(half, None)), (slice(half, None), slice(half))):
        hits += int((told(features, named, fitted, asked).argmax(1) == answers[asked]).sum())
        sides += int((told(features, above, fitted, asked) * above[asked] > 0).sum())
    return hits / len(problems), sides / len(problems)


def told(features: Tensor, labels: Tensor, fitted: slice, asked: slice) -> Tensor:
    gram = features[fitted].T @ features[fitted] + 30 * torch.eye(features.shape[1], dtype=features.dtype)
    weights: Tensor = torch.linalg.solve(gram, features[fitted].T @ labels[fitted])
    return features[asked] @ weights


def bound(chance: float) -> float:
    return chance + 4 * sqrt(chance * (1 - chance) / COUNT)


def test_answers_come_equally_often() -> None:
    counts = Counter(problem.answer for problem in PROBLEMS)
    assert len(counts) == LARGEST
    assert max(counts.values()) / COUNT <= bound(CHANCE)


def test_the_surface_tells_nothing() -> None:
    named, above = probe(PROBLEMS)
    assert named <= bound(CHANCE)
    assert above <= bound(1 / 2)


def growing(problem: Problem) -> bool:
    return all("-" not in step and "/" not in step for step in problem.steps)


def test_the_probe_finds_a_leak() -> None:
    only_more = [problem for problem in generate_problems("sums", 6 * COUNT, 4) if growing(problem)]
    assert probe(only_more)[1] > bound(1 / 2) + 0.1
    named = [replace(problem, answer=str(numbers_of(problem.question)[-1])) for problem in PROBLEMS]
    hits, sides = probe(named)
    assert hits > bound(CHANCE) + 0.05
    assert sides > bound(1 / 2) + 0.1


# -- what is watched of a run --------------------------------------------------------------------------------


def test_a_trace_watches_the_results() -> None:
    recipe = load_recipe("sums-base", ["model.hidden_size=16", "model.intermediate_size=16"])
    model = build_model(recipe)
    question = (
        "Ann has 8 pens. On Monday Ann buys 5 more pens. On Tuesday Ben has twice as many pens as Ann. "
        "How many pens does Ben have?"
    )
    run = model.start(question, 2)
    run.finish()
    for step in trace_session(run, problem=recognise(question)).thoughts():
        assert set(step.watched) == {"13", "26"}
