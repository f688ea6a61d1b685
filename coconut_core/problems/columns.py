"""A problem from a row of a table whose columns have names of their own."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any

from coconut_core.common.errors import CoconutError
from coconut_core.common.records import OneOf
from coconut_core.problems.arithmetic import plain_number
from coconut_core.problems.base import Problem

ANSWER_MARK = "####"  # in front of the answer, where that stands behind the steps
ANNOTATION = re.compile(r"<<[^<>]*>>")


@dataclass(frozen=True)
class Columns:
    """Which columns hold a problem, and what is a step where all steps are one text.

    A column that is a list has a step in each entry. Of a text, "lines" has one in each line, without GSM8k's
    annotations, and "annotations" these alone (<<48/2=24>>). At "####" in a text the steps end and the
    answer begins: one column may hold both.
    """

    question: str = "question"
    steps: str = "steps"  # empty: there are none
    answer: str = "answer"
    steps_as: Annotated[str, OneOf("lines", "annotations")] = "lines"

    def check(self, names: list[str], where: str) -> None:
        """Raise CoconutError, which begins with where, for a column that is not among names."""
        for entry in ("question", "steps", "answer"):
            name = getattr(self, entry)
            if name in names or (entry == "steps" and not name):
                continue
            others = {self.question, self.steps, self.answer}
            free = [each for each in names if each not in others] or names
            nearest = get_close_matches(name.lower(), [each.lower() for each in free], 1, 0.0)
            meant = next((each for each in free if [each.lower()] == nearest), "")
            hint = f', perhaps ?{entry}={meant} behind the name (in a recipe data.columns.{entry} = "{meant}")'
            nothing = "; ?steps= for none" if entry == "steps" else ""
            raise CoconutError(
                f"{where} has no column '{name}' but {', '.join(names)}: say which holds the {entry}"
                f"{hint if meant else ''}{nothing}"
            )

    def problem(self, row: Mapping[str, Any]) -> Problem:
        """The problem of a row. Raises CoconutError, naming the column, for what is no question or step."""
        question, answer = row[self.question], row[self.answer]
        if not isinstance(question, str):
            raise CoconutError(f"the column '{self.question}' must be a text, not {question!r:.40}")
        if self.steps == self.answer and ANSWER_MARK not in str(answer):
            raise CoconutError(f"no '{ANSWER_MARK}' in front of the answer in the column '{self.answer}'")
        steps = self._steps(row[self.steps]) if self.steps else ()
        return Problem(question.strip(), steps, _answer(answer))

    def _steps(self, value: Any) -> tuple[str, ...]:
        if value is None:
            return ()
        if isinstance(value, str):
            text = value.rpartition(ANSWER_MARK)[0] if ANSWER_MARK in value else value
            annotations = self.steps_as == "annotations"
            value = ANNOTATION.findall(text) if annotations else ANNOTATION.sub("", text).splitlines()
        if not isinstance(value, list | tuple) or not all(isinstance(step, str) for step in value):
            raise CoconutError(f"the column '{self.steps}' must be text or a list of texts, not {value!r:.40}")
        return tuple(step.strip() for step in value if step.strip())


def _answer(value: Any) -> str:
    """An answer as text; a number in figures. None, which data sets have where nothing is known, is empty."""
    if value is None:
        return ""
    text = str(value).rpartition(ANSWER_MARK)[2].strip()
    try:
        return plain_number(value if isinstance(value, float) else text)
    except CoconutError:
        return text
