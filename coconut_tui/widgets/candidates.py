"""The candidate curve: how far the right answer is ahead of the wrong one, thought by thought."""

from collections.abc import Sequence
from math import log, nan

from rich.text import Text

from coconut_core.common.cells import cells, shortened
from coconut_tui.run.matrix import Matrix
from coconut_tui.widgets.charts import Axes, Series, draw_chart
from coconut_tui.widgets.tokens import BAR_STYLE, RIGHT_STYLE, WRONG_STYLE

LEAST_HEIGHT = 7  # lines, its heading among them
MOST_HEIGHT = 16
_SURE = 1e-7  # what a probability of 1 may be short of, in float32


def candidate_curve(
    matrix: Matrix, columns: range, left: int, width: int, height: int, cursor: int | None
) -> Text | None:
    """The curve in so many lines, a heading among them; None where no candidate is known. Its places stand
    below the columns of the matrix, which begin at `left`."""
    right = next((place for place, row in enumerate(matrix.rows) if row.role == "right"), None)
    if right is None:
        return None
    wrong = next((place for place, row in enumerate(matrix.rows) if row.role == "wrong"), None)
    values = _values(matrix, right, wrong)
    name = matrix.rows[right].name
    about = f"✓ {name}: ln p/(1−p)"
    if wrong is not None:
        pair = f"✓ {name} − ✗ {matrix.rows[wrong].name}"
        about = f"{pair}, difference of the logits"
        about = about if cells(about) <= width else f"{pair}, logits"
    heading = Text(shortened(about, width), "dim")
    known = [value for value in values if value == value]
    signs = {
        place: ("✓", RIGHT_STYLE) if value > 0 else ("✗", WRONG_STYLE)
        for place, value in enumerate(values)
        if value == value
    }
    line = Series(values[columns.start : columns.stop], "✓", BAR_STYLE, signs=signs)
    labels = {place: column.label for place, column in enumerate(matrix.columns)}
    low, high = min([0.0, *known]), max([0.0, *known])
    if high - low < 1:
        low, high = min(low, -0.5), max(high, 0.5)
    axes = Axes(labels, columns.start, columns.stop - 1, low, high, left, cursor, 0.0)
    return heading.append("\n").append_text(draw_chart([line], axes, width, height - 1))


def _values(matrix: Matrix, right: int, wrong: int | None) -> Sequence[float]:
    """For each column ln p(right) − ln p(wrong), which is the difference of their logits; where there is no
    wrong one, the log-odds of the right one. NaN where it is not recorded."""
    values = []
    for number in range(len(matrix.columns)):
        first = matrix.shares[right][number]
        second = matrix.shares[wrong][number] if wrong is not None else None if first is None else 1 - first
        if wrong is None and first is not None and second is not None:
            first, second = max(first, _SURE), max(second, _SURE)
        values.append(log(first) - log(second) if first and second else nan)
    return values
