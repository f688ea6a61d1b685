"""What becomes of other people's files when they are converted."""

from dataclasses import dataclass, field


@dataclass
class Conversion:
    """What became of a file's problems."""

    converted: int = 0
    without_steps: int = 0  # of those: a language model must jump to the answer
    steps: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)  # number in the file, and the reason

    def restart(self) -> None:
        """Forget what has been counted."""
        self.converted = self.without_steps = self.steps = 0
        self.refused.clear()
