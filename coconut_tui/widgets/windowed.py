"""A table of any length: only the rows in sight, and some around them, are held and drawn.

Rows are asked for with a message and come when they come; until then their lines are empty.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from coconut_core.common.cells import cells
from coconut_tui.widgets.text import escaped

WINDOW = 200  # rows that are asked for at once
_MOST_WINDOWS = 20  # that are held
_MOST_STRIPS = 512  # drawn lines, more than are ever in sight
_GAP = 2  # cells between two columns

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A column: its name, its heading, and its cells; spare: it takes what the others leave."""

    name: str
    heading: str
    width: int
    right: bool = False  # to which side its cells are put
    spare: bool = False


class WindowedTable(ScrollView, can_focus=True):
    """Rows by place, from 0, under a line of headings; a cursor on one of them."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"windowed--cursor", "windowed--head"}
    DEFAULT_CSS = "WindowedTable { overflow-x: hidden; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "down", show=False),
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("pagedown,ctrl+d", "page(1)", "page down", show=False),
        Binding("pageup,ctrl+u", "page(-1)", "page up", show=False),
        Binding("home,g", "go(0)", "first", show=False),
        Binding("end,G", "go(-1)", "last", show=False),
        Binding("enter", "choose", "open"),
    ]

    class Wanted(Message):
        """Rows are in sight that are not there: WINDOW of them from each of these places."""

        def __init__(self, places: Sequence[int]) -> None:
            super().__init__()
            self.places = places

    class Moved(Message):
        """The cursor is on another row, or its row has come."""

    class Chosen(Message):
        """The row under the cursor was taken."""

    class Headed(Message):
        """A heading was clicked."""

        def __init__(self, column: str) -> None:
            super().__init__()
            self.column = column

    def __init__(self, cell: Callable[[Row, Column], Text], *, id: str | None = None) -> None:
        """cell: what stands in a column of a row."""
        super().__init__(id=id)
        self._cell = cell
        self._columns: Sequence[Column] = ()
        self.count = self.place = 0
        self._windows: dict[int, Sequence[Row]] = {}  # by the place of their first row, the newest last
        self._asked: set[int] = set()
        self._strips: dict[object, Strip] = {}
        self._styles_now = Style(), Style(), Style()

    # -- what is shown -------------------------------------------------------------------------------------

    def lay_out(self, columns: Sequence[Column]) -> None:
        """Other columns, or the same in another way; the rows stay."""
        self._columns = columns
        self.draw_again()

    def begin(self, count: int, place: int) -> None:
        """Other rows: so many, with the cursor on one of them."""
        self._windows.clear()
        self._asked.clear()
        self.count, self.place = count, min(max(place, 0), max(count - 1, 0))
        self.virtual_size = Size(0, count + 1)
        self._see_cursor()
        self.draw_again()
        self.post_message(self.Moved())

    def fill(self, place: int, rows: Sequence[Row]) -> None:
        """The rows from a place on have come."""
        self._windows[place] = rows
        self._asked.discard(place)
        while len(self._windows) > _MOST_WINDOWS:
            del self._windows[next(iter(self._windows))]
        self.draw_again()
        if place <= self.place < place + len(rows):
            self.post_message(self.Moved())

    def draw_again(self) -> None:
        """Draw all anew."""
        self._strips.clear()
        self.refresh()

    def row(self, place: int) -> Row | None:
        """A row; None where it has not come."""
        rows = self._windows.get(place - place % WINDOW, ())
        return rows[place % WINDOW] if place >= 0 and place % WINDOW < len(rows) else None

    @property
    def row_here(self) -> Row | None:
        """The row under the cursor."""
        return self.row(self.place) if self.count else None

    @property
    def waits(self) -> bool:
        """Whether rows were asked for that have not come."""
        return bool(self._asked)

    # -- keys and mouse ------------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        """Move the cursor by rows."""
        self._go_to(self.place + by)

    def action_page(self, by: int) -> None:
        """Move the cursor by what is in sight."""
        self._go_to(self.place + by * max(1, self.scrollable_content_region.height - 2))

    def action_go(self, place: int) -> None:
        """Go to a row; -1 is the last."""
        self._go_to(self.count - 1 if place < 0 else place)

    def action_choose(self) -> None:
        """Take the row under the cursor."""
        if self.row_here is not None:
            self.post_message(self.Chosen())

    def on_click(self, event: events.Click) -> None:
        """Go to the row that was clicked, choose it with a second click; or tell which heading it was."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y == 0:
            name = next((name for name, begin, end in self._spans() if begin <= offset.x < end + _GAP), None)
            if name is not None:
                self.post_message(self.Headed(name))
        elif (place := offset.y - 1 + self.scroll_offset.y) < self.count:
            self._go_to(place)
            if event.chain > 1:
                self.action_choose()

    # -- drawing -------------------------------------------------------------------------------------------

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines of a part of the table."""
        self._styles_now = (
            self.rich_style,
            self.get_component_rich_style("windowed--cursor"),
            self.get_component_rich_style("windowed--head"),
        )
        strips = super().render_lines(crop)
        self._want()
        return strips

    def render_line(self, y: int) -> Strip:
        """One line of the table, y from its top."""
        width, (style, cursor, head) = self.scrollable_content_region.width, self._styles_now
        if y == 0:
            return self._drawn(
                ("head",), {column: Text(column.heading) for column in self._columns}, style + head
            )
        place = y - 1 + self.scroll_offset.y
        if place >= self.count:
            return Strip.blank(width, style)
        style = style + cursor if place == self.place else style
        row = self.row(place)
        if row is None:
            return Strip.blank(width, style)
        return self._drawn((place, place == self.place), row, style)

    def _drawn(self, name: tuple[object, ...], row: Any, style: Style) -> Strip:
        width = self.scrollable_content_region.width
        key = (name, width, style)
        if (strip := self._strips.get(key)) is None:
            line = Text()
            for number, (column, size) in enumerate(self._fitted(width)):
                text = row[column] if name == ("head",) else self._cell(row, replace(column, width=size))
                line.append(" " * _GAP if number else "").append_text(_placed(text, size, column.right))
            strip = Strip(escaped(line).render(self.app.console)).adjust_cell_length(width).apply_style(style)
            if len(self._strips) >= _MOST_STRIPS:
                self._strips.clear()
            self._strips[key] = strip
        return strip

    def _fitted(self, width: int) -> list[tuple[Column, int]]:
        """The columns that there is room for, with their cells."""
        taken = sum(column.width + _GAP for column in self._columns) - _GAP
        spare = max(0, width - taken) // max(1, sum(column.spare for column in self._columns))
        fitted, used = [], 0
        for column in self._columns:
            size = min(column.width + spare * column.spare, width - used)
            if size < min(column.width, 3):
                break
            fitted.append((column, size))
            used += size + _GAP
        return fitted

    def _spans(self) -> list[tuple[str, int, int]]:
        """The names of the columns in sight, and from which cell to which they go."""
        spans, begin = [], 0
        for column, size in self._fitted(self.scrollable_content_region.width):
            spans.append((column.name, begin, begin + size))
            begin += size + _GAP
        return spans

    def _want(self) -> None:
        """Ask for what is in sight and not there."""
        first, height = self.scroll_offset.y, max(1, self.scrollable_content_region.height)
        last = min(self.count - 1, first + height)
        places = range(first - first % WINDOW, last + 1, WINDOW)
        missing = [place for place in places if place not in self._windows and place not in self._asked]
        if missing:
            self._asked = {place for place in places if place not in self._windows}
            self.post_message(self.Wanted(sorted(self._asked)))

    def _go_to(self, place: int) -> None:
        before, self.place = self.place, min(max(place, 0), max(self.count - 1, 0))
        if self.place == before:
            return
        top = self.scroll_offset.y
        self._see_cursor()
        if self.scroll_offset.y == top:  # else all of it is drawn anyway
            width = self.scrollable_content_region.width
            self.refresh(*(Region(0, each - top + 1, width, 1) for each in (before, self.place)))
        self.post_message(self.Moved())

    def _see_cursor(self) -> None:
        """Scroll so that the row under the cursor is in sight; the headings take a line."""
        rows = max(1, self.scrollable_content_region.height - 1)
        top = self.scroll_offset.y
        wanted = min(max(top, self.place - rows + 1), self.place)
        if wanted != top:
            self.scroll_to(y=wanted, animate=False, immediate=True, force=True)

    def on_resize(self) -> None:
        """The cursor stays in sight."""
        self._see_cursor()
        self.draw_again()


def _placed(text: Text, width: int, right: bool) -> Text:
    """A text in exactly so many cells."""
    text = text.copy()
    text.no_wrap = True
    if cells(text.plain) > width:
        text.truncate(width, overflow="ellipsis")
    blank = " " * (width - cells(text.plain))
    return Text(blank).append_text(text) if right else text.append(blank)
