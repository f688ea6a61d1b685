"""Plots drawn in characters by plotext, which is imported when one is drawn."""

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from coconut_core.common.cells import cells

SIGNS = ("o", "x", "+", "*", "#", "@", "%", "&", "=")  # of lines
_ONE_AT_A_TIME = threading.Lock()
FILLS = ("█", "/", ".", "▒", "x", "+", "o")  # of bars


@contextmanager
def text_plot(width: int, height: int) -> Iterator[Any]:
    """plotext, ready for a plot of so many columns and lines. It keeps one plot at a time: others wait."""
    import plotext

    with _ONE_AT_A_TIME:
        plotext.clear_figure()
        plotext.theme("clear")
        plotext.limit_size(False, False)  # or it looks for the terminal's size, and a pipe has none
        plotext.plot_size(width, height)
        yield plotext


def finished_text(plot: Any, title: str, what: str, keys: Sequence[str], width: int) -> str:
    """The plot's text without escape codes, its title above (plotext drops a long one), its signs (keys) below,
    in lines of at most `width` cells."""
    legend = [""]
    for key in keys:
        if legend[-1] and cells(legend[-1]) + 3 + cells(key) > width:
            legend.append("")
        legend[-1] += f"   {key}"
    plotted = str(plot.uncolorize(plot.build())).splitlines()
    return "\n".join(line.rstrip() for line in [title, what, *plotted, *legend])


def whole_ticks(low: int, high: int, most: int) -> range:
    """Whole numbers from low to high, at most so many, the same round number apart."""
    steps = (digit * 10**power for power in itertools.count() for digit in (1, 2, 5))
    step = next(step for step in steps if high // step - -(-low // step) < most)
    return range(-(-low // step) * step, high + 1, step)
