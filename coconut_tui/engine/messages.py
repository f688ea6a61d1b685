"""What the engine tells the interface."""

from collections.abc import Callable, Mapping

from textual.message import Message

from coconut_tui.branches import Said
from coconut_tui.looks import Ask, Found
from coconut_tui.state import Comparison, ModelChoice, ModelFacts, Preview, RunView, WhatIf


class ModelReady(Message):
    """A model has been loaded, as it was chosen; a saved run has none."""

    def __init__(self, facts: ModelFacts, choice: ModelChoice | None = None) -> None:
        super().__init__()
        self.facts, self.choice = facts, choice


class VerdictRead(Message):
    """What is known of the model's thoughts, in a line."""

    def __init__(self, verdict: str) -> None:
        super().__init__()
        self.verdict = verdict


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


class PreviewReady(Message):
    """What an edit would lead to."""

    def __init__(self, preview: Preview) -> None:
        super().__init__()
        self.preview = preview


class WhatIfChanged(Message):
    """A what-if table has more to show."""

    def __init__(self, table: WhatIf) -> None:
        super().__init__()
        self.table = table


class CompareReady(Message):
    """Two branches have been compared."""

    def __init__(self, comparison: Comparison) -> None:
        super().__init__()
        self.comparison = comparison


class LookReady(Message):
    """What a view asked of the model is known."""

    def __init__(self, ask: Ask, found: Found) -> None:
        super().__init__()
        self.ask, self.found = ask, found


class Judged(Message):
    """Problems have been answered: by number, what was said, judged."""

    def __init__(self, said: Mapping[int, Said]) -> None:
        super().__init__()
        self.said = said
