"""How much memory runs will take at most: weights, caches, and what a pass needs on its way.

What a pass needs depends on the architecture in ways that no formula of a few lines holds. So one row (of a
batch two) is read for real, what is alive at the same time is counted, and the rest is arithmetic.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from coconut_core.common.errors import CoconutError
from coconut_core.latent.cache.growing_layer import rounded
from coconut_core.latent.layers import cache_size
from coconut_core.latent.model import LatentModel
from coconut_core.latent.readout import Readout
from coconut_core.runs.live_bytes import LiveBytes
from coconut_core.runs.rows import read_prompts


@dataclass(frozen=True)
class Need:
    """Bytes that are in use at the same time."""

    weights: int
    reading: int  # besides, at most while the questions are read
    thinking: int  # besides, at most while the last thought is taken, all caches included

    @property
    def peak(self) -> int:
        """The most at any time."""
        return self.weights + max(self.reading, self.thinking)


@torch.inference_mode()
def predict(
    model: LatentModel, question_length: int, *, batch: int = 1, thoughts: int | None = None, branches: int = 1
) -> Need:
    """What `batch` questions of so many tokens (<bot> included) need, each with so many thoughts in so many
    branches, each with a cache of its own. A word takes as much as a thought.

    Raises CoconutError where the model cannot read so many positions.
    """
    thoughts = model.config.thoughts if thoughts is None else thoughts
    if model.max_positions is not None and question_length + thoughts > model.max_positions:
        raise CoconutError(
            f"the model reads {model.max_positions} positions, not {question_length + thoughts}: "
            "make the question shorter or take fewer thoughts"
        )
    rows = min(batch, 2)  # the second is padded, as rows of a batch are
    prompts = [[model.config.latent_id] * max(1, question_length - row) for row in range(rows)]
    with LiveBytes() as reading:
        context = read_prompts(model, prompts, shortcut=batch > 1)
    with LiveBytes() as step:
        model.latent_step(context)
        looked_at = [_looked_at(model, row) for row in context.hidden]
    del looked_at
    caches = cache_size(model) * rounded(question_length + thoughts) * batch * branches
    states = model.shape.hidden_size * model.dtype.itemsize * thoughts * batch * branches
    transient = (step.peak - _grown(model, question_length, rows)) * batch // rows
    return Need(weights_of(model), reading.peak * batch // rows, caches + states + transient)


def weights_of(model: LatentModel) -> int:
    """Bytes of all weights and buffers, each counted once."""
    storages = [tensor.untyped_storage() for tensor in (*model.parameters(), *model.buffers())]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def _looked_at(model: LatentModel, hidden: Tensor) -> Readout:
    readout = Readout(model, hidden)
    readout.top(1)
    return readout


def _grown(model: LatentModel, length: int, rows: int) -> int:
    """Bytes by which the step that was measured made the caches larger: they are counted apart."""
    if rounded(length + 1) == rounded(length):
        return 0
    return cache_size(model) * rounded(length + 1) * rows
