"""The inspect pane: the selected step from close by."""

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static, TabbedContent, TabPane

from coconut_core.trace import StepRecord
from coconut_tui.drawing import EDIT_STYLE, share_text, token_bar
from coconut_tui.state import ModelFacts, RunView
from coconut_tui.widgets.graph import draw_graph


class InspectPane(Vertical):
    """Draws one step: its figures, its likeliest tokens, its place on the graph; and the words said."""

    BORDER_TITLE = "Inspect"

    def compose(self) -> ComposeResult:
        yield Static(id="step-facts")
        with TabbedContent(id="views"):
            with TabPane("Top-k", id="top"), VerticalScroll():
                yield Static(id="top-tokens")
            with TabPane("Path graph", id="graph"), VerticalScroll():
                yield Static(id="path-graph")
            with TabPane("Answer", id="answer"), VerticalScroll():
                yield Static(id="words")

    def show(self, view: RunView | None, facts: ModelFacts | None, selected: int | None, count: int) -> None:
        """Draw a step of a run, with `count` tokens."""
        step = None if view is None or selected is None else view.steps[selected]
        self.query_one("#step-facts", Static).update(_step_facts(view, step))
        self.query_one("#top-tokens", Static).update(self._top(step, count))
        hops = 1 if facts is None else facts.first_thought_hops
        self.query_one("#path-graph", Static).update(draw_graph(view, step, hops))
        self.query_one("#words", Static).update(_words(view))

    def view_tab(self, name: str) -> None:
        """Bring a tab to the front: top, graph or answer."""
        self.query_one(TabbedContent).active = name

    def _top(self, step: StepRecord | None, count: int) -> Text:
        if step is None:
            return Text("Take a step (s) to see what the first thought says.", "dim")
        width = max(24, self.content_size.width - 4)
        bars = max(4, min(24, width - 18))
        lines = [token_bar(item.token, item.probability, 12, bars) for item in step.top[:count]]
        return Text("\n").join(lines)


def _step_facts(view: RunView | None, step: StepRecord | None) -> Text:
    if view is None or step is None:
        return Text("no step yet", "dim")
    if step.kind == "thought":
        text = Text(f"thought {step.index} of {view.thoughts}", "bold")
    elif step.kind == "marker":
        text = Text("⟨eot⟩", "bold") + Text(" what it would say in its place", "dim")
    else:
        text = Text(f"word {step.index} ", "bold") + Text(repr(step.token), "bold")
    text.append(f"\nentropy {step.entropy:.2f} nats  norm {step.norm:.1f}")
    text.append("" if step.cosine is None else f"\ncosine to the thought before {step.cosine:.2f}")
    if step.edit:
        text.append(f"\n✎ edited: {step.edit}", EDIT_STYLE)
    return text


def _words(view: RunView | None) -> Text:
    words = [] if view is None else view.words()
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
