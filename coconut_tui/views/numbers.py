"""The numbers recorded of every step, as a table; its cursor selects steps."""

from rich.text import Text

from coconut_core.common.cells import padded
from coconut_core.records.graph_reading import graph_mass
from coconut_core.records.trace import UNREADABLE, StepRecord
from coconut_tui.views.guides import Guide
from coconut_tui.views.view import Sight, View, step_name
from coconut_tui.widgets.rows import Row, RowsView
from coconut_tui.widgets.tokens import EDIT_STYLE, FLAT, flat, share_text, token_share

_FIXED = 31  # cells of all columns but the token's
_SECOND = 12  # cells of the second token
_WIDE = 60  # with so many cells there is room for the second token and for the edit


class NumbersTable(RowsView):
    """A row for each step."""

    def __init__(self) -> None:
        super().__init__()
        self._sight = Sight()

    def show(self, sight: Sight) -> None:
        """Draw a run, with the cursor on its selected step."""
        self._sight = sight
        count = 0 if sight.run is None else len(sight.run.steps)
        empty = [] if count else [Row(text=Text("Take a step (s) to fill the table.", "dim"))]
        self.lay_out([Row(text=_heading(sight)), *map(Row, range(count)), *empty], sight.number)

    def text_of(self, key: int) -> Text:
        """A step's numbers."""
        assert self._sight.run is not None
        return step_line(self._sight, self._sight.run.steps[key])

    def source_of(self, key: int) -> object:
        """The step, the room, and the graph with what a thought's place in it is."""
        sight = self._sight
        assert sight.run is not None
        return sight.run.steps[key], sight.width, sight.run.graph, sight.first_thought_hops


def step_line(sight: Sight, step: StepRecord) -> Text:
    """One row: step, likeliest token with its probability, entropy, norm, cosine, mass on the frontier."""
    wide = sight.width >= _WIDE
    name = f"w{step.index}" if step.kind == "token" else "eot" if step.kind == "marker" else step_name(step)
    token = _token_width(sight)
    text = Text(padded(name, 4), "bold" if step.kind == "thought" else "")
    if not step.readable:
        return text.append(f"⚠ {UNREADABLE}  ✎ {step.edit}" if step.edit else f"⚠ {UNREADABLE}", EDIT_STYLE)
    first = f"{FLAT:<{token}} {share_text(step.top[0].probability)}" if flat(step.top) else None
    text.append(first or token_share(step.top[0], token), "not bold")
    if wide:
        second = token_share(step.top[1], _SECOND) if len(step.top) > 1 else ""
        text.append(f"  {padded(second, _SECOND + 4)}", "not bold")
    norm = f"{step.norm:.1f}" if step.norm < 100 else f"{step.norm:.0f}"
    cosine = "" if step.cosine is None else f"{step.cosine:.2f}"
    text.append(f" {step.entropy:>4.2f} {norm:>4} {cosine:>5} {_frontier(sight, step):>5}", "not bold")
    return text.append(f"  ✎ {step.edit}" if wide and step.edit else "✎" if step.edit else "", EDIT_STYLE)


def _heading(sight: Sight) -> Text:
    token, second = _token_width(sight), f"  {'then':<{_SECOND}}   p" if sight.width >= _WIDE else ""
    return Text(f"    {'says':<{token}}   p{second}  nats norm   cos front", "dim")


def _token_width(sight: Sight) -> int:
    return max(6, min(12, sight.width - _FIXED))


def _frontier(sight: Sight, step: StepRecord) -> str:
    graph = None if sight.run is None else sight.run.graph
    if graph is None or step.kind != "thought":
        return ""
    return share_text(graph_mass(graph, step.index, step.watched, sight.first_thought_hops).frontier)


VIEW = View(
    "numbers",
    "Numbers",
    key="9",
    description="Show the numbers of every step as a table",
    guide=Guide(
        "Numbers",
        "Every step as it was recorded: its likeliest token with the probability, entropy (nats), norm, cosine "
        "to the thought before, and for a thought the mass on its frontier. w1 is the first word. The cursor "
        "selects steps; ✎ marks an edit.",
        "The numbers are of the readout and the vector that was fed, edits included, not of what was computed "
        "before an edit. The frontier is that of the graph as the wording tells it.",
    ),
)
