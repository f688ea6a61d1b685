"""Where along the text heads look: a row of upright bars for each, from the first word to the last step."""

from collections.abc import Sequence

from rich.text import Text

from coconut_tui.run.lookups import Attention
from coconut_tui.widgets.painted import RANKS
from coconut_tui.widgets.tokens import BAR_STYLE, share_text, shortened

HEIGHT = 4  # lines of a row at most
FRAME = 2  # lines around the rows
_LABEL = 5  # cells
_MOST = 12  # rows: more heads than that are not told apart
_BLOCKS = " ▁▂▃▄▅▆▇█"


def compared(attention: Attention, layer: int | None) -> list[tuple[str, int]]:
    """The rows of weights that stand beside each other, with their labels: all heads where they are few, else
    those of the chosen layer, or the means of the layers."""
    heads, layers = range(1, attention.heads + 1), range(1, attention.layers + 1)
    if attention.layers * attention.heads <= _MOST:
        return [(f"{one}.{two}", attention.place(one, two)) for one in layers for two in heads]
    if layer is not None:
        return [(f"h{number}", attention.place(layer, number)) for number in heads]
    return [(f"L{number}", attention.place(number, None)) for number in layers]


def along(
    attention: Attention,
    rows: Sequence[tuple[str, int]],
    chosen: int,
    order: Sequence[int],
    room: tuple[int, int],
) -> list[Text]:
    """Rows of weights by the places of the text, in a room (width, lines); chosen: the row that is in question;
    order: places by what it gave them."""
    size, (width, lines) = len(attention.entries), room
    cells = max(1, (width - _LABEL) // size)  # of a place, or several places share one
    columns = min(size, width - _LABEL)
    height = min(HEIGHT, (lines - FRAME) // len(rows))
    bars = [_binned(attention.weights[row * size : (row + 1) * size], columns) for _, row in rows]
    whole = max(max(row) for row in bars) or 1.0
    marks = [" "] * (columns * cells)
    for rank, place in reversed(list(zip(RANKS, order, strict=False))):
        marks[place * columns // size * cells] = rank
    text = [Text(f"{'':{_LABEL}}").append("".join(marks), "bold")]
    for (label, row), shares in zip(rows, bars, strict=True):
        eighths = [round(8 * height * share / whole) for share in shares]
        for level in range(height - 1, -1, -1):
            name = f"{label:>{_LABEL - 1}} " if level == 0 else " " * _LABEL
            line = Text().append(name, "bold" if row == chosen else "dim")
            blocks = (_BLOCKS[max(0, min(8, count - 8 * level))] * cells for count in eighths)
            text.append(line.append("".join(blocks), BAR_STYLE))
    behind = attention.words * columns // size * cells
    axis = f"prompt, from its first word; full {share_text(whole)}"
    axis = f"{shortened(axis, max(0, behind - 1)):<{behind}}│ behind" if behind < columns * cells else axis
    return [*text, Text(shortened(f"{'':{_LABEL}}{axis}", width), "dim")]


def _binned(shares: Sequence[float], columns: int) -> list[float]:
    """What got most of the places that share a column."""
    size = len(shares)
    best = [0.0] * columns
    for place, share in enumerate(shares):
        best[place * columns // size] = max(best[place * columns // size], share)
    return best
