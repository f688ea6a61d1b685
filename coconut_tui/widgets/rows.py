"""A pane of lines with a cursor. Only the lines in sight are drawn, so thousands cost no more than a few."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from coconut_tui.widgets.text import escaped


@dataclass(frozen=True)
class Row:
    """A line: with a key it can be selected, and with no text of its own it is drawn when it is in sight."""

    key: int | None = None
    text: Text | None = None


class RowsView(ScrollView, can_focus=True):
    """Lines that keys and mouse move over."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"rows--cursor"}

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

    def text_of(self, key: int) -> Text:
        """How a row is drawn that has a key and no text."""
        raise NotImplementedError

    def texts(self) -> list[Text]:
        """All rows, those out of sight too."""
        return [
            row.text if row.text is not None else Text() if row.key is None else self.text_of(row.key)
            for row in self._rows
        ]

    def lay_out(self, rows: Sequence[Row], key: int | None) -> None:
        """Show rows, with the cursor on one of them."""
        self._rows, self.key = rows, key
        self.virtual_size = Size(self.scrollable_content_region.width, len(rows))
        cursor = self._cursor
        if cursor is not None:
            self.scroll_to_region(Region(0, cursor, 1, 1), animate=False, force=True)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line of the pane, y from its top."""
        width = self.scrollable_content_region.width
        number = y + self.scroll_offset.y
        if number >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        row, style = self._rows[number], self.rich_style
        if row.key is not None and row.key == self.key:
            style += self.get_component_rich_style("rows--cursor")
        text = self.text_of(row.key) if row.text is None and row.key is not None else row.text or Text()
        return Strip(escaped(text).render(self.app.console)).adjust_cell_length(width).apply_style(style)

    def on_click(self, event: events.Click) -> None:
        """Go to the row that was clicked, and choose it."""
        offset = event.get_content_offset(self)
        number = -1 if offset is None else offset.y + self.scroll_offset.y
        if 0 <= number < len(self._rows) and (key := self._rows[number].key) is not None:
            self.post_message(self.Highlighted(self, key))
            self.post_message(self.Chosen(self, key))

    def move(self, by: int) -> int | None:
        """Move the cursor over the rows that can be selected; the key of the row it comes to, None without any.

        At once, not by a message: of keys that are pressed fast, the next one finds the cursor moved.
        """
        keys = [row.key for row in self._rows if row.key is not None]
        if not keys:
            return None
        here = keys.index(self.key) if self.key in keys else len(keys) - 1
        self.key = keys[min(max(here + by, 0), len(keys) - 1)]
        return self.key

    def choose(self) -> None:
        """Choose the row under the cursor."""
        if self.key is not None:
            self.post_message(self.Chosen(self, self.key))

    @property
    def _cursor(self) -> int | None:
        if self.key is None:
            return None
        return next((number for number, row in enumerate(self._rows) if row.key == self.key), None)
