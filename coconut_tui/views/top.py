"""The likeliest tokens of the selected step, at a temperature."""

from dataclasses import replace
from math import log

from rich.text import Text

from coconut_tui.run.lookups import Ask, Heated
from coconut_tui.views.guides import Guide
from coconut_tui.views.view import Sight, View, in_place_of
from coconut_tui.widgets.tokens import EDIT_STYLE, FLAT, flat, token_bar

_LOG = 8  # cells of a logarithm, and the gap in front of it


def ask(sight: Sight) -> Ask | None:
    """What is recorded is cut off, so only the model knows it at another temperature."""
    if sight.number is None or sight.dials.temperature == 1:
        return None
    return replace(sight.ask("top", sight.number + 1), temperature=sight.dials.temperature)


def draw(sight: Sight) -> Text:
    """Bars."""
    if sight.step is None:
        no_thoughts = sight.run is not None and sight.run.without_thoughts
        first = "the first word" if no_thoughts else "what the first thought says"
        return Text(f"Take a step (s) to see {first}.", "dim")
    top, text = sight.step.top, Text()
    request = ask(sight)
    if request is not None:
        text.append(f"≠ temperature {request.temperature:g}, not 1", "bold")
        readout = sight.answer(request)
        if not isinstance(readout, Heated):
            return text.append("\n").append_text(in_place_of(sight, readout))
        text.append(f": entropy {readout.entropy:.2f}\n")
        top = readout.top
    if top and flat(top):
        text.append(f"{FLAT}: every token is as likely\n", EDIT_STYLE)
    bars = max(4, min(24, sight.width - 17 - _LOG))
    text.append(f"{'':<12} {'':<{bars}}   p{'ln p':>{_LOG}}\n", "dim")
    lines = [
        token_bar(item.name, item.probability, 12, bars).append(f"{_log(item.probability):>{_LOG}}", "dim")
        for item in top[: sight.token_count]
    ]
    return text.append_text(Text("\n").join(lines))


def _log(share: float) -> str:
    """The natural logarithm, which tells the tail apart where the share is 0.00."""
    return f"{log(share):.2f}" if share > 0 else "–"


VIEW = View(
    "top",
    "Top-k",
    draw,
    ask,
    key="1",
    typed="top-k",
    description="Show the selected step's likeliest tokens",
    actions=("cooler", "warmer", "pin"),
    reads_one=True,
    guide=Guide(
        "Top-k",
        "The likeliest tokens of the selected step, the entropy of its whole distribution in nats, the norm"
        " of the vector, and its cosine to the thought before. ( and ) lower and raise the temperature, by "
        "which the logits are divided; ≠ marks another than 1. ln p, the logarithm, tells the tail apart. "
        "(flat): the likeliest tokens are exactly alike, as of a zero vector, and their order means nothing.",
        "The LM head was trained for words, not for thoughts. High entropy can be a superposition or just "
        "nothing that the head can read.",
    ),
)
