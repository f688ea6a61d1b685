"""What each class of cache layers can do, in one table. A new class of layers is supported by a row here.

A class is looked up as itself, not as one that inherits from another: a subclass may keep more than its parent,
of which the other's ways know nothing.
"""

from dataclasses import dataclass
from typing import Any

from transformers.cache_utils import (
    DummyLayer,
    DynamicIndexedLayer,
    DynamicLayer,
    DynamicSlidingWindowLayer,
    LinearAttentionLayer,
)

from coconut_core.latent.cache.growing_layer import GrowingLayer


@dataclass(frozen=True)
class LayerAbilities:
    """What layers of one class can do, and what they hold. The defaults are the careful answers, which hold for
    a class that is not known: what may be impossible is not tried, what may be there is counted."""

    crop: bool = False  # positions can be taken back, which is exact
    join: bool = False  # keys and values of rows from several caches can be put together, place by place
    checkpoint: bool = False  # can be kept in pieces, a piece for each pass, for gradient checkpointing
    compile: bool = False  # all positions are seen, and kept where a compiled graph can write one more
    window: bool = False  # forgets what is outside its window: a DynamicLayer stands in, with the same mask
    grow: bool = False  # a GrowingLayer stands in, which gives the same numbers and copies less
    attends: bool = True  # sees earlier positions, rather than a state that was made of them
    stores_keys: bool = True  # holds a key and a value for each position


_PLAIN = LayerAbilities(crop=True, join=True, checkpoint=True, compile=True, grow=True)
ABILITIES: dict[type, LayerAbilities] = {
    DynamicLayer: _PLAIN,
    GrowingLayer: _PLAIN,
    DynamicSlidingWindowLayer: LayerAbilities(window=True),
    DynamicIndexedLayer: LayerAbilities(crop=True),
    DummyLayer: LayerAbilities(crop=True, stores_keys=False),
    LinearAttentionLayer: LayerAbilities(attends=False, stores_keys=False),
}


def abilities(layer: Any) -> LayerAbilities:
    """What a cache layer can do."""
    return ABILITIES.get(type(layer), LayerAbilities())
