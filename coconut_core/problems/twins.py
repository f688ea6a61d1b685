"""Minimal twins: the problem whose question differs least while its answer is another one.

A twin carries its own steps, answer and graph. So its thoughts can stand in for the original's, and its answer
is what the original's would become if the thoughts alone decided. What is changed:

- prosqa and symbolic: two names are swapped in the edges that are told, (a) the target's and the wrong
  candidate's, or (b) the asked root's and that of a root of the wrong candidate. The order of the edges and
  what is asked stay; with (a) the number of hops as well.
- prontoqa: the kind that the person is said to belong to, from a kind of one chain to a kind of the other,
  which is one word. To ask for the opposite would change what is asked, and to put a "not" into the rule at a
  chain's end would make the question longer and both ends say the same, as no drawn problem does.
- sums and GSM8k: one number, and in the steps whatever follows from it.
"""

import random
import re
from collections.abc import Iterator
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache

from coconut_core.common.errors import CoconutError
from coconut_core.problems import recognise
from coconut_core.problems.arithmetic import LONGEST, evaluate_sum
from coconut_core.problems.base import Graph, Problem
from coconut_core.problems.graphs import distances
from coconut_core.problems.prontoqa import with_article
from coconut_core.problems.sums import LEAST_NUMBER

MOST_CHANGE = 20  # how far a number of a question may move


def twin_of(problem: Problem, rng: random.Random) -> Problem | None:
    """The problem with the least change to the question that flips the answer.

    Least is the number of changed words; among equals the change in hops, or of the number in sums and GSM8k.
    Among those equal in this, too, rng chooses in ProntoQA, sums and GSM8k; in prosqa and symbolic (a) goes
    before (b), and a root before one that is told of later.

    None where no twin exists. A graph problem has none without exactly one answer; in ProntoQA, without a kind
    that only the wrong answer follows from. A sums problem has none unless its numbers stay between 1 and its
    largest: a model that was trained on small numbers knows no others. A problem in no known wording has none
    unless its steps are all <<sum=number>>, the last number is the answer, the others are used, every number in
    a sum can be traced to the question or an earlier result, and a number of the question can move by
    1..MOST_CHANGE, half of itself at most, with another answer and no result negative or of more decimals than
    it had.
    """
    read = recognise(problem.question)
    if read is not None and read.graph is not None:
        return _graph_twin(read, read.graph, rng) if read.answer else None
    if read is not None:
        return _sums_twin(read, rng)
    try:
        return _number_twin(problem, rng)
    except CoconutError:  # a number too long to work with
        return None


def changed_words(question: str, twin: str) -> int:
    """In how many words two questions differ. Raises ValueError where one has more words than the other."""
    return sum(word != changed_word for word, changed_word in zip(question.split(), twin.split(), strict=True))


_PRONTOQA_QUERY = " True or false: "
_LAST_PARTS = (" Is ", " [Q] ", _PRONTOQA_QUERY)


def _graph_twin(problem: Problem, graph: Graph, rng: random.Random) -> Problem | None:
    start = max(problem.question.rfind(mark) for mark in _LAST_PARTS)
    if start < 0:
        return None  # a plugin's wording, of which it is not known where the question itself begins
    statements, query = problem.question[:start], problem.question[start:]
    if query.startswith(_PRONTOQA_QUERY):
        changes = list(_other_memberships(statements, graph))
        rng.shuffle(changes)
    else:
        changes = list(_swapped_names(statements, graph))
    variants = [recognise(text + query) for text in changes]
    # The same is asked, so another answer is the other candidate; none is no answer, or two.
    twins = [twin for twin in variants if twin is not None and twin.answer not in ("", problem.answer)]
    return min(twins, key=lambda twin: _difference(problem, twin), default=None)


def _difference(problem: Problem, twin: Problem) -> tuple[int, int]:
    return changed_words(problem.question, twin.question), abs(len(twin.steps) - len(problem.steps))


def _swapped_names(statements: str, graph: Graph) -> Iterator[str]:
    """The edges told with two names swapped: first the candidates', then those of two roots."""
    pairs = [(graph.target, graph.wrong), *((graph.root, root) for root in _other_roots(graph))]
    for pair in pairs:
        first, second = (graph.names[node] for node in pair)
        swap = {first: second, second: first}
        yield "".join(swap.get(part, part) for part in re.split(r"(\w+)", statements))


def _other_roots(graph: Graph) -> Iterator[int]:
    """The nodes without parents that reach the wrong candidate, in order.

    Persons in place of persons only: prosqa says "Alex is", but "Every lempus is".
    """
    excluded = {graph.root, *(child for _, child in graph.edges)}
    for node, name in enumerate(graph.names):
        alike = name[0].isupper() == graph.names[graph.root][0].isupper()
        if alike and node not in excluded and graph.wrong in distances(graph.edges, node):
            yield node


def _other_memberships(statements: str, graph: Graph) -> Iterator[str]:
    """What is told with the person a member of a kind of the wrong chain, not of one of the right chain."""
    person = graph.names[graph.root]
    reached = [distances(graph.edges, node) for node in range(len(graph.names))]
    kinds = [
        name for node, name in enumerate(graph.names) if name[0].islower() and reached[node].get(graph.wrong)
    ]
    for source, child in graph.edges:
        if source == graph.root and graph.target in reached[child]:
            for kind in kinds:
                member = f"{person} is {with_article(kind)}."
                yield re.sub(rf"\b{person} is an? {graph.names[child]}\.", member, statements)


def _sums_twin(problem: Problem, rng: random.Random) -> Problem | None:
    if not problem.answer:
        return None
    largest = max(map(_value, _NUMBER.findall(" ".join(problem.steps))))
    numbers = list(_CHANGEABLE.finditer(problem.question))
    for change in range(1, MOST_CHANGE + 1):
        variants = [
            recognise(f"{number.string[: number.start(1)]}{value}{number.string[number.end(1) :]}")
            for number in numbers
            for value in (int(number[1]) + change, int(number[1]) - change)
            if value >= LEAST_NUMBER
        ]
        twins = [twin for twin in variants if twin is not None and twin.answer not in ("", problem.answer)]
        twins = [twin for twin in twins if _numbers_within(twin, 1, largest)]
        if twins:
            return rng.choice(twins)
    return None


def _numbers_within(problem: Problem, least: int, largest: Fraction) -> bool:
    numbers = map(_value, _NUMBER.findall(" ".join(problem.steps)))
    return all(least <= number <= largest for number in numbers)


# Words and the numbers that they stand for or bring with them. A word counts by how it begins: "six" is for
# "sixth", too. At worst "ten" takes "tents" for a number: then another 10 of the question cannot be traced.
_WORDS = {
    "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
    "eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12", "thirteen": "13", "fourteen": "14",
    "fifteen": "15", "sixteen": "16", "seventeen": "17", "eighteen": "18", "nineteen": "19", "twenty": "20",
    "thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80",
    "ninety": "90", "hundred": "100", "thousand": "1000", "million": "1000000",
    "half": "2 .5", "halv": "2 .5", "twice": "2", "double": "2", "pair": "2", "couple": "2", "both": "2",
    "second": "2 60", "third": "3", "triple": "3", "thrice": "3", "quarter": "4 25 .25", "fifth": "5",
    "dozen": "12", "minute": "60", "hour": "60", "day": "24", "week": "7", "weekday": "5", "weekend": "2",
    "month": "4 12 30", "year": "12 52 365", "decade": "10", "century": "100", "inch": "12", "feet": "3 12",
    "foot": "3 12", "yard": "3", "pound": "16", "ounce": "16", "cent": "100", "percent": "100",
}  # fmt: skip
_WORD = rf"\b({'|'.join(sorted(_WORDS, key=len, reverse=True))})"
_PERCENT = r"(\s*(?:%|percent))?"
_NUMBER = re.compile(r"(?:(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)")
# A number that can be changed is no part of a word, a fraction, a range, a time or a ratio.
_CHANGEABLE = re.compile(
    rf"(?<![\w.,:/-])({_NUMBER.pattern})(?![\w:]|[.,][0-9]|\s*[-/]\s*[0-9]|\s[0-9]+/){_PERCENT}"
)
_MENTION = re.compile(rf"([0-9]+)/([1-9][0-9]*)|({_NUMBER.pattern}){_PERCENT}|{_WORD}", re.IGNORECASE)
_STEP = re.compile(rf"<<(?!{_NUMBER.pattern}=)([^<>=]+)=({_NUMBER.pattern})>>")

_Sums = list[tuple[str, str]]  # left and right of the "=" of each step
_EXACT = Context(prec=3 * LONGEST)
_value = lru_cache(maxsize=10_000)(evaluate_sum)


def _number_twin(problem: Problem, rng: random.Random) -> Problem | None:
    steps = [_STEP.fullmatch(step) for step in problem.steps]
    sums = [(step[1], step[2]) for step in steps if step is not None]
    if not sums or len(sums) < len(steps) or not _NUMBER.fullmatch(problem.answer):
        return None
    if _value(sums[-1][1]) != _value(problem.answer):
        return None
    changeable = [
        (number, _values(problem.question[: number.start()] + " " + problem.question[number.end() :]))
        for number in _CHANGEABLE.finditer(problem.question)
    ]
    for change in range(1, MOST_CHANGE + 1):
        variants = [
            _with_change(number, others, by, sums) for number, others in changeable for by in (change, -change)
        ]
        twins = [twin for twin in variants if twin is not None]
        if twins:
            return rng.choice(twins)
    return None


def _with_change(number: re.Match[str], others: list[Fraction], by: int, sums: _Sums) -> Problem | None:
    """The problem with a number of its question changed by so much; None where that makes no twin.

    others: the values that the rest of the question mentions; sums: the steps of the original.
    """
    old, percent = number.groups()
    was, value = _value(old), _value(old) + by
    if min(was, value) <= 1 or 2 * abs(by) > was or (percent and was <= 100 < value):
        return None  # "1 apples", no longer near, or a share of more than all
    places = len(old.partition(".")[2])
    new = format(Decimal(_decimal_text(value)), f"{',' * (',' in old)}.{places}f")  # written as the old one
    become = {mention: {mention} for mention in others}
    for before, after in zip(_senses(old, percent), _senses(new, percent), strict=True):
        become.setdefault(before, set()).add(after)
    steps = _recalculated(sums, become)
    if steps is None or _value(steps[-1][1]) == _value(sums[-1][1]):
        return None
    question = number.string[: number.start(1)] + new + number.string[number.end(1) :]
    return Problem(question, tuple(f"<<{total}={result}>>" for total, result in steps), steps[-1][1])


def _values(text: str) -> list[Fraction]:
    """What sums may take from a text: the numbers that it mentions, and 1, which needs no mention."""
    values = [Fraction(1)]
    for over, under, number, percent, word in _MENTION.findall(text):
        if number:
            values += _senses(number, percent)
        elif word:
            values += map(_value, _WORDS[word.lower()].split())
        else:
            values += map(_value, (over, under, f"{over}/{under}"))
    return values


def _senses(number: str, percent: str | None) -> list[Fraction]:
    """The values that a number stands for in sums: 30 % is 30, 100, .01, .3, 1.3 or .7."""
    senses = (number, "100", "1%", f"{number}%", f"1+{number}%", f"1-{number}%") if percent else (number,)
    return [_value(sense) for sense in senses]


def _recalculated(sums: _Sums, become: dict[Fraction, set[Fraction]]) -> _Sums | None:
    """Sums with their results after a change of the question; None where that cannot be told.

    become: what each value that the question mentions becomes; the results are added to it. A number in a sum
    is traced to every value equal to it. Nothing can be told where no value is equal, as the number was worked
    out in the head; where they do not become the same; where one that changes stands twice in a sum, once
    perhaps by chance; where a result is left unused, as after a comparison; or where a result becomes negative
    or needs more decimals than it had.
    """
    recalculated: _Sums = []
    used: set[Fraction] = set()
    for total, result in sums:
        operands = [_value(number) for number in _NUMBER.findall(total)]
        if any(len(become.get(operand, ())) != 1 for operand in operands):
            return None
        if any(operands.count(operand) > 1 and operand not in become[operand] for operand in operands):
            return None
        new = _followed(total, result, become)
        if new is None:
            return None
        recalculated.append(new)
        used.update(operands)
        become.setdefault(_value(result), set()).add(_value(new[1]))
    return recalculated if all(_value(result) in used for _, result in sums[:-1]) else None


def _followed(total: str, result: str, become: dict[Fraction, set[Fraction]]) -> tuple[str, str] | None:
    """One sum with what its numbers have become, worked out; word for word as it was if none has changed."""

    def follow(number: re.Match[str]) -> str:
        (new,) = become[_value(number[0])]
        return number[0] if new == _value(number[0]) else _decimal_text(new)

    changed = _NUMBER.sub(follow, total)
    if changed == total:
        return total, result
    try:
        new = evaluate_sum(changed)
    except CoconutError:  # it divides by zero
        return None
    places = len(_decimal_text(_value(result)).partition(".")[2])
    return (changed, _decimal_text(new)) if new >= 0 and (new * 10**places).denominator == 1 else None


def _decimal_text(value: Fraction) -> str:
    """A value of finitely many decimals in as few characters as it needs."""
    return f"{_EXACT.divide(Decimal(value.numerator), Decimal(value.denominator)):f}"
