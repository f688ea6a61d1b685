"""An atlas's columns: names, types, meaning. Schema, filter, completion and documents come from this table."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What stands in a cell, or in each place of a list."""

    NUMBER = "number"  # 32-bit floating point
    COUNT = "whole number"
    TEXT = "text"
    TRUTH = "true or false"


@dataclass(frozen=True)
class Column:
    """One column of the table of runs.

    per_thought: whether a cell is a list with an entry for each thought, the first at 1 (in DuckDB and in a
    filter; at 0 in Python). several: whether each of these entries is a list again. of_graph: whether it is
    null where a problem has no graph.
    """

    name: str
    kind: Kind
    about: str
    per_thought: bool = False
    several: bool = False
    of_graph: bool = False

    @property
    def type(self) -> str:
        """Its type in words."""
        inner = f"list of {self.kind}s" if self.several else str(self.kind)
        return f"{inner}, of each thought" if self.per_thought else inner


def _of_thought(name: str, kind: Kind, about: str, **more: Any) -> Column:
    return Column(name, kind, about, per_thought=True, **more)


COLUMNS = {
    column.name: column
    for column in (
        Column("run", Kind.COUNT, "number of the run, from 0, in the order of the problems"),
        Column("question", Kind.TEXT, "what was asked"),
        Column("expected", Kind.TEXT, "the right answer; null where it is not known"),
        Column("said", Kind.TEXT, "the answer that was given, without what was said in front of it"),
        Column("text", Kind.TEXT, "all that was said"),
        Column("right", Kind.TRUTH, "whether the answer is right; null where that is not known"),
        Column("hops", Kind.COUNT, "reasoning steps of the problem; null where they are not known"),
        Column("thoughts", Kind.COUNT, "continuous thoughts taken"),
        Column(
            "used",
            Kind.TRUTH,
            "whether more than half of the swaps, each with another problem's thoughts, changed the answer; "
            "null where none was made",
        ),
        Column("changed", Kind.COUNT, "how many of the swaps changed the answer"),
        Column(
            "logit_difference",
            Kind.NUMBER,
            "logit of the right answer's word less that of the wrong one's where the two part, in nats; null "
            "where it said other words before, or no wrong candidate is known",
        ),
        Column("ended", Kind.TEXT, "why thinking ended: number, limit, or the name of a rule"),
        Column("stopped_by", Kind.TEXT, "what ended the answer: end, or what cut it off (words, context)"),
        Column("error", Kind.TEXT, "what went wrong; null where nothing did"),
        _of_thought("entropy", Kind.NUMBER, "entropy of the readout, in nats"),
        _of_thought("norm", Kind.NUMBER, "Euclidean norm of the thought"),
        _of_thought("token", Kind.TEXT, "likeliest token of the readout; in a filter also top(3)"),
        _of_thought("probability", Kind.NUMBER, "probability of that token"),
        _of_thought("tokens", Kind.TEXT, "the likeliest tokens, likeliest first", several=True),
        _of_thought(
            "frontier",
            Kind.NUMBER,
            "share of the readout on nodes as many hops from the root as the search has gone",
            of_graph=True,
        ),
        _of_thought("reachable", Kind.NUMBER, "share on the root and all nodes that it reaches", of_graph=True),
        _of_thought(
            "optimal", Kind.NUMBER, "share on frontier nodes of a shortest path to the target", of_graph=True
        ),
        _of_thought("target", Kind.NUMBER, "share on the right candidate", of_graph=True),
        _of_thought("wrong_candidate", Kind.NUMBER, "share on the wrong candidate", of_graph=True),
        _of_thought(
            "distances",
            Kind.NUMBER,
            "shares on the nodes at 0, 1, 2, … hops from the root; distances(2)[4] is thought 2's at 3 hops",
            several=True,
            of_graph=True,
        ),
    )
}
WRONG, TOP = "wrong", "top"  # names of a filter beside the columns: not right; the likeliest token of a thought
ALIASES = {WRONG: '(NOT "right")', TOP: "token"}


def names_of(graphs: bool) -> tuple[str, ...]:
    """What a filter can name, columns and aliases; those of graphs only where there are any."""
    return (*(name for name, column in COLUMNS.items() if graphs or not column.of_graph), *ALIASES)


def is_per_thought(name: str) -> bool:
    """Whether a name has a value for each thought, and is written name(3) in a filter."""
    return name == TOP or (name in COLUMNS and COLUMNS[name].per_thought)
