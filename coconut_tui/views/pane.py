"""The pane of one view: what it draws of the selected step, in the room there is."""

from collections.abc import Callable
from dataclasses import replace

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.message import Message
from textual.widget import Widget

from coconut_tui.run.lookups import Ask
from coconut_tui.views.numbers import NumbersTable
from coconut_tui.views.view import Sight, View, unreadable
from coconut_tui.widgets.framed import FramedPane
from coconut_tui.widgets.text import TextView

LEAST_WIDTH, LEAST_HEIGHT = 24, 6  # cells that views are drawn for
_BAR = 1  # cells of the scrollbar
_SHORT = 200  # characters of a view that has nothing to show yet


class ViewPane(FramedPane):
    """Draws its view while it is on screen."""

    class Wants(Message):
        """The view needs to know something from the model."""

        def __init__(self, ask: Ask) -> None:
            super().__init__()
            self.ask = ask

    def __init__(self, view: View) -> None:
        super().__init__(id=pane_id(view.name), classes="pane")
        self.view = view
        self._sight: Sight | None = None

    def compose(self) -> ComposeResult:
        if self.view.draw is None:
            yield NumbersTable()
        else:
            with VerticalScroll():
                yield TextView(id=f"view-{self.view.name}")

    @property
    def body(self) -> Widget:
        """What of it takes the focus."""
        return self.children[0]

    @property
    def sight(self) -> Sight:
        """What is drawn, and the room there is for it."""
        room = self.content_size
        width, height = max(LEAST_WIDTH, room.width - _BAR), max(LEAST_HEIGHT, room.height)
        return replace(self._sight or Sight(), width=width, height=height)

    def show(self, sight: Sight) -> None:
        """Draw what is to be seen; the room for it is the pane's."""
        self._sight = sight
        self._draw()

    def on_resize(self, event: events.Resize) -> None:
        """What is drawn follows the room there is."""
        if self._sight is not None:
            self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        if not self.display:
            return
        sight, text = self.sight, self.query(TextView)
        if self.view.draw is None:
            self.query_one(NumbersTable).show(sight)
        elif sight.run is None and sight.facts is None:  # there is no model to take a step with
            text.first().show(Text())
        elif self.view.reads_one and sight.step is not None and not sight.step.readable:
            text.first().show(unreadable(sight.step))
        else:
            text.first().show(self._drawn(self.view.draw, sight))
            request = self.view.ask(sight)
            replayed = sight.facts is not None and sight.facts.replayed
            if request is not None and not replayed and sight.answer(request) is None:
                self.post_message(self.Wants(request))

    def _drawn(self, draw: Callable[[Sight], Text], sight: Sight) -> Text:
        """What the view draws; before the first step, where it has only that to say, how it will be read."""
        drawn, guide = draw(sight), self.view.guide
        lines = len(drawn.wrap(self.app.console, sight.width)) if len(drawn) < _SHORT else _SHORT
        if sight.run is None or sight.run.steps or guide is None or lines > 2:
            return drawn
        sentences = guide.reading.split(". ")
        while sentences:  # as many as there is room for
            about = Text(". ".join(sentences).removesuffix(".") + ".", "dim")
            if lines + 1 + len(about.wrap(self.app.console, sight.width)) <= sight.height:
                return Text("\n\n").join([drawn, about])
            sentences.pop()
        return drawn


def pane_id(view: str) -> str:
    """What the pane of a view is called."""
    return f"pane-{view}"
