"""What the size knobs of all generators have in common."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TypeVar

from coconut_core.common.errors import CoconutError

Range = tuple[int, int]  # both ends included
T = TypeVar("T")

MOST_DRAWS = 20_000  # seconds of drawing; sizes that can be had at all come up far sooner


@dataclass(frozen=True)
class Knobs:
    """What can be chosen of a generator: the fields of a family's own class, with its defaults."""


@dataclass(frozen=True)
class Size(Knobs):
    """The knobs that every generator of graphs has; each family adds its own, and the defaults."""

    nodes: Range
    hops: Range

    def __str__(self) -> str:
        """Its ranges in words: "graph of nodes 18..28, hops 3..6"."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return "graph of " + ", ".join(
            f"{name} {value[0]}..{value[1]}"
            for name, value in values.items()
            if isinstance(value, tuple) and value and all(isinstance(end, int) for end in value)
        )


def check_range(name: str, bounds: Range, least: int, most: int) -> None:
    """Raise CoconutError where a knob's range is upside down or outside what the generator can do."""
    low, high = bounds
    if not least <= low <= high <= most:
        raise CoconutError(f"{name} must be a range within {least}..{most}, not {low}..{high}")


def draw_until_found(draw: Callable[[], T | None], what: object, at_once: int = 1) -> T:
    """Draw until something comes that is not None.

    at_once: how many draws one call of `draw` makes.
    Raises CoconutError, naming what was to be drawn, after MOST_DRAWS draws in vain.
    """
    for _ in range(MOST_DRAWS // at_once):
        result = draw()
        if result is not None:
            return result
    raise CoconutError(f"{MOST_DRAWS} draws gave no {what}: allow more nodes, or other hops and edges")
