"""What stands in the cells of an atlas's table, and below it of the run under the cursor."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from rich.text import Text

from coconut_core.atlas.columns import COLUMNS
from coconut_core.common.errors import visible
from coconut_core.common.token_names import plain_name
from coconut_core.records.answers import conclusion
from coconut_tui.run.atlas import COURSE
from coconut_tui.widgets.painted import line_spans
from coconut_tui.widgets.tokens import (
    BAR_STYLE,
    RIGHT_BOLD,
    WRONG_BOLD,
    WRONG_STYLE,
    column_bar,
    end_of,
    share_text,
    shortened,
)
from coconut_tui.widgets.windowed import Column, Row

SHARES = ("probability", "frontier", "reachable", "optimal", "target", "wrong_candidate")  # from 0 to 1
_HEADINGS = {"run": "#", "right": "", "used": "use", "probability": "p", "wrong_candidate": "wrong"}
_WIDTHS = {
    "run": 6,
    "right": 1,
    "hops": 4,
    "thoughts": 8,
    "used": 4,
    "said": 14,
    "expected": 14,
    "token": 12,
    "question": 20,
}
_WORDS = ("said", "expected", "question", "token")
_MARKS = {True: "✓", False: "✗", None: "·"}
_USED = {True: "●", False: "○", None: "·"}


@dataclass(frozen=True)
class Look:
    """How rows are drawn. thought: in question, from 1; measure: the list whose course is drawn, beside `most`,
    its highest value; count: the most thoughts that a run has."""

    thought: int
    measure: str
    most: float
    count: int

    def columns(self, names: Sequence[str], order: str, descending: bool) -> list[Column]:
        """The columns by their names; the one that they are sorted by has an arrow."""
        columns = []
        for name in names:
            listed = name in COLUMNS and COLUMNS[name].per_thought
            heading = self.measure if name == COURSE else _HEADINGS.get(name, name)
            heading += f"({self.thought})" if listed else ""
            mark = ("▾" if descending else "▴") if name == order else ""
            width = max(self.count, 4) if name == COURSE else _WIDTHS.get(name, 4 if listed else 10)
            width = max(width, len(heading) + 1)
            right = name not in (*_WORDS, "right", "used", COURSE)
            columns.append(Column(name, heading + mark, width, right, name == "question"))
        return columns

    def cell(self, row: Row, column: Column) -> Text:
        """What stands in a column of a row."""
        if column.name == COURSE:
            return course_text(row.get(self.measure), self.most, self.thought)
        return cell_text(row, column.name, column.width, self.thought)


def cell_text(row: Row, name: str, width: int, thought: int) -> Text:
    """A cell of a row; of a list the value of a thought."""
    value = row.get(name)
    if name == "right":
        return Text(_MARKS[value], RIGHT_BOLD if value else WRONG_BOLD if value is False else "dim")
    if name == "used":
        return Text(_USED[value], "" if value else "dim")
    if name == "question":
        return Text(end_of(" ".join(str(value).split()), width))
    if name in ("said", "expected"):
        answer = str(value or "")
        answer = answer if len(answer) <= width else conclusion(answer)
        wrong = name == "said" and row.get("right") is False
        return Text(end_of(answer, width), WRONG_STYLE if wrong else "" if name == "said" else "dim")
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = value[thought - 1] if thought <= len(value) else None
    if isinstance(value, Sequence) and not isinstance(value, str):  # several of each thought
        each = (part if isinstance(part, str) else number_text(part, share=True) for part in value)
        return Text(end_of(visible(" ".join(each)), width))
    if name == "token":
        return Text("–" if value is None else shortened(plain_name(str(value)), width))
    return Text(
        number_text(value, share=name in SHARES) if not isinstance(value, str) else visible(value.strip())
    )


def number_text(value: Any, *, share: bool = False) -> str:
    """A value in few cells; a dash where there is none."""
    if value is None or (isinstance(value, float) and not isfinite(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return share_text(value) if share else f"{value:.2f}" if abs(value) < 1000 else f"{value:.3g}"
    return str(value)


def course_text(values: Sequence[float | None] | None, most: float, thought: int) -> Text:
    """A column for each thought, as high as its value beside the highest; that in question is underlined."""
    text = Text()
    for number, value in enumerate(values or (), start=1):
        share = float("nan") if value is None or not most else value / most
        text.append(column_bar(share), "bold underline" if number == thought else BAR_STYLE)
    return text


def thoughts_line(row: Row, measure: str, thought: int, width: int) -> Text:
    """The likeliest token of each thought of a run, with a value of each; as many as there is room for around
    the one in question."""
    tokens: Sequence[Any] = row.get("token") or ()
    values: Sequence[Any] = row.get(measure) or ()
    parts = []
    for number, token in enumerate(tokens, start=1):
        value = values[number - 1] if number <= len(values) else None
        part = Text(f" {number} ", "bold" if number == thought else "dim")
        part.append(shortened(plain_name(str(token)), 14), "bold" if number == thought else "")
        part.append(f" {number_text(value, share=measure in SHARES).strip()} ", "dim")
        if number == thought:
            part.stylize("reverse")
        parts.append(part)
    while len(parts) > 1 and sum(part.cell_len + 1 for part in parts) > width:
        del parts[0 if thought - 1 > len(parts) // 2 else -1]
        thought -= thought - 1 > len(parts) // 2
    return Text("│", "dim").join(parts)


def answer_line(row: Row) -> Text:
    """Which run it is, what was said, and what was expected."""
    right = row.get("right")
    text = (
        Text().append(f"run {row['run']}  ", "bold").append(visible(str(row.get("said") or "nothing")), "bold")
    )
    text.append(f" {_MARKS[right]}", RIGHT_BOLD if right else WRONG_BOLD if right is False else "dim")
    if right is False and row.get("expected"):
        text.append("  expected: ", "dim").append(visible(str(row["expected"])))
    return text


def run_text(row: Row, look: Look, width: int, lines: int) -> Text:
    """A run in so many lines: its answer, its thoughts, and where there is room its question, the end of it."""
    text = answer_line(row)
    text.truncate(width, overflow="ellipsis")
    text.append("\n").append_text(thoughts_line(row, look.measure, look.thought, width))
    if lines > 2:
        question = end_of(" ".join(str(row["question"]).split()), (lines - 2) * (width - 8))
        parts = [question[start:end].rstrip() for start, end in line_spans(question, width)][: lines - 2]
        text.append("".join(f"\n{part}" for part in parts), "dim")
        text.append("\n" * (lines - 2 - len(parts)))
    return text
