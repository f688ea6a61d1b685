"""The prompt pane: the question, with what it asks about made visible, and the model's name."""

import re

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll

from coconut_core.records.untrained import untrained_label
from coconut_tui.run.state import ModelFacts, RunView
from coconut_tui.widgets.text import TextView
from coconut_tui.widgets.tokens import BAR_BOLD


class PromptPane(VerticalScroll):
    """Draws the question."""

    BORDER_TITLE = "Prompt"

    def compose(self) -> ComposeResult:
        yield TextView(id="question")
        yield TextView(id="model-facts")

    def show(self, view: RunView | None, facts: ModelFacts | None) -> None:
        """Draw a run's question and its model."""
        question = Text("" if facts is None else "No question is open: press Q to write one.", "dim")
        if view is not None:
            question = _marked(view.question, view)
        self.query_one("#question", TextView).show(question)
        self.query_one("#model-facts", TextView).show(_facts(facts, None if view is None else view.thoughts))


def question_line(view: RunView | None) -> Text:
    """What the question asks, in one line: its last sentence that is a question, or else its end."""
    if view is None:
        return Text()
    sentences = re.split(r"(?<=[.!?])\s+|\n+|(?=\[Q\])", view.question.strip())
    question = next((sentence for sentence in reversed(sentences) if sentence.endswith("?")), sentences[-1])
    line = _marked(question, view)
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _marked(text: str, view: RunView) -> Text:
    """A text with the asked name and both candidates made visible, where the graph is known."""
    marked, graph = Text(text), view.graph
    if graph is not None:
        nodes = (graph.root, "bold underline"), (graph.target, BAR_BOLD), (graph.wrong, BAR_BOLD)
        for node, style in nodes:
            marked.highlight_regex(rf"\b{re.escape(graph.names[node])}\b", style)
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
