"""The token embeddings that lie nearest to the selected step's vector."""

from rich.text import Text

from coconut_core.common.cells import cells
from coconut_tui.run.lookups import Ask, Neighbours
from coconut_tui.views.guides import Guide
from coconut_tui.views.view import Sight, View, in_place_of
from coconut_tui.widgets.tokens import BAR_STYLE, bar, fitted
from coconut_tui.widgets.units import heading, likelihood_text

_LEAST_NAME, _MOST_NAME = 12, 24  # cells
_COSINE = 5


def ask(sight: Sight) -> Ask | None:
    """About the selected step."""
    return None if sight.number is None else sight.ask("nearest", sight.number + 1)


def draw(sight: Sight) -> Text:
    """Bars of the cosines, and how likely the readout holds the same tokens."""
    request = ask(sight)
    if request is None:
        return Text("Take a step (s) to see what lies near it.", "dim")
    neighbours, step = sight.answer(request), sight.step
    if not isinstance(neighbours, Neighbours):
        return in_place_of(sight, neighbours)
    units, marks = sight.dials.scale, sight.marks
    top = neighbours.top[: max(sight.token_count, sight.height - 3)]
    numbers = _COSINE + len(heading(units)) + 2
    longest = max((cells(item.name) for item in top), default=0)
    name = max(_LEAST_NAME, min(longest, _MOST_NAME, sight.width - numbers - 20))
    bars = max(4, sight.width - name - numbers - 2)
    text = Text("cosine to the token embedding, and what the readout says\n", "dim")
    text.append(f"{'':<{name + 2 + bars}} {'cos':>{_COSINE}} {heading(units)}", "dim")
    for item in top:
        style = marks.style(item.name)
        text.append(f"\n{marks.sign(item.name)}{fitted(item.name, name)} ", style)
        text.append(bar(item.probability, bars), BAR_STYLE).append(f" {item.probability:>{_COSINE}.2f} ")
        text.append("" if step is None else likelihood_text(item, step, units), "dim")
    return text


VIEW = View(
    "nearest",
    "Nearest",
    draw,
    ask,
    key="7",
    description="Show the token embeddings nearest to the step",
    actions=("units",),
    reads_one=True,
    guide=Guide(
        "Nearest",
        "The token embeddings with the largest cosine to the selected step's vector, and how likely the "
        "readout holds each of them ($: p, ln p or rank; · and > are beyond what was recorded). Where input "
        "and output embeddings are the same matrix, the cosine is the readout with lengths taken out.",
        "In many dimensions everything is nearly orthogonal: a nearest embedding at 0.2 is far away. A thought "
        "need not be near any word to be of use.",
    ),
)
