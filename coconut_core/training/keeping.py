"""Checkpoints that are kept for study: how far a run had come, in little room, and nothing to go on from.

RUN/kept/step-000250/ opens like any model. Its weights are rounded to Recipe.keep_dtype on disk; a
model that is opened from there computes in the run's own format, as config.json says.
"""

from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from coconut_core.checkpoints.loading import DTYPES
from coconut_core.coconut import CoconutModel
from coconut_core.training.recipe import Recipe
from coconut_core.training.run_folder import RunFolder


def is_kept(recipe: Recipe, step: int, *, stage_ends: bool, at_end: bool) -> bool:
    """Whether the model as it is after so many steps is kept. Where any is, so are the first and the last."""
    if not (recipe.keep_every or recipe.keep_stages):
        return False
    due = recipe.keep_every > 0 and step % recipe.keep_every == 0
    return due or step == 0 or at_end or (recipe.keep_stages and stage_ends)


def keep_model(run: RunFolder, step: int, model: CoconutModel, dtype: str) -> None:
    """Keep a model in its run's folder. Raises CoconutError where the disk refuses."""

    def write(folder: Path) -> None:
        model.save_pretrained(folder)
        round_weights(folder, dtype)

    run.keep_for_study(step, write)


def round_weights(folder: Path, name: str) -> None:
    """Write a model folder's weights again in the number format of that name. A tensor that would overflow in
    it stays as it is."""
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            metadata, tensors = file.metadata(), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        save_file({key: _rounded(tensor, DTYPES[name]) for key, tensor in tensors.items()}, path, metadata)


def _rounded(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    if not tensor.is_floating_point() or tensor.element_size() <= dtype.itemsize:
        return tensor
    rounded = tensor.to(dtype)
    return rounded if bool(rounded.isfinite().all()) or not bool(tensor.isfinite().all()) else tensor
