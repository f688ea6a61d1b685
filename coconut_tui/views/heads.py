"""All layers and heads at a glance: a small cell each, to choose one by eye."""

from dataclasses import dataclass

from rich.style import Style
from rich.text import Text

from coconut_core.common.token_names import plain_name
from coconut_tui.run.lookups import STRIPS, Attention, Dials
from coconut_tui.views.view import shade
from coconut_tui.widgets.tokens import share_text, shortened

WIDEST = 8  # cells of one head
_LABEL = 4  # cells of a layer's or head's number
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
        "focus": "focus: 1 less entropy",
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
    text = [Text(shortened(f"{scale} · full {share_text(top)}", width), "dim")]
    layer, head = (min(number or 0, most) for number, most in zip(*_chosen(attention, dials), strict=True))
    lying = _fits(attention.heads, attention.layers, width, lines - 2) > max(
        0, _fits(attention.layers, attention.heads, width, lines - 2)
    )
    rows, columns = (
        (_Axis("h", attention.heads, head), _Axis("L", attention.layers, layer))
        if lying
        else (_Axis("L", attention.layers, layer), _Axis("h", attention.heads, head))
    )
    shown_columns = columns.around(max(1, width - _LABEL))
    cell = max(1, min(WIDEST, (width - _LABEL) // len(shown_columns)))
    heading = Text(" " * _LABEL)
    for number in shown_columns:
        heading.append(
            columns.label(number, cell - 1).rjust(cell), "bold" if number == columns.chosen else "dim"
        )
    text.append(heading)
    for row in rows.around(max(1, lines - 2)):
        line = Text(f"{rows.label(row, _LABEL - 1):>{_LABEL - 1}} ", "bold" if row == rows.chosen else "dim")
        for column in shown_columns:
            at = (column, row) if lying else (row, column)
            value = values[attention.place(*at)]
            here = row == rows.chosen and column == columns.chosen
            style = Style(meta={"@click": f"app.look_with({at[0]}, {at[1]})"})
            piece = Text(_cell(value, cell, here), shade(value / top))
            piece.stylize("bold reverse" if here else "")
            piece.stylize(style)
            line.append_text(piece)
        text.append(line)
    return text


def _chosen(attention: Attention, dials: Dials) -> tuple[tuple[int | None, int | None], tuple[int, int]]:
    return (dials.layer, dials.head), (attention.layers, attention.heads)


def _fits(rows: int, columns: int, width: int, lines: int) -> int:
    """Cells that a head has where so many rows and columns, and those of the mean, are shown; 0 or less where
    they do not fit."""
    return min(WIDEST, (width - _LABEL) // (columns + 1)) if rows + 1 <= lines else -1


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
    if width == 3:
        return share_text(value)
    if width == 2:
        return f"{min(99, round(100 * value)):>2}"
    return _BLOCKS[min(8, round(8 * value))]


def next_strip(strip: str) -> str:
    """What the strip shows after this."""
    return STRIPS[(STRIPS.index(strip) + 1) % len(STRIPS)]
