"""Searching in what is on screen: a line at the bottom, and the cursor goes along while one types."""

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.geometry import Offset
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Static

from coconut_tui.widgets.searching import Lines

_HINT = "up and down: more of them, enter stays, escape goes back"


class SearchScreen(ModalScreen[str]):
    """Goes to a line that has the words; gives them, empty where it was left."""

    BINDINGS = [
        Binding("down", "go(1)", "next", priority=True),
        Binding("up", "go(-1)", "previous", priority=True),
        Binding("ctrl+s", "stay", "stay", priority=True),
        Binding("escape", "leave", "back", priority=True),
    ]

    def __init__(self, lines: Lines, words: str = "") -> None:
        """words: to begin with."""
        super().__init__()
        self._lines, self._words = lines, words
        self._start = lines.place
        self._texts = lines.texts()

    def compose(self) -> ComposeResult:
        with Horizontal(id="search"):
            yield Label("/")
            yield Input(self._words, compact=True, select_on_focus=False)
            yield Static(_HINT, id="search-count")
        yield Label(id="search-mark", markup=False)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Go to the first line from where one was that has the words."""
        self._words = event.value
        matches = self._matches
        self._go(next((place for place in matches if place >= self._start), matches[0] if matches else None))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter stays, too."""
        self.action_stay()

    def action_stay(self) -> None:
        """Stay there."""
        self.dismiss(self._words)

    def action_go(self, by: int) -> None:
        """Another line that has the words; behind the last comes the first."""
        self._go(following(self._lines, self._words, by))

    def action_leave(self) -> None:
        """Back to where it was."""
        self._lines.go(self._start)
        self.dismiss("")

    @property
    def _matches(self) -> list[int]:
        return matches(self._texts, self._words)

    def _go(self, place: int | None) -> None:
        found = self._matches
        count = Text(_HINT)
        if self._words:
            count = Text(
                f"{found.index(place) + 1} of {len(found)}" if place in found else "no line has it", "bold"
            )
            count.append(f"   {_HINT}", "not bold dim")
        self.query_one("#search-count", Static).update(count)
        self._lines.go(self._start if place is None else place)
        self.call_after_refresh(self._mark, place)

    def _mark(self, place: int | None) -> None:
        """Lay what was found over itself where no cursor shows it."""
        mark, region = self.query_one("#search-mark", Label), self._lines.region()
        mark.display = place is not None and bool(self._words) and region is not None
        if place is None or region is None or not self._words:
            return
        column = self._texts[place].lower().find(self._words.lower())
        mark.update(self._texts[place][column : column + len(self._words)])
        before = Text(self._texts[place][:column]).cell_len
        mark.absolute_offset = Offset(region.x + before, region.y)


def matches(texts: Sequence[str], words: str) -> list[int]:
    """The places of texts that have the words in them, however they are written; none for no words."""
    return [place for place, text in enumerate(texts) if words and words.lower() in text.lower()]


def following(lines: Lines, words: str, by: int) -> int | None:
    """The next line that has the words, or the one before; behind the last comes the first."""
    places = matches(lines.texts(), words)
    ordered = places if by > 0 else places[::-1]
    beyond = (place for place in ordered if (place - lines.place) * by > 0)
    return next(beyond, ordered[0] if ordered else None)
