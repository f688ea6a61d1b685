"""The prompt pane: the question, with what it asks about made visible, and the model's name."""

import re

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.geometry import Region

from coconut_core.records.untrained import untrained_label
from coconut_tui.run.state import ModelFacts, RunView
from coconut_tui.widgets.framed import retitle
from coconut_tui.widgets.painted import Painting, lines_of, paint
from coconut_tui.widgets.text import TextView
from coconut_tui.widgets.token_marks import TokenMarks


class PromptPane(VerticalScroll):
    """Draws the question, painted with attention where that is known."""

    BORDER_TITLE = "Prompt"
    DEFAULT_CSS = "PromptPane { scrollbar-gutter: stable; }"  # lines keep their ends when it begins to scroll

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._question = Text()
        self._painting: Painting | None = None
        self._behind = 0  # lines below the question: as many as were needed once, so that nothing moves

    def compose(self) -> ComposeResult:
        yield TextView(id="question")
        yield TextView(id="behind")
        yield TextView(id="model-facts")

    def show(self, view: RunView | None, facts: ModelFacts | None, marks: TokenMarks) -> None:
        """Draw a run's question, with the words that stand out, and its model."""
        question = Text("" if facts is None else "No question is open: press Q to write one.", "dim")
        if view is not None:
            question = _marked(view.question, view, marks)
        if question != self._question:
            self._question, self._painting, self._behind = question, None, 0
            self._draw_question()
        self.query_one("#model-facts", TextView).show(_facts(facts, None if view is None else view.thoughts))

    def paint(self, painting: Painting | None) -> None:
        """Paint the question, or take the paint away; the strongest words scroll into sight."""
        if painting != self._painting:
            self._painting = painting
            lines = self._draw_question()
            if lines:
                self.call_after_refresh(self._bring_into_sight, lines)

    @property
    def painted(self) -> bool:
        """Whether it is on screen and painted."""
        return self._painting is not None and bool(self.region)

    def on_resize(self, event: events.Resize) -> None:
        """Lines follow the room there is."""
        self._draw_question()

    def _draw_question(self) -> list[int]:
        """Draw the question; the lines of the words that got most."""
        painting, width = self._painting, self.scrollable_content_region.width
        text, lines = paint(self._question, painting, width or 80)
        self.query_one("#question", TextView).show(text)
        behind = [] if painting is None else lines_of(painting.behind, width or 80)
        self._behind = max(self._behind, len(behind))
        padded = [*behind, *[Text()] * (self._behind - len(behind))]
        self.query_one("#behind", TextView).show(Text("\n").join(padded))
        retitle(self, self.BORDER_TITLE, "" if painting is None else painting.caption)
        return lines

    def _bring_into_sight(self, lines: list[int]) -> None:
        """As many of the strongest words as fit into the pane together."""
        height = max(1, self.size.height)
        together = (lines[:count] for count in range(len(lines), 0, -1))
        fitting = next(part for part in together if max(part) - min(part) < height)
        region = Region(0, min(fitting), 1, max(fitting) - min(fitting) + 1)
        self.scroll_to_region(region, animate=False, force=True)


def question_line(view: RunView | None, marks: TokenMarks) -> Text:
    """What the question asks: its last sentence that is a question, or else its end. marks: what stands out."""
    if view is None:
        return Text()
    sentences = re.split(r"(?<=[.!?])\s+|\n+|(?=\[Q\])", view.question.strip())
    question = next((sentence for sentence in reversed(sentences) if sentence.endswith("?")), sentences[-1])
    return _marked(question, view, marks)


def _marked(text: str, view: RunView, marks: TokenMarks) -> Text:
    """A text with the name that is asked about underlined, where the graph is known, and with candidates and
    pinned tokens in their colours; the candidates are bold."""
    marked, graph = Text(text), view.graph
    if graph is not None:
        for node, style in ((graph.root, "bold underline"), (graph.target, "bold"), (graph.wrong, "bold")):
            marked.highlight_regex(rf"\b{re.escape(graph.names[node])}\b", style)
    marks.paint(marked)
    return marked


def _facts(facts: ModelFacts | None, thoughts: int | None) -> Text:
    if facts is None:
        return Text()
    text = Text(f"\n{facts.name}", "dim")
    if facts.chat:
        text.append("\nasked in its chat template", "dim")
    if facts.replayed:
        text.append("\nreplayed from a saved trace", "dim")
    if not facts.trained:
        text.append(f"\n! {untrained_label(facts.feedback, thoughts)}", "bold")
    return text
