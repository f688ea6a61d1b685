"""Where the model looked when it made the selected step: the prompt's words, shaded."""

from rich.text import Text

from coconut_core.common.token_names import plain_name
from coconut_tui.run.lookups import Ask, Attention
from coconut_tui.views.guides import Guide
from coconut_tui.views.view import Sight, View, in_place_of, shade
from coconut_tui.widgets.tokens import fitted, share_bar, share_text

_RANKS = "¹²³⁴⁵⁶⁷⁸⁹"


def ask(sight: Sight) -> Ask | None:
    """About the selected step."""
    return None if sight.number is None else sight.ask("attention", sight.number + 1)


def draw(sight: Sight) -> Text:
    """The text, and the words that got most as bars."""
    request = ask(sight)
    if request is None:
        return Text("Take a step (s) to see where it looked.", "dim")
    attention = sight.answer(request)
    if not isinstance(attention, Attention):
        return in_place_of(sight, attention)
    layer, head = _within(sight.dials.layer, attention.layers), _within(sight.dials.head, attention.heads)
    shares = attention.row(layer, head)
    text = Text(f"reads {plain_name(attention.reads)}, makes {plain_name(attention.gives)}\n")
    text.append(
        f"{_which('layer', layer, attention.layers)}, {_which('head', head, attention.heads)}\n\n", "bold"
    )
    order = sorted(range(len(shares)), key=lambda entry: -shares[entry])[
        : max(3, min(len(_RANKS), sight.height // 3))
    ]
    ranks = {entry: _RANKS[place] for place, entry in enumerate(order) if shares[entry] >= 0.005}
    width = max(4, min(24, sight.width - 20))
    top = shares[order[0]]
    for entry, rank in ranks.items():
        text.append(f"{rank} {fitted(plain_name(attention.entries[entry]), 12)} ")
        text.append_text(share_bar(shares[entry], width, whole=top)).append("\n")
    text.append(f"bars and shades: parts of the largest, {share_text(top)}\n", "dim")
    text.append(f"{share_text(sum(shares[attention.words :]))} in all behind the prompt\n\n", "dim")
    return text.append_text(_prompt(attention, shares, ranks))


def _prompt(attention: Attention, shares: list[float], ranks: dict[int, str]) -> Text:
    """The prompt's words and the steps behind it, each on a ground as strong as the root of its share; what is
    not the question's in italics."""
    text, top = Text(), max(shares) or 1.0
    for entry, word in enumerate(attention.entries):
        if entry == attention.words:
            text.append("\n")
        elif entry in attention.spaced or (entry > attention.words and (word[:1].isalnum() or word[:1] == "<")):
            text.append(" ")
        plain = word if word.strip(" ") == "" else "⏎" if word == "\n" else plain_name(word)
        shaded = Text(plain, shade((shares[entry] / top) ** 0.5))
        if entry in attention.template:
            shaded.stylize("italic")
        text.append_text(shaded).append(ranks.get(entry, ""), "bold")
    return text


def _within(number: int | None, count: int) -> int | None:
    return None if number is None else min(number, count)


def _which(what: str, number: int | None, count: int) -> str:
    if number is None:
        return f"the one {what}" if count == 1 else f"mean of {count} {what}s"
    return f"{what} {number} of {count}"


VIEW = View(
    "attention",
    "Attention",
    draw,
    ask,
    key="5",
    description="Show where it looked when it made the step",
    actions=("lower-layer", "higher-layer", "previous-head", "next-head"),
    reads_one=True,
    guide=Guide(
        "Attention",
        "Where the model looked at the place where the selected step was made: the prompt's words, each on a "
        "ground as strong as its share; ¹ to ⁹ the words that got most, as bars with their shares; bars and "
        "shades are parts of the largest share. "
        "The shares add up to 1, what went to thoughts and words behind the prompt included. < and > choose a "
        "layer, { and } a head; else it is the mean over them.",
        "Attention says where a head takes from, not what, nor whether that matters; marks such as <bot> and "
        "the first word often get what a head has no use for. A mean hides heads that do different things. "
        "Hide words from a thought (:knockout) to see what hangs on them. Layers and heads count from 1 here.",
    ),
)
