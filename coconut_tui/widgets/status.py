"""The lines on top, and the verdict at the bottom."""

from collections.abc import Mapping, Sequence

from rich.text import Text
from textual import events

from coconut_core.common.cells import cells
from coconut_core.evaluation.significance import Share
from coconut_core.evaluation.verdict import IN_THEIR_PLACE, WITH_THEM, Usage
from coconut_core.records.untrained import untrained_label
from coconut_tui.run.breakpoints import Breakpoint
from coconut_tui.run.state import ModelFacts, RunView
from coconut_tui.widgets.text import TextView
from coconut_tui.widgets.tokens import EDIT_BOLD, RIGHT_BOLD, RIGHT_STYLE, WRONG_BOLD, bar

_WORD_STYLES: Mapping[str, str] = {
    Usage.USED: RIGHT_BOLD,
    Usage.PARTLY_USED: EDIT_BOLD,
    Usage.NOT_USED: WRONG_BOLD,
}
_SHORT = {WITH_THEM: "with", "without them": "without", IN_THEIR_PLACE["random"]: "another's"}
_SMALLEST, _LARGEST = 3, 24  # cells of a bar


def status_line(
    facts: ModelFacts | None, view: RunView | None, breakpoints: Sequence[Breakpoint], activity: str
) -> Text:
    """Model, problem, branch, mode, breakpoints, and what is being done."""
    parts = ["coconut" if facts is None else facts.name]
    if view is not None:
        parts += [f"problem {view.tree.example}"] if view.tree.example is not None else []
        parts += [view.tree.here.name] if len(view.tree.branches) > 1 else []
        mode = "speaking" if view.mode == "thinking" and view.without_thoughts else view.mode
        parts.append("cut off" if view.said.cut_off else mode)
    active = sum(point.enabled for point in breakpoints)
    if active:
        parts.append(f"* {active} breakpoint{'' if active == 1 else 's'}")
    if activity:
        parts.append(f"{activity} …")
    return Text(" · ".join(parts), no_wrap=True, overflow="ellipsis")


def usage_text(facts: ModelFacts | None, thoughts: int | None = None, ask: str = "") -> Text:
    """Whether the model's thoughts are known to be used.

    thoughts: how many the run shown takes, at most. ask: what to do for thoughts where the run takes none.
    """
    if facts is not None and not facts.trained:
        text = Text(untrained_label(facts.feedback, thoughts), "bold")
        return text.append(f" ({ask})" if ask and thoughts == 0 else "", "not bold")
    usage, colon, why = ("" if facts is None else facts.verdict).partition(":")
    text = Text("thoughts used? ")
    return text.append(usage or "…", "bold").append(colon + why)


def verdict_bars(verdict: str, shares: Mapping[str, Share], width: int) -> Text:
    """The verdict in a word, and the shares of right answers that it rests on, as bars with their numbers: with
    the thoughts, without them, with another question's. As much as a line of so many cells has room for."""
    usage = verdict.partition(":")[0]
    count = next(iter(shares.values())).count
    for names, interval, total in (
        ({}, True, f"n={count}"),
        ({}, False, f"n={count}"),
        (_SHORT, False, f"n={count}"),
        (_SHORT, False, ""),
    ):
        figures = [f"{_percent(share, interval)} {names.get(words, words)}" for words, share in shares.items()]
        head = f"thoughts {usage}"
        fixed = cells(head) + sum(cells(figure) + 3 for figure in figures) + (cells(total) + 2 if total else 0)
        size = min(_LARGEST, (width - fixed) // len(figures))
        if size >= _SMALLEST:
            break
    size = max(1, size)
    text = Text("thoughts ").append(usage, _WORD_STYLES.get(usage, "bold"))
    for figure, share in zip(figures, shares.values(), strict=True):
        filled = bar(share.accuracy, size).rstrip()
        text.append("  ").append(filled, RIGHT_STYLE).append("·" * (size - len(filled)), "dim")
        text.append(f" {figure}")
    return text.append(f"  {total}" if total else "", "dim")


def _percent(share: Share, interval: bool) -> str:
    low, high = share.interval
    return f"{100 * share.accuracy:.0f} %" + (f" [{100 * low:.0f}–{100 * high:.0f}]" if interval else "")


class VerdictView(TextView):
    """Whether the model's thoughts are known to be used: bars where it was measured, else a sentence."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._about: tuple[ModelFacts | None, int | None, str] = None, None, "?"

    def show_facts(self, facts: ModelFacts | None, thoughts: int | None, ask: str) -> None:
        """Draw what is known; see usage_text."""
        if self._about != (facts, thoughts, ask):
            self._about = facts, thoughts, ask
            self._draw_verdict()

    def on_resize(self, event: events.Resize) -> None:
        """Bars follow the room there is."""
        self._draw_verdict()

    def _draw_verdict(self) -> None:
        facts = self._about[0]
        width = self.app.size.width - 2 * self.styles.padding.left
        if facts is not None and facts.trained and facts.shares:
            self.show(verdict_bars(facts.verdict, facts.shares, width))
        else:
            self.show(usage_text(*self._about))


class QuestionView(TextView):
    """What is asked: all of it on as many lines as that takes, but for a question of many lines."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._question = Text()

    def ask(self, question: Text) -> None:
        """Draw a question."""
        self._question = question
        self._draw_question()

    def on_resize(self, event: events.Resize) -> None:
        """Lines follow the room there is."""
        self._draw_question()

    def _draw_question(self) -> None:
        size = self.app.size
        lines = list(self._question.wrap(self.app.console, max(1, size.width - 2 * self.styles.padding.left)))
        most = 3 if size.height < 40 else 5
        if len(lines) > most:
            lines = [*lines[: most - 1], lines[most - 1].append(" …")]
            lines[-1].truncate(max(1, size.width - 2), overflow="ellipsis")
        self.show(Text("\n").join(lines))
