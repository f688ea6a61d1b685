"""Breakpoints: where a run that goes on by itself stops. Decided on the records that the explorer shows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from coconut_core.errors import CoconutError
from coconut_core.trace import StepRecord

USAGES = ("thought K", "entropy < NATS", "token NAME in top K", "top changes")
_NUMBER = r"(\d+(?:\.\d+)?|\.\d+)"


@dataclass(frozen=True)
class Breakpoint:
    """A condition on a thought. Of its fields only those that it is about are set."""

    thought: int | None = None
    entropy_below: float | None = None  # nats
    token: str = ""
    top: int = 1
    enabled: bool = True

    def __str__(self) -> str:
        if self.thought is not None:
            return f"thought {self.thought}"
        if self.entropy_below is not None:
            return f"entropy < {self.entropy_below:g}"
        return f"token {self.token} in top {self.top}" if self.token else "top changes"

    def hit(self, step: StepRecord, before: StepRecord | None) -> bool:
        """Whether a run stops after this step; before is the thought in front of it in its segment."""
        if step.kind != "thought" or not self.enabled:
            return False
        if self.thought is not None:
            return step.index == self.thought
        if self.entropy_below is not None:
            return step.entropy < self.entropy_below
        if self.token:
            return any(item.token.strip() == self.token for item in step.top[: self.top])
        if before is None or not before.top:
            return False
        return not step.top or before.top[0].token != step.top[0].token


def read_breakpoint(text: str, most_tokens: int) -> Breakpoint:
    """A breakpoint from words, see USAGES. Raises CoconutError for what is none.

    most_tokens is how many of the likeliest tokens are known of a step.
    """
    words = " ".join(text.split())
    if found := re.fullmatch(r"thought (\d{1,9})", words):
        if int(found[1]) < 1:
            raise CoconutError("thoughts are numbered from 1")
        return Breakpoint(thought=int(found[1]))
    if found := re.fullmatch(rf"entropy ?< ?{_NUMBER}", words):
        return Breakpoint(entropy_below=float(found[1]))
    if found := re.fullmatch(r"token (\S+)(?: in top (\d{1,4}))?", words):
        top = int(found[2] or 1)
        if not 1 <= top <= most_tokens:
            raise CoconutError(
                f"the {most_tokens} likeliest tokens are known of a step: write top 1 to {most_tokens}"
            )
        return Breakpoint(token=found[1], top=top)
    if words == "top changes":
        return Breakpoint()
    raise CoconutError(f"'{text}' is no breakpoint: write {', '.join(USAGES[:-1])} or {USAGES[-1]}")


def first_hit(
    breakpoints: Sequence[Breakpoint], step: StepRecord, before: StepRecord | None
) -> Breakpoint | None:
    """The first breakpoint that stops a run after this step."""
    return next((each for each in breakpoints if each.hit(step, before)), None)


def toggled(breakpoints: Sequence[Breakpoint], place: int) -> tuple[Breakpoint, ...]:
    """The same with one of them turned on or off."""
    return tuple(
        replace(each, enabled=not each.enabled) if number == place else each
        for number, each in enumerate(breakpoints)
    )
