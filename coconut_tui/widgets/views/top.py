"""The likeliest tokens of the selected step, at a temperature."""

from rich.text import Text

from coconut_tui.drawing import token_bar
from coconut_tui.looks import Ask, Heated
from coconut_tui.widgets.views.sight import Sight, in_place_of


def ask(sight: Sight) -> Ask | None:
    """What is recorded is cut off, so only the model knows it at another temperature."""
    if sight.number is None or sight.dials.temperature == 1:
        return None
    wanted = sight.ask("top", sight.number + 1)
    return Ask(wanted.kind, wanted.question, wanted.decisions, temperature=sight.dials.temperature)


def draw(sight: Sight) -> Text:
    """Bars."""
    if sight.step is None:
        return Text("Take a step (s) to see what the first thought says.", "dim")
    top, text = sight.step.top, Text()
    wanted = ask(sight)
    if wanted is not None:
        text.append(f"≠ temperature {wanted.temperature:g}, not 1", "bold")
        found = sight.answer(wanted)
        if not isinstance(found, Heated):
            return text.append("\n").append_text(in_place_of(sight, found))
        text.append(f": entropy {found.entropy:.2f}\n")
        top = found.top
    bars = max(4, min(24, sight.width - 18))
    lines = (token_bar(item.token, item.probability, 12, bars) for item in top[: sight.token_count])
    return text.append_text(Text("\n").join(lines))
