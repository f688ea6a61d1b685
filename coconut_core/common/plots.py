"""Figures for a document and for a terminal: lines with interval bands, stacked bars, grids and clouds.

The same figure is drawn as SVG by matplotlib or as text by plotext, each imported when it draws. No figure
tells things apart by colour alone: lines have markers, bars have hatches, the cells of a grid have their
numbers, text has a sign for each.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from coconut_core.common.errors import CoconutError
from coconut_core.common.grid_panel import GridPanel, label_axes
from coconut_core.common.reprs import brief
from coconut_core.common.text_plots import FILLS, SIGNS, finished_text, text_plot, whole_ticks
from coconut_core.common.whole_files import written_aside

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, told apart with every common kind of colour blindness; yellow is left out, being
# too light for a line on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":")
HATCHES = ("", "///", "---", "\\\\\\", "xxx", "|||", "+++")
PANEL_SIZE = (6.4, 4.6)  # inches
STYLE = {"svg.hashsalt": "coconut", "font.family": "DejaVu Sans", "font.size": 10, "hatch.linewidth": 0.6}


@dataclass(frozen=True)
class Line:
    """One curve; low and high, where given, bound its band. All sequences have the same length."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None


@dataclass(frozen=True)
class Stack:
    """One part of every bar; values has one number for each bar."""

    label: str
    values: Sequence[float]


@dataclass(frozen=True)
class Cloud:
    """Points that belong together."""

    label: str
    x: Sequence[float]
    y: Sequence[float]


class Panel(Protocol):
    """One plot of a figure."""

    def draw(self, axes: "Axes") -> None:
        """Draw it with matplotlib."""

    def to_text(self, width: int, height: int) -> str:
        """Draw it as text of about this size."""


@dataclass(frozen=True)
class Figure:
    """Plots that stand side by side in an SVG and one below the other in a terminal."""

    panels: tuple[Panel, ...]

    def __repr__(self) -> str:
        return f"Figure({', '.join(brief(getattr(panel, 'title', panel)) for panel in self.panels)})"

    def beside(self, other: "Figure") -> "Figure":
        """This figure with another one to its right."""
        return Figure(self.panels + other.panels)

    def svg(self) -> str:
        """The text of an SVG file; the same figure gives the same text."""
        import matplotlib
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure as Canvas
        from matplotlib.layout_engine import ConstrainedLayoutEngine

        width, height = PANEL_SIZE
        height = max([height, *(panel.height for panel in self.panels if isinstance(panel, GridPanel))])
        with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]  # its keys are literals there
            layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
            canvas = Canvas(figsize=(width * len(self.panels), height), layout=layout)
            FigureCanvasSVG(canvas)
            for number, panel in enumerate(self.panels, start=1):
                panel.draw(canvas.add_subplot(1, len(self.panels), number))
            text = StringIO()
            canvas.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
        return text.getvalue()

    _repr_svg_ = svg  # a notebook draws it

    def save_svg(self, path: str | Path) -> None:
        """Write an SVG file. Raises CoconutError where it cannot."""
        text = self.svg()
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            with written_aside(Path(path)) as file:
                file.write(text)
        except OSError as error:
            raise CoconutError(f"cannot write {path}: {error.strerror or error}") from error

    def to_text(self, width: int = 80, height: int = 20) -> str:
        """Draw it in characters, without colour; each plot takes about `height` lines."""
        return "\n\n".join(panel.to_text(width, height) for panel in self.panels)


def side_by_side(figures: Iterable[Figure]) -> Figure:
    """All plots of several figures in one."""
    return Figure(tuple(panel for figure in figures for panel in figure.panels))


def draw_lines(
    lines: Sequence[Line],
    title: str,
    x_label: str,
    y_label: str,
    marks: Sequence[tuple[float, str]] = (),
    y_range: tuple[float, float] | None = None,
) -> Figure:
    """Curves over one x axis. marks are vertical lines at an x with a text, as where a stage begins."""
    return Figure((LinePanel(tuple(lines), title, x_label, y_label, tuple(marks), y_range),))


def draw_stacks(stacks: Sequence[Stack], bars: Sequence[str], title: str, x_label: str, y_label: str) -> Figure:
    """One bar for each name in bars, made of the stacks from below to above."""
    return Figure((StackPanel(tuple(stacks), tuple(bars), title, x_label, y_label),))


def draw_grid(
    values: Sequence[Sequence[float]],
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    x_label: str,
    y_label: str,
    top: float | None = None,
    *,
    signed: bool = False,
    marks: Sequence[Sequence[str]] = (),
) -> Figure:
    """A grid of numbers, shaded from 0 to top (by default the largest); a NaN leaves its cell empty. signed:
    from -top to top in two colours, numbers with their signs; marks stand beside the numbers, row by row."""
    cells, notes = tuple(map(tuple, values)), tuple(map(tuple, marks))
    labels = tuple(rows), tuple(columns), title, x_label, y_label
    return Figure((GridPanel(cells, *labels, top, signed, notes),))


def draw_clouds(clouds: Sequence[Cloud], title: str, x_label: str, y_label: str) -> Figure:
    """Clouds of points over two axes, with a line through their middles in the order in which they come."""
    return Figure((CloudPanel(tuple(clouds), title, x_label, y_label),))


@dataclass(frozen=True)
class LinePanel:
    """See draw_lines."""

    lines: tuple[Line, ...]
    title: str
    x_label: str
    y_label: str
    marks: tuple[tuple[float, str], ...]
    y_range: tuple[float, float] | None

    def draw(self, axes: "Axes") -> None:
        from matplotlib.ticker import MaxNLocator

        for number, line in enumerate(self.lines):
            colour = COLOURS[number % len(COLOURS)]
            axes.plot(
                line.x,
                line.y,
                color=colour,
                linestyle=DASHES[number % len(DASHES)],
                marker=MARKERS[(number + number // len(COLOURS)) % len(MARKERS)],
                markersize=5,
                markevery=max(1, len(line.x) // 15),  # long curves keep their shape
                zorder=3 - 0.01 * number,  # the first one on top
                label=line.label,
            )
            if line.low is not None and line.high is not None:
                axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.18, linewidth=0)
        for x, text in self.marks:
            axes.axvline(x, color="0.5", linewidth=0.8, linestyle=":")
            axes.annotate(
                text,
                (x, 1),
                xycoords=("data", "axes fraction"),
                xytext=(2, -3),
                textcoords="offset points",
                rotation=90,
                va="top",
                fontsize=8,
                color="0.35",
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0},
            )
        if self.y_range is not None:
            margin = 0.03 * (self.y_range[1] - self.y_range[0])  # so that markers on the rim are whole
            axes.set_ylim(self.y_range[0] - margin, self.y_range[1] + margin)
        if all(float(x).is_integer() for line in self.lines for x in line.x):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(color="0.9")
        _label(axes, self.title, self.x_label, self.y_label, len(self.lines))

    def to_text(self, width: int, height: int) -> str:
        points = [(x, y) for line in self.lines for x, y in zip(line.x, line.y, strict=True)]
        if not any(isfinite(x) and isfinite(y) for x, y in points):
            return f"{self.title}: nothing to draw yet"
        with text_plot(width, height) as plot:
            for x, _ in self.marks:
                plot.vline(x)
            for line in self.lines:
                if line.low is not None and line.high is not None and len(line.x) <= width // 4:
                    for x, low, high in zip(line.x, line.low, line.high, strict=True):
                        plot.plot([x, x], [low, high], marker=":")
            signs = list(itertools.islice(itertools.cycle(SIGNS), len(self.lines)))
            for sign, line in reversed(list(zip(signs, self.lines, strict=True))):  # the first one on top
                plot.plot(list(line.x), list(line.y), marker=sign)
            if self.y_range is not None:
                plot.ylim(*self.y_range)
                low, high = self.y_range
                levels = [low + (high - low) * part / 4 for part in range(5)]
                plot.yticks(levels, [f"{level:.4g}" for level in levels])
            ticks = sorted({x for x, _ in points if isfinite(x)})
            if len(ticks) == 1:
                plot.xlim(ticks[0] - 1, ticks[0] + 1)
            if len(ticks) > width // 8 and all(float(tick).is_integer() for tick in ticks):
                ticks = list(whole_ticks(round(ticks[0]), round(ticks[-1]), max(2, width // 8)))
            if len(ticks) <= width // 8:
                plot.xticks(ticks, [f"{tick:g}" for tick in ticks])
            keys = [f"{sign} {line.label}" for sign, line in zip(signs, self.lines, strict=True)]
            keys += [f"│ {x:g} {text}" for x, text in self.marks]
            return finished_text(plot, self.title, f"{self.y_label} against {self.x_label}", keys, width)


@dataclass(frozen=True)
class StackPanel:
    """See draw_stacks."""

    stacks: tuple[Stack, ...]
    bars: tuple[str, ...]
    title: str
    x_label: str
    y_label: str

    def draw(self, axes: "Axes") -> None:
        floor = [0.0] * len(self.bars)
        for number, stack in enumerate(self.stacks):
            axes.bar(
                range(len(self.bars)),
                stack.values,
                0.7,
                floor,
                color=COLOURS[number % len(COLOURS)],
                hatch=HATCHES[number % len(HATCHES)],
                edgecolor="white",
                linewidth=0.8,
                label=stack.label,
            )
            floor = _on_top(floor, stack)
        axes.set_xticks(range(len(self.bars)), self.bars)
        _label(axes, self.title, self.x_label, self.y_label, len(self.stacks))

    def to_text(self, width: int, height: int) -> str:
        if not any(value > 0 for stack in self.stacks for value in stack.values):
            return f"{self.title}: nothing to draw yet"
        with text_plot(width, height) as plot:
            middles = list(range(len(self.bars)))
            signs = list(itertools.islice(itertools.cycle(FILLS), len(self.stacks)))
            tops = list(itertools.accumulate(self.stacks, _on_top, initial=[0.0] * len(middles)))[1:]
            for sign, top in reversed(list(zip(signs, tops, strict=True))):  # each covers what it stands on
                for middle, level in zip(middles, top, strict=True):
                    if level > 0:
                        sides = [middle - 0.3, middle + 0.3]
                        plot.rectangle(sides, [0, level], marker=sign, fill=True)
            plot.xlim(-0.5, len(middles) - 0.5)
            plot.ylim(0, max(tops[-1]))
            plot.xticks(middles, list(self.bars))
            keys = [f"{sign} {stack.label}" for sign, stack in zip(signs, self.stacks, strict=True)]
            return finished_text(plot, self.title, f"{self.y_label} against {self.x_label}", keys, width)


@dataclass(frozen=True)
class CloudPanel:
    """See draw_clouds."""

    clouds: tuple[Cloud, ...]
    title: str
    x_label: str
    y_label: str

    def draw(self, axes: "Axes") -> None:
        for number, cloud in enumerate(self.clouds):
            axes.scatter(
                cloud.x,
                cloud.y,
                s=14,
                alpha=0.45,
                linewidths=0,
                color=COLOURS[number % len(COLOURS)],
                marker=MARKERS[(number + number // len(COLOURS)) % len(MARKERS)],
                label=cloud.label,
            )
        middles = [_middle(cloud) for cloud in self.clouds if cloud.x]
        axes.plot(*zip(*middles, strict=True), color="black", linewidth=1) if middles else None
        _label(axes, self.title, self.x_label, self.y_label, len(self.clouds))

    def to_text(self, width: int, height: int) -> str:
        if not any(cloud.x for cloud in self.clouds):
            return f"{self.title}: nothing to draw yet"
        with text_plot(width, height) as plot:
            signs = list(itertools.islice(itertools.cycle(SIGNS), len(self.clouds)))
            for sign, cloud in zip(signs, self.clouds, strict=True):
                plot.scatter(list(cloud.x), list(cloud.y), marker=sign)
            keys = [f"{sign} {cloud.label}" for sign, cloud in zip(signs, self.clouds, strict=True)]
            return finished_text(plot, self.title, f"{self.y_label} against {self.x_label}", keys, width)


def _middle(cloud: Cloud) -> tuple[float, float]:
    return sum(cloud.x) / len(cloud.x), sum(cloud.y) / len(cloud.y)


def _on_top(floor: list[float], stack: Stack) -> list[float]:
    return [below + value for below, value in zip(floor, stack.values, strict=True)]


def _label(axes: "Axes", title: str, x_label: str, y_label: str, entries: int) -> None:
    """Title, axes and, below the plot where it hides nothing, the legend."""
    label_axes(axes, title, x_label, y_label)
    if entries:
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=min(3, entries), frameon=False, fontsize=9
        )
