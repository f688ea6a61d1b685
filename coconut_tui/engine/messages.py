"""What the engine tells the interface."""

from collections.abc import Callable, Mapping

from textual.message import Message

from coconut_core.evaluation.significance import Share
from coconut_core.model_choice import ModelChoice
from coconut_tui.run.state import ModelFacts, RunView


class ModelReady(Message):
    """A model has been loaded, as it was chosen; a saved run has none."""

    def __init__(self, facts: ModelFacts, choice: ModelChoice | None = None) -> None:
        super().__init__()
        self.facts, self.choice = facts, choice


class VerdictRead(Message):
    """What is known of the model's thoughts, in a line, with the shares of right answers behind it."""

    def __init__(self, verdict: str, shares: Mapping[str, Share]) -> None:
        super().__init__()
        self.verdict, self.shares = verdict, shares


class QuestionRead(Message):
    """The model has read a question, or, with an error, could not."""

    def __init__(self, question: str, error: str = "") -> None:
        super().__init__()
        self.question, self.error = question, error


class RunChanged(Message):
    """The run has a new state. `newest` gives it; a fast run may have gone on since this was posted."""

    def __init__(self, newest: Callable[[], RunView], *, replayed: bool = False) -> None:
        super().__init__()
        self.newest, self.replayed = newest, replayed


class Stopped(Message):
    """A run that went on by itself has stopped at a breakpoint."""

    def __init__(self, breakpoint: str) -> None:
        super().__init__()
        self.breakpoint = breakpoint


class Activity(Message):
    """What the engine is doing, and how far it is where that is known; empty when it waits."""

    def __init__(self, text: str, done: int = 0, total: int = 0) -> None:
        super().__init__()
        self.text = f"{text} {done}/{total}" if total else text


class EngineError(Message):
    """Something went wrong; the run is as it was before."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
