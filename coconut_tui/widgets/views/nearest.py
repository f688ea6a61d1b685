"""The token embeddings that lie nearest to the selected step's vector."""

from rich.text import Text

from coconut_tui.drawing import BAR_STYLE, bar, fitted
from coconut_tui.looks import Ask, Neighbours
from coconut_tui.widgets.views.sight import Sight, in_place_of


def ask(sight: Sight) -> Ask | None:
    """About the selected step."""
    return None if sight.number is None else sight.ask("nearest", sight.number + 1)


def draw(sight: Sight) -> Text:
    """Bars of the cosines."""
    wanted = ask(sight)
    if wanted is None:
        return Text("Take a step (s) to see what lies near it.", "dim")
    found = sight.answer(wanted)
    if not isinstance(found, Neighbours):
        return in_place_of(sight, found)
    width = max(4, min(24, sight.width - 19))
    text = Text().append("cosine to the token embedding\n", "dim")
    for item in found.top[: sight.token_count]:
        text.append(f"\n{fitted(item.name, 12)} ")
        text.append(bar(item.probability, width), BAR_STYLE).append(f" {item.probability:.2f}")
    return text
