"""Gradient checkpointing that leaves the KV cache on: a layer's activations are computed again on the way back.

That of transformers switches the cache off, and the latent loop lives by it. Here each pass through a layer is
a checkpoint of torch, and the cache keeps what the layer gave it as it came, a piece for each pass. The keys
and values of all positions in a row, which attention needs anew for every thought, are then not kept either.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import Cache
from transformers.cache_utils import DynamicLayer

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.latent.cache.cache_layers import abilities
from coconut_core.latent.cache.contexts import new_cache
from coconut_core.latent.layers import decoder_layers
from coconut_core.latent.weight_gradients import joined_weight_gradients


def kept_for_gradients(
    model: CoconutModel, *, checkpointing: bool, sharded: bool
) -> AbstractContextManager[None]:
    """What a step keeps for its way back: with checkpointing little, else all, and what the gradients of whole
    weights are made of for one product; weights that are sharded come and go too often for that."""
    if checkpointing:
        return gradient_checkpointing(model)
    return nullcontext() if sharded else joined_weight_gradients(model)


@contextmanager
def gradient_checkpointing(model: CoconutModel) -> Iterator[None]:
    """For the time of the block, passes through the layers of the model keep nothing but their input."""
    layers = decoder_layers(model)
    for number, layer in enumerate(layers):
        layer.forward = _checkpointed(layer.forward, number)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward  # that of its class is there again


def check_checkpointing(model: CoconutModel) -> None:
    """Raise CoconutError for a model whose cache is not one of plain keys and values in every layer, and for
    one that finds its thoughts in passes, which take back what the way back would need."""
    if model.config.passes:
        raise CoconutError("gradient_checkpointing does not go with parallel passes: leave one of them out")
    layers = new_cache(model.base_lm.config).layers
    if len(layers) != len(decoder_layers(model)) or not all(abilities(layer).checkpoint for layer in layers):
        name = model.base_lm.config.model_type
        raise CoconutError(f"gradient_checkpointing cannot be had for a model of type '{name}': leave it out")


def _checkpointed(forward: Callable[..., Any], number: int) -> Callable[..., Any]:
    def run(*arguments: Any, **options: Any) -> Any:
        cache = next(value for value in (*arguments, *options.values()) if isinstance(value, Cache))
        layer = _in_pieces(cache, number)
        place = len(layer.pieces)

        def again(*arguments: Any) -> Any:
            layer.place = place
            return forward(*arguments, **options)

        return checkpoint(again, *arguments, use_reentrant=False)

    return run


class PiecedLayer(DynamicLayer):  # type: ignore[misc]
    """A layer's keys and values as they came, (batch, heads, time, width) each. A pass may be repeated: what it
    adds is then there already, and is left alone."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[tuple[Tensor, Tensor]] = []
        self.place = 0  # of the piece that is added next

    def update(self, keys: Tensor, values: Tensor, *more: Any, **options: Any) -> tuple[Tensor, Tensor]:
        """Add a piece; returns keys and values of all positions up to its end."""
        if self.place == len(self.pieces):
            self.pieces.append((keys, values))
        before = self.pieces[: self.place]
        self.place += 1
        return (
            torch.cat([*(piece[0] for piece in before), keys], dim=-2),
            torch.cat([*(piece[1] for piece in before), values], dim=-2),
        )

    def get_seq_length(self) -> int:
        """Number of positions."""
        return sum(keys.shape[-2] for keys, _ in self.pieces)


def _in_pieces(cache: Any, number: int) -> PiecedLayer:
    """The cache's layer of that number, which is put in the place of an ordinary one if need be."""
    layer = cache.layers[number]
    if not isinstance(layer, PiecedLayer):
        pieced = PiecedLayer()
        if layer.get_seq_length():
            pieced.pieces.append((layer.keys, layer.values))
        cache.layers[number] = layer = pieced
    return layer
