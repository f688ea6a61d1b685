"""What can be asked of a server: the fields of its JSON and their limits. Needs no torch."""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from coconut_core.errors import CoconutError
from coconut_core.seeds import LARGEST_SEED, check_samples, seed_behind

NUMBERS: dict[str, tuple[type, float, float]] = {  # by field: whole or not, smallest, largest
    "thoughts": (int, 0, 100_000),
    "top": (int, 1, 100),
    "max_new_tokens": (int, 1, 100_000),
    "temperature": (float, 0, 1e6),
    "seed": (int, -LARGEST_SEED, LARGEST_SEED),
    "until_entropy": (float, 1e-9, 1e6),
    "entropy_steps": (int, 1, 100_000),
    "samples": (int, 1, 64),
}
TEXTS = ("question", "do", "system")
LONGEST_DO = 4096  # characters


@dataclass(frozen=True)
class Ask:
    """A question and how to answer it; the fields are the options of `coconut ask` by the same names."""

    question: str
    thoughts: int | None = None
    do: str = ""  # interventions, as words
    top: int = 5  # tokens shown of each thought
    max_new_tokens: int = 64
    temperature: float = 0.0
    seed: int = 0
    until_entropy: float | None = None
    entropy_steps: int = 1
    trace: bool = False  # whether the answer holds the whole trace as well
    stream: bool = False  # whether each step is told when it is taken
    samples: int = 1  # answers drawn, each with a seed of its own
    system: str | None = None  # the system prompt, where not the server's

    def to_json(self) -> dict[str, Any]:
        """The fields that are not as they are by default."""
        named = {field.name: field.default for field in fields(self)}
        return {name: value for name, value in asdict(self).items() if value != named[name]}

    @classmethod
    def from_json(cls, record: Any) -> "Ask":
        """Raises CoconutError in one line for what cannot be asked."""
        if not isinstance(record, dict) or "question" not in record:
            raise CoconutError('send a JSON object such as {"question": "…"}')
        names = [field.name for field in fields(cls)]
        for name, value in record.items():
            if name not in names:
                raise CoconutError(f"unknown field {name!r:.60}: there are {', '.join(names)}")
            if value is not None or name == "question":
                _check(name, value)
        ask = cls(**{name: value for name, value in record.items() if value is not None})
        if ask.entropy_steps != 1 and ask.until_entropy is None:
            raise CoconutError('"entropy_steps" goes with "until_entropy": give that as well')
        if len(ask.do) > LONGEST_DO:
            raise CoconutError(f'"do" has {len(ask.do)} characters, and may have {LONGEST_DO}: change less')
        if ask.system is not None and ask.do:
            raise CoconutError('"do" does not go with a system prompt of your own: leave out "system"')
        check_samples(ask.samples, ask.temperature)
        if ask.samples > 1 and ask.stream:
            raise CoconutError('"stream" tells the steps of one answer: leave it out, or "samples"')
        return ask

    def each(self) -> list["Ask"]:
        """One ask for each sample, with the seeds that follow one another from its own."""
        return [replace(self, seed=seed_behind(self.seed, number), samples=1) for number in range(self.samples)]


def _check(name: str, value: Any) -> None:
    if name in TEXTS:
        if not isinstance(value, str):
            raise CoconutError(f'"{name}" must be a text')
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise CoconutError(f'"{name}" is no text: it holds half of a character') from error
        return
    if name not in NUMBERS:
        if not isinstance(value, bool):
            raise CoconutError(f'"{name}" must be true or false')
        return
    kind, low, high = NUMBERS[name]
    fits = isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
    if not fits or not low <= value <= high:
        what = "a whole number" if kind is int else "a number"
        raise CoconutError(f'"{name}" must be {what} from {low:g} to {high:g}')
