"""The token embeddings that lie nearest to the selected step's vector."""

from rich.text import Text

from coconut_tui.run.lookups import Ask, Neighbours
from coconut_tui.views.guides import Guide
from coconut_tui.views.view import Sight, View, in_place_of
from coconut_tui.widgets.tokens import BAR_STYLE, bar, fitted


def ask(sight: Sight) -> Ask | None:
    """About the selected step."""
    return None if sight.number is None else sight.ask("nearest", sight.number + 1)


def draw(sight: Sight) -> Text:
    """Bars of the cosines."""
    request = ask(sight)
    if request is None:
        return Text("Take a step (s) to see what lies near it.", "dim")
    neighbours = sight.answer(request)
    if not isinstance(neighbours, Neighbours):
        return in_place_of(sight, neighbours)
    width = max(4, min(24, sight.width - 19))
    text = Text().append("cosine to the token embedding\n", "dim")
    for item in neighbours.top[: sight.token_count]:
        text.append(f"\n{fitted(item.name, 12)} ")
        text.append(bar(item.probability, width), BAR_STYLE).append(f" {item.probability:.2f}")
    return text


VIEW = View(
    "nearest",
    "Nearest",
    draw,
    ask,
    key="7",
    description="Show the token embeddings nearest to the step",
    reads_one=True,
    guide=Guide(
        "Nearest",
        "The token embeddings with the largest cosine to the selected step's vector. Where input and output "
        "embeddings are the same matrix, it is the readout with lengths taken out.",
        "In many dimensions everything is nearly orthogonal: a nearest embedding at 0.2 is far away. A thought "
        "need not be near any word to be of use.",
    ),
)
