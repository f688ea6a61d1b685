"""The explorer: panes, keys and the messages between them. No model code; the engine has that."""

import time
from collections.abc import Iterable
from pathlib import Path

from rich.text import Text
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding
from textual.containers import Horizontal
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Footer, Static, Tab, Tabs

from coconut_core.errors import CoconutError
from coconut_core.problems import example_problem, recognise
from coconut_core.problems.base import Problem
from coconut_core.trace import StepRecord, Trace
from coconut_tui.actions import ACTIONS
from coconut_tui.engine import Activity, Engine, EngineError, ModelChoice, ModelReady, Replay, RunChanged
from coconut_tui.screens.help import HelpScreen
from coconut_tui.screens.path import PathScreen
from coconut_tui.screens.question import QuestionScreen
from coconut_tui.state import ModelFacts, RunView
from coconut_tui.widgets.inspect import InspectPane
from coconut_tui.widgets.prompt import PromptPane
from coconut_tui.widgets.thoughts import ThoughtsPane

PANES = ("thoughts", "inspect", "prompt")
DRAW_INTERVAL = 0.04  # seconds; a model that steps faster than this is drawn only now and then, so keys get in


class Explorer(App[None]):
    """Steps a model, or a saved trace, through its thoughts."""

    TITLE = "coconut"
    CSS_PATH = "styles/explorer.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]
    BINDINGS = [Binding(action.keys, action.name, action.label, show=action.in_footer) for action in ACTIONS]

    def __init__(
        self,
        choice: ModelChoice | None = None,
        *,
        trace: Trace | None = None,
        question: str | None = None,
        example: int | None = None,
        thoughts: int | None = None,
        top_k: int = 10,
    ) -> None:
        """Open a model (choice) with a question or an example of its problem family, or replay a trace."""
        super().__init__()
        self.engine = Engine(self.post_message)
        self.replay: Replay | None = None if trace is None else Replay(self.post_message, trace)
        self.facts: ModelFacts | None = None
        self.view: RunView | None = None
        self.selected: int | None = None
        self.activity = ""
        self.token_count = top_k
        self._draw_timer: Timer | None = None
        self._drawn_at, self._draw_seconds = 0.0, 0.0
        self._choice = choice
        self._question, self._example, self._thoughts = question, example, thoughts

    def compose(self) -> ComposeResult:
        yield Static(id="status")
        yield Tabs(*(Tab(name.capitalize(), id=f"tab-{name}") for name in PANES), id="pane-tabs")
        with Horizontal(id="panes"):
            yield PromptPane(id="prompt", classes="pane")
            yield ThoughtsPane(id="thoughts", classes="pane front")
            yield InspectPane(id="inspect", classes="pane")
        yield Static(id="verdict")
        yield Footer()

    def on_mount(self) -> None:
        """Draw first; load the model after the first paint."""
        self.query_one(ThoughtsPane).focus()
        self._draw()
        self.call_after_refresh(self._open)

    def on_unmount(self) -> None:
        """Let the engine's thread end."""
        self.engine.close()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The command palette: Textual's own commands and every action of the table."""
        yield from (
            command for command in super().get_system_commands(screen) if command.title not in ("Quit", "Keys")
        )
        for action in ACTIONS:
            yield SystemCommand(
                f"{action.label} ({action.shown_keys})",
                action.description,
                getattr(self, f"action_{action.name}"),
            )

    # -- messages of the engine and the panes --------------------------------------------------------------

    def on_model_ready(self, message: ModelReady) -> None:
        """A model is there: open its first question."""
        self.facts = message.facts
        if not message.facts.replayed:
            self._open_first_question()
        self._draw()

    def on_run_changed(self, message: RunChanged) -> None:
        """Show the run's new state; the cursor goes to the newest step unless it is held elsewhere."""
        before = 0 if self.view is None else len(self.view.steps)
        self.view = message.newest()
        count = len(self.view.steps)
        if count != before or self.selected is None or self.selected >= count:
            self.selected = count - 1 if count else None
        self._draw_soon()

    def on_activity(self, message: Activity) -> None:
        """Show what the engine is doing."""
        self.activity = message.text
        self._draw_status()

    def on_engine_error(self, message: EngineError) -> None:
        """Show an error; the run stays as it is."""
        self._tell_error(message.text)

    def on_thoughts_pane_selected(self, message: ThoughtsPane.Selected) -> None:
        """Select the step under the cursor."""
        self.selected = message.step
        self._draw()

    def on_tabs_tab_activated(self, event: Tabs.TabActivated) -> None:
        """In a narrow terminal, bring a pane to the front."""
        if event.tabs.id == "pane-tabs" and event.tab.id is not None:
            for name in PANES:
                self.query_one(f"#{name}").set_class(event.tab.id == f"tab-{name}", "front")

    # -- actions: one method for each row of the table -----------------------------------------------------

    @property
    def _player(self) -> Engine | Replay:
        return self.engine if self.replay is None else self.replay

    def action_step(self) -> None:
        self._player.step()

    def action_step_back(self) -> None:
        self._player.back()

    def action_finish(self) -> None:
        self._player.finish()

    def action_restart(self) -> None:
        self._player.restart()

    def action_to_end_of_thinking(self) -> None:
        self._player.think_all()

    def action_stop(self) -> None:
        self.engine.stop()

    def action_more_thoughts(self) -> None:
        self._change_thoughts(1)

    def action_fewer_thoughts(self) -> None:
        self._change_thoughts(-1)

    def action_zero(self) -> None:
        if (step := self._selected_thought()) is not None:
            self.engine.zero(step.index, step.segment)

    def action_undo_edit(self) -> None:
        if (step := self._selected_thought()) is not None:
            self.engine.undo_edit(step.index, step.segment)

    def action_question(self) -> None:
        if self._has_model():
            self.push_screen(QuestionScreen("" if self.view is None else self.view.question), self._ask_text)

    def action_next_example(self) -> None:
        self._open_example((self._example or 0) + 1)

    def action_previous_example(self) -> None:
        self._open_example(max(1, (self._example or 2) - 1))

    def action_show_top(self) -> None:
        self._show_view("top")

    def action_show_graph(self) -> None:
        self._show_view("graph")

    def action_show_answer(self) -> None:
        self._show_view("answer")

    def action_more_tokens(self) -> None:
        self.token_count = min(50, self.token_count + 5 if self.token_count >= 5 else 5)
        self._draw()

    def action_fewer_tokens(self) -> None:
        self.token_count = max(1, self.token_count - 5)
        self._draw()

    def action_next_pane(self) -> None:
        self.query_one("#pane-tabs", Tabs).action_next_tab()

    def action_switch_theme(self) -> None:
        self.theme = "textual-light" if self.current_theme.dark else "textual-dark"

    def action_save(self) -> None:
        if self.view is None:
            self._tell_error("there is no run to save yet")
        elif self._has_model():
            self.push_screen(PathScreen("Save the run as", "run.json"), self._save)

    def action_open(self) -> None:
        self.push_screen(PathScreen("Open a saved run", "run.json"), self._open_trace)

    def action_help(self) -> None:
        self.push_screen(HelpScreen())

    # -- what the actions need -----------------------------------------------------------------------------

    def _open(self) -> None:
        if self.replay is not None:
            self.replay.start()
        elif self._choice is not None:
            self.engine.start(self._choice)

    def _open_first_question(self) -> None:
        if self._question is not None:
            self._ask(self._question, recognise(self._question))
        elif self.facts is not None and self.facts.family is not None:
            self._open_example(self._example or 1)
        elif self._example is not None:
            self._tell_error("this model names no problem family with examples")
        else:
            self.action_question()

    def _open_example(self, number: int) -> None:
        if not self._has_model() or self.facts is None:
            return
        try:
            problem = example_problem(self.facts.family, number)
        except CoconutError as error:
            self._tell_error(str(error))
            return
        self._example = number
        self._ask(problem.question, problem)

    def _ask_text(self, question: str | None) -> None:
        if question is not None:
            self._example = None
            self._ask(question, recognise(question))

    def _ask(self, question: str, problem: Problem | None) -> None:
        self.selected = None
        self.engine.ask(question, problem, self._thoughts)

    def _change_thoughts(self, by: int) -> None:
        if self.view is not None and self._has_model():
            self._thoughts = max(0, self.view.thoughts + by)
            self._ask(self.view.question, self.view.problem)

    def _selected_thought(self) -> StepRecord | None:
        if not self._has_model():
            return None
        if self.view is not None and self.selected is not None:
            step = self.view.steps[self.selected]
            if step.kind == "thought":
                return step
        self._tell_error("select a thought first (up and down)")
        return None

    def _has_model(self) -> bool:
        if self.replay is not None:
            self._tell_error("this is a saved run: open a model with coconut-tui --model DIR to change it")
        elif self.facts is None:
            self._tell_error("the model is not loaded yet")
        return self.replay is None and self.facts is not None

    def _save(self, path: str | None) -> None:
        if path is None:
            return
        if Path(path).expanduser().exists():
            self._tell_error(f"{path} exists already: choose another name")
        else:
            self.engine.save(Path(path).expanduser(), lambda saved: self.notify(f"saved to {saved}"))

    def _open_trace(self, path: str | None) -> None:
        if path is None:
            return
        try:
            trace = Trace.load(Path(path).expanduser())
        except CoconutError as error:
            self._tell_error(str(error))
            return
        self.engine.stop()
        self.view, self.selected = None, None
        self.replay = Replay(self.post_message, trace)
        self.replay.start()

    def _show_view(self, name: str) -> None:
        self.query_one(InspectPane).view_tab(name)
        self.query_one("#pane-tabs", Tabs).active = "tab-inspect"

    def _tell_error(self, text: str) -> None:
        self.notify(text, title="Error", severity="error", markup=False)

    @property
    def up_to_date(self) -> bool:
        """Whether what is on screen is the newest state of the run."""
        return self._draw_timer is None

    def _draw_soon(self) -> None:
        """Draw at once, or shortly where the last drawing has just been: one drawing then serves many steps."""
        if self._draw_timer is not None:
            return
        pause = max(DRAW_INTERVAL, 3 * self._draw_seconds) - (time.monotonic() - self._drawn_at)
        if pause <= 0:
            self._draw()
        else:
            self._draw_timer = self.set_timer(pause, self._draw)

    def _draw(self) -> None:
        if self._draw_timer is not None:
            self._draw_timer.stop()
            self._draw_timer = None
        began = time.monotonic()
        self.query_one(PromptPane).show(self.view, self.facts)
        self.query_one(ThoughtsPane).show(self.view, self.facts, self.selected)
        self.query_one(InspectPane).show(self.view, self.facts, self.selected, self.token_count)
        self._draw_status()
        self._drawn_at = time.monotonic()
        self._draw_seconds = self._drawn_at - began

    def _draw_status(self) -> None:
        name = self.facts.name if self.facts is not None else "coconut"
        example = f" · example {self._example}" if self._example is not None and self.replay is None else ""
        mode = "" if self.view is None else f" · {self.view.mode}"
        doing = f" · {self.activity} …" if self.activity else ""
        self.query_one("#status", Static).update(Text(f"{name}{example}{mode}{doing}", no_wrap=True))
        self.query_one("#verdict", Static).update(self._verdict())

    def _verdict(self) -> Text:
        if self.facts is not None and not self.facts.trained:
            return Text("not trained to think in latents", "bold")
        text = Text("thoughts used? ", no_wrap=True, overflow="ellipsis")
        return text.append("UNKNOWN", "bold").append(" for this model: no controls.json yet")
