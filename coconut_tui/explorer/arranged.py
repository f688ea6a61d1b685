"""Where the panes are: as a layout has them, in the room there is."""

from collections.abc import Callable, Mapping

from textual import events
from textual.app import ComposeResult
from textual.geometry import NULL_OFFSET, Region, Size, Spacing
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.message import Message
from textual.widget import Widget

from coconut_tui.run.layouts import Place

Arrange = Callable[[int, int], Mapping[str, Place]]  # columns and lines → where each pane stands, by its id


class _ByPlaces(Layout):
    """Each widget at the place that it has by its id."""

    name = "places"

    def __init__(self) -> None:
        self.arrange_now: Arrange = lambda width, height: {}

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:
        places = self.arrange_now(size.width, size.height)
        return [
            WidgetPlacement(Region(*place), NULL_OFFSET, Spacing(), child)
            for child in children
            if (place := places.get(child.id or "")) is not None
        ]


class Panes(Widget):
    """All panes; those without a place are not shown."""

    DEFAULT_CSS = "Panes { height: 1fr; }"

    class Resized(Message):
        """There is another room."""

    def __init__(self, *panes: Widget, id: str) -> None:
        super().__init__(id=id)
        self._panes, self._by_places = panes, _ByPlaces()
        self._places: dict[str, Place] = {}

    def compose(self) -> ComposeResult:
        yield from self._panes

    @property
    def layout(self) -> Layout:
        """What Textual asks where the panes are."""
        return self._by_places

    def place(self, arrange: Arrange, size: Size) -> bool:
        """Put the panes where they belong; size: the room that there is. Whether any has another place now."""
        self._by_places.arrange_now = arrange
        places = dict(arrange(size.width, size.height))
        if places == self._places:
            return False
        self._places = places
        for pane in self._panes:
            if pane.display != (pane.id in places):
                pane.display = not pane.display
        self.refresh(layout=True)
        return True

    def on_resize(self, event: events.Resize) -> None:
        """Tell the app, which knows what is to be shown."""
        self.post_message(self.Resized())
