"""Where the model looked when it made the selected step: all heads at a glance, and what one of them, or their
mean, looked at most."""

from rich.text import Text

from coconut_core.common.token_names import plain_name
from coconut_tui.run.lookups import Ask, Attention
from coconut_tui.views.along import FRAME, HEIGHT, along, compared
from coconut_tui.views.guides import Guide
from coconut_tui.views.heads import chosen_place, strip, strip_lines, strip_width
from coconut_tui.views.painting import ground
from coconut_tui.views.view import LEAST_SHARE, Sight, View, click, in_place_of, shade
from coconut_tui.widgets.painted import RANKS
from coconut_tui.widgets.tokens import BAR_STYLE, bar, end_of, fitted, share_text

_WHOLES = (1.0, 0.25, 0.1)  # shares at which a bar is full: the least that the largest fits into
_SHARE, _HEAD = 5, 4  # cells of a number with its gap: the chosen row's, and of each head beside it
_LEAST_BAR = 12
_TELLING = 0.01  # places with a smaller share are listed only where there is room
_CAPTION = 36  # cells of what stands over the strip
_BESIDE = 90  # with so many cells the strip stands beside the list


def ask(sight: Sight) -> Ask | None:
    """About the selected step."""
    return None if sight.number is None else sight.ask("attention", sight.number + 1)


def draw(sight: Sight) -> Text:
    """The strip of heads, the places that got most as bars, and the prompt where it is not seen elsewhere."""
    request = ask(sight)
    if request is None:
        return Text("Take a step (s) to see where it looked.", "dim")
    attention = sight.answer(request)
    if not isinstance(attention, Attention):
        return in_place_of(sight, attention)
    layer, head = attention.head_of(sight.dials)
    reads = f"reads {plain_name(attention.reads)}, makes {plain_name(attention.gives)}"
    which = which_head(attention, layer, head)
    one_line = len(reads) + len(which) + 3 <= sight.width
    text = Text(reads).append(" · " if one_line else "\n").append(which, "bold").append("\n")
    shares, lines = attention.row(layer, head), sight.height - 2 + one_line
    order = _order(attention, shares)
    if sight.prompt_painted():
        return text.append_text(Text("\n").join(_parts(sight, attention, order, lines)))
    places = max(3, min(len(RANKS), lines // 4))
    many = strip_lines(attention, sight.width, max(6, lines // 2))
    body = _above(sight, attention, order[:places], many, places + 2)
    ranks = {entry: RANKS[place] for place, entry in enumerate(order[:places]) if shares[entry] >= LEAST_SHARE}
    return text.append_text(Text("\n").join([*body, Text(), _prompt(attention, shares, ranks)]))


def facts(sight: Sight) -> str:
    """What the frame says: how much went behind the prompt, in the mean over all heads."""
    request = ask(sight)
    attention = None if request is None else sight.answer(request)
    if not isinstance(attention, Attention):
        return ""
    behind = sum(attention.row(None, None)[attention.words :])
    return f"{share_text(behind)} behind the prompt"


def _order(attention: Attention, shares: list[float]) -> list[int]:
    """The places by what they got; those that got nothing to speak of by what they got in the mean."""
    means = attention.row(None, None)
    keys = [(share if share >= LEAST_SHARE else 0.0, mean) for share, mean in zip(shares, means, strict=True)]
    return sorted(range(len(shares)), key=keys.__getitem__, reverse=True)


def which_head(attention: Attention, layer: int | None, head: int | None) -> str:
    """Which head's attention it is, or the mean over which."""
    return f"{_which('layer', layer, attention.layers)}, {_which('head', head, attention.heads)}"


def _which(what: str, number: int | None, count: int) -> str:
    if number is None:
        return f"the one {what}" if count == 1 else f"mean of {count} {what}s"
    return f"{what} {number} of {count}"


def _parts(sight: Sight, attention: Attention, order: list[int], lines: int) -> list[Text]:
    """Strip and list, beside each other where there is room, and below them where along the text heads look."""
    layer, head = attention.head_of(sight.dials)
    chosen, wide = attention.place(layer, head), max(_CAPTION, strip_width(attention))
    beside = sight.width >= _BESIDE and wide <= sight.width // 2
    many = strip_lines(attention, wide if beside else sight.width, max(4, 2 * lines // 3))
    shares = attention.row(layer, head)
    telling = min(max(3, sum(share >= _TELLING for share in shares)) + 2, lines // 2)
    needed = max(many, telling) if beside else many + telling
    rows = compared(attention, layer)
    height = min(HEIGHT, (lines - needed - 1 - FRAME) // len(rows))
    below: list[Text] = []
    if height > 0:
        room = sight.width, FRAME + height * len(rows)
        below = [Text(), *along(attention, rows, chosen, order, room)]
    left = lines - len(below)
    parts = (
        _beside(sight, attention, order, wide, left)
        if beside
        else _above(sight, attention, order, many, left - many)
    )
    return [*parts, *below][:lines]


def _beside(sight: Sight, attention: Attention, order: list[int], wide: int, lines: int) -> list[Text]:
    left = strip(attention, sight.dials, (wide, lines))
    right = _list(sight, attention, order, (sight.width - wide - 2, lines))
    rows = []
    for number in range(max(len(left), len(right))):
        row = left[number] if number < len(left) else Text()
        row.pad_right(wide + 2 - row.cell_len)
        rows.append(row.append_text(right[number]) if number < len(right) else row)
    return rows


def _above(sight: Sight, attention: Attention, order: list[int], many: int, lines: int) -> list[Text]:
    top = strip(attention, sight.dials, (sight.width, many))
    return [*top, *_list(sight, attention, order, (sight.width, max(3, lines)))]


def _list(sight: Sight, attention: Attention, order: list[int], room: tuple[int, int]) -> list[Text]:
    """The places that got most: a bar on one scale, the number, and what other heads gave them; the others in
    sum. room: width and lines."""
    width, most = room
    layer, head = attention.head_of(sight.dials)
    shares = attention.row(layer, head)
    chosen = chosen_place(attention, sight.dials) if sight.dials.strip == "place" else None
    whole = min(size for size in _WHOLES if size >= min(1.0, shares[order[0]]))
    behind = sum(shares[attention.words :])
    name = min(36, max(14, width // 3))
    others = _other_heads(attention, layer, width - 2 - name - 1 - _LEAST_BAR - _SHARE - 1)
    bars = width - 2 - name - 1 - _SHARE - len(others) * _HEAD - bool(others)
    over = f"{share_text(behind)} behind the prompt · full {share_text(whole)}"
    heading = Text(fitted(over, width - len(others) * _HEAD), "dim")
    for label, _ in others:
        heading.append(f"{label:>{_HEAD}}", "dim")
    lines = [heading]
    listed = order if len(order) < most else order[: most - 2]
    for place, entry in enumerate(listed):
        rank = RANKS[place] if place < len(RANKS) and shares[entry] >= LEAST_SHARE else " "
        line = Text().append(f"{rank} ", "bold")
        line.append_text(_name(attention, entry, name)).append("◂" if entry == chosen else " ")
        line.append(bar(shares[entry] / whole, bars), BAR_STYLE).append(f" {share_text(shares[entry])} ")
        for _, row in others:
            share = attention.weights[row * len(attention.entries) + entry]
            line.append(" ").append(share_text(share) if share >= LEAST_SHARE else "  ·", shade(share))
        line.stylize(click(f"choose_place({entry})"))
        lines.append(line)
    if others_count := len(shares) - len(listed):
        rest = 1 - sum(shares[entry] for entry in listed)
        lines.append(Text(f"  {share_text(max(0.0, rest))} on {others_count} other places", "dim"))
    return lines


def _other_heads(attention: Attention, layer: int | None, room: int) -> list[tuple[str, int]]:
    """The rows of weights shown beside each bar, where there is room for them."""
    rows = compared(attention, layer)
    return rows if len(rows) * _HEAD <= room else []


def _name(attention: Attention, entry: int, width: int) -> Text:
    """A place by its word, behind the words in front of it where there is room."""
    word = _plain(attention.entries[entry])
    if entry >= attention.words:
        return Text(fitted(word, width))
    around = " ".join(_plain(each) for each in attention.entries[max(0, entry - 4) : entry])
    word = fitted(word, width).rstrip() if len(word) > width else word
    before = end_of(around, max(0, width - len(word) - 1))
    text = Text(f"{before:>{width - len(word) - 1}} ", "dim")
    return text.append(word, "")


def _plain(word: str) -> str:
    return "⏎" if word == "\n" else word if word.strip(" ") == "" else plain_name(word)


def _prompt(attention: Attention, shares: list[float], ranks: dict[int, str]) -> Text:
    """The prompt's words and the steps behind it, each on a ground as strong as the root of its share; what is
    not the question's in italics."""
    text = Text()
    for entry, word in enumerate(attention.entries):
        if entry == attention.words:
            text.append("\n")
        elif entry in attention.spaced or (entry > attention.words and (word[:1].isalnum() or word[:1] == "<")):
            text.append(" ")
        shaded = Text(_plain(word), ground(shares[entry], shares))
        if entry in attention.template:
            shaded.stylize("italic")
        text.append_text(shaded).append(ranks.get(entry, ""), "bold")
    return text


VIEW = View(
    "attention",
    "Attention",
    draw,
    ask,
    key="5",
    description="Show where it looked when it made the step",
    actions=("lower-layer", "higher-layer", "previous-head", "next-head", "heads", "paint"),
    reads_one=True,
    facts=facts,
    guide=Guide(
        "Attention",
        "Where the model looked at the place where the selected step was made. On top a small cell for each "
        "head, layers down and heads across, means in front: < and > choose a layer, { and } a head, a click "
        "does both; ; changes what the cells say: how focused a head is (1 less its entropy over places, as a "
        "share of the largest possible), or its share on thoughts and words behind the prompt, on the chosen "
        "place, or on the first word. Below, the places that got most from the chosen head (or mean), thoughts "
        "included, as bars of their shares and with what other heads gave them; a click chooses a place. Then, "
        "where along the text each head looks, ¹ to ⁹ over places of the list. The prompt is painted in its "
        "own pane, each word that got more than twice an even share on a ground as strong as the root of its "
        "share beside the largest; % leaves it plain. All shares of a head add up to 1.",
        "Attention is no explanation: it says where a head takes from, not what, nor whether that matters. "
        "Marks such as <bot> and the first word often get what a head has no use for (a sink): choose their "
        "share in the strip before you read a bright word as a finding. A mean hides heads that do different "
        "things, and a focused head may be focused on a sink. Hide words from a thought (:knockout) to see "
        "what hangs on them. Layers and heads count from 1 here.",
    ),
)
