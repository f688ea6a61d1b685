"""A token's probability in each thought, as columns side by side."""

from collections.abc import Sequence

from coconut_tui.views.canvas import Canvas, Cell
from coconut_tui.widgets.tokens import column_bar

_MOST_WIDE = 3  # cells of a column


def draw_course(
    canvas: Canvas,
    corner: Cell,
    size: tuple[int, int],
    shares: Sequence[float],
    styles: Sequence[tuple[str, ...]],
) -> None:
    """Columns, each share with its styles, in so many cells and lines; of many the last ones."""
    (left, top), (room, height) = corner, size
    shown = list(zip(shares, styles, strict=True))[-room:]
    each = room // max(1, len(shown))  # cells, with the gap to the next
    wide = max(1, min(_MOST_WIDE, each - 1))
    for place, (share, style) in enumerate(shown):
        for line in range(height):
            part = share * height - (height - 1 - line)
            if part > 0 or line == height - 1:
                canvas.write(left + place * min(each, wide + 1), top + line, column_bar(part) * wide, *style)
