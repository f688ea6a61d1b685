"""A training run's course as charts in characters and colours, as many as there is room for side by side."""

import itertools
from collections.abc import Sequence
from math import isfinite

from rich.text import Text

from coconut_core.common.plots import Figure, Line, LinePanel, draw_lines
from coconut_core.common.text_plots import text_plot, whole_ticks
from coconut_core.training.metrics import Row, draw_run
from coconut_tui.widgets.charts import CURVE, FIRST_COLOUR, Series, coloured, legend, signs, value_ticks
from coconut_tui.widgets.palettes import PINS
from coconut_tui.widgets.tokens import BAR_STYLE, EDIT_STYLE

_LOWEST = 10  # lines of one chart
_SIDE_BY_SIDE = 50  # columns that a chart needs beside others
_GAP = 2  # cells between two of them
_TICK = 8  # cells of a step's number, with the gap to the next
_MARK = "dim"  # the style of the line where a stage begins
STYLES = (BAR_STYLE, EDIT_STYLE, *(f"coconut.pin.{number}" for number in range(1, PINS + 1)))


def draw_training(rows: Sequence[Row], width: int, height: int) -> Text:
    """Loss by part, held-out accuracy, the search and the learning rate over the steps.

    Side by side where there is room, else one below the other; height is that of the whole, which is filled.
    """
    figure = draw_run(rows)
    panels = [panel for panel in figure.panels if isinstance(panel, LinePanel)]
    panels += _learning_rate(rows, figure)
    across = max(1, min(len(panels), width // _SIDE_BY_SIDE))
    down = -(-len(panels) // across)
    across = -(-len(panels) // down)
    chart_width = (width - _GAP * (across - 1)) // across
    chart_height = max(_LOWEST, (height - (down - 1)) // down)
    blocks = [draw_curves(panel, chart_width, chart_height).split("\n") for panel in panels]
    lines: list[Text] = []
    for start in range(0, len(blocks), across):
        beside = blocks[start : start + across]
        lines += [Text()] if start else []
        for number in range(max(map(len, beside))):
            line = Text()
            for block in beside:
                cell = block[number].copy() if number < len(block) else Text()
                cell.truncate(chart_width + _GAP, pad=True)
                line.append_text(cell)
            line.rstrip()
            lines.append(line)
    return Text("\n").join(lines)


def draw_curves(panel: LinePanel, width: int, height: int) -> Text:
    """Curves over steps in so many cells: a title, the plot, and what each colour and sign is."""
    points = [
        (x, y)
        for line in panel.lines
        for x, y in zip(line.x, line.y, strict=True)
        if isfinite(x) and isfinite(y)
    ]
    title = Text(f"{panel.title} · {panel.y_label}", "bold", no_wrap=True)
    title.truncate(width)
    if not points:
        return Text("\n").join([title, Text("nothing to draw yet", "dim")])
    styles = list(itertools.islice(itertools.cycle(STYLES), len(panel.lines)))
    keys = [
        Series((), sign, style, line.label)
        for sign, style, line in zip(signs(len(panel.lines)), styles, panel.lines, strict=True)
    ]
    keys += [Series((), "│", _MARK, f"{x:g} {text}") for x, text in panel.marks]
    below = legend(keys, width)
    high = max(4, height - 1 - len(below.split("\n")))
    plot = _plotted(panel, keys[: len(styles)], points, width, high)
    return Text("\n").join([title, plot, below])


def _plotted(
    panel: LinePanel, keys: Sequence[Series], points: Sequence[tuple[float, float]], width: int, height: int
) -> Text:
    colours = {style: FIRST_COLOUR + number for number, style in enumerate((_MARK, *STYLES))}
    low, high = panel.y_range or (min(y for _, y in points), max(y for _, y in points))
    if high <= low:  # one value
        low, high = low - (abs(low) / 2 or 1), high + (abs(high) / 2 or 1)
    levels, texts = value_ticks(low, high, max(2, min(6, height // 3)))
    first, last = min(x for x, _ in points), max(x for x, _ in points)
    with text_plot(width, height) as plot:
        plot.xaxes(True, False)
        plot.yaxes(True, False)
        plot.xlim(first, last if last > first else first + 1)
        plot.ylim(min(low, levels[0]), max(high, levels[-1]))
        plot.yticks(levels, texts)
        steps = list(whole_ticks(round(first), round(last), max(2, width // _TICK)))
        plot.xticks(steps, [str(step) for step in steps])
        for x, _ in panel.marks:
            plot.vline(x, color=colours[_MARK])
        for key, line in reversed(list(zip(keys, panel.lines, strict=True))):  # the first one on top
            finite = [(x, y) for x, y in zip(line.x, line.y, strict=True) if isfinite(x) and isfinite(y)]
            if not finite:
                continue
            xs, ys = zip(*finite, strict=True)
            plot.plot(xs, ys, marker=CURVE, color=colours[key.style])
            some = slice(None, None, max(1, len(xs) // max(1, width // _TICK)))  # so that the curve is seen
            plot.scatter(xs[some], ys[some], marker=key.sign, color=colours[key.style])
        return coloured(str(plot.build()), {str(number): style for style, number in colours.items()})


def _learning_rate(rows: Sequence[Row], beside: Figure) -> list[LinePanel]:
    """The learning rate's chart, with the marks of those beside it; nothing where it was not logged."""
    logged = [(row["step"], row["learning_rate"]) for row in rows if "learning_rate" in row]
    if not logged:
        return []
    marks = next((panel.marks for panel in beside.panels if isinstance(panel, LinePanel)), ())
    line = Line("learning rate", [step for step, _ in logged], [1e4 * rate for _, rate in logged])
    panels = draw_lines([line], "learning rate", "step", "10⁻⁴", marks).panels
    return [panel for panel in panels if isinstance(panel, LinePanel)]
