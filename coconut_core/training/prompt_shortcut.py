"""Reading a prompt for training without the work whose result nobody reads.

Of a prompt, the loss uses only what later positions see: keys and values in every layer, and the hidden
state of the last position. So in the last layer all other positions need no query, no attention and no
feed-forward. In a model of two layers that is over a third of the cost of a step; the numbers are the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlamaForCausalLM
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from coconut_core.model import CoconutModel


class LastPositionLayer(nn.Module):
    """Wraps the last Llama layer; while `reading_prompt` is set, only the last position is computed in full.

    The hidden states returned for the other positions are then the layer's inputs and must not be used.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.reading_prompt = False

    def forward(self, hidden_states: Tensor, **options: Any) -> Tensor:
        """hidden_states (batch, time, hidden), options as the wrapped layer takes them."""
        if not self.reading_prompt or hidden_states.shape[1] < 2:
            output: Tensor = self.layer(hidden_states, **options)
            return output
        cos, sin = options["position_embeddings"]
        self._store_keys_and_values(hidden_states[:, :-1], cos[:, :-1], sin[:, :-1], options["past_key_values"])
        mask = options["attention_mask"]
        options |= {
            "position_embeddings": (cos[:, -1:], sin[:, -1:]),
            "position_ids": options["position_ids"][:, -1:],
            "attention_mask": None if mask is None else mask[:, :, -1:],
        }
        return torch.cat([hidden_states[:, :-1], self.layer(hidden_states[:, -1:], **options)], dim=1)

    def _store_keys_and_values(self, hidden: Tensor, cos: Tensor, sin: Tensor, cache: Any) -> None:
        attention: Any = self.layer.self_attn
        normed = self.layer.input_layernorm(hidden)  # type: ignore[operator]
        shape = (*normed.shape[:-1], -1, attention.head_dim)
        keys = attention.k_proj(normed).view(shape).transpose(1, 2)
        values = attention.v_proj(normed).view(shape).transpose(1, 2)
        keys, _ = apply_rotary_pos_emb(keys, keys, cos, sin)
        cache.update(keys, values, attention.layer_idx)


@contextmanager
def prompt_shortcut(model: CoconutModel) -> Iterator[None]:
    """Put the shortcut into a Llama-shaped model for the time of the block; others go without."""
    if not isinstance(model.base_lm, LlamaForCausalLM):
        yield
        return
    layers = model.base_lm.model.layers
    wrapped = LastPositionLayer(layers[-1])
    layers[-1] = model.prompt_layer = wrapped
    try:
        yield
    finally:
        layers[-1], model.prompt_layer = wrapped.layer, None
