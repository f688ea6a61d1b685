"""What stands in a causal grid: rows and columns, and the intervention of each cell as text. Needs no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from coconut_core.common.errors import CoconutError
from coconut_core.evaluation.ablations import ablations_of

Place = tuple[int, int]  # row and column of a cell, from 0


class Kind(StrEnum):
    """What is tried."""

    ABLATIONS = "ablations"  # every ablation or patch of a thought, by thought
    HEADS = "heads"  # the output of every head of every layer, at one thought or all of them
    LAYERS = "layers"  # the residual stream after every layer, by thought
    PROMPT = "prompt"  # the residual stream after every layer, by position of the prompt
    PATHS = "paths"  # a thought that may not attend to a place of the prompt, or to an earlier thought


class Direction(StrEnum):
    """Which run is changed, and from which run the activations are taken."""

    NOISING = "noising"  # the question's own run, with the donor's activations
    DENOISING = "denoising"  # the donor's run, with those of the question


ABOUT = {
    Kind.ABLATIONS: "every ablation or patch of a thought",
    Kind.HEADS: "the output of a head",
    Kind.LAYERS: "the residual stream after a layer, while a thought is read",
    Kind.PROMPT: "the residual stream after a layer, at a position of the prompt",
    Kind.PATHS: "what a thought may not attend to",
}
ZERO = "zero"  # in place of a donor: the zero vector; as in interventions.donors, which needs torch
BLOCKED = "knockout"


@dataclass(frozen=True)
class Layout:
    """A grid that is to be measured. A place without a text is no cell."""

    kind: Kind
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    texts: Mapping[Place, str]
    row_title: str
    column_title: str
    title: str


@dataclass(frozen=True)
class Size:
    """What a layout depends on: how many thoughts a run takes, the model's layers and heads, and the words of
    the prompt's positions, each as it is shown."""

    thoughts: int
    layers: int = 0
    heads: int = 0
    prompt: Sequence[str] = ()


def layout_of(
    kind: Kind,
    size: Size,
    *,
    donor: str = "twin",
    direction: Direction = Direction.NOISING,
    thought: int | None = None,
) -> Layout:
    """The grid of a kind. donor: whose activations are patched in, or ZERO; of denoising whose run is patched.
    thought: at which one heads are patched, None for all of them.

    Raises CoconutError where there is no such grid.
    """
    if not size.thoughts and kind is not Kind.PROMPT:
        raise CoconutError("this run takes no thoughts, so there is nothing to change in them")
    if direction is Direction.DENOISING and (kind is Kind.PATHS or donor == ZERO):
        what = "a path is cut in one run" if kind is Kind.PATHS else f"'{ZERO}' is no run"
        raise CoconutError(f"{what}: denoising needs a donor whose run is repaired, such as twin")
    if thought is not None and not 1 <= thought <= size.thoughts:
        raise CoconutError(f"there is no thought {thought}: the run takes {size.thoughts}")
    if kind is Kind.ABLATIONS:
        return _ablations(size, donor, direction)
    if kind is Kind.HEADS:
        return _heads(size, donor, thought)
    if kind is Kind.PATHS:
        return _paths(size)
    return _layers(size, donor) if kind is Kind.LAYERS else _prompt(size, donor)


def _ablations(size: Size, donor: str, direction: Direction) -> Layout:
    """Of denoising only what puts the right run's thoughts into the other."""
    thoughts = range(1, size.thoughts + 1)
    by_thought = [ablations_of(thought) for thought in thoughts]
    if direction is Direction.DENOISING:
        by_thought = [(f"replace {donor}@{thought}",) for thought in thoughts]
    return Layout(
        Kind.ABLATIONS,
        tuple(text.rpartition("@")[0] for text in by_thought[0]),
        tuple(map(str, thoughts)),
        {(row, column): text for column, texts in enumerate(by_thought) for row, text in enumerate(texts)},
        "ablation",
        "thought",
        "every ablation at every thought",
    )


def _heads(size: Size, donor: str, thought: int | None) -> Layout:
    if not size.heads:
        raise CoconutError("this model has no attention heads")
    at = "all" if thought is None else str(thought)
    where = "all thoughts" if thought is None else f"thought {thought}"
    return Layout(
        Kind.HEADS,
        _numbered("layer", size.layers),
        tuple(map(str, range(size.heads))),
        {
            (layer, head): f"patch-head {layer}.{head} {donor}@{at}"
            for layer in range(size.layers)
            for head in range(size.heads)
        },
        "layer",
        "head",
        f"every head at {where}, {_from(donor)}",
    )


def _layers(size: Size, donor: str) -> Layout:
    thoughts = range(1, size.thoughts + 1)
    return Layout(
        Kind.LAYERS,
        _numbered("layer", size.layers),
        tuple(map(str, thoughts)),
        {
            (layer, thought - 1): f"patch {layer} {donor}@{thought}"
            for layer in range(size.layers)
            for thought in thoughts
        },
        "layer",
        "thought",
        f"the residual stream of every layer at every thought, {_from(donor)}",
    )


def _prompt(size: Size, donor: str) -> Layout:
    return Layout(
        Kind.PROMPT,
        tuple(f"{position} {word}" for position, word in enumerate(size.prompt)),
        _numbered("layer", size.layers),
        {
            (position, layer): f"patch {layer} {donor}@prompt:{position}"
            for position in range(len(size.prompt))
            for layer in range(size.layers)
        },
        "position",
        "layer",
        f"the residual stream of every layer at every position of the prompt, {_from(donor)}",
    )


def _paths(size: Size) -> Layout:
    """Thoughts first, then the prompt: as a whole, and by position."""
    thoughts = range(1, size.thoughts + 1)
    sources = [("the prompt", "prompt", 0)]
    sources += [(f"thought {thought}", f"thought:{thought}", thought) for thought in thoughts[:-1]]
    sources += [(f"{position} {word}", str(position), 0) for position, word in enumerate(size.prompt)]
    return Layout(
        Kind.PATHS,
        tuple(name for name, _, _ in sources),
        tuple(map(str, thoughts)),
        {
            (row, thought - 1): f"{BLOCKED} {what}@{thought}"
            for row, (_, what, behind) in enumerate(sources)
            for thought in thoughts
            if thought > behind
        },
        "what is not seen",
        "thought",
        "every thought without its view of a place",
    )


def _from(donor: str) -> str:
    return "zeroed" if donor == ZERO else f"from the donor '{donor}'"


def _numbered(name: str, count: int) -> tuple[str, ...]:
    return tuple(f"{name} {number}" for number in range(count))
