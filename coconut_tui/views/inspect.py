"""The inspect pane: the selected step from close by, in one of several views."""

from dataclasses import replace

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.message import Message
from textual.widget import Widget
from textual.widgets import TabbedContent, TabPane

from coconut_core.records.trace import UNREADABLE
from coconut_tui.run.lookups import Ask
from coconut_tui.run.state import marker_name
from coconut_tui.views import all_views
from coconut_tui.views.numbers import NumbersTable
from coconut_tui.views.view import Sight, unreadable
from coconut_tui.widgets.framed import FramedPane
from coconut_tui.widgets.text import TextView
from coconut_tui.widgets.tokens import EDIT_STYLE, shortened
from coconut_tui.widgets.view_tabs import ViewTabs

LEAST_WIDTH, LEAST_HEIGHT = 24, 8  # cells that views are drawn for
_WIDE = 64  # with so many cells the step's figures take one line
_BAR, _GAP = 1, 1  # cells beside and lines above a view: its scrollbar, what parts it from the tabs


class InspectPane(FramedPane):
    """Figures of the selected step, and below them one view at a time. Only the one in front is drawn."""

    BORDER_TITLE = "Inspect"

    class Wants(Message):
        """The view in front needs to know something from the model."""

        def __init__(self, ask: Ask) -> None:
            super().__init__()
            self.ask = ask

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._sight = Sight()
        self._drawn = ""  # the view that was drawn last

    def compose(self) -> ComposeResult:
        yield TextView(id="step-facts")
        labels = [(name, f"{view.key} {view.title}".strip()) for name, view in all_views().items()]
        yield ViewTabs(labels, id="view-tabs")
        with TabbedContent(id="views"):
            for view in all_views().values():
                with TabPane(view.title, id=view.name):
                    if view.draw is None:
                        yield NumbersTable()
                    else:
                        with VerticalScroll():
                            yield TextView(id=f"view-{view.name}")

    def show(self, sight: Sight) -> None:
        """Draw what is to be seen; the room for it is the pane's."""
        self._sight = sight
        self._draw()

    def on_tabbed_content_tab_activated(self, event: TabbedContent.TabActivated) -> None:
        """Draw the view that has come to the front, where that has not been done yet."""
        if self._drawn != self.shown:
            self._draw()

    def on_view_tabs_clicked(self, event: ViewTabs.Clicked) -> None:
        """Bring a view to the front."""
        self.view_tab(event.name)

    def on_resize(self, event: events.Resize) -> None:
        """What is drawn follows the room there is."""
        self.call_after_refresh(self._draw)

    @property
    def sight(self) -> Sight:
        """What is drawn, and the room there is for it."""
        room = self.query_one(TabbedContent).size  # a view that has just come to the front has no size yet
        width, height = max(LEAST_WIDTH, room.width - _BAR), max(LEAST_HEIGHT, room.height - _GAP)
        return replace(self._sight, width=width, height=height)

    @property
    def shown(self) -> str:
        """The name of the view in front."""
        return self.query_one(TabbedContent).active

    @property
    def body(self) -> Widget:
        """What of it takes the focus: the view in front."""
        return self.query_one(f"#{self.shown}", TabPane).children[0]

    def view_tab(self, name: str) -> None:
        """Bring a view to the front."""
        self.query_one(TabbedContent).active = name

    def _draw(self) -> None:
        self._drawn = self.shown
        self.query_one(ViewTabs).choose(self._drawn)
        view, sight = all_views()[self._drawn], self.sight
        self.query_one("#step-facts", TextView).show(_step_facts(sight))
        if view.draw is None:
            self.query_one(NumbersTable).show(sight)
            return
        if sight.run is None and sight.facts is None:  # there is no model to take a step with
            self.query_one(f"#view-{view.name}", TextView).show(Text())
            return
        if view.reads_one and sight.step is not None and not sight.step.readable:
            self.query_one(f"#view-{view.name}", TextView).show(unreadable(sight.step))
            return
        self.query_one(f"#view-{view.name}", TextView).show(view.draw(sight))
        request = view.ask(sight)
        replayed = sight.facts is not None and sight.facts.replayed
        if request is not None and not replayed and self.display and sight.answer(request) is None:
            self.post_message(self.Wants(request))


def _step_facts(sight: Sight) -> Text:
    """As many lines whatever the step is, so that nothing below moves from step to step."""
    lines = 2 if sight.width >= _WIDE else 3
    text = _facts(sight)
    return text.append("\n" * (lines - 1 - text.plain.count("\n")))


def _facts(sight: Sight) -> Text:
    run, step = sight.run, sight.step
    if run is None or step is None:
        return Text("no step yet", "dim")
    if step.kind == "thought":
        text = Text(f"thought {step.index} of {run.thoughts}", "bold")
    elif step.kind == "marker":
        text = Text(marker_name(step), "bold") + Text(" what it would say in its place", "dim")
    else:
        text = Text(f"word {step.index} ", "bold") + Text(step.name, "bold")
    if step.edit:
        text.append(f"  ✎ {shortened(step.edit, max(4, sight.width - text.cell_len - 4))}", EDIT_STYLE)
    if not step.readable:
        return text.append(f"\n⚠ {UNREADABLE}")
    text.append(f"\nentropy {step.entropy:.2f} nats  norm {step.norm:.1f}")
    if step.kind == "thought":
        cosine = "–" if step.cosine is None else f"{step.cosine:.2f}"
        text.append(f"{'  ' if sight.width >= _WIDE else chr(10)}cosine to the thought before {cosine}")
    return text
