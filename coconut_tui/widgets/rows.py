"""A pane of lines with a cursor. Only the lines in sight are drawn, and of those the ones that have changed, so
thousands cost no more than a few."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from coconut_tui.widgets.text import escaped

_MOST_LINES = 64  # of one row
_MOST_STRIPS = 512  # drawn lines, more than are ever in sight


@dataclass(frozen=True)
class Row:
    """A line: with a key it can be selected, and with no text of its own it is drawn when it is in sight."""

    key: int | None = None
    text: Text | None = None
    line: int = 0  # of several lines with one key, this one


class RowsView(ScrollView, can_focus=True):
    """Lines that keys and mouse move over."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"rows--cursor"}
    DEFAULT_CSS = "RowsView { overflow-x: hidden; }"

    class Highlighted(Message):
        """The cursor has been put on a row by a click."""

        def __init__(self, rows: "RowsView", key: int) -> None:
            super().__init__()
            self.rows, self.key = rows, key

    class Chosen(Message):
        """A row has been clicked, or taken with enter."""

        def __init__(self, rows: "RowsView", key: int) -> None:
            super().__init__()
            self.rows, self.key = rows, key

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._rows: Sequence[Row] = []
        self.key: int | None = None  # of the row under the cursor
        self._styles_now = Style(), Style()  # of a line, and of the one under the cursor
        self._strips: dict[object, tuple[object, Strip]] = {}  # by row: what it was drawn from, and the line
        self._in_sight: dict[int, object] = {}  # the same by line of the pane, as it was painted last

    def text_of(self, key: int) -> Text:
        """How a row is drawn that has a key and no text."""
        raise NotImplementedError

    def line_of(self, row: Row) -> Text:
        """How one line of a row is drawn that has several."""
        assert row.key is not None
        return self.text_of(row.key)

    def source_of(self, key: int) -> object:
        """All that text_of looks at, the width aside: while it is equal the row stays as it is drawn."""
        raise NotImplementedError

    def texts(self) -> list[Text]:
        """All rows, those out of sight too."""
        return [
            row.text if row.text is not None else Text() if row.key is None else self.line_of(row)
            for row in self._rows
        ]

    def keyed_texts(self) -> list[tuple[int, Text]]:
        """The rows that can be selected, with their keys."""
        return [
            (row.key, text) for row, text in zip(self._rows, self.texts(), strict=True) if row.key is not None
        ]

    def lay_out(self, rows: Sequence[Row], key: int | None) -> None:
        """Show rows, with the cursor on one of them."""
        self._rows, self.key = rows, key
        width, top = self.scrollable_content_region.width, self.scroll_offset.y
        self._take_size(Size(width, len(rows)))
        cursor = self._cursor
        if cursor is not None:
            lines = sum(1 for _ in takewhile(lambda row: row.key == key, rows[cursor : cursor + _MOST_LINES]))
            self.scroll_to_region(Region(0, cursor, 1, lines), animate=False, force=True)
        if self.scroll_offset.y == top:  # else all of it is drawn anyway
            changed = [y for y, source in self._in_sight.items() if source != self._source(y, width)]
            if changed:
                self.refresh(*(Region(0, y, width, 1) for y in changed))

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines of a part of the pane."""
        self._styles_now = self.rich_style, self.get_component_rich_style("rows--cursor")
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """One line of the pane, y from its top."""
        width, style = self.scrollable_content_region.width, self._styles_now[0]
        source = self._in_sight[y] = self._source(y, width)
        number = y + self.scroll_offset.y
        if number >= len(self._rows):
            return Strip.blank(width, style)
        row = self._rows[number]
        if row.key is not None and row.key == self.key:
            style += self._styles_now[1]
        name = row.text.plain if row.key is None and row.text is not None else (row.key, row.line)
        origin = source, style
        if name in self._strips and self._strips[name][0] == origin:
            return self._strips[name][1]
        text = self.line_of(row) if row.text is None and row.key is not None else row.text or Text()
        strip = Strip(escaped(text).render(self.app.console)).adjust_cell_length(width).apply_style(style)
        if len(self._strips) >= _MOST_STRIPS:
            self._strips.clear()
        self._strips[name] = origin, strip
        return strip

    def draw_again(self) -> None:
        """Draw the same rows: colours mean something else now."""
        self._strips.clear()
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Go to the row that was clicked, and choose it."""
        offset = event.get_content_offset(self)
        number = -1 if offset is None else offset.y + self.scroll_offset.y
        if 0 <= number < len(self._rows) and (key := self._rows[number].key) is not None:
            self.post_message(self.Highlighted(self, key))
            self.post_message(self.Chosen(self, key))

    def move(self, by: int) -> int | None:
        """Move the cursor over the rows that can be selected; the key of its row, None without such rows.

        At once, not by a message: of keys that are pressed fast, the next one finds the cursor moved.
        """
        keys = self._keys()
        if not keys:
            return None
        here = keys.index(self.key) if self.key in keys else len(keys) - 1
        self.key = keys[min(max(here + by, 0), len(keys) - 1)]
        return self.key

    def in_sight(self) -> list[tuple[Region, int]]:
        """Where on screen the rows are that can be selected, with their keys."""
        here, top = self.content_region, self.scroll_offset.y
        rows = enumerate(self._rows[top : top + here.height], start=here.y)
        return [
            (Region(here.x, y, here.width, 1), row.key)
            for y, row in rows
            if row.key is not None and row.line == 0
        ]

    def choose(self) -> None:
        """Choose the row under the cursor."""
        if self.key is not None:
            self.post_message(self.Chosen(self, self.key))

    # -- inside --------------------------------------------------------------------------------------------

    def _keys(self) -> list[int]:
        """The keys that the cursor goes over, in order."""
        return list(dict.fromkeys(row.key for row in self._rows if row.key is not None))

    @property
    def _cursor(self) -> int | None:
        if self.key is None:
            return None
        return next((number for number, row in enumerate(self._rows) if row.key == self.key), None)

    def _source(self, y: int, width: int) -> object:
        """What a line of the pane is drawn from."""
        number = y + self.scroll_offset.y
        if number >= len(self._rows):
            return width
        row = self._rows[number]
        content = self.source_of(row.key) if row.text is None and row.key is not None else row.text
        return width, content, row.key, row.line, row.key is not None and row.key == self.key

    def _take_size(self, size: Size) -> None:
        """So many lines. Laying out the whole screen costs more than drawing, and is needed only where the
        scrollbar comes or goes."""
        before = self.virtual_size
        kept = self.show_vertical_scrollbar and size.height > self.scrollable_content_region.height
        if kept and size.width == before.width and size.height >= before.height:
            self.set_reactive(RowsView.virtual_size, size)
            self.vertical_scrollbar.window_virtual_size = size.height
        else:
            self.virtual_size = size
