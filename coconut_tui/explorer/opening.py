"""What is open: a model or a saved run, what is shown while a model loads, and the way on where it does not."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from coconut_core.checkpoints.bundled import bundled_model, short_name
from coconut_core.checkpoints.hub import check_source
from coconut_core.common.errors import CoconutError
from coconut_core.common.paths import user_path
from coconut_core.model_choice import HOW
from coconut_core.problems import recognise
from coconut_core.problems.base import Problem
from coconut_core.records.trace import StepRecord, Trace
from coconut_tui.engine import Engine, EngineError, ModelChoice, QuestionRead, Replay
from coconut_tui.explorer.inspecting import InspectingApp
from coconut_tui.run.state import ModelFacts, RunView
from coconut_tui.saved.format import SavedRun
from coconut_tui.saved.keeper import Keeper
from coconut_tui.screens.start import StartScreen
from coconut_tui.screens.welcome import Beginning, WelcomeScreen, beginnings, is_saved_run

if TYPE_CHECKING:
    from coconut_tui.screens.question import QuestionScreen


class OpeningApp(InspectingApp):
    """An app that steps a model, or a saved trace."""

    keeper: Keeper
    saved: SavedRun | None  # the session to go on with once its model is there
    thoughts: int | None  # asked for; None: as the model says
    begins_with_atlas: bool = False  # with no question then
    begins_with_choice: bool  # of what is opened; the model is then how, not which

    def __init__(
        self,
        engine: Engine,
        choice: ModelChoice | None,
        trace: Trace | None,
        problems: Sequence[Problem] | None,
        cache_limit: int,
    ) -> None:
        super().__init__()
        self.engine = engine
        self.choice = choice
        self.replay: Replay | None = None if trace is None else Replay(self.post_message, trace)
        self.facts: ModelFacts | None = None
        self._model_facts: ModelFacts | None = None  # while a saved run is on screen, of the model behind it
        self.view: RunView | None = None
        self.selected: int | None = None
        self._file, self._cache_limit = problems, cache_limit
        self._start: StartScreen | None = None

    def on_mount(self) -> None:
        """Keep the theme that is chosen."""
        self.theme_changed_signal.subscribe(self, lambda theme: self.keeper.note_theme(theme.name))

    # -- opening -------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open what the app was started with."""
        if self.replay is not None:
            self.replay.start()
        elif self.begins_with_choice:
            self.choose()
        elif self.choice is not None:
            self.start_engine(self.choice)
        elif self.begins_with_atlas:
            self.open_first()

    def open_first(self) -> None:
        """Open what comes first where it needs no model, or where the model is there."""
        raise NotImplementedError

    def open_model(self, source: str) -> None:
        """Open another model. The one in use stays until it is there."""
        source = str(bundled_model(source) or source)
        self.saved = None  # a session whose own model could not be opened waits for that one
        self.start_engine(ModelChoice(source) if self.choice is None else replace(self.choice, source=source))

    def start_engine(self, choice: ModelChoice) -> None:
        """Load a model as it is chosen; where there is none yet, its loading is all there is to see."""
        if self._model_facts is None and self.replay is None and self._start is None:
            self._start = StartScreen(short_name(choice.source))
            self.push_screen(self._start)
        self.engine.start(choice, self._file, self._cache_limit)

    def open_replay(self, trace: Trace) -> None:
        """Replay a saved trace."""
        self.engine.stop()
        self.view, self.selected = None, None
        self.replay = Replay(self.post_message, trace)
        self.replay.start()

    def close_replay(self) -> None:
        """Go back from a saved run to the model. Raises CoconutError where there is none."""
        if self.replay is None:
            raise CoconutError("no saved run is open")
        if self.choice is None:
            raise CoconutError("there is no model to go back to")
        self.replay, self.view, self.selected = None, None, None
        self.facts = self._model_facts
        self.engine.show()

    def take_up(self, run: SavedRun) -> None:
        """Go on with a session, once its model is there."""
        raise NotImplementedError

    # -- until there is a run ------------------------------------------------------------------------------

    @property
    def is_opening(self) -> bool:
        """Whether a model is on its way, and there is nothing else to do."""
        return self._start is not None

    def note_stage(self, activity: str) -> None:
        """The engine does something else now."""
        if self._start is not None:
            self._start.show(activity)

    def end_start(self) -> None:
        """There is something to see: do the keys that were pressed meanwhile."""
        start, self._start = self._start, None
        if start is None:
            return
        start.dismiss()
        for key in start.keys:
            self.simulate_key(key)

    def on_engine_error(self, message: EngineError) -> None:
        """Show an error; the run stays as it is. Without a model there is only another one to choose."""
        if self._start is not None and self.facts is None:
            start, self._start = self._start, None
            start.dismiss()
            self.choose(message.text)
            return
        self.end_start()
        if self._question is not None and self._question.waits:
            self._question.refuse(message.text)
        else:
            self.tell_error(message.text)

    def on_question_read(self, message: QuestionRead) -> None:
        """A question that was refused stays in the editor, with what is wrong with it."""
        if not message.error:
            if self._question is not None and self._question.waits:
                self._question.dismiss(None)
            return
        self.end_start()
        if self._question is not None:
            self._question.refuse(message.error)
        else:
            self.write_question(message.question, message.error)

    # -- asking --------------------------------------------------------------------------------------------

    def ask(self, text: str, problem: Problem | None, example: int | None) -> None:
        """Open a question; example is its number among the problems that are gone through."""
        self.selected = self.looked_at = None
        self.engine.ask(text, problem, example, self.thoughts)

    def open_run(self, problem: Problem, thoughts: int | None) -> None:
        """Make a run anew that was made before, with as many thoughts as then, and go to its end."""
        self.selected = self.looked_at = None
        self.engine.ask(problem.question, problem, None, thoughts)
        self.engine.finish()

    def write_question(self, text: str, error: str = "") -> None:
        """Open the editor with a question, and with what was wrong with it."""
        from coconut_tui.screens.question import QuestionScreen  # which the first paint need not wait for

        self.end_start()

        def ask(written: str) -> None:
            self.ask(written, recognise(written), None)

        self.push_screen(QuestionScreen(text, self.keeper.questions, ask, error))

    @property
    def _question(self) -> "QuestionScreen | None":
        """The editor of a question, where that is on top."""
        from coconut_tui.screens.question import QuestionScreen

        return self.screen if isinstance(self.screen, QuestionScreen) else None

    # -- choosing ------------------------------------------------------------------------------------------

    def choose(self, error: str = "", *, title: str = "coconut-tui", leaving: str = "quits") -> None:
        """Show what can be opened. error: why nothing is open; leaving: what escape does, it quits, or only
        closes the list."""

        def closed(chosen: Beginning | None) -> None:
            if chosen is None:
                if leaving == "quits":
                    self.exit()
                return
            try:
                self._begin_with(chosen)
            except CoconutError as wrong:
                self.choose(str(wrong), title=title, leaving=leaving)

        sessions = self.keeper.runs if self._model_facts is None else ()
        known = beginnings(sessions, self.keeper.models, Path())
        self.push_screen(WelcomeScreen(known, error, title=title, leaving=leaving), closed)

    def _begin_with(self, chosen: Beginning) -> None:
        """Raises CoconutError for what is not there."""
        if chosen.session is not None:
            run = self.keeper.resume_run(chosen.session)
            if run is None:
                raise CoconutError("that session cannot be gone on with: another explorer has it open")
            self.take_up(run)
            self._file = self.keeper.problems()
            self.start_engine(run.choice if self.choice is None else laid_over(run.choice, self.choice))
        elif is_saved_run(user_path(chosen.source)):
            trace = Trace.load(user_path(chosen.source))
            self.choice = None if self._model_facts is None else self.choice
            self.open_replay(trace)
        else:
            choice = ModelChoice(chosen.source) if self.choice is None else self.choice
            choice = replace(choice, source=chosen.source).resolved(lambda text: None)
            check_source(choice.source)
            self.saved = None
            self.start_engine(choice)

    # -- what actions need ---------------------------------------------------------------------------------

    @property
    def player(self) -> Engine | Replay:
        """What takes steps."""
        return self.engine if self.replay is None else self.replay

    @property
    def has_model(self) -> bool:
        """Whether a model is there, perhaps behind a saved run."""
        return self._model_facts is not None

    def require_model(self) -> None:
        """Raises CoconutError where there is no model to work with."""
        if self.replay is not None:
            raise CoconutError("this is a saved run: open a model with coconut-tui --model DIR to change it")
        if self.facts is None:
            raise CoconutError("the model is not loaded yet")

    def require_view(self) -> RunView:
        """The run. Raises CoconutError where there is none."""
        if self.view is None:
            raise CoconutError("no question is open: press Q to write one")
        return self.view

    def require_thought(self) -> StepRecord:
        """The thought that a change is about. Raises CoconutError where none has been taken."""
        self.require_model()
        step = self.meant_thought
        if step is None and self.view is not None and self.view.without_thoughts:
            raise CoconutError("this run takes no thoughts, so there is none to change: ] plans one")
        if step is None:
            raise CoconutError("there is no thought to change yet: s takes one")
        return step

    def use_trace(self, activity: str, use: Callable[[Trace], None]) -> None:
        """Call `use` with the run on screen. Raises CoconutError where there is none."""
        self.require_view()
        if self.replay is not None:
            use(self.replay.trace)
        else:
            self.engine.use_trace(activity, use)


def laid_over(saved: ModelChoice, given: ModelChoice) -> ModelChoice:
    """The model of a saved session, opened as is said now where that says something."""
    names = ("device", "dtype", *HOW)
    said = {name: value for name in names if (value := getattr(given, name)) not in (None, "auto")}
    return replace(saved, **said)
