"""Making one batch of several: rows that have read prompts of their own go on side by side."""

from collections.abc import Sequence

import torch
from torch import Tensor

from coconut_core.latent.cache.cache_layers import abilities
from coconut_core.latent.cache.contexts import Context
from coconut_core.latent.cache.growing_layer import GrowingLayer

Part = tuple[Context, Sequence[int]]  # rows of a context


def joinable(context: Context) -> bool:
    """Whether rows can join a batch in its midst: every layer keeps its keys and values place by place."""
    return context.cache is not None and all(abilities(layer).join for layer in context.cache.layers)


@torch.inference_mode()
def join(parts: Sequence[Part]) -> Context:
    """These rows of joinable contexts as one; the first context is used up.

    Padding on the left makes all equally long, and there is no more of it than the longest row needs. Positions
    are counted without padding, so every row goes on with the numbers that it would have alone.
    """
    starts = [int(context.mask[list(rows)].argmax(dim=1).min()) for context, rows in parts]
    places = [(context, list(rows), start) for (context, rows), start in zip(parts, starts, strict=True)]
    joined = parts[0][0]
    mask = _stack([(context.mask[..., None], rows, start) for context, rows, start in places])[..., 0]
    hidden = torch.cat([context.hidden[rows] for context, rows, _ in places])
    for number, layer in enumerate(_layers(joined)):
        if not layer.is_initialized:  # as one that uses the keys and values of another
            continue
        layers = [(_layers(context)[number], rows, start) for context, rows, start in places]
        layer.keys, layer.values = (
            _stack([(getattr(each, name), rows, start) for each, rows, start in layers])
            for name in ("keys", "values")
        )
    joined.mask, joined.hidden, joined.whole = mask, hidden, False
    return joined


def _layers(context: Context) -> list[GrowingLayer]:
    assert context.cache is not None  # as joinable says
    layers: list[GrowingLayer] = context.cache.layers
    return layers


def _stack(parts: Sequence[tuple[Tensor, list[int], int]]) -> Tensor:
    """Rows of tensors (batch, …, time, size), each from a time on, one below the other, their ends flush."""
    first = parts[0][0]
    width = max(tensor.shape[-2] - start for tensor, _, start in parts)
    count = sum(len(rows) for _, rows, _ in parts)
    stacked = first.new_zeros(count, *first.shape[1:-2], width, first.shape[-1])
    at = 0
    for tensor, rows, start in parts:
        padding = width - (tensor.shape[-2] - start)
        stacked[at : at + len(rows), ..., padding:, :] = tensor[..., start:, :][rows]
        at += len(rows)
    return stacked
