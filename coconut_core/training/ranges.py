"""What the numbers of a recipe may be, said beside their types."""

from dataclasses import dataclass
from typing import Annotated

from coconut_core.errors import CoconutError

MANY = 1_000_000_000  # more steps, or epochs, than any run takes


@dataclass(frozen=True)
class Range:
    """The numbers from one to another, as in `layers: Annotated[int, Range(1, 1000)]`."""

    least: float
    most: float
    below: bool = False  # whether `most` itself is too much

    def check(self, entry: str, value: float) -> None:
        """Raise CoconutError, naming the entry, for a number outside, and for NaN."""
        if not self.least <= value <= self.most or (self.below and value == self.most):
            raise CoconutError(f"recipe entry '{entry}' must be {self}, not {str(value)[:40]}")

    def __str__(self) -> str:
        if self.most == MANY:
            return f"{self.least} or more"
        return f"from {self.least} to {'below ' if self.below else ''}{self.most}"


AtLeast0 = Annotated[int, Range(0, MANY)]
AtLeast1 = Annotated[int, Range(1, MANY)]
