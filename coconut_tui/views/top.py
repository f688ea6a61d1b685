"""The likeliest tokens of the selected step, at a temperature."""

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite

from rich.text import Text

from coconut_core.common.cells import cells
from coconut_core.records.trace import StepRecord, TokenRecord
from coconut_tui.run.lookups import LN_P, RANK, Ask, Heated
from coconut_tui.views.guides import Guide
from coconut_tui.views.view import Sight, View, in_place_of, latest_thoughts
from coconut_tui.widgets.tokens import BAR_STYLE, EDIT_STYLE, FLAT, bar, fitted, flat
from coconut_tui.widgets.units import heading, ln_text, log_floor, log_share, names_alike, p_text, rank_text

_LEAST_NAME, _MOST_NAME = 12, 24  # cells
_LEAST_BAR = 4
_RANGES = 4  # lines of the figures below the tokens, and of the gap above them


def ask(sight: Sight) -> Ask | None:
    """What is recorded is cut off, so only the model knows it at another temperature."""
    if sight.number is None or sight.dials.temperature == 1:
        return None
    return replace(sight.ask("top", sight.number + 1), temperature=sight.dials.temperature)


def draw(sight: Sight) -> Text:
    """Bars, as many as there is room for, and the step's figures within those of the run."""
    step = sight.step
    if step is None:
        no_thoughts = sight.run is not None and sight.run.without_thoughts
        first = "the first word" if no_thoughts else "what the first thought says"
        return Text(f"Take a step (s) to see {first}.", "dim")
    top, text = step.top, Text()
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
    used = text.plain.count("\n") + 1
    ranges = _ranges(sight, step) if sight.height >= used + sight.token_count + _RANGES else Text()
    room = sight.height - used - (_RANGES if ranges else 0)
    text.append_text(_bars(sight, top[: max(sight.token_count, room)]))
    return text.append("\n\n").append_text(ranges) if ranges else text


def _bars(sight: Sight, top: Sequence[TokenRecord]) -> Text:
    """A line for each token; where the unit is ln p the bars are of that too, so that the tail has some."""
    units, marks = sight.dials.scale, sight.marks
    second = RANK if units == RANK else LN_P
    numbers = len(heading("")) + len(heading(second)) + 2
    longest = max((cells(item.name) for item in top), default=0)
    name = max(_LEAST_NAME, min(longest, _MOST_NAME, sight.width - numbers - 20))
    bars = max(_LEAST_BAR, sight.width - name - numbers - 2)
    floor = log_floor([item.probability for item in top])
    scales = f"ln p from {floor:.0f} to 0", f"ln p ≥ {floor:.0f}", f"≥ {floor:.0f}", ""
    scale = next(text for text in scales if len(text) <= bars) if units == LN_P else ""
    text = Text(f"{'':<{name + 2}}{fitted(scale, bars)} {heading('')} {heading(second)}", "dim")
    for rank, item in enumerate(top, start=1):
        share = item.probability
        length = log_share(share, floor) if units == LN_P else share
        style = marks.style(item.name) or ("dim" if share < 0.05 else "")
        text.append(f"\n{marks.sign(item.name)}{fitted(item.name, name)} ", style)
        text.append(bar(length, bars), BAR_STYLE).append(f" {p_text(share)}", style)
        text.append(f" {rank_text(rank, len(top)) if second == RANK else ln_text(share)}", "dim")
    return text


def _ranges(sight: Sight, step: StepRecord) -> Text:
    """Entropy, norm and cosine of the step, and between which values those of the run's thoughts lie."""
    steps = [] if sight.run is None else latest_thoughts(sight.run)
    width, text = max(4, sight.width - 34), Text()
    for name, value, values in (
        ("entropy", step.entropy, [each.entropy for each in steps]),
        ("norm", step.norm, [each.norm for each in steps]),
        ("cosine", step.cosine, [each.cosine for each in steps]),
    ):
        known = [each for each in values if each is not None and isfinite(each)]
        text.append("\n" if text else "").append(f"{name:<8}", "dim")
        if value is None or not known:
            text.append("     –")
            continue
        low, high = min(known), max(known)
        place = (value - low) / (high - low) if high > low else 0.5
        text.append(f"{value:>6.2f}  ", "bold").append(f"{low:>6.2f} ", "dim")
        text.append_text(_ruler(place, width)).append(f" {high:.2f}", "dim")
    if sight.width >= 70 and isfinite(step.entropy):
        text.append(f"\n{'':<8}entropy {names_alike(step.entropy)}; rulers: the thoughts of this run", "dim")
    return text


def _ruler(place: float, width: int) -> Text:
    """Where a value lies between two others; beyond them at its end."""
    spot = round(max(0.0, min(1.0, place)) * (width - 1))
    return Text("─" * spot, "dim").append("●", "bold").append("─" * (width - 1 - spot), "dim")


VIEW = View(
    "top",
    "Top-k",
    draw,
    ask,
    key="1",
    typed="top-k",
    description="Show the selected step's likeliest tokens",
    actions=("cooler", "warmer", "units", "pin"),
    reads_one=True,
    guide=Guide(
        "Top-k",
        "The likeliest tokens of the selected step, as many as there is room for. ( and ) lower and raise the "
        "temperature, by which the logits are divided; ≠ marks another than 1. $ turns the bars to ln p, which "
        "tells the tail apart, and the last column to ranks. Below, entropy (nats), norm and cosine to the "
        "thought before, each on a ruler from the least to the most that this run's thoughts have. (flat): the "
        "likeliest tokens are exactly alike, as of a zero vector, and their order means nothing.",
        "The LM head was trained for words, not for thoughts. High entropy can be a superposition or just "
        "nothing that the head can read. A bar of ln p that is half as long is not half as likely. A ruler "
        "knows this run only: its ends are not large or small for the model.",
    ),
)
