"""The lines of anything that can be searched: rows, lists, tables, and what is scrolled through."""

from collections.abc import Callable, Sequence
from typing import Protocol

from textual.containers import ScrollableContainer
from textual.geometry import Region
from textual.widget import Widget
from textual.widgets import DataTable, OptionList

from coconut_tui.widgets.rows import RowsView


class Lines(Protocol):
    """Lines of text, one of which is in question."""

    place: int  # of the line in question, from 0

    def texts(self) -> Sequence[str]:
        """All of them."""

    def go(self, place: int) -> None:
        """Another one is in question."""

    def region(self) -> Region | None:
        """Where on screen it is; None where a cursor shows it."""


class RowLines:
    """Rows with a cursor."""

    def __init__(self, rows: RowsView, select: Callable[[RowsView, int], None]) -> None:
        """select: puts the cursor on the row with a key."""
        self._rows, self._select = rows, select
        self._keyed = rows.keyed_texts()
        self.place = next((number for number, (key, _) in enumerate(self._keyed) if key == rows.key), 0)

    def texts(self) -> Sequence[str]:
        return [text.plain for _, text in self._keyed]

    def go(self, place: int) -> None:
        self.place = place
        if self._keyed:
            self._select(self._rows, self._keyed[place][0])

    def region(self) -> Region | None:
        return None


class OptionLines:
    """A list of options."""

    def __init__(self, options: OptionList) -> None:
        self._options = options
        self.place = options.highlighted or 0

    def texts(self) -> Sequence[str]:
        return [str(option.prompt) for option in self._options.options]

    def go(self, place: int) -> None:
        self.place = place
        self._options.highlighted = place

    def region(self) -> Region | None:
        return None


class TableLines:
    """A table with a cursor."""

    def __init__(self, table: "DataTable[object]") -> None:
        self._table = table
        self.place = table.cursor_row

    def texts(self) -> Sequence[str]:
        rows = range(self._table.row_count)
        return [" ".join(str(cell) for cell in self._table.get_row_at(number)) for number in rows]

    def go(self, place: int) -> None:
        self.place = place
        self._table.move_cursor(row=place)

    def region(self) -> Region | None:
        return None


class ScrolledLines:
    """What is drawn in a part of the screen that scrolls, line by line as it is drawn."""

    def __init__(self, scrolled: ScrollableContainer) -> None:
        self._scrolled = scrolled
        self.place = self._top = int(scrolled.scroll_offset.y)

    def texts(self) -> Sequence[str]:
        lines: dict[int, str] = {}
        for widget in self._scrolled.walk_children(Widget):
            if not widget.children and widget.region:
                top = widget.region.y - self._scrolled.content_region.y + int(self._scrolled.scroll_offset.y)
                before = " " * (widget.region.x - self._scrolled.content_region.x)
                drawn = widget.render_lines(Region(0, 0, *widget.region.size))
                lines |= {top + y: before + strip.text for y, strip in enumerate(drawn)}
        return [lines.get(y, "") for y in range(max(lines, default=-1) + 1)]

    def go(self, place: int) -> None:
        self.place = place
        height, top = self._scrolled.content_region.height, int(self._scrolled.scroll_offset.y)
        if place == self._top:  # as it was in the beginning
            self._scrolled.scroll_to(y=place, animate=False, immediate=True)
        elif not top <= place < top + height:
            self._scrolled.scroll_to(y=max(0, place - height // 3), animate=False, immediate=True)

    def region(self) -> Region | None:
        room = self._scrolled.content_region
        y = room.y + self.place - int(self._scrolled.scroll_offset.y)
        return Region(room.x, y, room.width, 1) if room.y <= y < room.bottom else None


def lines_of(widget: Widget | None, select: Callable[[RowsView, int], None]) -> Lines | None:
    """The lines of a widget, or of the first in it that has some; None where there are none."""
    if widget is None or not widget.region:
        return None
    if isinstance(widget, RowsView):
        return RowLines(widget, select)
    if isinstance(widget, OptionList):
        return OptionLines(widget)
    if isinstance(widget, DataTable):
        return TableLines(widget)
    if isinstance(widget, ScrollableContainer):
        return ScrolledLines(widget)
    inside = (lines_of(child, select) for child in widget.children if child.display)
    return next((lines for lines in inside if lines is not None), None)
