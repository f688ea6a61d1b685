"""The names of the views with the keys that show them, on as many lines as they take."""

from collections.abc import Collection, Sequence

from rich.text import Text
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.widget import Widget

_BETWEEN = 2  # cells between two names, of which one has the mark of those on screen
_LEGEND = "  • on screen besides"


class ViewTabs(Widget):
    """One of several names is chosen; a click chooses another."""

    DEFAULT_CSS = "ViewTabs { height: auto; }"

    class Clicked(Message):
        """A name was clicked."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, labels: Sequence[tuple[str, str]], *, id: str | None = None) -> None:
        """labels: names with what is shown of them."""
        super().__init__(id=id)
        self._labels = labels
        self._front = labels[0][0]
        self._beside: Collection[str] = ()

    def choose(self, name: str, beside: Collection[str] = ()) -> None:
        """Another one is chosen; those beside are on screen as well."""
        if (name, beside) != (self._front, self._beside):
            self._front, self._beside = name, beside
            self.refresh()

    def lines(self, width: int) -> list[list[tuple[str, str]]]:
        """The labels that stand on each line."""
        lines: list[list[tuple[str, str]]] = [[]]
        width -= 1
        room = width
        for name, label in self._labels:
            if lines[-1] and len(label) > room:
                lines.append([])
                room = width
            lines[-1].append((name, label))
            room -= len(label) + _BETWEEN
        return lines

    def places(self) -> list[tuple[str, Region]]:
        """Where on screen each name stands."""
        places, here = [], self.content_region
        for y, line in enumerate(self.lines(self.size.width)):
            x = 1
            for name, label in line:
                places.append((name, Region(here.x + x, here.y + y, len(label), 1)))
                x += len(label) + _BETWEEN
        return places

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as the labels take."""
        return len(self.lines(width))

    def render(self) -> Text:
        """The labels, the chosen one reversed, • in front of those beside."""
        text = Text(no_wrap=True)
        for number, line in enumerate(self.lines(self.size.width)):
            text.append("\n" if number else "")
            for name, label in line:
                shown = name in self._beside
                text.append("•" if shown else " ")
                text.append(label, "bold reverse" if name == self._front else "bold" if shown else "")
                text.append(" " * (_BETWEEN - 1))
        if self._beside and self.size.width - text.cell_len > len(_LEGEND):  # where all are on one line
            text.append(_LEGEND)
        return text

    def on_click(self, event: events.Click) -> None:
        """Choose what was clicked."""
        offset = event.get_content_offset(self)
        lines = self.lines(self.size.width)
        if offset is None or not 0 <= offset.y < len(lines):
            return
        start = 1
        for name, label in lines[offset.y]:
            if start <= offset.x < start + len(label):
                self.post_message(self.Clicked(name))
            start += len(label) + _BETWEEN
