"""What runs have read so far, and how they go back in it.

Keys and values are taken back position by position. A layer with a sliding window keeps all of its own here,
not only those within the window: its mask alone decides what it sees, so the numbers are the same, and they can
be taken back like any others. A recurrent layer (Mamba and its hybrids) keeps one state for all that it has
read, so there is no way back but to read everything again: see coconut_core.runs.steps.read_again.
"""

import inspect
from copy import deepcopy
from dataclasses import dataclass
from math import inf
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from coconut_core.common.errors import CoconutError
from coconut_core.latent.cache.cache_layers import abilities
from coconut_core.latent.cache.growing_layer import GrowingLayer

CACHE_NAMES = ("cache", "past_key_values", "cache_params")  # since transformers 5.24; before, by kind of model


@dataclass
class Context:
    """What has been read so far: the KV cache, which of its positions count, and the last hidden state."""

    cache: DynamicCache | None  # None where gradients flow through recurrent layers, see new_context
    mask: Tensor  # (batch, time), 1 where a position counts, 0 where it is padding
    hidden: Tensor  # (batch, hidden), after the final norm, at the last position
    fed: Tensor | None = None  # (batch, time, hidden), all that was read, where there is no cache
    whole: bool = True  # whether it is certain that no position is padding, without a look at the mask

    @property
    def length(self) -> int:
        """Number of positions read, padding included."""
        return self.mask.shape[1]

    @property
    def croppable(self) -> bool:
        """Whether positions can be taken back."""
        return self.cache is not None and can_crop(self.cache)

    def take_back(self, count: int, hidden: Tensor) -> None:
        """Forget the last `count` positions, which is exact; hidden (batch, hidden) is the state in front of
        them. Only where the context is croppable."""
        assert self.cache is not None
        self.cache.crop(-count)
        self.mask, self.hidden = self.mask[:, :-count], hidden

    def forget_broken_pass(self) -> None:
        """After a pass that broke off: take back what some of the layers have already read of it. A recurrent
        layer cannot, and its context is of no use any more."""
        if self.croppable:
            assert self.cache is not None
            for layer in self.cache.layers:
                if (excess := layer.get_seq_length() - self.length) > 0:
                    layer.crop(-excess)

    def storages(self) -> dict[int, int]:
        """The memory behind its cache: bytes by address. A copy has the same until one of the two reads on."""
        layers = [] if self.cache is None else self.cache.layers
        tensors = [value for layer in layers for value in vars(layer).values() if isinstance(value, Tensor)]
        stores = [tensor.untyped_storage() for tensor in tensors]
        return {store.data_ptr(): store.nbytes() for store in stores}

    def copy(self) -> "Context":
        """A context of its own that has read the same."""
        return Context(deepcopy(self.cache), self.mask.clone(), self.hidden.clone(), self.fed, self.whole)

    def select(self, rows: Tensor) -> None:
        """Keep these rows of the batch (numbers, each as often as it is named); columns stay."""
        assert self.cache is not None
        self.cache.reorder_cache(rows)
        self.mask, self.hidden = self.mask[rows], self.hidden[rows]


def new_context(config: Any, batch: int, device: torch.device) -> Context:
    """A context that has read nothing yet, for a base model of that configuration.

    Recurrent layers write their states over in place, through which no gradient flows. Where gradients are
    recorded, such a model goes without a cache and reads everything again at each step: the same numbers.
    """
    cache = new_cache(config)
    cache.layers = [GrowingLayer() if abilities(layer).grow else layer for layer in cache.layers]
    mask = torch.zeros(batch, 0, dtype=torch.long, device=device)
    hidden = torch.empty(batch, 0, device=device)
    if not can_crop(cache) and torch.is_grad_enabled():
        return Context(None, mask, hidden)
    return Context(cache, mask, hidden)


def new_cache(config: Any) -> DynamicCache:
    """An empty cache in which layers with a sliding window keep all their keys and values."""
    try:
        cache = DynamicCache(config=config)
    except (AttributeError, KeyError, ValueError) as error:
        raise CoconutError(f"a model of type '{config.model_type}' keeps no cache of a known kind") from error
    cache.layers = [DynamicLayer() if abilities(layer).window else layer for layer in cache.layers]
    return cache


def can_crop(cache: DynamicCache) -> bool:
    """Whether positions can be taken back from every layer."""
    return all(abilities(layer).crop for layer in cache.layers)


def has_attention(config: Any) -> bool:
    """Whether some layer sees earlier positions, rather than a state that was made of them."""
    return any(abilities(layer).attends for layer in new_cache(config).layers)


def gap_limit(config: Any) -> float:
    """The length up to which a row may have padding in its midst: a window counts places, padding included, and
    a recurrent layer, for which it is 0, reads whatever comes."""
    if not can_crop(new_cache(config)):
        return 0
    layers = DynamicCache(config=config).layers
    windows = [layer.sliding_window for layer in layers if abilities(layer).window]
    return min(windows, default=inf)


def check_unbroken(mask: Tensor, limit: float) -> None:
    """Raise CoconutError where a row of mask (batch, time) is longer than that and has padding in its midst."""
    if mask.shape[1] <= limit:
        return
    begins = nn.functional.pad(mask, (1, 0)).diff(dim=1) == 1
    if bool((begins.sum(dim=1) > 1).any()):
        raise CoconutError(
            "rows of different lengths cannot go on side by side in a model with a sliding window or recurrent "
            "layers: take one at a time (a batch size of 1)"
        )


def cache_argument(base: nn.Module) -> str:
    """The name under which a base model takes its cache. Raises CoconutError where it takes none."""
    names = inspect.signature(base.forward).parameters
    for name in CACHE_NAMES:
        if name in names:
            return name
    raise CoconutError(f"{type(base).__name__} takes no cache of a known kind: it cannot be fed step by step")


def longest_sequence(shape: Any) -> int | None:
    """How many positions a base model of this configuration can read step by step; None where it sets no limit.

    Some rotary scalings rotate all positions otherwise once a sequence is longer than some length, those in the
    cache as well: there it ends.
    """
    limit = getattr(shape, "max_position_embeddings", None)
    if not isinstance(limit, int):
        return None
    scalings = getattr(shape, "rope_parameters", None) or {}
    if not all(isinstance(scaling, dict) for scaling in scalings.values()):
        scalings = {"all layers": scalings}  # else a set for each kind of layer
    return min((_with_scaling(limit, scaling) for scaling in scalings.values()), default=limit)


def _with_scaling(limit: int, scaling: dict[str, Any]) -> int:
    kind, original = scaling.get("rope_type") or "", scaling.get("original_max_position_embeddings") or 0
    if "dynamic" in kind:  # as transformers asks; from `limit` on, whatever it was trained with
        return limit
    if kind == "longrope" and original:
        return min(limit, int(original))
    return max(limit, int(original * (scaling.get("factor") or 1)))  # some name the limit without scaling
