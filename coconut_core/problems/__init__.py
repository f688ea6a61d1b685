"""Problem families: where questions, steps and answers come from."""

import random

from coconut_core.errors import CoconutError
from coconut_core.problems import prosqa
from coconut_core.problems.base import Graph, Problem, read_problems, write_problems

FAMILIES = ("prosqa",)


def generate_problems(family: str, count: int, seed: int) -> list[Problem]:
    """Draw problems of a family. Raises CoconutError for an unknown family or a negative count."""
    if family not in FAMILIES:
        raise CoconutError(f"unknown problem family '{family}': known are {', '.join(FAMILIES)}")
    if count < 0:
        raise CoconutError(f"count must be 0 or more, not {count}")
    rng = random.Random(f"{family} {seed}")
    return [prosqa.generate(rng) for _ in range(count)]


def example_problem(family: str | None, number: int) -> Problem:
    """Example number `number` (from 1) of a model's problem family; the same on every machine."""
    if family not in FAMILIES:
        raise CoconutError("this model names no problem family with examples: give a question instead")
    if number < 1:
        raise CoconutError(f"examples are numbered from 1, not {number}")
    rng = random.Random(f"example {number}")
    return prosqa.generate(rng)


def recognise(question: str) -> Problem | None:
    """The problem behind a question's text where some family knows its wording."""
    return prosqa.parse_question(question)


__all__ = [
    "FAMILIES",
    "Graph",
    "Problem",
    "example_problem",
    "generate_problems",
    "read_problems",
    "recognise",
    "write_problems",
]
