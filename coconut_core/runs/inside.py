"""Doing what interventions do inside the model, while rows of a batch read a thought each, or their prompts."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from torch import Tensor

from coconut_core.common.errors import CoconutError
from coconut_core.latent.cache.contexts import Context
from coconut_core.latent.layers import Patch, check_patches, patching
from coconut_core.latent.model import LatentModel
from coconut_core.runs.edits import HiddenPositions, Intervention, PatchHead, PatchLayer


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


@contextmanager
def acting_in_prompts(
    model: LatentModel, lengths: Sequence[int], by_row: Mapping[int, Intervention], skipped: int = 0
) -> Iterator[None]:
    """Apply what interventions do in prompts of these lengths, which are read side by side, left-padded, within
    the context; the first `skipped` columns have been read before. Raises CoconutError as check_in_prompt."""
    width, patches = max(lengths), list[Patch]()
    for row, intervention in by_row.items():
        for effect in check_in_prompt(model, intervention, lengths[row]):
            column = width - lengths[row] + (effect.position or 0) - skipped
            patches.append(Patch(row, effect.layer, effect.vector, position=column))
    with patching(model, patches):
        yield


def check_in_prompt(model: LatentModel, intervention: Intervention, length: int) -> list[PatchLayer]:
    """What an intervention does in a prompt of so many positions. Raises CoconutError where it does nothing
    there, something else than to patch layers, or anything at a position or layer that is not there."""
    patches = [effect for effect in intervention.inside if isinstance(effect, PatchLayer)]
    if not patches or len(patches) < len(intervention.inside) or None in [each.position for each in patches]:
        raise CoconutError(f"'{intervention}' cannot be done in a prompt: only layers can be patched there")
    for patch in patches:
        if not 0 <= (patch.position or 0) < length:
            raise CoconutError(f"there is no position {patch.position} in the prompt: it has {length}")
    check_patches(model, [Patch(0, patch.layer, patch.vector) for patch in patches])
    return patches


def _patches(row: int, intervention: Intervention) -> list[Patch]:
    for effect in intervention.inside:
        if isinstance(effect, PatchLayer) and effect.position is not None:
            raise CoconutError(f"'{effect}' is for the prompt, not for a thought: write patch LAYER DONOR@2")
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
