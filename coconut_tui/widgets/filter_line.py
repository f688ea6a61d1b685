"""The line with the filter of an atlas: names are written out."""

from collections.abc import Sequence

from textual.binding import Binding
from textual.suggester import Suggester
from textual.widgets import Input

from coconut_tui.run.atlas import completed, suggestion


class Names(Suggester):
    """Writes out the last word of a filter."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self.names: Sequence[str] = ()

    async def get_suggestion(self, value: str) -> str | None:
        """The filter with its last word written out."""
        return suggestion(value, self.names)


class FilterLine(Input):
    """A line in which tab completes."""

    BINDINGS = [
        Binding("tab", "complete", "complete"),
        Binding("down,enter,escape", "screen.focus_rows", "to the table"),
    ]

    def action_complete(self) -> None:
        """Write as much as is certain, else the first that it can be."""
        assert isinstance(self.suggester, Names)
        value = completed(self.value, self.suggester.names)
        self.value = value if value != self.value else suggestion(value, self.suggester.names) or value
        self.cursor_position = len(self.value)
