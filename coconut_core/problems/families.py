"""The table of problem families: everything else finds a family's parts here. Plugins add to it."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from coconut_core.common.errors import CoconutError
from coconut_core.common.plugins import Table
from coconut_core.problems import prontoqa, prosqa, sums, symbolic
from coconut_core.problems.base import Graph, Problem, names_in_steps
from coconut_core.problems.size import Knobs


@dataclass(frozen=True)
class Wording:
    """What a family's tokenizer knows, see coconut_core.problems.wording."""

    phrases: tuple[str, ...]  # fixed phrases and marks, the longer first where one begins with another
    names: tuple[str, ...]  # words, each a token together with the space before it
    word: str = r" ?\w+"  # pattern of a word
    tight: tuple[str, ...] = ()  # marks behind which a word stands without a space, and is the same token


@dataclass(frozen=True)
class Family:
    """What a family can do. Its generator raises CoconutError for a size that cannot be had."""

    size: Knobs  # its knobs, at their defaults
    generate: Callable[[random.Random, Any], Problem]  # of a size of its own, or None for the defaults
    retell: Callable[[Any, random.Random], Problem]  # of a problem's shape
    parse_question: Callable[[str], Problem | None]
    wording: Wording
    # What a chain in few words says for some steps: where it starts, then something for each step.
    chain: Callable[[Sequence[str]], list[str]] = names_in_steps
    in_chain: Callable[[str], str] = str  # how it says the node of a name
    # Where answers name no node: the part of a graph that is searched, its target where the answer is found.
    searched: Callable[[Graph], Graph | None] = lambda graph: None
    # Questions about one tiny graph, which the first one tells, answered by walks over it, see training.lookup.
    lookup: Callable[[random.Random], list[Problem]] | None = None
    example_size: Knobs | None = None  # of the numbered examples: other defaults do not change what was shown


FAMILIES = {
    "prosqa": Family(
        prosqa.ProsqaSize(),
        prosqa.generate,
        prosqa.retell,
        prosqa.parse_question,
        Wording(prosqa.PHRASES, (*prosqa.PERSONS, *prosqa.CONCEPTS)),
        lookup=prosqa.lookup_problems,
        example_size=prosqa.ProsqaSize(hop_weights=()),
    ),
    "prontoqa": Family(
        prontoqa.ProntoqaSize(),
        prontoqa.generate,
        prontoqa.retell,
        prontoqa.parse_question,
        Wording(prontoqa.PHRASES, prontoqa.WORDS, prontoqa.WORD),
        prontoqa.chain,
        prontoqa.in_chain,
        prontoqa.graph_of_kinds,
        prontoqa.lookup_problems,
    ),
    "symbolic": Family(
        symbolic.SymbolicSize(),
        symbolic.generate,
        symbolic.retell,
        symbolic.parse_question,
        Wording(symbolic.PHRASES, tuple(symbolic.NAMES)),
    ),
    "sums": Family(
        sums.SumsSize(),
        sums.generate,
        sums.retell,
        sums.parse_question,
        Wording(sums.PHRASES, sums.WORDS, tight=sums.TIGHT),
    ),
}


TABLE = Table("problem family", "coconut.families", Family, FAMILIES)


def family_named(name: str) -> Family:
    """The family of a name. Raises CoconutError for an unknown name, and for a plugin that does not work."""
    family = TABLE.get(name)
    if family is None:
        raise CoconutError(f"unknown problem family '{name}': known are {', '.join(TABLE.names())}")
    return family


def is_family(name: str | None) -> TypeGuard[str]:
    """Whether a name is that of a family."""
    return name in TABLE.names()
