"""Doing what interventions do inside the model, while rows of a batch read a thought each."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor

from coconut_core.common.errors import CoconutError
from coconut_core.latent.cache.contexts import Context
from coconut_core.latent.layers import Patch, check_patches, patching
from coconut_core.latent.model import LatentModel
from coconut_core.runs.edits import HiddenPositions, Intervention, PatchHead


@contextmanager
def acting(model: LatentModel, context: Context, by_row: Mapping[int, Intervention]) -> Iterator[Tensor | None]:
    """Apply what interventions do inside the model to passes within the context, each to its row.

    Yields what LatentModel.latent_step takes as `visible`: (batch, context.length), or None where every row
    sees everything. Raises CoconutError for a layer, head or position that is not there.
    """
    patches: list[Patch] = []
    visible: Tensor | None = None
    for row, intervention in by_row.items():
        for effect in intervention.inside:
            if isinstance(effect, HiddenPositions):
                visible = context.mask.clone() if visible is None else visible
                padding = int(context.mask[row].argmax())  # columns in front of the row's first token
                check_positions(model, effect, context.length - padding)
                visible[row, [padding + position for position in effect.positions]] = 0
        patches += _patches(row, intervention)
    with patching(model, patches):
        yield visible


def _patches(row: int, intervention: Intervention) -> list[Patch]:
    return [
        Patch(row, effect.layer, effect.vector, effect.head if isinstance(effect, PatchHead) else None)
        for effect in intervention.inside
        if not isinstance(effect, HiddenPositions)
    ]


def check_positions(model: LatentModel, knockout: HiddenPositions, length: int) -> None:
    """Raise CoconutError for a position that is not among the first `length`, or where none can be hidden."""
    if model.recurrent:
        raise CoconutError(
            "no position can be hidden in a model with recurrent layers: their state holds all that was read"
        )
    for position in knockout.positions:
        if not 0 <= position < length:
            raise CoconutError(f"there is no position {position} to hide: the run has read {length}")


def check_fits(model: LatentModel, intervention: Intervention, length: int) -> None:
    """Raise CoconutError for what an intervention cannot do inside the model after `length` positions."""
    for effect in intervention.inside:
        if isinstance(effect, HiddenPositions):
            check_positions(model, effect, length)
    check_patches(model, _patches(0, intervention))
