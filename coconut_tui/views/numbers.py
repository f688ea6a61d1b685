"""The numbers recorded of every step, as a table; its cursor selects steps."""

from collections.abc import Sequence
from math import isfinite, log

from rich.text import Text

from coconut_core.common.cells import padded
from coconut_core.records.graph_reading import graph_mass
from coconut_core.records.trace import UNREADABLE, StepRecord, TokenRecord
from coconut_tui.run.lookups import LN_P
from coconut_tui.views.guides import Guide
from coconut_tui.views.view import Sight, View, latest_thoughts, step_name
from coconut_tui.widgets.rows import Row, RowsView
from coconut_tui.widgets.tokens import EDIT_STYLE, FLAT, fitted, flat
from coconut_tui.widgets.units import heading, ln_text, p_text

_NAME = 5  # cells of a step's name
_FIGURES = 26  # cells of entropy, norm, cosine and frontier
_AHEAD = 7  # cells of how far the right candidate is ahead
_LEAST_TOKEN, _MOST_TOKEN = 6, 16  # cells of a token's name
_MOST_TOKENS = 10
_LOOKED_AT = 64  # steps that say how large norms are in this model
_WIDE = 60  # with so many cells there is room for a second token and for the edit


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
        rows = [Row(text=_heading(sight)), *map(Row, range(count)), *empty]
        self.lay_out(rows + [Row(text=line) for line in _ranges(sight)], sight.number)

    def text_of(self, key: int) -> Text:
        """A step's numbers."""
        assert self._sight.run is not None
        return step_line(self._sight, self._sight.run.steps[key])

    def source_of(self, key: int) -> object:
        """The step, the room, and what the columns show."""
        sight = self._sight
        assert sight.run is not None
        pins = tuple(sight.dials.pins.items())
        whole = _norms_are_large(sight)
        return sight.run.steps[key], sight.width, sight.run.graph, sight.dials.scale, pins, whole


def step_line(sight: Sight, step: StepRecord) -> Text:
    """One row: step, likeliest tokens with how likely they are, entropy, norm, cosine, mass on the frontier."""
    name = f"w{step.index}" if step.kind == "token" else "eot" if step.kind == "marker" else step_name(step)
    count, width = _tokens(sight)
    text = Text(padded(name, _NAME - 1), "bold" if step.kind == "thought" else "")
    if not step.readable:
        return text.append(f"⚠ {UNREADABLE}  ✎ {step.edit}" if step.edit else f"⚠ {UNREADABLE}", EDIT_STYLE)
    gap = ""
    for place in range(count):
        token = step.top[place] if place < len(step.top) else None
        text.append(gap).append_text(_token(sight, step, token, width))
        gap = "  "
    norm = f"{step.norm:.0f}" if _norms_are_large(sight) else f"{step.norm:.1f}"
    cosine = "" if step.cosine is None else f"{step.cosine:.2f}"
    text.append(f" {step.entropy:>5.2f} {norm:>6} {cosine:>5} {_frontier(sight, step):>5}", "not bold")
    if _shows_ahead(sight):
        text.append(f"{_ahead(sight, step):>{_AHEAD}}", "not bold")
    wide = sight.width >= _WIDE
    return text.append(f"  ✎ {step.edit}" if wide and step.edit else "✎" if step.edit else "", EDIT_STYLE)


def _token(sight: Sight, step: StepRecord, token: TokenRecord | None, width: int) -> Text:
    """A token in its colour and how likely it is; of what prefers nothing that it does."""
    units = sight.dials.scale
    if token is None:
        return Text(" " * (width + 1 + len(_unit_heading(sight))))
    name = FLAT if flat(step.top) else token.name
    number = ln_text(token.probability) if units == LN_P else p_text(token.probability)
    style = "" if flat(step.top) else sight.marks.style(token.name)
    return Text(fitted(name, width), style or "not bold").append(f" {number}", "not bold")


def _heading(sight: Sight) -> Text:
    count, width = _tokens(sight)
    unit = _unit_heading(sight)
    tokens = "  ".join(f"{word:<{width}} {unit}" for word in ("says", *["then"] * (count - 1)))
    ahead = f"{'✓−✗':>{_AHEAD}}" if _shows_ahead(sight) else ""
    return Text(f"{'':<{_NAME - 1}}{tokens}  nats   norm   cos front{ahead}", "dim")


def _unit_heading(sight: Sight) -> str:
    return heading(LN_P if sight.dials.scale == LN_P else "")


def _tokens(sight: Sight) -> tuple[int, int]:
    """How many tokens a row has, and the cells of a name."""
    number = len(_unit_heading(sight)) + 3
    room = sight.width - _NAME - _FIGURES - (_AHEAD if _shows_ahead(sight) else 0)
    count = max(1, min(_MOST_TOKENS, room // (_MOST_TOKEN - 4 + number))) if sight.width >= _WIDE else 1
    return count, max(_LEAST_TOKEN, min(_MOST_TOKEN, (room + 2) // count - number))


def _norms_are_large(sight: Sight) -> bool:
    """Whether norms are written without a digit behind the point, all of them."""
    return sight.run is not None and any(step.norm >= 1000 for step in sight.run.steps[:_LOOKED_AT])


def _shows_ahead(sight: Sight) -> bool:
    return sight.width >= _WIDE + _AHEAD and sight.run is not None and sight.run.graph is not None


def _ahead(sight: Sight, step: StepRecord) -> str:
    """ln p(right) − ln p(wrong)."""
    graph = None if sight.run is None else sight.run.graph
    if graph is None:
        return ""
    right, wrong = (step.watched.get(graph.names[node], 0.0) for node in (graph.target, graph.wrong))
    return f"{log(right) - log(wrong):+.1f}" if right > 0 and wrong > 0 else ""


def _ranges(sight: Sight) -> list[Text]:
    """The least and the most of each figure over the thoughts, which say what is high or low here."""
    steps = [] if sight.run is None else latest_thoughts(sight.run)
    steps = [step for step in steps if step.readable]
    if len(steps) < 2:
        return []
    count, width = _tokens(sight)
    tokens = count * (width + 1 + len(_unit_heading(sight))) + 2 * (count - 1)
    lines = [Text()]
    for name, choose in (("least of the thoughts", min), ("most of the thoughts", max)):
        figures: list[Sequence[float | None]] = [
            [step.entropy for step in steps],
            [step.norm for step in steps],
            [step.cosine for step in steps],
        ]
        digits = 0 if _norms_are_large(sight) else 1
        texts = []
        for values, cells, places in zip(figures, (5, 6, 5), (2, digits, 2), strict=True):
            known = [value for value in values if value is not None and isfinite(value)]
            texts.append((f"{choose(known):.{places}f}" if known else "").rjust(cells))
        lines.append(Text(f"{fitted(name, _NAME - 1 + tokens)} {' '.join(texts)}", "dim"))
    return lines


def _frontier(sight: Sight, step: StepRecord) -> str:
    graph = None if sight.run is None else sight.run.graph
    if graph is None or step.kind != "thought":
        return ""
    return p_text(graph_mass(graph, step.index, step.watched, sight.first_thought_hops).frontier)


VIEW = View(
    "numbers",
    "Numbers",
    key="9",
    description="Show the numbers of every step as a table",
    actions=("units",),
    guide=Guide(
        "Numbers",
        "Every step as it was recorded: its likeliest tokens with how likely they are ($: p or ln p), entropy "
        "(nats), norm, cosine to the thought before, and for a thought the mass on its frontier; ✓−✗ is ln p "
        "of the right candidate less that of the wrong one. w1 is the first word. The last two rows are the "
        "least and the most of this run's thoughts. The cursor selects steps; ✎ marks an edit.",
        "The numbers are of the readout and the vector that was fed, edits included, not of what was computed "
        "before an edit. The frontier is that of the graph as the wording tells it.",
    ),
)
