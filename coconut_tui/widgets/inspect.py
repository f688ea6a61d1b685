"""The inspect pane: the selected step from close by, in one of several views."""

from collections.abc import Callable
from dataclasses import dataclass

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import TabbedContent, TabPane

from coconut_core.trace import StepRecord
from coconut_tui.drawing import EDIT_STYLE, share_text, token_bar
from coconut_tui.state import ModelFacts, RunView
from coconut_tui.widgets.graph import draw_graph
from coconut_tui.widgets.text import TextView


@dataclass(frozen=True)
class Sight:
    """What a view draws."""

    run: RunView | None = None
    facts: ModelFacts | None = None
    step: StepRecord | None = None  # the selected one
    token_count: int = 10
    width: int = 24  # cells


@dataclass(frozen=True)
class View:
    """One way to look at a step; `name` is its tab, and its entry in coconut_tui.guides."""

    name: str
    title: str
    draw: Callable[[Sight], Text]


class InspectPane(Vertical):
    """Figures of the selected step, and below them one view at a time. Only the one in front is drawn."""

    BORDER_TITLE = "Inspect"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._sight = Sight()

    def compose(self) -> ComposeResult:
        yield TextView(id="step-facts")
        with TabbedContent(id="views"):
            for view in VIEWS:
                with TabPane(view.title, id=view.name), VerticalScroll():
                    yield TextView(id=f"view-{view.name}")

    def show(self, run: RunView | None, facts: ModelFacts | None, selected: int | None, count: int) -> None:
        """Draw a step of a run, with `count` tokens."""
        step = None if run is None or selected is None else run.steps[selected]
        self._sight = Sight(run, facts, step, count, max(24, self.content_size.width - 4))
        self.query_one("#step-facts", TextView).show(_step_facts(run, step))
        self._draw()

    def on_tabbed_content_tab_activated(self, event: TabbedContent.TabActivated) -> None:
        """Draw the view that has come to the front."""
        self._draw()

    @property
    def shown(self) -> str:
        """The name of the view in front."""
        return self.query_one(TabbedContent).active

    @property
    def body(self) -> VerticalScroll:
        """What of it takes the focus: the view in front."""
        return self.query_one(f"#{self.shown} VerticalScroll", VerticalScroll)

    def view_tab(self, name: str) -> None:
        """Bring a view to the front."""
        self.query_one(TabbedContent).active = name

    def _draw(self) -> None:
        view = next((view for view in VIEWS if view.name == self.shown), VIEWS[0])
        self.query_one(f"#view-{view.name}", TextView).show(view.draw(self._sight))


def _step_facts(run: RunView | None, step: StepRecord | None) -> Text:
    if run is None or step is None:
        return Text("no step yet", "dim")
    if step.kind == "thought":
        text = Text(f"thought {step.index} of {run.thoughts}", "bold")
    elif step.kind == "marker":
        text = Text("⟨eot⟩", "bold") + Text(" what it would say in its place", "dim")
    else:
        text = Text(f"word {step.index} ", "bold") + Text(repr(step.token), "bold")
    text.append(f"\nentropy {step.entropy:.2f} nats  norm {step.norm:.1f}")
    text.append("" if step.cosine is None else f"\ncosine to the thought before {step.cosine:.2f}")
    if step.edit:
        text.append(f"\n✎ edited: {step.edit}", EDIT_STYLE)
    return text


def _top(sight: Sight) -> Text:
    if sight.step is None:
        return Text("Take a step (s) to see what the first thought says.", "dim")
    bars = max(4, min(24, sight.width - 18))
    top = sight.step.top[: sight.token_count]
    return Text("\n").join(token_bar(item.token, item.probability, 12, bars) for item in top)


def _graph(sight: Sight) -> Text:
    return draw_graph(sight.run, sight.step, 1 if sight.facts is None else sight.facts.first_thought_hops)


def _words(sight: Sight) -> Text:
    words = [] if sight.run is None else sight.run.words()
    if not words:
        return Text("Nothing has been said yet.", "dim")
    lines = []
    for step in words:
        said = next((item.probability for item in step.top if item.token == step.token), 0.0)
        line = Text(f"{step.token!r:<14} {share_text(said)}")
        others = [item for item in step.top if item.token != step.token][:2]
        line.append("".join(f"  {item.token!r} {share_text(item.probability)}" for item in others), "dim")
        lines.append(line)
    return Text("\n").join(lines)


VIEWS = (View("top", "Top-k", _top), View("graph", "Path graph", _graph), View("answer", "Answer", _words))
