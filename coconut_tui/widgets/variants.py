"""What a table and a grid of what-if draw with: logit differences as signed numbers, bars and sentences."""

from rich.text import Text

from coconut_core.common.errors import visible
from coconut_core.common.token_names import plain_name
from coconut_core.records.answers import conclusion
from coconut_tui.run.state import DecidingPlace, Variant, WhatIf
from coconut_tui.widgets.mirrored import left_bar
from coconut_tui.widgets.tokens import (
    RIGHT_STYLE,
    WRONG_STYLE,
    bar,
    chance_text,
    end_of,
    error_line,
    shortened,
    verdict_mark,
    with_marks,
)

LOGIT_DIFFERENCE = "logit difference"
LEAST_SCALE = 1.0  # nats that fill a bar at least, so that next to nothing does not look like much


def signed(value: float | None, digits: int = 2) -> str:
    """A logit difference, or a change of one, with its sign; a dash where it is not known."""
    if value is None:
        return "–"
    text = f"{value:+.{digits}f}"
    return text.replace("-", "−") if float(text) else f"±{text[1:]}"


def centred_bar(shift: float | None, most: float, width: int, lines: int = 1) -> Text:
    """A bar from the middle: to the left towards the wrong answer, to the right towards the right one; of the
    largest shift it reaches the rim. So many lines thick."""
    side = max(1, (width - 1) // 2)
    share = 0.0 if shift is None or not most else max(-1.0, min(1.0, shift / most))
    line = Text().append(left_bar(-share, side), WRONG_STYLE).append("│", "dim")
    line.append(bar(share, side), RIGHT_STYLE)
    return Text("\n").join([line] * lines)


def answer_text(table: WhatIf, variant: Variant, room: int, lines: int = 1) -> Text:
    """A variant's answer in so many cells: ≠ in front of another than with nothing changed, a mark behind."""
    if variant.error:
        return Text(shortened(variant.error, room * lines), "dim")
    if variant.said is None:
        return Text("…", "dim")
    said, own = variant.said, table.variants[0]
    sign = "" if variant is own else "≠ " if variant.changed else "= "
    mark, answer = verdict_mark(said), visible(said.answer) or "nothing"
    space = room * lines - len(sign) - mark.cell_len
    if len(answer) > space and said.right is not None:
        answer = conclusion(said.answer) or answer
    cut = shortened if said.right is None else end_of  # the end of a known answer decides
    flip = table.flip(variant)
    style = WRONG_STYLE if flip is False else RIGHT_STYLE if flip else "bold" if variant.changed else ""
    text = Text().append(sign, "bold" if variant.changed else "dim")
    text.append(cut(answer, space), style).append_text(mark)
    if variant.aloud:
        aloud = f" +{variant.aloud}"
        text.append(aloud if text.cell_len + len(aloud) <= room * lines else "", "dim")
    return text


def place_heads(place: DecidingPlace | None) -> list[tuple[str, str]]:
    """Over each probability at the place where answers part: "p", and the word with its mark."""
    if place is None:
        return []
    marks = (" ✓", " ✗") if place.judged else ("", "")
    return [("p", f"{plain_name(word)}{mark}") for word, mark in zip(place.words, marks, strict=False)]


def difference_of(place: DecidingPlace | None) -> str:
    """What the logit difference is here; empty where there is none."""
    if place is None or len(place.words) < 2:
        return ""
    first, second = (plain_name(word) for word in place.words[:2])
    return f"Logit difference = log p({first}) − log p({second}), in nats."


def sentence(table: WhatIf, variant: Variant) -> Text:
    """A variant in words: what is said, how likely the right word and the wrong one are, and what has moved."""
    text = Text().append(f"{variant.text}: ", "bold")
    if variant.error:
        return text.append_text(error_line(variant.error))
    if variant.said is not None:
        text.append(f"“{visible(variant.said.answer) or 'nothing'}”").append_text(verdict_mark(variant.said))
        own = variant is table.variants[0]
        text.append("" if own else ", another answer" if variant.changed else ", the same answer")
        if variant.aloud:
            words = "word was" if variant.aloud == 1 else "words were"
            text.append(f" ({variant.aloud} {words} said in front of it)")
        text.append(".")
    place = table.place
    if place is not None and variant.probabilities:
        pairs = zip((name for _, name in place_heads(place)), variant.probabilities, strict=False)
        chances = ", ".join(f"p({name}) {chance_text(chance)}" for name, chance in pairs)
        text.append_text(with_marks(f" {chances}."))
    if variant.logit_difference is not None:
        text.append(f" {LOGIT_DIFFERENCE[0].upper()}{LOGIT_DIFFERENCE[1:]} {signed(variant.logit_difference)}")
        shift = table.shift(variant)
        moved = "" if shift is None or variant is table.variants[0] else f", Δ {signed(shift)} against the run"
        text.append(f"{moved}.")
    return text
