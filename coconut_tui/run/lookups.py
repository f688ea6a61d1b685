"""What views ask of the model beyond a run's record, and what it answers: plain data.

A question names the run by its text and its decisions, so an answer stays true, whatever becomes of the run.
"""

from array import array
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import log

from coconut_core.records.trace import TokenRecord
from coconut_tui.run.branches import Decisions

TEMPERATURES = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
LENS_TOKENS = 10  # of a cell
LENS_STEPS = 32  # looked into together
LENS_PROMPT = 16  # places of the prompt in front of its last that are looked into as well
MOST_PINS = 7  # as many signs as there are for lines
MOST_LETTERS = 26  # branches drawn together
STRIPS = ("focus", "thoughts", "place", "first")
REMEMBERED = 64  # answers
MOST_WEIGHTS = 4_000_000  # weights of attention in all of them together, 4 bytes each
SHARE, LN_P, RANK = "p", "ln p", "rank"  # what stands for how likely a token is
SCALES = (SHARE, LN_P, RANK)
AUTO, MATRIX, ROWS = FORMS = "auto", "matrix", "rows"  # of the thoughts; AUTO: as there is room


@dataclass(frozen=True)
class Ask:
    """What a view wants to know of a run."""

    kind: str  # "top", "lens", "attention", "lines", "nearest" or "trajectory"
    question: str
    decisions: Decisions = field(default_factory=Decisions)  # the steps that count; without the number planned
    temperature: float = 1.0
    first: int = 0  # step from which on; of the lens, negative for so many places of the prompt as well
    tokens: tuple[str, ...] = ()
    branches: tuple[tuple[int, Decisions], ...] = ()  # number, and the decisions up to its last thought


@dataclass(frozen=True)
class Failed:
    """It cannot be known; `text` says why."""

    text: str


@dataclass(frozen=True)
class Heated:
    """A step's readout at another temperature."""

    top: tuple[TokenRecord, ...]
    entropy: float  # nats


@dataclass(frozen=True)
class LensColumn:
    """What each layer would have said where a step's state was made, or at a place of the prompt."""

    step: int  # negative for the places in front of the prompt's last, from -1 backwards
    name: str  # of the step: "3", or "⟨eot⟩"; empty for a place of the prompt
    layers: tuple[tuple[TokenRecord, ...], ...]  # what is fed to the first layer, then each layer
    reads: str = ""  # what was read there


@dataclass(frozen=True)
class LensGrid:
    """Steps by layers. calibration: for each layer but the last the plain and the tuned lens's distance from it
    in nats, on problems it was not trained on; empty where the lens is the plain one."""

    columns: tuple[LensColumn, ...]
    calibration: tuple[tuple[float, float], ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Attention:
    """Where the model looked when a step's state was made."""

    reads: str  # what was read there
    gives: str  # what its state was used for
    entries: tuple[str, ...]  # the words of the prompt, then the steps behind it
    words: int  # how many of them are the prompt's
    layers: int
    heads: int
    weights: "array[float]"  # [layer][head][entry], each from 0; in front of both the mean over all
    spaced: frozenset[int] = frozenset()  # the words with white space in front
    template: frozenset[int] = frozenset()  # the words that are not the question's
    spans: tuple[tuple[int, int] | None, ...] = ()  # where each word stands in the question's text

    @cached_property
    def focus(self) -> tuple[float, ...]:
        """For each row of weights 1 less its normalised entropy: 0 where it is spread evenly, 1 where all of it
        lies on one entry. Taking it once costs some milliseconds for hundreds of heads."""
        size = len(self.entries)
        rows = (self.weights[start : start + size] for start in range(0, len(self.weights), size))
        return tuple(1 - _entropy(row) / log(size) if size > 1 else 1.0 for row in rows)

    def head_of(self, dials: "Dials") -> tuple[int | None, int | None]:
        """The layer and the head that are looked at, None for a mean; a model before may have had more."""
        layer, head = (
            None if number is None else min(number, count)
            for number, count in ((dials.layer, self.layers), (dials.head, self.heads))
        )
        return layer, head

    def place(self, layer: int | None, head: int | None) -> int:
        """The number of a head's row (both counted from 1), or of a mean."""
        return (layer or 0) * (self.heads + 1) + (head or 0)

    def row(self, layer: int | None, head: int | None) -> list[float]:
        """Shares of a head (both counted from 1), or means over all layers or heads; they add up to 1."""
        start = self.place(layer, head) * len(self.entries)
        return list(self.weights[start : start + len(self.entries)])


def _entropy(shares: Iterable[float]) -> float:
    return -sum(share * log(share) for share in shares if share > 0)


@dataclass(frozen=True)
class Courses:
    """Probabilities of tokens at each thought and ⟨eot⟩ of a run, in order."""

    probabilities: Mapping[str, tuple[float, ...]]
    unknown: tuple[str, ...] = ()  # what is no single token
    names: Mapping[str, str] = field(default_factory=dict)  # of the tokens that were taken, by what was typed


@dataclass(frozen=True)
class Neighbours:
    """The token embeddings nearest to a step's vector; the cosine stands as probability."""

    top: tuple[TokenRecord, ...]


@dataclass(frozen=True)
class Point:
    """A thought in two dimensions, and the first branch (its number) that took it."""

    branch: int
    name: str
    x: float
    y: float


@dataclass(frozen=True)
class Trajectory:
    """The thoughts of branches in their two main directions."""

    points: tuple[Point, ...]
    ways: Mapping[int, tuple[int, ...]]  # for each branch its points, by their place in `points`
    explained: tuple[float, float]  # shares of the variance


Found = Failed | Heated | LensGrid | Attention | Courses | Neighbours | Trajectory


@dataclass(frozen=True)
class Dials:
    """What a person has set for the views."""

    temperature: float = 1.0
    lens_layer: int | None = None  # 0 is what is fed to the first; None: the last
    lens_prompt: tuple[int, int] | None = None  # a place of the prompt, looked at while this step is selected
    every_layer: bool = False  # the layers around the one in question, not layers evenly apart
    layer: int | None = None  # of the attention; None: all
    head: int | None = None
    strip: str = STRIPS[0]  # what of each head the strip of heads shows
    place: int | None = None  # the entry that it shows under "place"; None: what gets most
    painted: bool = True  # whether the prompt is painted with the attention
    pins: Mapping[str, int] = field(
        default_factory=dict
    )  # tokens as typed, in order, with their numbers from 1
    graph_zoom: int = 0  # sizes of a node more than fit the pane, or fewer
    scale: str = SHARE  # one of SCALES
    form: str = AUTO  # of the thoughts

    def with_pin(self, token: str) -> "Dials":
        """A token more, with the lowest number that is free: so the others keep their colours."""
        taken = set(self.pins.values())
        number = next(number for number in range(1, len(taken) + 2) if number not in taken)
        return replace(self, pins={**self.pins, token: number})

    def without_pin(self, token: str) -> "Dials":
        """A token less."""
        return replace(self, pins={name: number for name, number in self.pins.items() if name != token})


class Answers:
    """The answers given last."""

    def __init__(self) -> None:
        self._by_ask: OrderedDict[Ask, Found] = OrderedDict()

    def get(self, ask: Ask) -> Found | None:
        """The answer; None where it has not been given, or long ago."""
        if ask in self._by_ask:
            self._by_ask.move_to_end(ask)
        return self._by_ask.get(ask)

    def keep(self, ask: Ask, answer: Found) -> None:
        """Keep an answer."""
        self._by_ask[ask] = answer
        while len(self._by_ask) > REMEMBERED or (len(self._by_ask) > 1 and self._weights > MOST_WEIGHTS):
            self._by_ask.popitem(last=False)

    @property
    def _weights(self) -> int:
        return sum(len(found.weights) for found in self._by_ask.values() if isinstance(found, Attention))

    def clear(self) -> None:
        """Forget all answers: there is another model."""
        self._by_ask.clear()
