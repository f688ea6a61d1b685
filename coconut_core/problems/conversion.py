"""What becomes of other people's files when they are converted."""

from collections.abc import Callable
from dataclasses import dataclass, field

from coconut_core.common.errors import CoconutError
from coconut_core.problems.base import Problem


@dataclass
class Conversion:
    """What became of a file's problems."""

    converted: int = 0
    without_steps: int = 0  # of those: a language model must jump to the answer
    steps: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)  # number in the file, and the reason

    def take(self, number: int, convert: Callable[[], Problem]) -> Problem | None:
        """What `convert` makes of problem `number` of the file, counted; None where it refuses that."""
        try:
            problem = convert()
        except CoconutError as error:
            self.refused.append((number, str(error)))
            return None
        self.converted += 1
        self.steps += len(problem.steps)
        self.without_steps += not problem.steps
        return problem

    def restart(self) -> None:
        """Forget what has been counted."""
        self.converted = self.without_steps = self.steps = 0
        self.refused.clear()
