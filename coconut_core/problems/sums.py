"""Sums: word problems of a few steps over small numbers, in the manner of GSM8k's.

"Ann has 8 pens. On Monday Ann buys 5 more pens. On Tuesday Ben has twice as many pens as Ann. How many pens
does Ben have?" is answered by <<8+5=13>> and <<13*2=26>>. Each day changes the number that the one before it
left, so that the expression is a chain; its numbers, results among them, are whole and from 1 (in the question
from 2) to the largest, each a token.

Problems are drawn from their end: the answer evenly from all numbers, and what the last sentence adds or takes
away evenly from the smaller half of them, whatever the answer is; one of the steps before begins at a number
that is drawn evenly as well. So neither the first number of a question tells of the answer, nor the last, nor
how many there are.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from coconut_core.problems.arithmetic import evaluate_sum, step_equation
from coconut_core.problems.base import Problem
from coconut_core.problems.size import Knobs, Range, check_range

PERSONS = ("Ann", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gina", "Hugo")
THINGS = ("apples", "books", "cards", "coins", "marbles", "pens", "shells", "stamps")
LARGEST = 100  # number that has a token
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
NUMBERS = tuple(map(str, range(LARGEST + 1)))
LEAST_NUMBER = 2  # number in a question; "1 pens" is no English
SCALED = 0.4  # chance of a doubling or halving where one is possible


@dataclass(frozen=True)
class Saying:
    """A way to tell of one step: what is done with the number, and its sentence."""

    operation: str
    text: str
    new_holder: bool = False  # whether it is the other person's number from here on


START, QUESTION = "{holder} has {number} {things}", "How many {things} does {holder} have?"
SAYINGS = (
    Saying("+", "{holder} buys {number} more {things}"),
    Saying("+", "{holder} finds {number} {things}"),
    Saying("+", "{other} gives {number} {things} to {holder}"),
    Saying("+", "{other} has {number} more {things} than {holder}", new_holder=True),
    Saying("-", "{holder} sells {number} {things}"),
    Saying("-", "{holder} loses {number} {things}"),
    Saying("-", "{holder} gives {number} {things} to {other}"),
    Saying("-", "{other} has {number} fewer {things} than {holder}", new_holder=True),
    Saying("*", "{holder} wins as many {things} again"),
    Saying("*", "{other} has twice as many {things} as {holder}", new_holder=True),
    Saying("/", "{holder} gives half of the {things} to {other}"),
    Saying("/", "{holder} shares the {things} evenly with {other}"),
    Saying("/", "{other} has half as many {things} as {holder}", new_holder=True),
)

# Longest first, where one begins with another.
PHRASES = (
    " evenly with", " twice as many", " wins as many", " half as many", " half of the", " shares the",
    " How many", " again", " finds", " fewer", " gives", " loses", " sells", " does", " have", " buys", " more",
    " than", " has", " as", " to", " On", "###", "<<", ">>", "+", "-", "*", "/", "=", ".", "?", "\n",
)  # fmt: skip
WORDS = (*PERSONS, *THINGS, *DAYS, *NUMBERS)
TIGHT = ("<<", "+", "-", "*", "/", "=")  # no space between these and the number behind


@dataclass(frozen=True)
class SumsSize(Knobs):
    """The knobs of the generator."""

    steps: Range = (2, 5)  # each number of steps comes equally often
    largest: int = 20  # of all numbers, results among them

    def __post_init__(self) -> None:
        check_range("steps", self.steps, 2, len(DAYS))
        check_range("largest", (self.largest, self.largest), 4, LARGEST)

    def __str__(self) -> str:
        return f"sums of steps {self.steps[0]}..{self.steps[1]}, largest {self.largest}"


def generate(rng: random.Random, size: SumsSize | None = None) -> Problem:
    """Draw one problem."""
    size = size or SumsSize()
    result, count = rng.randint(1, size.largest), rng.randint(*size.steps)
    fresh = rng.randrange(count - 1)  # the step that begins anywhere, wherever it ends
    steps: list[str] = []
    for number in reversed(range(count)):
        numbers = range(1 if number else LEAST_NUMBER, size.largest + 1)
        if number == count - 1:
            change = rng.randint(LEAST_NUMBER, size.largest // 2)
            before = rng.choice([start for start in (result - change, result + change) if start in numbers])
            step = _added(before, result)
        else:
            before, step = _draw_step(rng, result, numbers, scaled=number != fresh)
        steps.insert(0, step)
        result = before
    return retell(steps, rng)


def retell(steps: Sequence[str], rng: random.Random) -> Problem:
    """Tell the same sums with other people, things and sentences."""
    sums = [_split(step) for step in steps]
    sayings = [rng.choice([saying for saying in SAYINGS if saying.operation == sign]) for _, sign, _ in sums]
    people, things = rng.sample(PERSONS, len(PERSONS)), rng.choice(THINGS)
    holder, *holders = people[: 1 + sum(saying.new_holder for saying in sayings)]
    others = people[1 + len(holders) :]  # nobody whose number is told of gives or gets
    sentences = [START.format(holder=holder, number=sums[0][0], things=things)]
    for day, saying, (_, _, number) in zip(DAYS, sayings, sums, strict=False):
        other = holders.pop(0) if saying.new_holder else rng.choice(others)
        text = saying.text.format(holder=holder, other=other, number=number, things=things)
        sentences.append(f"On {day} {text}")
        holder = other if saying.new_holder else holder
    question = ". ".join([*sentences, QUESTION.format(holder=holder, things=things)])
    return Problem(question, tuple(steps), step_equation(steps[-1])[1])


def parse_question(question: str) -> Problem | None:
    """Read the sums back from a question; None where it is worded otherwise, or tells of several things or of
    somebody whose number is not known. Steps and answer are missing where a result is no whole number, or is
    less than nothing."""
    first, *statements, last = question.strip().split(". ") if ". " in question else ("", "")
    query, start = _match(QUESTION, last), _match(START, first)
    if query is None or start is None or query["things"] != start["things"] or len(statements) > len(DAYS):
        return None
    holder, steps, results = start["holder"], list[str](), [Fraction(int(start["number"]))]
    for day, sentence in zip(DAYS, statements, strict=False):
        reading = _read_saying(sentence, day, holder)
        if reading is None or reading[1]["things"] != start["things"]:
            return None
        saying, parts = reading
        second = parts.get("number", "2")
        results.append(evaluate_sum(f"{results[-1]}{saying.operation}{second}"))
        steps.append(f"<<{results[-2]}{saying.operation}{second}={results[-1]}>>")
        holder = parts["other"] if saying.new_holder else holder
    if query["holder"] != holder or not steps:
        return None
    known = all(result >= 0 and result.denominator == 1 for result in results)
    return Problem(question, tuple(steps), str(results[-1])) if known else Problem(question, (), "")


def _draw_step(rng: random.Random, result: int, numbers: range, *, scaled: bool) -> tuple[int, str]:
    """One of some numbers that a step to a result begins at, and the step; scaled: whether it may double or
    halve."""
    if scaled and rng.random() < SCALED:
        possible = [(result // 2, "*")] if result % 2 == 0 else []
        possible = [pair for pair in (*possible, (result * 2, "/")) if pair[0] in numbers]
        if possible:
            before, operation = rng.choice(possible)
            return before, f"<<{before}{operation}2={result}>>"
    before = rng.choice([number for number in numbers if abs(number - result) >= LEAST_NUMBER])
    return before, _added(before, result)


def _added(before: int, result: int) -> str:
    return f"<<{before}{'+' if before < result else '-'}{abs(result - before)}={result}>>"


def _split(step: str) -> tuple[str, str, str]:
    """The parts of a step's sum: a number, what is done, another number."""
    first, operation, second = re.split(r"([-+*/])", step_equation(step)[0])
    return first, operation, second


_PATTERNS = {
    text: re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>\\w+)", re.escape(text)))
    for text in (START, QUESTION, *(saying.text for saying in SAYINGS))
}


def _match(text: str, sentence: str) -> dict[str, str] | None:
    """What stands in a sentence at the places of a text; None where it is not worded so, or a number has no
    token."""
    match = _PATTERNS[text].fullmatch(sentence)
    parts = None if match is None else match.groupdict()
    return None if parts is None or parts.get("number", "1") not in NUMBERS else parts


def _read_saying(sentence: str, day: str, holder: str) -> tuple[Saying, dict[str, str]] | None:
    """The saying of a day that a sentence is, of the number that somebody has; None where no saying fits."""
    text = sentence.removeprefix(f"On {day} ")
    for saying in SAYINGS if text != sentence else ():
        parts = _match(saying.text, text)
        if parts is not None and parts["holder"] == holder != parts.get("other"):
            return saying, parts
    return None
