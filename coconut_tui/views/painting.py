"""Attention as it is painted on the prompt."""

from collections.abc import Sequence

from rich.text import Text

from coconut_core.common.token_names import plain_name
from coconut_tui.run.lookups import Attention, Dials
from coconut_tui.views.view import LEAST_SHARE, shade
from coconut_tui.widgets.painted import RANKS, Painting
from coconut_tui.widgets.tokens import share_text, shortened

_STANDS_OUT = 2.0  # times an even share


def painting(attention: Attention, dials: Dials) -> Painting | None:
    """The selected head's attention, or the mean's; None where it is not known where words stand."""
    if not any(attention.spans):
        return None
    layer, head = attention.head_of(dials)
    shares = attention.row(layer, head)
    styles = {
        span: style
        for span, share in zip(attention.spans, shares, strict=False)
        if span is not None and (style := ground(share, shares))
    }
    order = sorted(range(len(shares)), key=lambda entry: -shares[entry])[: len(RANKS)]
    ranks = {
        span: rank
        for entry, rank in zip(order, RANKS, strict=False)
        if shares[entry] >= LEAST_SHARE
        and (span := attention.spans[entry] if entry < attention.words else None)
    }
    return Painting(
        styles,
        ranks,
        _behind(attention, shares),
        f"{_short(plain_name(attention.gives))} · {_head(layer, head)} ▓ {share_text(max(shares))}",
    )


def _short(name: str) -> str:
    return shortened(name, 10)


def _behind(attention: Attention, shares: list[float]) -> tuple[Text, ...]:
    """What went to what is no word of the question: template and markers in front, thoughts behind."""
    outside = [entry for entry in range(attention.words) if attention.spans[entry] is None]
    marks = [entry for entry in outside if attention.entries[entry].startswith("<bot")]
    template = [entry for entry in outside if entry not in marks]
    name = attention.entries[template[0]] if len(template) == 1 else "template"
    parts = [(name, sum(shares[entry] for entry in template))] if template else []
    parts += [
        (attention.entries[entry], shares[entry]) for entry in (*marks, *range(attention.words, len(shares)))
    ]
    return tuple(
        Text("⏎" if name == "\n" else plain_name(name), style).append(f" {share_text(share)}")
        for name, share in parts
        if (style := ground(share, shares)) or share >= LEAST_SHARE
    )


def ground(share: float, shares: Sequence[float]) -> str:
    """The style of a place: a ground as strong as the root of its share beside the largest; none for less than
    twice an even share, so that only what stands out is painted."""
    if share * len(shares) < _STANDS_OUT:
        return ""
    return shade((share / max(shares)) ** 0.5)


def _head(layer: int | None, head: int | None) -> str:
    """Whose attention it is, as the strip names it."""
    if layer is None and head is None:
        return "mean"
    return f"{'all layers' if layer is None else f'L{layer}'} {'all heads' if head is None else f'h{head}'}"
