"""What can be done at one thought: to the vector that is fed, or inside the model while it is read.

Each is a small value that knows its text form. Vectors from elsewhere (a donor's thought, a direction) are
part of the value; coconut_core.interventions.text makes it from words.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from coconut_core.common.errors import CoconutError
from coconut_core.common.reprs import brief
from coconut_core.common.seeds import LARGEST_SEED, check_seed, new_generator


class Intervention:
    """Done at one thought. Changes the thought (hidden,) before it is fed, or how the model reads it."""

    def __call__(self, thought: Tensor) -> Tensor:
        """The vector to feed, (hidden,) -> (hidden,); by default the thought itself."""
        return thought

    @property
    def inside(self) -> "Sequence[PatchLayer | PatchHead | HiddenPositions]":
        """What it does inside the model while the thought is read; by default nothing."""
        return ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self})"


@dataclass(frozen=True)
class Zero(Intervention):
    """The zero vector in place of the thought (zero ablation)."""

    def __call__(self, thought: Tensor) -> Tensor:
        return torch.zeros_like(thought)

    def __str__(self) -> str:
        return "zero"


@dataclass(frozen=True)
class Scale(Intervention):
    """The thought times a factor; 1 changes nothing."""

    factor: float

    def __call__(self, thought: Tensor) -> Tensor:
        return thought * self.factor

    def __str__(self) -> str:
        return f"scale {self.factor:g}"


@dataclass(frozen=True)
class Noise(Intervention):
    """A Gaussian direction with the norm of the thought; another one for each seed and place."""

    seed: int = 0
    place: int = 1  # number of the thought

    def __call__(self, thought: Tensor) -> Tensor:
        generator = new_generator((10_000 * check_seed(self.seed) + self.place) % LARGEST_SEED)
        direction = torch.randn(thought.shape, generator=generator).to(thought)
        noise: Tensor = direction * (thought.norm() / direction.norm().clamp(min=1e-12))
        return noise

    def __str__(self) -> str:
        return f"noise {self.seed}"


@dataclass(frozen=True, eq=False, repr=False)
class Replace(Intervention):
    """Another vector (hidden,) in place of the thought, such as another run's thought."""

    vector: Tensor
    label: str = "replace"

    def __call__(self, thought: Tensor) -> Tensor:
        return _fitting(self.vector, thought)

    def __str__(self) -> str:
        return self.label


@dataclass(frozen=True, eq=False, repr=False)
class Nearest(Intervention):
    """The token embedding with the largest cosine to the thought. embeddings is (vocabulary, hidden)."""

    embeddings: Tensor

    def __call__(self, thought: Tensor) -> Tensor:
        cosines = cosine_similarity(self.embeddings.float(), thought.float()[None], dim=-1)
        return self.embeddings[int(cosines.argmax())].to(thought)

    def __str__(self) -> str:
        return "nearest"


@dataclass(frozen=True, eq=False, repr=False)
class Add(Intervention):
    """The thought plus a vector (hidden,) times a factor (steering); 0 changes nothing."""

    vector: Tensor
    factor: float = 1.0
    label: str = "vector"

    def __call__(self, thought: Tensor) -> Tensor:
        return thought + self.factor * _fitting(self.vector, thought)

    def __str__(self) -> str:
        return f"add {self.label} {self.factor:g}"


@dataclass(frozen=True, eq=False, repr=False)
class ProjectOut(Intervention):
    """The thought without its part along a vector (hidden,) (directional ablation); zero changes nothing."""

    vector: Tensor
    label: str = "vector"

    def __call__(self, thought: Tensor) -> Tensor:
        direction = _fitting(self.vector, thought)
        square = direction @ direction
        return thought - direction * ((thought @ direction) / square) if square > 0 else thought

    def __str__(self) -> str:
        return f"remove {self.label}"


@dataclass(frozen=True, eq=False, repr=False)
class PatchLayer(Intervention):
    """A donor's residual stream (hidden,) in place of what a layer gives while the thought is read (activation
    patching), or at a position of the prompt, the first being 0."""

    layer: int
    vector: Tensor
    label: str = "donor"
    position: int | None = None  # of the prompt; None: where the thought is read

    @property
    def inside(self) -> "Sequence[PatchLayer]":
        return (self,)

    def __str__(self) -> str:
        return f"patch {self.layer} {self.label}"


@dataclass(frozen=True, eq=False, repr=False)
class PatchHead(Intervention):
    """A donor's output of one head (head size,) in its place while the thought is read."""

    layer: int
    head: int
    vector: Tensor
    label: str = "donor"

    @property
    def inside(self) -> "Sequence[PatchHead]":
        return (self,)

    def __str__(self) -> str:
        return f"patch-head {self.layer}.{self.head} {self.label}"


@dataclass(frozen=True)
class HiddenPositions(Intervention):
    """Attention knockout: the thought cannot attend to these positions, the prompt's first being 0."""

    positions: tuple[int, ...]
    label: str = ""

    @property
    def inside(self) -> "Sequence[HiddenPositions]":
        return (self,)

    def __str__(self) -> str:
        return f"knockout {self.label or _ranges(self.positions)}"


@dataclass(frozen=True, eq=False, repr=False)
class Chain(Intervention):
    """Several done at one thought, in order."""

    parts: tuple[Intervention, ...]

    def __call__(self, thought: Tensor) -> Tensor:
        for part in self.parts:
            thought = part(thought)
        return thought

    @property
    def inside(self) -> "Sequence[PatchLayer | PatchHead | HiddenPositions]":
        return tuple(effect for part in self.parts for effect in part.inside)

    def __str__(self) -> str:
        return ", ".join(map(str, self.parts))


@dataclass(frozen=True)
class Apply(Intervention):
    """A function of the thought, (hidden,) -> (hidden,): what it returns is fed. It is given a copy.

    Raises CoconutError where it returns no tensor, another shape or numbers that are not finite.
    """

    function: Callable[[Tensor], Tensor]

    def __call__(self, thought: Tensor) -> Tensor:
        changed = self.function(thought.clone())
        if not isinstance(changed, Tensor):
            what = "nothing" if changed is None else f"a {type(changed).__name__}"
            raise CoconutError(f"{self.name} returns {what}, a thought is a tensor {tuple(thought.shape)}")
        if changed.shape != thought.shape:
            raise CoconutError(
                f"{self.name} returns shape {tuple(changed.shape)}, a thought here has {tuple(thought.shape)}"
            )
        if thought.isfinite().all() and not changed.isfinite().all():
            raise CoconutError(f"{self.name} returns numbers that are not finite")
        return changed.to(thought)

    @property
    def name(self) -> str:
        """What the function is called."""
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    def __str__(self) -> str:
        return f"apply {self.name}"


Edit = Intervention | Callable[[Tensor], Tensor] | Tensor  # what a run takes


def as_intervention(edit: Edit) -> Intervention:
    """The same edit; a function is done to the vector that is fed, a tensor (hidden,) is fed in its place.

    Raises CoconutError for anything else.
    """
    if isinstance(edit, Intervention):
        return edit
    if isinstance(edit, Tensor):
        return Replace(edit, "replace vector")
    if isinstance(edit, type):
        raise CoconutError(f"{edit.__name__} is a class, no intervention: write {edit.__name__}(…) for one")
    if not callable(edit):
        raise CoconutError(
            f"{brief(edit)} is no intervention: give one such as Zero(), or a function of the thought"
        )
    return Apply(edit)


def chain(first: Intervention | None, second: Intervention) -> Intervention:
    """The one, then the other."""
    if first is None:
        return second
    before = first.parts if isinstance(first, Chain) else (first,)
    return Chain((*before, second))


def _fitting(vector: Tensor, thought: Tensor) -> Tensor:
    if vector.shape != thought.shape:
        raise CoconutError(f"the vector has shape {tuple(vector.shape)}, a thought here {tuple(thought.shape)}")
    return vector.to(thought)


def _ranges(positions: Sequence[int]) -> str:
    """Positions as a person writes them: 3-6,9."""
    runs: list[list[int]] = []
    for position in sorted(positions):
        if runs and position == runs[-1][-1] + 1:
            runs[-1].append(position)
        else:
            runs.append([position])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
