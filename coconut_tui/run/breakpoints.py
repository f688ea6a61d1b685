"""Breakpoints: where a run that goes on by itself stops. Decided on the records that the explorer shows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

from coconut_core.common.errors import CoconutError
from coconut_core.common.quoting import words
from coconut_core.problems.base import Graph
from coconut_core.records.graph_reading import graph_mass
from coconut_core.records.trace import StepRecord

USAGES = (
    "thought K",
    "entropy < NATS",
    "norm > X",
    "cosine < X",
    "frontier < SHARE",
    "p(NAME) > SHARE",
    "token NAME in top K",
    "top changes",
    "wrong",
)
_NUMBER = r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]{1,3})?"
_COMPARED = re.compile(rf"""(entropy|norm|cosine|frontier|p\((\S+|'.+'|".+")\)) ?([<>]) ?({_NUMBER})""")


@dataclass(frozen=True)
class Moment:
    """What a breakpoint looks at: a step of a run, what came before it, and what is known of the question."""

    step: StepRecord
    before: StepRecord | None = None  # the thought in front of it in its segment
    graph: Graph | None = None
    first_thought_hops: int = 1
    right: bool | None = None  # whether the run's answer is right; None while it is not over, or not known

    def measured(self, measure: str, name: str) -> float | None:
        """A number of the step; None where it has none."""
        step = self.step
        if not step.readable:
            return None
        if measure == "p":
            probabilities = [item.probability for item in step.top if item.means(name)]
            return step.watched.get(name, max(probabilities, default=0.0))  # less than any of the likeliest
        if measure == "frontier":
            graph, hops = self.graph, self.first_thought_hops
            return None if graph is None else graph_mass(graph, step.index, step.watched, hops).frontier
        return {"entropy": step.entropy, "norm": step.norm, "cosine": step.cosine}[measure]


@dataclass(frozen=True)
class Breakpoint:
    """A condition on a thought, or on the answer. Of its fields only those that it is about are set."""

    thought: int | None = None
    measure: str = ""  # "entropy" (nats), "norm", "cosine" (to the thought before), "frontier" (mass) or "p"
    above: bool = False  # whether it stops above the limit, not below
    limit: float = 0.0
    token: str = ""  # with the measure "p": of which the probability counts
    top: int = 1
    wrong: bool = False  # stops at the end of a run whose answer is wrong
    enabled: bool = True

    def __str__(self) -> str:
        if self.thought is not None:
            return f"thought {self.thought}"
        if self.measure:
            name = f"p({self.token})" if self.measure == "p" else self.measure
            return f"{name} {'>' if self.above else '<'} {self.limit:g}"
        if self.wrong:
            return "wrong"
        return f"token {self.token} in top {self.top}" if self.token else "top changes"

    def hit(self, moment: Moment) -> bool:
        """Whether a run stops after this step."""
        step, before = moment.step, moment.before
        if not self.enabled:
            return False
        if self.wrong:
            return moment.right is False
        if step.kind != "thought":
            return False
        if self.thought is not None:
            return step.index == self.thought
        if self.measure:
            value = moment.measured(self.measure, self.token)
            return value is not None and (value > self.limit if self.above else value < self.limit)
        if self.token:
            return any(item.means(self.token) for item in step.top[: self.top])
        if before is None or not before.top:
            return False
        return not step.top or before.top[0].key != step.top[0].key


def read_breakpoint(text: str, most_tokens: int) -> Breakpoint:
    """A breakpoint from words, see USAGES; both < and > are known. Raises CoconutError for what is none.

    most_tokens is how many of the likeliest tokens are known of a step.
    """
    parts = words(text)
    if len(parts) in (2, 5) and parts[0] == "token" and (parts[2:4] == ["in", "top"] or not parts[2:]):
        return _token_breakpoint(parts[1], parts[4] if parts[4:] else "1", most_tokens)
    line = " ".join(parts)
    if match := re.fullmatch(r"thought ([0-9]{1,9})", line):
        if int(match[1]) < 1:
            raise CoconutError("thoughts are numbered from 1")
        return Breakpoint(thought=int(match[1]))
    if match := _COMPARED.fullmatch(line):
        name, token, sign, limit = match.groups()
        if not isfinite(float(limit)):
            raise CoconutError(f"{limit} is too large a number")
        return Breakpoint(
            measure="p" if token else name, above=sign == ">", limit=float(limit), token=token or ""
        )
    if line == "top changes":
        return Breakpoint()
    if line in ("wrong", "answer wrong"):
        return Breakpoint(wrong=True)
    raise CoconutError(f"'{text}' is no breakpoint: write {', '.join(USAGES[:-1])} or {USAGES[-1]}")


def _token_breakpoint(token: str, top: str, most_tokens: int) -> Breakpoint:
    if not re.fullmatch(r"[0-9]{1,4}", top) or not 1 <= int(top) <= most_tokens:
        raise CoconutError(
            f"the {most_tokens} likeliest tokens are known of a step: write top 1 to {most_tokens}"
        )
    return Breakpoint(token=token, top=int(top))


def first_hit(breakpoints: Sequence[Breakpoint], moment: Moment) -> Breakpoint | None:
    """The first breakpoint that stops a run after this step."""
    return next((breakpoint for breakpoint in breakpoints if breakpoint.hit(moment)), None)


def stops_at(breakpoints: Sequence[Breakpoint], thought: int) -> bool:
    """Whether a run stops at a thought whatever it says."""
    return any(breakpoint.thought == thought and breakpoint.enabled for breakpoint in breakpoints)


def toggled(breakpoints: Sequence[Breakpoint], place: int) -> tuple[Breakpoint, ...]:
    """The same with one of them turned on or off."""
    return tuple(
        replace(breakpoint, enabled=not breakpoint.enabled) if number == place else breakpoint
        for number, breakpoint in enumerate(breakpoints)
    )
