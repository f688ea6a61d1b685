"""What views draw, and what they have in common."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice

from rich.style import Style
from rich.text import Text

from coconut_core.records.trace import UNREADABLE, StepRecord
from coconut_tui.run.lookups import Ask, Dials, Failed, Found
from coconut_tui.run.state import ModelFacts, RunView, marker_name, thought_name
from coconut_tui.views.guides import Guide
from coconut_tui.widgets.palettes import SHADES
from coconut_tui.widgets.token_marks import TokenMarks, token_marks
from coconut_tui.widgets.tokens import EDIT_BOLD

LEAST_SHARE = 0.005  # smaller probabilities are left blank
_MEASURED = 400  # thoughts
_MOST_THOUGHTS = 24  # in a table of thoughts


def _nothing(ask: Ask) -> None:
    return None


def _unpainted() -> bool:
    return False


@dataclass(frozen=True)
class Sight:
    """What a view draws, and the room it has."""

    run: RunView | None = None
    facts: ModelFacts | None = None
    number: int | None = None  # of the selected step, from 0
    token_count: int = 10
    dials: Dials = field(default_factory=Dials)
    answer: Callable[[Ask], Found | None] = _nothing  # what the model said; None where that is not known yet
    prompt_painted: Callable[[], bool] = _unpainted  # whether the attention is seen on the prompt pane
    width: int = 34  # cells
    height: int = 20  # lines

    @property
    def step(self) -> StepRecord | None:
        """The selected step."""
        return None if self.run is None or self.number is None else self.run.steps[self.number]

    @property
    def thought(self) -> StepRecord | None:
        """The selected thought, or the last one in front of the selected step."""
        steps = () if self.run is None or self.number is None else self.run.steps[: self.number + 1]
        return next((step for step in reversed(steps) if step.kind == "thought"), None)

    @property
    def first_thought_hops(self) -> int:
        """See CoconutConfig."""
        return 1 if self.facts is None else self.facts.first_thought_hops

    @property
    def marks(self) -> TokenMarks:
        """Which tokens stand out, and how: the same in every view."""
        graph = None if self.run is None else self.run.graph
        spaces_shown = self.facts is not None and self.facts.spaces_shown
        return token_marks(graph, self.dials, spaces_shown=spaces_shown)

    def ask(self, kind: str, steps: int) -> Ask:
        """A question about the run up to a step."""
        assert self.run is not None
        decisions = self.run.tree.here.decisions.upto(steps)
        return Ask(kind, self.run.question, replace(decisions, thoughts=None))


@dataclass(frozen=True)
class View:
    """One way to look at a step: a tab, a key, and an action that brings it to the front. `name` is its tab."""

    name: str
    title: str
    draw: Callable[[Sight], Text] | None = None  # None for the table, which is rows
    ask: Callable[[Sight], Ask | None] = lambda sight: None  # what it needs to know from the model
    guide: Guide | None = None
    facts: Callable[[Sight], str] | None = None  # what its frame says besides; None: the step
    reads_one: bool = False  # shows the selected step alone: nothing, where that is no number
    key: str = ""  # of a built-in view; a view of a plugin has no key
    typed: str = ""  # the name of its action, where that is not its own
    description: str = ""  # what its action does, in a line
    actions: tuple[str, ...] = ()  # that the line of keys names while it has the focus


def unreadable(step: StepRecord) -> Text:
    """What stands in place of a view of a step that is no number, with what can be done."""
    text = Text("⚠ ", EDIT_BOLD).append(
        f"This {'thought' if step.kind == 'thought' else 'step'} {UNREADABLE}.\n\n"
    )
    return text.append(
        "Go back (b) to where the numbers are finite; a smaller edit, or --dtype float32, may help.", "dim"
    )


def in_place_of(sight: Sight, answer: Found | None) -> Text:
    """What stands in a view's place while the model has not answered, or where it cannot."""
    if isinstance(answer, Failed):
        return Text(answer.text)
    if sight.facts is not None and sight.facts.replayed:
        return Text("This needs the model: a saved run holds what its steps showed, and no more.", "dim")
    return Text("reading the model …", "dim")


@lru_cache(4096)  # it is made of each cell of a strip with every key
def click(action: str) -> Style:
    """What makes a click on a text do something."""
    return Style(meta={"@click": f"app.{action}"})


def shade(share: float) -> str:
    """The style of a cell: the larger the share, the more of the bars' colour in its ground."""
    level = min(SHADES - 1, int(max(0.0, share) * SHADES))  # 0 for what is no number
    return f"coconut.shade.{level}" if level else ""


def last_thoughts(run: RunView, selected: StepRecord | None) -> list[StepRecord]:
    """The thoughts that a table has room for: the last ones up to the selected one, or to the end."""
    thoughts = [step for step in run.steps if step.kind == "thought"]
    before = next((number for number, step in enumerate(thoughts) if step is selected), len(thoughts) - 1)
    end = max(_MOST_THOUGHTS, before + 1)
    return thoughts[max(0, end - _MOST_THOUGHTS) : end]


def latest_thoughts(run: RunView) -> list[StepRecord]:
    """The last thoughts of a run, which say what is high or low in it."""
    thoughts = (step for step in reversed(run.steps) if step.kind == "thought")
    return list(islice(thoughts, _MEASURED))


def step_name(step: StepRecord) -> str:
    """A step in a few letters."""
    if step.kind == "thought":
        return thought_name(step.segment, step.index)
    return marker_name(step) if step.kind == "marker" else step.name
