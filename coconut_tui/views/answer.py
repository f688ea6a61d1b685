"""The words said, each with its probability."""

from collections.abc import Sequence
from math import nan

from rich.text import Text

from coconut_core.common.cells import cells
from coconut_core.records.trace import StepRecord, TokenRecord
from coconut_tui.run.lookups import LN_P
from coconut_tui.views.guides import Guide
from coconut_tui.views.view import Sight, View
from coconut_tui.widgets.tokens import BAR_STYLE, bar, fitted
from coconut_tui.widgets.units import ln_text, p_text

_NAME = 14  # cells of a word, where there is room
_MOST = 8  # words in a line
_GAP = 2
_WIDE = 46  # with so many cells two words that came next, or more, stand beside each one
_LEAST_LINES = 4  # of a word with bars: the word, two that came next, and a gap
_MOST_LINES = 7


def draw(sight: Sight) -> Text:
    """Each word with what came next: a line each, or bars one below the other where there is height."""
    words = [] if sight.run is None else sight.run.words()
    if not words:
        return Text("Nothing has been said yet.", "dim")
    lines = min(_MOST_LINES, (sight.height + 1) // len(words))
    return _with_bars(sight, words, lines) if lines >= _LEAST_LINES else _line_by_line(sight, words)


def _with_bars(sight: Sight, words: Sequence[StepRecord], lines: int) -> Text:
    """So many lines for each word: the word that was said, marked ▸, those that came next, and a gap."""
    number = ln_text if sight.dials.scale == LN_P else p_text
    shown = [(step, _said_first(step)[: lines - 1]) for step in words]
    longest = max(cells(item.name) for _, items in shown for item in items)
    name = min(longest, _NAME)
    room = max(0, sight.width - name - len(number(1.0)) - 4)
    text = Text()
    for step, items in shown:
        for place, item in enumerate(items):
            style = sight.marks.style(item.name) or ("dim" if place else "")
            text.append(f"{'  ' if place else '▸ '}{fitted(item.name, name)} ", style)
            text.append(bar(item.probability, room), BAR_STYLE)
            text.append(f" {number(item.probability)}\n", style)
        text.append("\n" if step is not words[-1] else "")
    text.rstrip()
    return text


def _said_first(step: StepRecord) -> list[TokenRecord]:
    """The word that was said, then the likeliest others. Its probability is no number where the word was not
    among those that were recorded."""
    unrecorded = TokenRecord(step.token, nan, step.token_id, step.name)
    said = next((item for item in step.top if item.key == step.key), unrecorded)
    return [said, *(item for item in step.top if item.key != step.key)]


def _line_by_line(sight: Sight, words: Sequence[StepRecord]) -> Text:
    """A line for each word: as many that came next as there is room for, one at least."""
    number = ln_text if sight.dials.scale == LN_P else p_text
    share = len(number(1.0)) + 1 + _GAP
    columns = max(3 if sight.width >= _WIDE else 2, min(_MOST, (sight.width + _GAP) // (_NAME + share)))
    width = (sight.width - columns * share + _GAP) // columns
    lines = []
    for step in words:
        said, *others = _said_first(step)
        line = Text().append(
            f"{fitted(step.name, width)} {number(said.probability)}", sight.marks.style(step.name)
        )
        for item in others[: columns - 1]:
            style = sight.marks.style(item.name) or "dim"
            line.append(f"{'':{_GAP}}{fitted(item.name, width)} {number(item.probability)}", style)
        lines.append(line)
    return Text("\n").join(lines)


VIEW = View(
    "answer",
    "Answer",
    draw,
    key="3",
    description="Show the words said, each with its probability",
    actions=("units",),
    guide=Guide(
        "Answer",
        "Every word said, with its probability ($: ln p), and beside or below it the words that came next.",
        "Most words follow from the wording. Look at the one word that decides.",
    ),
)
