"""Charts in characters and colours: plotext draws them, the colours are those of the palette."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, isfinite, log10

from rich.text import Text

from coconut_core.common.cells import cells
from coconut_core.common.text_plots import SIGNS, text_plot

CURVE = "braille"  # plotext's name of its finest line
_CODE = re.compile(r"\x1b\[(?:38;5;)?(\d+)m")
FIRST_COLOUR = 16  # the first of plotext's colours that stands for a style; 0 ends one
_GRID = "dim"


@dataclass(frozen=True)
class Series:
    """A line over places that are counted; None and NaN leave a gap. A sign stands at each place."""

    values: Sequence[float | None]
    sign: str
    style: str
    label: str = ""
    signs: Mapping[int, tuple[str, str]] | None = None  # by place, where one has a sign and a style of its own

    def look_of(self, point: tuple[int, float]) -> tuple[str, str]:
        """Sign and style of a place with its value."""
        return (self.signs or {}).get(point[0], (self.sign, self.style))


@dataclass(frozen=True)
class Axes:
    """What is around the lines. first: the place of the first value."""

    labels: Mapping[int, str]  # by place; those there is room for are written
    first: int
    last: int
    low: float
    high: float
    left: int = 0  # cells in front of the lines; 0: as the numbers need
    cursor: int | None = None
    level: float | None = None  # a line across


def draw_chart(lines: Sequence[Series], axes: Axes, width: int, height: int) -> Text:
    """Lines in so many cells, the first one on top, without a legend."""
    styles = list(dict.fromkeys([_GRID, *_styles(lines)]))
    colours = {style: FIRST_COLOUR + number for number, style in enumerate(styles)}
    ticks, texts = value_ticks(axes.low, axes.high, max(2, min(6, height // 3)))
    left = max(axes.left, max(map(cells, texts)) + 1)
    with text_plot(width, height) as plot:
        plot.xaxes(True, False)
        plot.yaxes(True, False)
        plot.xlim(axes.first - 0.5, axes.last + 0.5)
        plot.ylim(min(axes.low, ticks[0]), max(axes.high, ticks[-1]))
        plot.yticks(ticks, [text.rjust(left - 1) for text in texts])
        labels = _labels(axes, width - left)
        plot.xticks(list(labels), list(labels.values()))
        if axes.level is not None:
            plot.plot([axes.first - 0.5, axes.last + 0.5], [axes.level] * 2, marker="·", color=colours[_GRID])
        if axes.cursor is not None and axes.first <= axes.cursor <= axes.last:
            ends = [min(axes.low, ticks[0]), max(axes.high, ticks[-1])]
            plot.plot([axes.cursor] * 2, ends, marker="│", color=colours[_GRID])
        for line in reversed(lines):
            for run in _runs(line.values, axes.first):
                plot.plot(*zip(*run, strict=True), marker=CURVE, color=colours[line.style])
        for line in reversed(lines):
            points = itertools.chain.from_iterable(_runs(line.values, axes.first))
            for (sign, style), alike in itertools.groupby(points, line.look_of):
                plot.scatter(*zip(*alike, strict=True), marker=sign, color=colours[style])
        return coloured(str(plot.build()), {str(number): style for style, number in colours.items()})


def legend(lines: Sequence[Series], width: int) -> Text:
    """Each line's sign and name in its colour, in lines of so many cells."""
    text, used = Text(), 0
    for line in lines:
        key = f"{line.sign} {line.label}"
        if used and used + 3 + cells(key) > width:
            text.append("\n")
            used = 0
        text.append("   " if used else "").append(key, line.style)
        used += 3 * bool(used) + cells(key)
    return text


def signs(count: int) -> list[str]:
    """So many signs of lines."""
    return list(itertools.islice(itertools.cycle(SIGNS), count))


def value_ticks(low: float, high: float, most: int) -> tuple[list[float], list[str]]:
    """Round values around low and high, at most about so many, and how they are written: all with as many
    digits behind the point."""
    span = max(high - low, 1e-12)
    power = floor(log10(span / most))
    steps = (digit * 10.0**exponent for exponent in itertools.count(power) for digit in (1, 2, 5))
    step = next(step for step in steps if ceil(high / step) - floor(low / step) <= most)
    digits = max(0, -floor(log10(step) + 1e-9))
    values = [number * step for number in range(floor(low / step + 1e-9), ceil(high / step - 1e-9) + 1)]
    return values, [f"{value:.{digits}f}" for value in values]


def coloured(drawn: str, styles: Mapping[str, str]) -> Text:
    """plotext's escape codes as styles."""
    text, style = Text(), ""
    for number, piece in enumerate(_CODE.split(drawn)):
        if number % 2:
            style = styles.get(piece, "")
        else:
            text.append(piece, style)
    text.rstrip()
    lines = text.split("\n")
    for line in lines:
        line.rstrip()
    return Text("\n").join(lines)


# -- inside ------------------------------------------------------------------------------------------------


def _styles(lines: Sequence[Series]) -> Iterator[str]:
    for line in lines:
        yield line.style
        yield from (style for _, style in (line.signs or {}).values())


def _runs(values: Sequence[float | None], first: int) -> list[list[tuple[int, float]]]:
    """The stretches without a gap."""
    runs: list[list[tuple[int, float]]] = [[]]
    for place, value in enumerate(values, start=first):
        if value is not None and isfinite(value):
            runs[-1].append((place, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _labels(axes: Axes, width: int) -> dict[int, str]:
    """Names of the places, as there is room: of all, else of every 2nd, 5th, 10th …, and a word at the end."""
    each = width / (axes.last - axes.first + 1)
    names = {place: axes.labels.get(place, str(place)) for place in range(axes.first, axes.last + 1)}
    names = {place: name if cells(name) + 1 <= each else name.strip("⟨⟩") for place, name in names.items()}
    last = axes.last if not names[axes.last].isdigit() else None
    for step in (digit * 10**power for power in itertools.count() for digit in (1, 2, 5)):
        places = [place for place in names if place % step == 0 or place == last]
        if last is not None and len(places) > 1 and (last - places[-2]) * each < cells(names[last]) + 1:
            del places[-2]
        if all((to - place) * each >= cells(names[to]) + 1 for place, to in pairwise(places)):
            return {place: names[place] for place in places}
    raise AssertionError("there is room for one name")
