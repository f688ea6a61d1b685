"""Problem families: where questions, steps and answers come from."""

import random
from collections.abc import Iterator

from coconut_core.common.errors import CoconutError
from coconut_core.problems.base import (
    Graph,
    Problem,
    write_list,
    write_problems,
)
from coconut_core.problems.families import FAMILIES, TABLE, Family, family_named, is_family
from coconut_core.problems.size import Knobs, Size, draw_until_found
from coconut_core.problems.sources import read_problems, read_some_problems, stream_problems
from coconut_core.problems.splits import SPLITS, check_split, split_of
from coconut_core.problems.trained_size import trained_size


def generate_problems(
    family: str, count: int, seed: int, split: str | None = None, size: Knobs | None = None
) -> list[Problem]:
    """Draw problems of a family; see draw_problems."""
    return list(draw_problems(family, count, seed, split, size))


def draw_problems(
    family: str, count: int, seed: int, split: str | None = None, size: Knobs | None = None
) -> Iterator[Problem]:
    """Draw problems of a family one at a time; the same seed gives the same problems.

    split: one of SPLITS, to draw only from the graphs, or sums, that belong to it; None for any.
    size: the family's knobs, None for its defaults.
    Raises CoconutError for an unknown family or split, a negative count, or another family's size.
    """
    entry = family_named(family)
    check_split(split)
    if count < 0:
        raise CoconutError(f"count must be 0 or more, not {count}")
    if size is not None and type(size) is not type(entry.size):
        raise CoconutError(f"{family} needs a {type(entry.size).__name__}, not a {type(size).__name__}")
    rng = random.Random(f"{family} {seed}")
    return (draw_in_split(entry, rng, split, size) for _ in range(count))


def draw_in_split(family: Family, rng: random.Random, split: str | None, size: Knobs | None) -> Problem:
    """Draw one problem of a family; see draw_problems."""
    if split is None:
        return family.generate(rng, size)

    def draw() -> Problem | None:
        problem = family.generate(rng, size)
        return problem if split_of(problem.shape) == split else None

    return draw_until_found(draw, f"{size or family.size} that belongs to the split '{split}'")


def example_problem(family: str | None, number: int, size: Knobs | None = None) -> Problem:
    """Example number `number` (from 1) of a model's problem family; the same on every machine.

    size: as `trained_size` has it for the model; None for the family's own.
    """
    if not is_family(family):
        raise CoconutError("this model names no problem family with examples: give a question instead")
    if number < 1:
        raise CoconutError(f"examples are numbered from 1, not {number}")
    entry = family_named(family)
    return entry.generate(random.Random(f"example {number}"), size or entry.example_size)


def recognise(question: str) -> Problem | None:
    """The problem behind a question's text where some family knows its wording."""
    problems = (family.parse_question(question) for family in TABLE.values().values())
    return next((problem for problem in problems if problem is not None), None)


__all__ = [
    "FAMILIES",
    "SPLITS",
    "Family",
    "Graph",
    "Knobs",
    "Problem",
    "Size",
    "draw_in_split",
    "draw_problems",
    "example_problem",
    "generate_problems",
    "is_family",
    "read_problems",
    "read_some_problems",
    "recognise",
    "split_of",
    "stream_problems",
    "trained_size",
    "write_list",
    "write_problems",
]
