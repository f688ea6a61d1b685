"""A plan: what is done to the thoughts of one run, and how many of them there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from torch import Tensor

from coconut_core.common.errors import CoconutError
from coconut_core.common.seeds import new_generator
from coconut_core.runs.edits import Intervention, Replace


@dataclass(frozen=True, eq=False)
class Plan:
    """Interventions by number of the thought (from 1) in the first latent segment, that in the prompt under 0;
    thoughts is how many are taken, None for as many as the run would take anyway."""

    edits: Mapping[int, Intervention] = field(default_factory=lambda: MappingProxyType({}))
    thoughts: int | None = None
    text: str = ""
    notes: tuple[str, ...] = ()  # what a word in the text was taken for, where it may mean several tokens

    def __post_init__(self) -> None:
        if any(number < 0 for number in self.edits):
            raise CoconutError(f"thoughts are numbered from 1, not {min(self.edits)}")
        if self.thoughts is not None and self.thoughts < 0:
            raise CoconutError(f"a run cannot have {self.thoughts} thoughts")

    def __str__(self) -> str:
        return self.text

    @property
    def prompt(self) -> Intervention | None:
        """What is done while the prompt is read; None for nothing."""
        return self.edits.get(0)

    @property
    def at_thoughts(self) -> dict[int, Intervention]:
        """What is done at thoughts, by their numbers."""
        return {number: edit for number, edit in self.edits.items() if number}

    @property
    def first(self) -> int | None:
        """Number of the first thought that it touches; None where it touches none."""
        return min(self.edits, default=None)

    @classmethod
    def feeding(cls, thoughts: Tensor, text: str = "") -> "Plan":
        """Exactly these vectors (count, hidden), one after the other, whatever the model would think."""
        edits = {number: Replace(vector, text) for number, vector in enumerate(thoughts, start=1)}
        return cls(edits, len(edits), text)


def without(thoughts: Tensor, numbers: Sequence[int]) -> Tensor:
    """Thoughts (count, hidden) without some of them, numbered from 1. Raises CoconutError for one not there."""
    check_numbers(thoughts, numbers)
    places = [place for place in range(thoughts.shape[0]) if place + 1 not in numbers]
    return thoughts[places]


def shuffled(thoughts: Tensor, seed: int) -> Tensor:
    """Thoughts (count, hidden) in a random order other than their own, where there is another."""
    count = thoughts.shape[0]
    if count < 2:
        return thoughts
    generator = new_generator(seed)
    own = torch.arange(count)
    while bool((order := torch.randperm(count, generator=generator)).eq(own).all()):
        pass
    return thoughts[order.to(thoughts.device)]


def check_numbers(thoughts: Tensor, numbers: Sequence[int]) -> None:
    """Raise CoconutError for a number, from 1, that none of the thoughts (count, hidden) has."""
    for number in numbers:
        if not 1 <= number <= thoughts.shape[0]:
            raise CoconutError(f"there is no thought {number}: the run takes {thoughts.shape[0]}")
