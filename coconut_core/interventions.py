"""What can be done to a thought before it is fed: small values with a text form."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from coconut_core.errors import CoconutError


class Intervention(Protocol):
    """Changes a thought (hidden,) before it is fed."""

    def __call__(self, thought: Tensor) -> Tensor: ...

    def __str__(self) -> str: ...


@dataclass(frozen=True)
class Zero:
    """The zero vector in place of the thought."""

    def __call__(self, thought: Tensor) -> Tensor:
        return torch.zeros_like(thought)

    def __str__(self) -> str:
        return "zero"


@dataclass(frozen=True)
class Scale:
    """The thought times a factor; 1 changes nothing."""

    factor: float

    def __call__(self, thought: Tensor) -> Tensor:
        return thought * self.factor

    def __str__(self) -> str:
        return f"scale {self.factor:g}"


@dataclass(frozen=True, eq=False)
class Replace:
    """Another vector (hidden,) in place of the thought, such as another run's thought."""

    vector: Tensor
    label: str = "replace"

    def __call__(self, thought: Tensor) -> Tensor:
        if self.vector.shape != thought.shape:
            raise CoconutError(
                f"the replacement has shape {tuple(self.vector.shape)}, a thought here {tuple(thought.shape)}"
            )
        return self.vector.to(thought)

    def __str__(self) -> str:
        return self.label


@dataclass(frozen=True)
class Noise:
    """A Gaussian direction with the norm of the thought."""

    seed: int = 0

    def __call__(self, thought: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed)
        direction = torch.randn(thought.shape, generator=generator).to(thought)
        noise: Tensor = direction * (thought.norm() / direction.norm().clamp(min=1e-12))
        return noise

    def __str__(self) -> str:
        return f"noise {self.seed}"


def parse_intervention(text: str) -> Intervention:
    """Read "zero", "scale 0.5" or "noise 3". Raises CoconutError for anything else."""
    name, _, argument = text.strip().partition(" ")
    try:
        if name == "zero" and not argument:
            return Zero()
        if name == "scale":
            return Scale(float(argument))
        if name == "noise":
            return Noise(int(argument or 0))
    except ValueError:
        pass
    raise CoconutError(f"'{text}' is no edit: write zero, scale FACTOR or noise SEED")
