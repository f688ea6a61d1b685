"""Two models or more on one question: each is compared with the first, one at a time in full."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.events import Callback
from textual.message import Message
from textual.widgets import Footer, Static

from coconut_core.common.errors import visible
from coconut_core.training.curriculum import counted
from coconut_tui.engine import (
    Activity,
    Engine,
    EngineError,
    ModelChoice,
    ModelReady,
    QuestionRead,
    RunChanged,
    VerdictRead,
)
from coconut_tui.engine.finding import MEASURE, measure
from coconut_tui.run.beside import Measured, Side, compared, said_steps
from coconut_tui.run.state import RunView, thought_name
from coconut_tui.screens.compare import sides_table
from coconut_tui.screens.dialog import ReadingDialog
from coconut_tui.widgets.mirrored import Mirrored
from coconut_tui.widgets.status import usage_text
from coconut_tui.widgets.text import plain_title
from coconut_tui.widgets.tokens import end_of, error_line, verdict_mark

_TO_THE_END = 10**9  # steps
_FEWEST, _MOST = 3, 8  # tokens of a thought
_NAME = 28  # cells of a model's name, and of its answer, in the table of several
_AROUND = 12  # lines above and below the thoughts
_BESIDE_WORDS = (
    "A step said in words (») stands beside the thought of its place, with the p that it has there; its bars "
    "are of the words that it was chosen from."
)
_ABOUT = (
    "KL is the divergence of the right readout from the left one in nats, cos the cosine of the two states. "
    "▲ ▼ a token's rank is higher or lower than on the left, ✚ it is not among the likeliest there."
)


class OfSide(Message):
    """What the engine of one of the other models says."""

    def __init__(self, number: int, said: Message) -> None:
        super().__init__()
        self.number, self.said = number, said


class BesideScreen(ReadingDialog):
    """The run on screen beside other models' runs of its question; all take their steps together, and one of
    the others is shown in full.

    Each of the other models lives in an engine of this screen, which ends when it is left.
    """

    BINDINGS = [
        Binding("s", "step(1)", "step both"),
        Binding("b,backspace", "step(-1)", "back"),
        Binding("c", "go_on", "continue"),
        Binding("r", "restart", "restart"),
        Binding("left", "turn(-1)", "model before", show=False, priority=True),
        Binding("right", "turn(1)", "next model", show=False, priority=True),
        Binding("escape", "leave", "stop, close"),
        Binding("q,S", "dismiss", "close", show=False),
        Binding("question_mark,f1", "app.explain('beside')", "help"),
    ]

    def __init__(
        self, first: Side, engine: Engine, choice: ModelChoice, thoughts: int | None, *more: ModelChoice
    ) -> None:
        """engine: that of the first side, whose run is on screen; choice and more: the other models;
        thoughts: as many, None as each model says."""
        super().__init__()
        self._choices, self._thoughts = (choice, *more), thoughts
        self.first = first
        self.others = [Side(each.source) for each in self._choices]
        self.apart = [Measured() for _ in self._choices]
        self.shown = 0  # number of the other that is shown in full
        self._engines = engine, *(Engine(self._posting(number)) for number in range(len(self._choices)))
        self._measured_for: list[tuple[RunView | None, RunView | None]] = [(None, None)] * len(self._choices)

    @property
    def second(self) -> Side:
        """The other side that is shown in full."""
        return self.others[self.shown]

    @second.setter
    def second(self, side: Side) -> None:
        self.others[self.shown] = side

    @property
    def measured(self) -> Measured:
        """How far that one lies from the first."""
        return self.apart[self.shown]

    @measured.setter
    def measured(self, measured: Measured) -> None:
        self.apart[self.shown] = measured

    def _posting(self, number: int) -> Callable[[Message], object]:
        """How the engine of one of the other models says something."""

        def post(said: Message) -> object:
            return self.post_message(said if isinstance(said, Callback) else OfSide(number, said))

        return post

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog full") as dialog:
            dialog.border_subtitle = "escape closes"
            yield Static(id="beside")
        yield Footer()

    def on_mount(self) -> None:
        """Load the other models, and take them as far as the run on screen has come."""
        view = self.first.view
        assert view is not None  # as there is a question
        for engine, choice in zip(self._engines[1:], self._choices, strict=True):
            engine.start(choice)
            engine.ask(view.question, view.problem, view.tree.example, self._thoughts)
            engine.go_to_step(_TO_THE_END if view.over else len(view.steps))
        self._show()

    def on_unmount(self) -> None:
        """Let the other models go."""
        for engine in self._engines[1:]:
            engine.close()

    def on_resize(self) -> None:
        """How densely it is drawn follows the width."""
        self._show()

    # -- keys ----------------------------------------------------------------------------------------------

    def action_step(self, by: int) -> None:
        """All a step on from the farthest one, or back."""
        self._go_to(max(side.steps for side in (self.first, *self.others)) + by)

    def action_turn(self, by: int) -> None:
        """Show another one of the other models in full."""
        self.shown = (self.shown + by) % len(self.others)
        self._show()

    def action_go_on(self) -> None:
        """Both to their ends."""
        self._go_to(_TO_THE_END)

    def action_restart(self) -> None:
        """Both back to the question."""
        self._go_to(0)

    def action_leave(self) -> None:
        """Stop what is going on; where nothing is, close."""
        if self.busy and any(side.facts is not None for side in self.others):
            for engine in self._engines:
                engine.stop()
        else:
            self.dismiss()

    # -- what comes of it ----------------------------------------------------------------------------------

    def show_first(self, view: RunView | None, activity: str) -> None:
        """The run on screen has a new state."""
        self.first = replace(self.first, view=view, activity=activity)
        self._changed()

    def on_of_side(self, message: OfSide) -> None:
        """One of the other models has something new: its run, what is known of it, what is wrong."""
        message.stop()
        said, side = message.said, self.others[message.number]
        if isinstance(said, ModelReady):
            side = replace(side, facts=said.facts)
        elif isinstance(said, VerdictRead) and side.facts is not None:
            side = replace(side, facts=replace(side.facts, verdict=said.verdict, shares=said.shares))
        elif isinstance(said, RunChanged):
            side = replace(side, view=said.newest())
        elif isinstance(said, Activity):
            side = replace(side, activity=said.text)
        elif isinstance(said, EngineError):
            side = replace(side, error=side.error or said.text)  # the first one explains the rest
        elif isinstance(said, QuestionRead) and said.error:
            side = replace(side, error=side.error or said.error)
        self.others[message.number] = side
        self._changed()

    @property
    def busy(self) -> bool:
        """Whether one of the engines has something to do."""
        return any(engine.busy for engine in self._engines)

    # -- inside --------------------------------------------------------------------------------------------

    def _go_to(self, position: int) -> None:
        for engine in self._engines:
            engine.go_to_step(max(0, position))

    def _changed(self) -> None:
        for number, side in enumerate(self.others):
            views = self.first.view, side.view
            idle = not (self.first.activity or side.activity)
            if None not in views and idle and self._measured_for[number] != views:
                self._measured_for[number] = views
                self._measure(number)
        self._show()

    def _measure(self, number: int) -> None:
        def take(measured: Measured) -> None:
            self.apart[number] = measured
            self._show()

        measure(self._engines[0], self._engines[number + 1], take, f"{MEASURE} {number}")

    def _show(self) -> None:
        if self.is_mounted and (panes := self.query("#beside")):
            sides = (self.second, *self.others, self.first)
            going_on = next((side.activity for side in sides if side.activity), "")
            title = f"{self.first.name}  |  {self.second.name}"
            if len(self.others) > 1:
                title += f"  ({self.shown + 1} of {len(self.others)}, ← →)"
            self.query_one(VerticalScroll).border_title = plain_title(
                f"{title} · {going_on} …" if going_on else title
            )
            thoughts = max(1, *(side.steps for side in (self.first, self.second)))
            room = self.query_one(VerticalScroll).scrollable_content_region.height - _AROUND
            room -= len(self.others) + 3 if len(self.others) > 1 else 0
            tokens = max(_FEWEST, min(_MOST, room // thoughts - 2))
            drawn = draw_beside(self.first, self.second, self.measured, tokens)
            if len(self.others) > 1:
                table = draw_sides(self.first, self.others, self.apart, self.shown)
                drawn = Group(table, Text(), drawn)
            panes.first(Static).update(drawn)


def draw_sides(first: Side, others: Sequence[Side], apart: Sequence[Measured], shown: int) -> RenderableType:
    """A row for each model: what it says, and how far each of its thoughts is from the first's, in nats. ▸
    marks the one that is shown in full."""
    thoughts = sorted({place for measured in apart for place in measured.divergence})
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    for name, least in (("", 1), ("model", 14), ("answer", 14)):
        table.add_column(name, no_wrap=True, overflow="ellipsis", min_width=least)
    for segment, thought in thoughts:
        table.add_column(f"KL {thought_name(segment, thought)}", justify="right", no_wrap=True, min_width=4)
    for number, side in enumerate((first, *others), start=-1):
        nats = [apart[number].divergence.get(place) if number >= 0 else None for place in thoughts]
        numbers = [Text("" if value is None else f"{value:.2f}") for value in nats]
        mark, answer = Text("▸" if number == shown else " ", "bold"), _answer(side)
        answer.truncate(_NAME, overflow="ellipsis")
        table.add_row(mark, Text(end_of(side.name, _NAME)), answer, *numbers)
    return table


def draw_beside(first: Side, second: Side, measured: Measured, tokens: int = _FEWEST) -> RenderableType:
    """Answers, thoughts, words and verdicts of both, with so many tokens of each thought."""
    steps, sides = compared(first, second, measured), (first, second)
    answers = sides_table(first.name, second.name)
    answers.add_row(_answers_differ(first, second), *map(_answer, sides))
    answers.add_row(Text("  spent"), *map(_spent, sides))
    answers.add_row("")
    rest = sides_table("", "")
    rest.show_header = False
    rest.add_row("")
    if any(side.reasoning for side in sides):
        rest.add_row(Text("  words"), *(Text(visible(side.reasoning) or "—") for side in sides))
        rest.add_row("")
    rest.add_row(Text("  verdict"), *map(_verdict, sides))
    about = [_ABOUT] if any(step.first and step.second for step in steps) else []
    words = [
        {place: text for place, (text, _) in said_steps(side, other).items()}
        for side, other in ((first, second), (second, first))
    ]
    about += [_BESIDE_WORDS] if any(words) else []
    about += [measured.reason] if about and measured.reason else []
    return Group(answers, Mirrored(steps, tokens, *words), rest, Text(f"\n{' '.join(about)}", "dim"))


def _answers_differ(first: Side, second: Side) -> Text:
    if not (first.answer and second.answer):
        return Text("  answer")
    return Text("≠ answer", "bold") if first.answer != second.answer else Text("= answer")


def _answer(side: Side) -> Text:
    if side.error:
        return error_line(side.error)
    if side.view is None:
        return Text("…", "dim")
    if not side.answer:
        return Text("nothing" if side.view.over else "not said yet", "dim")
    text = Text(visible(side.answer), "bold").append("" if side.view.over else " …")
    return text.append(verdict_mark(side.view.said))


def _spent(side: Side) -> Text:
    """Thoughts, words, and tokens in all, as the paper counts them: with the markers behind the prompt."""
    if side.view is None:
        return Text()
    thoughts = sum(step.kind == "thought" for step in side.view.steps)
    words = len(side.view.words())
    tokens = f"{counted(side.steps, 'token')} in all"
    return Text(", ".join((counted(thoughts, "thought"), counted(words, "word"), tokens)))


def _verdict(side: Side) -> Text:
    if side.facts is None:
        return Text()
    text = usage_text(side.facts, None if side.view is None else side.view.thoughts)
    text.no_wrap, text.overflow = False, "fold"
    return text
