"""What can be asked of a server: the fields of its JSON and their limits. Needs no torch."""

from dataclasses import asdict, dataclass, fields, replace
from typing import Annotated, Any

from coconut_core.common.errors import CoconutError
from coconut_core.common.records import Range, read_record
from coconut_core.common.seeds import LARGEST_SEED, check_samples, seed_behind

LONGEST_DO = 4096  # characters


@dataclass(frozen=True)
class Ask:
    """A question and how to answer it; the fields are the options of `coconut ask` by the same names."""

    question: str
    thoughts: Annotated[int, Range(0, 100_000)] | None = None
    do: str = ""  # interventions, as words
    top: Annotated[int, Range(1, 100)] = 5  # tokens shown of each thought
    max_new_tokens: Annotated[int, Range(1, 100_000)] = 64
    temperature: Annotated[float, Range(0, 1_000_000)] = 0.0
    seed: Annotated[int, Range(-LARGEST_SEED, LARGEST_SEED)] = 0
    until_entropy: Annotated[float, Range(1e-9, 1_000_000)] | None = None
    entropy_steps: Annotated[int, Range(1, 100_000)] = 1
    trace: bool = False  # whether the answer holds the whole trace as well
    stream: bool = False  # whether each step is told when it is taken
    samples: Annotated[int, Range(1, 64)] = 1  # answers drawn, each with a seed of its own
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
        fields = {name: value for name, value in record.items() if value is not None or name == "question"}
        ask = read_record(cls, fields, closed=True)
        for name in ("question", "do", "system"):
            try:
                (getattr(ask, name) or "").encode()
            except UnicodeEncodeError as error:
                raise CoconutError(f'"{name}" is no text: it holds half of a character') from error
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
