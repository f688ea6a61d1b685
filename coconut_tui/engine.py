"""The one place that touches a model: a thread with a queue of commands that posts its results as messages.

The interface never waits for it. Torch and transformers are imported here, in the thread, and not before.
"""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textual.message import Message

from coconut_core.errors import CoconutError
from coconut_core.problems.base import Problem
from coconut_core.trace import StepRecord, Trace
from coconut_tui.state import ModelFacts, RunView

if TYPE_CHECKING:
    from coconut_core.model import CoconutModel
    from coconut_core.session import Session

RECORDED_TOKENS = 50  # tokens kept of each step; the view shows as many of them as wanted


class ModelReady(Message):
    """A model has been loaded."""

    def __init__(self, facts: ModelFacts) -> None:
        super().__init__()
        self.facts = facts


class RunChanged(Message):
    """The run has a new state. `newest` gives it; a fast run may have gone on since this was posted."""

    def __init__(self, newest: Callable[[], RunView]) -> None:
        super().__init__()
        self.newest = newest


class Activity(Message):
    """What the engine is doing; empty when it waits."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class EngineError(Message):
    """Something went wrong; the run is as it was before the command."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


@dataclass(frozen=True)
class ModelChoice:
    """Which model to load, and how."""

    source: str
    device: str = "auto"
    dtype: str = "auto"
    feedback: str | None = None


class Engine:
    """Loads a model and drives one Session. Its methods return at once."""

    def __init__(self, post: Callable[[Message], object]) -> None:
        self._post = post
        self._commands: queue.Queue[tuple[str, Callable[[], None]] | None] = queue.Queue()
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._work, name="coconut engine", daemon=True)
        self._model: CoconutModel | None = None
        self._session: Session | None = None
        self._problem: Problem | None = None
        self._watched: dict[str, int] = {}
        self._records: list[StepRecord] = []
        self._newest: RunView | None = None
        self._announced = threading.Event()  # a RunChanged is under way that nobody has read yet

    # -- commands, called from the interface ---------------------------------------------------------------

    def start(self, choice: ModelChoice) -> None:
        """Start the thread and load the model."""
        self._thread.start()
        self._send(f"loading {choice.source}", lambda: self._load(choice))

    def ask(self, question: str, problem: Problem | None, thoughts: int | None) -> None:
        """Begin a run over a question."""
        self._send("reading the question", lambda: self._ask(question, problem, thoughts))

    def step(self) -> None:
        """Take one step."""
        self._send("stepping", lambda: self._take(lambda session: True))

    def back(self) -> None:
        """Take one step back."""
        self._send("going back", lambda: self._rewind(max(0, len(self._open_session.steps) - 1)))

    def restart(self) -> None:
        """Go back to just after the question."""
        self._send("going back", lambda: self._rewind(0))

    def finish(self) -> None:
        """Run to the end, or until stop()."""
        self._send("running", lambda: self._take(lambda session: session.finished))

    def think_all(self) -> None:
        """Run until the model is about to speak, or until stop()."""
        self._send("thinking", lambda: self._take(lambda session: session.mode != "thinking"))

    def zero(self, thought: int, segment: int) -> None:
        """Replace a thought by zeros."""
        self._send("thinking again", lambda: self._edit(thought, segment, "zero"))

    def undo_edit(self, thought: int, segment: int) -> None:
        """Give a thought its own value again."""
        self._send("thinking again", lambda: self._edit(thought, segment, None))

    def save(self, path: Path, done: Callable[[Path], None]) -> None:
        """Write the run's trace, then call done from the engine's thread."""
        self._send("saving", lambda: self._save(path, done))

    def stop(self) -> None:
        """Stop after the step that is under way, and forget commands that wait."""
        self._cancelled.set()

    def close(self) -> None:
        """End the thread once it has nothing to do."""
        self.stop()
        self._commands.put(None)

    # -- inside the thread ---------------------------------------------------------------------------------

    def _send(self, activity: str, command: Callable[[], None]) -> None:
        self._cancelled.clear()
        self._commands.put((activity, command))

    def _work(self) -> None:
        while (item := self._commands.get()) is not None:
            activity, command = item
            if self._cancelled.is_set():
                continue
            self._post(Activity(activity))
            try:
                command()
            except CoconutError as error:
                self._post(EngineError(str(error)))
            except Exception as error:
                self._post(EngineError(f"{type(error).__name__}: {error}"))
            self._post(Activity(""))

    def _load(self, choice: ModelChoice) -> None:
        from coconut_core.model import CoconutModel

        model = CoconutModel.from_pretrained(
            choice.source, device=choice.device, dtype=choice.dtype, feedback=choice.feedback
        )
        self._model = model
        config = model.config
        self._post(
            ModelReady(
                ModelFacts(
                    model.name, config.trained, config.family, config.answer_prefix, config.first_thought_hops
                )
            )
        )

    def _ask(self, question: str, problem: Problem | None, thoughts: int | None) -> None:
        from coconut_core.trace import watched_tokens

        if self._model is None:
            raise CoconutError("no model is loaded")
        session = self._model.start(question, thoughts)
        self._session, self._problem, self._records = session, problem, []
        self._watched = watched_tokens(session, problem)
        self._show()

    def _take(self, enough: Callable[["Session"], bool]) -> None:
        session = self._open_session
        while not self._cancelled.is_set():
            if session.step() is None or enough(session):
                break
            if not self._announced.is_set():  # else the screen is behind: think on, it shows more at once
                self._show()
        self._show()

    def _rewind(self, position: int) -> None:
        self._open_session.rewind(position)
        self._show()

    def _edit(self, thought: int, segment: int, text: str | None) -> None:
        from coconut_core.interventions import parse_intervention

        self._open_session.edit(thought, None if text is None else parse_intervention(text), segment)
        self._records = []  # anything from the edited thought on may differ
        self._show()

    def _save(self, path: Path, done: Callable[[Path], None]) -> None:
        from coconut_core.trace import trace_session

        trace_session(self._open_session, RECORDED_TOKENS, self._problem).save(path)
        done(path)

    @property
    def _open_session(self) -> "Session":
        if self._session is None:
            raise CoconutError("no question is open: press q to write one")
        return self._session

    def _show(self) -> None:
        """Post the run as it stands, making records only of the steps that have none yet."""
        from coconut_core.trace import record_step

        session = self._open_session
        del self._records[len(session.steps) :]
        before = None
        for number, step in enumerate(session.steps):
            if number >= len(self._records):
                self._records.append(record_step(step, before, self._watched, RECORDED_TOKENS))
            before = step if step.kind == "thought" else before
        self._newest = RunView(
            question=session.question,
            problem=self._problem,
            steps=tuple(self._records),
            thoughts=session.thoughts,
            text=session.text,
            mode=str(session.mode),
            finished=session.finished,
        )
        if not self._announced.is_set():
            self._announced.set()
            self._post(RunChanged(self._read_newest))

    def _read_newest(self) -> RunView:
        """Called from the interface: the newest state, and leave to announce the next."""
        self._announced.clear()
        assert self._newest is not None
        return self._newest


class Replay:
    """Plays a saved trace with the engine's verbs; there is no model, so nothing can be changed."""

    def __init__(self, post: Callable[[Message], object], trace: Trace) -> None:
        self._post = post
        self.trace = trace
        self._position = 0

    def start(self) -> None:
        """Show the trace from its beginning."""
        settings = self.trace.settings
        self._post(
            ModelReady(
                ModelFacts(
                    self.trace.model,
                    bool(settings.get("trained", True)),
                    None,
                    str(settings.get("answer_prefix", "###")),
                    self.trace.first_thought_hops,
                    replayed=True,
                )
            )
        )
        self._show(0)

    def step(self) -> None:
        """Show one step more."""
        self._show(self._position + 1)

    def back(self) -> None:
        """Show one step fewer."""
        self._show(self._position - 1)

    def restart(self) -> None:
        """Show no step."""
        self._show(0)

    def finish(self) -> None:
        """Show all steps."""
        self._show(len(self.trace.steps))

    def think_all(self) -> None:
        """Show everything up to the first word."""
        words = [number for number, step in enumerate(self.trace.steps) if step.kind == "token"]
        self._show(words[0] if words else len(self.trace.steps))

    def _show(self, position: int) -> None:
        self._position = max(0, min(position, len(self.trace.steps)))
        steps = self.trace.steps[: self._position]
        whole = self._position == len(self.trace.steps)
        spoken = "".join(step.token for step in steps if step.kind == "token")
        ended = bool(steps) and steps[-1].kind != "thought"
        thoughts = self.trace.settings.get("thoughts")
        view = RunView(
            question=self.trace.question,
            problem=self.trace.problem,
            steps=steps,
            thoughts=thoughts if isinstance(thoughts, int) else len(self.trace.thoughts()),
            text=self.trace.text if whole else spoken,
            mode="finished" if whole else "speaking" if ended else "thinking",
            finished=whole,
        )
        self._post(RunChanged(lambda: view))
