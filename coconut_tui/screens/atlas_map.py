"""The thoughts of a data set in the two directions in which they differ most."""

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Footer

from coconut_tui.engine.atlas_reader import AtlasReader, map_of
from coconut_tui.run.atlas import AtlasMap, Browsing
from coconut_tui.widgets.atlas_map import draw_map, hops_of, outcome_of, thought_of
from coconut_tui.widgets.text import TextView, plain_title
from coconut_tui.widgets.tokens import error_line

_KEYS = {"hops": hops_of, "outcome": outcome_of, "thought": thought_of}
ALL = 0  # all thoughts, in place of the number of one


class MapScreen(ModalScreen[None]):
    """Draws them; the reading thread projects them."""

    BINDINGS = [
        Binding("left,h", "thought(-1)", "thought", key_display="←→"),
        Binding("right,l", "thought(1)", "thought", show=False),
        Binding("a", "all", "all thoughts"),
        Binding("c", "colour", "colour by"),
        Binding("question_mark,f1", "app.explain('atlas')", "help"),
        Binding("escape,q,m", "dismiss", "close"),
    ]

    def __init__(self, reader: AtlasReader, where: str, browsing: Browsing) -> None:
        super().__init__()
        self._reader, self._where, self._browsing = reader, where, browsing
        self._thought = browsing.thought
        self._by = "hops"
        self.drawn: AtlasMap | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog full") as dialog:
            dialog.border_subtitle = "escape closes"
            yield TextView(id="atlas-map")
        yield Footer()

    def on_mount(self) -> None:
        """Look for them."""
        self._look()

    def on_resize(self) -> None:
        """The points fill the room."""
        self.call_after_refresh(self._draw)

    def action_thought(self, by: int) -> None:
        """Those of the next number, or of the one before; in front of the first come all."""
        atlas = self._browsing.atlas
        most = 1 if atlas is None else atlas.manifest.most_thoughts
        self._thought = min(max(self._thought + by, ALL), most)
        self._look()

    def action_all(self) -> None:
        """All thoughts, by number."""
        self._thought, self._by = ALL, "thought"
        self._look()

    def action_colour(self) -> None:
        """Other kinds have colours."""
        names = list(_KEYS) if self._thought == ALL else [name for name in _KEYS if name != "thought"]
        self._by = names[(names.index(self._by) + 1) % len(names)] if self._by in names else names[0]
        self._draw()

    @property
    def busy(self) -> bool:
        """Whether points are on their way."""
        return self._reader.busy

    def _look(self) -> None:
        thought = None if self._thought == ALL else self._thought
        if thought is not None and self._by == "thought":
            self._by = "hops"
        self._title("…")
        self._reader.ask("map", lambda atlas: map_of(atlas, self._where, thought), self._take, self._failed)

    def _take(self, drawn: AtlasMap) -> None:
        self.drawn = drawn
        self._draw()

    def _failed(self, error: str) -> None:
        if views := self.query(TextView):
            views.first().show(error_line(error))

    def _title(self, more: str) -> None:
        which = "all thoughts" if self._thought == ALL else f"thought {self._thought}"
        filtered = f" · {self._where}" if self._where else ""
        self.query_one(".dialog", Vertical).border_title = plain_title(f"Map: {which}{filtered} · {more}")

    def _draw(self) -> None:
        if self.drawn is None or not self.query(TextView):
            return
        view, room = self.query_one(TextView), self.query_one(".dialog", Vertical).content_size
        here = (self._browsing.run, self._browsing.thought)
        self._title(f"coloured by {self._by}")
        view.show(draw_map(self.drawn, _KEYS[self._by], here, room.width, room.height) if room else Text())
