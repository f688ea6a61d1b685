"""What a sweep tries: an intervention at several strengths."""

import re

from coconut_core.common.errors import CoconutError
from coconut_core.common.quoting import masked

MOST_VARIANTS = 41
_USUAL_COUNT = 9
_NUMBER = r"-?(?:\d+(?:\.\d+)?|\.\d+)"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})(?:/(\d{{1,4}}))?")


def is_sweep(text: str) -> bool:
    """Whether a text says a range of strengths."""
    return _RANGE.search(masked(text)) is not None


def sweep_of(text: str, thought: int) -> tuple[str, ...]:
    """An intervention at strengths from a range: "steer rompus -8..8@2", or 8..16/5 for five of them.

    Where it does not say at which thoughts, it is at the given one. Raises CoconutError for no or a bad range.
    """
    match, places = _range_of(text), "" if "@" in masked(text) else f"@{thought}"
    return tuple(
        f"{text[: match.start()]}{strength:.4g}{text[match.end() :]}{places}" for strength in strengths_of(text)
    )


def strengths_of(text: str) -> tuple[float, ...]:
    """The strengths that a sweep goes through. Raises CoconutError for no or a bad range."""
    match = _range_of(text)
    low, high, count = float(match[1]), float(match[2]), int(match[3] or _USUAL_COUNT)
    if not 2 <= count <= MOST_VARIANTS:
        raise CoconutError(f"a sweep has 2 to {MOST_VARIANTS} strengths, not {count}")
    return tuple(low + (high - low) * step / (count - 1) for step in range(count))


def _range_of(text: str) -> re.Match[str]:
    match = _RANGE.search(masked(text))
    if match is None:
        raise CoconutError(f"'{text}' has no range: write a sweep such as steer rompus -8..8, or -8..8/5")
    return match
