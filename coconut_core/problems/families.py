"""The table of problem families: everything else finds a family's parts here. Plugins add to it."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeGuard

from coconut_core.errors import CoconutError
from coconut_core.plugins import Table
from coconut_core.problems import prontoqa, prosqa, symbolic
from coconut_core.problems.base import Graph, Problem
from coconut_core.problems.size import Size


@dataclass(frozen=True)
class Wording:
    """What a family's tokenizer knows, see coconut_core.problems.wording."""

    phrases: tuple[str, ...]  # fixed phrases and marks, the longer first where one begins with another
    names: tuple[str, ...]  # words, each a token together with the space before it
    word: str = r" ?\w+"  # pattern of a word


@dataclass(frozen=True)
class Family:
    """What a family can do. Its generator raises CoconutError for a size that cannot be had."""

    size: Size  # its knobs, at their defaults
    generate: Callable[[random.Random, Any], Problem]  # of a size of its own, or None for the defaults
    retell: Callable[[Graph, random.Random], Problem]
    parse_question: Callable[[str], Problem | None]
    wording: Wording


FAMILIES = {
    "prosqa": Family(
        prosqa.ProsqaSize(),
        prosqa.generate,
        prosqa.retell,
        prosqa.parse_question,
        Wording(prosqa.PHRASES, (*prosqa.PERSONS, *prosqa.CONCEPTS)),
    ),
    "prontoqa": Family(
        prontoqa.ProntoqaSize(),
        prontoqa.generate,
        prontoqa.retell,
        prontoqa.parse_question,
        Wording(prontoqa.PHRASES, prontoqa.WORDS, prontoqa.WORD),
    ),
    "symbolic": Family(
        symbolic.SymbolicSize(),
        symbolic.generate,
        symbolic.retell,
        symbolic.parse_question,
        Wording(symbolic.PHRASES, tuple(symbolic.NAMES)),
    ),
}


TABLE = Table("problem family", "coconut.families", Family, FAMILIES)


def family_named(name: str) -> Family:
    """The family of a name. Raises CoconutError where there is none, or a plugin that does not work."""
    family = TABLE.get(name)
    if family is None:
        raise CoconutError(f"unknown problem family '{name}': known are {', '.join(TABLE.names())}")
    return family


def is_family(name: str | None) -> TypeGuard[str]:
    """Whether a name is that of a family."""
    return name in TABLE.names()
