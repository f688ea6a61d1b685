"""A grid of numbers as a plot: shaded cells in an SVG, a table in a terminal."""

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from coconut_core.common.cells import cells, padded, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHADES = "Blues"  # matplotlib's name for the colours of a grid; light is low
TWO_SHADES = "RdBu"  # of a signed one: red below 0, blue above


@dataclass(frozen=True)
class GridPanel:
    """See plots.draw_grid."""

    values: tuple[tuple[float, ...], ...]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    title: str
    x_label: str
    y_label: str
    top: float | None
    signed: bool = False
    marks: tuple[tuple[str, ...], ...] = ()

    @property
    def height(self) -> float:
        """Inches that its rows need."""
        return 1.4 + 0.2 * len(self.rows)

    def draw(self, axes: "Axes") -> None:
        """Draw it with matplotlib."""
        known = [abs(value) for row in self.values for value in row if isfinite(value)]
        top = self.top or max(known, default=1)
        colours, low = (TWO_SHADES, -(top or 1)) if self.signed else (SHADES, 0)
        axes.imshow(self.values, cmap=colours, vmin=low, vmax=top or 1, aspect="auto")
        size = 8 if len(self.columns) <= 10 else 6
        for y, row in enumerate(self.values):
            for x, value in enumerate(row):
                if isfinite(value):
                    colour = "white" if (abs(value) if self.signed else value) > 0.6 * top else "0.2"
                    text = f"{self._text(value)} {self._mark(y, x)}".strip()
                    axes.text(x, y, text, ha="center", va="center", fontsize=size, color=colour)
        slanted = max(map(len, self.columns), default=0) * len(self.columns) > 60
        axes.set_xticks(range(len(self.columns)), self.columns)
        if slanted:
            axes.tick_params(axis="x", labelrotation=30)
        axes.set_yticks(range(len(self.rows)), self.rows)
        label_axes(axes, self.title, self.x_label, self.y_label)

    def to_text(self, width: int, height: int) -> str:
        """Draw it as text, a line a row."""
        if not any(isfinite(value) for row in self.values for value in row):
            return f"{self.title}: nothing to draw yet"
        texts = [
            [f"{self._text(value)}{self._mark(y, x)}" if isfinite(value) else "" for x, value in enumerate(row)]
            for y, row in enumerate(self.values)
        ]
        table = [
            ["", *self.columns],
            *([name, *row] for name, row in zip(self.rows, texts, strict=True)),
        ]
        widths = [max(map(cells, column)) for column in zip(*table, strict=True)]
        lines = [
            "  ".join(padded(cell, size, right=True) for cell, size in zip(row, widths, strict=True)).rstrip()
            for row in table
        ]
        about = f"{self.y_label} against {self.x_label}"
        return "\n".join([self.title, about, *(shortened(line, width) for line in lines)])

    def _text(self, value: float) -> str:
        sign = "+" if self.signed else ""
        return f"{value:{sign}.2f}" if abs(value) < 100 else f"{value:{sign}.0f}"

    def _mark(self, row: int, column: int) -> str:
        return self.marks[row][column] if self.marks else ""


def label_axes(axes: "Axes", title: str, x_label: str, y_label: str) -> None:
    """Title and axes of a plot, without a frame above and to the right."""
    axes.set_title(title)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.spines[["top", "right"]].set_visible(False)
