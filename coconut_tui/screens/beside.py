"""Two models side by side on one question."""

from dataclasses import replace

from rich.console import Group, RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
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
from coconut_tui.engine.finding import measure
from coconut_tui.run.beside import Measured, Side, compared, said_steps
from coconut_tui.run.state import RunView
from coconut_tui.screens.compare import sides_table
from coconut_tui.screens.dialog import ReadingDialog
from coconut_tui.widgets.mirrored import Mirrored
from coconut_tui.widgets.status import usage_text
from coconut_tui.widgets.text import plain_title
from coconut_tui.widgets.tokens import error_line, verdict_mark

_TO_THE_END = 10**9  # steps
_FEWEST, _MOST = 3, 8  # tokens of a thought
_AROUND = 12  # lines above and below the thoughts
_BESIDE_WORDS = (
    "A step said in words (») stands beside the thought of its place, with the p that it has there; its bars "
    "are of the words that it was chosen from."
)
_ABOUT = (
    "KL is the divergence of the right readout from the left one in nats, cos the cosine of the two states. "
    "▲ ▼ a token's rank is higher or lower than on the left, ✚ it is not among the likeliest there."
)


class BesideScreen(ReadingDialog):
    """The run on screen beside another model's run of its question; both take their steps together.

    The other model lives in an engine of this screen, which ends when it is left.
    """

    BINDINGS = [
        Binding("s", "step(1)", "step both"),
        Binding("b,backspace", "step(-1)", "back"),
        Binding("c", "go_on", "continue"),
        Binding("r", "restart", "restart"),
        Binding("escape", "leave", "stop, close"),
        Binding("q,S", "dismiss", "close", show=False),
        Binding("question_mark,f1", "app.explain('beside')", "help"),
    ]

    def __init__(self, first: Side, engine: Engine, choice: ModelChoice, thoughts: int | None) -> None:
        """engine: that of the first side, whose run is on screen; thoughts: as many, None as the model says."""
        super().__init__()
        self.first, self.second = first, Side(choice.source)
        self._engines = engine, Engine(self.post_message)
        self._choice, self._thoughts = choice, thoughts
        self.measured = Measured()
        self._measured_for: tuple[RunView | None, RunView | None] = None, None

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog full") as dialog:
            dialog.border_subtitle = "escape closes"
            yield Static(id="beside")
        yield Footer()

    def on_mount(self) -> None:
        """Load the other model, and take it as far as the run on screen has come."""
        view = self.first.view
        assert view is not None  # as there is a question
        second = self._engines[1]
        second.start(self._choice)
        second.ask(view.question, view.problem, view.tree.example, self._thoughts)
        second.go_to_step(_TO_THE_END if view.over else len(view.steps))
        self._show()

    def on_unmount(self) -> None:
        """Let the other model go."""
        self._engines[1].close()

    def on_resize(self) -> None:
        """How densely it is drawn follows the width."""
        self._show()

    # -- keys ----------------------------------------------------------------------------------------------

    def action_step(self, by: int) -> None:
        """Both a step on from the farther one, or back."""
        self._go_to(max(self.first.steps, self.second.steps) + by)

    def action_go_on(self) -> None:
        """Both to their ends."""
        self._go_to(_TO_THE_END)

    def action_restart(self) -> None:
        """Both back to the question."""
        self._go_to(0)

    def action_leave(self) -> None:
        """Stop what is going on; where nothing is, close."""
        if self.busy and self.second.facts is not None:
            for engine in self._engines:
                engine.stop()
        else:
            self.dismiss()

    # -- what comes of it ----------------------------------------------------------------------------------

    def show_first(self, view: RunView | None, activity: str) -> None:
        """The run on screen has a new state."""
        self.first = replace(self.first, view=view, activity=activity)
        self._changed()

    def on_model_ready(self, message: ModelReady) -> None:
        """The other model is there."""
        message.stop()
        self.second = replace(self.second, facts=message.facts)
        self._changed()

    def on_verdict_read(self, message: VerdictRead) -> None:
        """What is known of the other model's thoughts."""
        message.stop()
        if self.second.facts is not None:
            facts = replace(self.second.facts, verdict=message.verdict, shares=message.shares)
            self.second = replace(self.second, facts=facts)
        self._changed()

    def on_run_changed(self, message: RunChanged) -> None:
        """The other model's run has a new state."""
        message.stop()
        self.second = replace(self.second, view=message.newest())
        self._changed()

    def on_activity(self, message: Activity) -> None:
        """What the other engine is doing."""
        message.stop()
        self.second = replace(self.second, activity=message.text)
        self._changed()

    def on_question_read(self, message: QuestionRead) -> None:
        """The other model cannot read it."""
        message.stop()
        if message.error:
            self.post_message(EngineError(message.error))

    def on_engine_error(self, message: EngineError) -> None:
        """The first thing that went wrong explains the rest."""
        message.stop()
        self.second = replace(self.second, error=self.second.error or message.text)
        self._changed()

    @property
    def busy(self) -> bool:
        """Whether one of the two engines has something to do."""
        return any(engine.busy for engine in self._engines)

    # -- inside --------------------------------------------------------------------------------------------

    def _go_to(self, position: int) -> None:
        for engine in self._engines:
            engine.go_to_step(max(0, position))

    def _take_measured(self, measured: Measured) -> None:
        self.measured = measured
        self._show()

    def _changed(self) -> None:
        views = self.first.view, self.second.view
        idle = not (self.first.activity or self.second.activity)
        if None not in views and idle and self._measured_for != views:
            self._measured_for = views
            measure(*self._engines, self._take_measured)
        self._show()

    def _show(self) -> None:
        if self.is_mounted and (panes := self.query("#beside")):
            going_on = next((side.activity for side in (self.second, self.first) if side.activity), "")
            title = f"{self.first.name}  |  {self.second.name}"
            self.query_one(VerticalScroll).border_title = plain_title(
                f"{title} · {going_on} …" if going_on else title
            )
            thoughts = max(1, *(side.steps for side in (self.first, self.second)))
            room = self.query_one(VerticalScroll).scrollable_content_region.height - _AROUND
            tokens = max(_FEWEST, min(_MOST, room // thoughts - 2))
            panes.first(Static).update(draw_beside(self.first, self.second, self.measured, tokens))


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
