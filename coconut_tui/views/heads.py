"""All layers and heads at a glance: a small cell each, to choose one by eye."""

from dataclasses import dataclass

from rich.text import Text

from coconut_core.common.token_names import plain_name
from coconut_tui.run.lookups import STRIPS, Attention, Dials
from coconut_tui.views.view import click, shade
from coconut_tui.widgets.tokens import share_text, shortened

WIDEST = 8  # cells of one head
_LABEL = 4  # cells of a layer's or head's number
_ABOVE = 2  # lines above the cells
_READABLE = 4  # cells that a share takes
_BLOCKS = " ▁▂▃▄▅▆▇█"


def chosen_place(attention: Attention, dials: Dials) -> int:
    """The entry in question: the chosen one, or the one that gets most in the mean over all heads."""
    if dials.place is not None and dials.place < len(attention.entries):
        return dials.place
    shares = attention.row(None, None)
    return shares.index(max(shares))


def measured(attention: Attention, dials: Dials) -> list[float]:
    """What the strip shows of each row of weights, each from 0 to 1."""
    if dials.strip == "focus":
        return list(attention.focus)
    size, weights = len(attention.entries), attention.weights
    rows = range(0, len(weights), size)
    if dials.strip == "thoughts":
        return [sum(weights[start + attention.words : start + size]) for start in rows]
    place = 0 if dials.strip == "first" else chosen_place(attention, dials)
    return [weights[start + place] for start in rows]


def meaning(attention: Attention, dials: Dials, strip: str, width: int) -> str:
    """What a number of the strip says, in a few words."""
    if strip == "place":
        name = plain_name(attention.entries[chosen_place(attention, dials)])
        return f"share of “{shortened(name, max(4, width - 11))}”"
    return {
        "focus": "1 = all on one place",
        "thoughts": "share behind the prompt",
        "first": "share of the first word",
    }[strip]


def strip_width(attention: Attention) -> int:
    """Cells that the strip takes at most, layers below each other."""
    return _LABEL + (attention.heads + 1) * WIDEST


def strip(attention: Attention, dials: Dials, room: tuple[int, int]) -> list[Text]:
    """The strip in a room (width, lines): rows are layers, or heads where that fits better; in front of both
    the mean over all. Around the chosen head where there is no room for all of them."""
    values, (width, lines) = measured(attention, dials), room
    top = max(values) or 1.0
    scale = meaning(attention, dials, dials.strip, width - 18)
    layer, head = (number or 0 for number in attention.head_of(dials))
    lying = _plan(attention, width, lines)[0]
    rows, columns = (
        (_Axis("h", attention.heads, head), _Axis("L", attention.layers, layer))
        if lying
        else (_Axis("L", attention.layers, layer), _Axis("h", attention.heads, head))
    )
    shown_columns = columns.around(max(1, width - _LABEL))
    cell = max(1, min(WIDEST, (width - _LABEL) // len(shown_columns)))
    scale += ", in %" if 1 < cell < _READABLE else ""
    text = [Text(shortened(f"{scale} · full {share_text(top)}", width), "dim")]
    text.append(_heading(columns, shown_columns, cell))
    for row in rows.around(max(1, lines - _ABOVE)):
        label = f"{rows.label(row, _LABEL - 1):>{_LABEL - 1}} "
        line = Text().append(label, "bold" if row == rows.chosen else "dim")
        for column in shown_columns:
            at = (column, row) if lying else (row, column)
            value = values[attention.place(*at)]
            here = row == rows.chosen and column == columns.chosen
            piece = Text(_cell(value, cell, here), shade(value / top))
            piece.stylize("bold reverse" if here else "")
            piece.stylize(click(f"look_with({at[0]}, {at[1]})"))
            line.append_text(piece)
        text.append(line)
    return text


def strip_lines(attention: Attention, width: int, most: int) -> int:
    """Lines that the strip takes in so many cells."""
    return _plan(attention, width, most)[1]


def _plan(attention: Attention, width: int, most: int) -> tuple[bool, int]:
    """Whether heads are the rows, and the lines that it takes: numbers that can be read come first, then few
    lines; where not all heads fit, as many as there is room for."""
    sides = {False: (attention.layers, attention.heads), True: (attention.heads, attention.layers)}
    fitting = []
    for lying, (rows, columns) in sides.items():
        cell, lines = min(_READABLE, (width - _LABEL) // (columns + 1)), rows + 1 + _ABOVE
        if cell > 0 and lines <= most:
            fitting.append((-cell, lines, lying))
    _, lines, lying = min(fitting, default=(0, max(_ABOVE + 1, 3 * most // 4), False))
    return lying, lines


def _heading(columns: "_Axis", shown: range, cell: int) -> Text:
    """The numbers over the columns; every fifth where a column is too narrow for its own."""
    narrow = cell <= len(str(shown[-1]))
    heading = Text().append(f"{columns.letter:>{_LABEL - 1}} " if narrow else " " * _LABEL, "dim")
    for number in shown:
        if not narrow:
            label = columns.label(number, cell - 1).rjust(cell)
            heading.append(label, "bold" if number == columns.chosen else "dim")
        elif number % 5 == 0:
            label = columns.label(number, 2 if number else 1)[-2:].rjust(cell)
            if len(label) > cell:
                heading.right_crop(len(label) - cell)
            heading.append(label, "dim")
        else:
            heading.append(" " * cell)
    return heading


@dataclass(frozen=True)
class _Axis:
    """Layers or heads: 0 is the mean over all, then they count from 1."""

    letter: str
    count: int
    chosen: int

    def around(self, room: int) -> range:
        """As many as there is room for, the chosen one among them."""
        count = min(room, self.count + 1)
        first = max(0, min(self.chosen - count // 2, self.count + 1 - count))
        return range(first, first + count)

    def label(self, number: int, room: int) -> str:
        """A number in so many cells at most."""
        names: tuple[str, ...] = (
            ("mean", "all", "Ø") if number == 0 else (f"{self.letter}{number}", f"{number}")
        )
        return next((name for name in names if len(name) <= room), names[-1][-1])


def _cell(value: float, width: int, here: bool) -> str:
    if width >= 4:
        return f"{'▸' if here else ''}{share_text(value)}".rjust(width)
    if width > 1:
        return f"{min(99, round(100 * value)):>{width}}"
    return _BLOCKS[min(8, round(8 * value))]


def next_strip(strip: str) -> str:
    """What the strip shows after this."""
    return STRIPS[(STRIPS.index(strip) + 1) % len(STRIPS)]
