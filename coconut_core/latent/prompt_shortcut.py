"""Reading prompts without the work whose result nobody reads.

Of a prompt, only what later positions see is used: keys and values in every layer, and the hidden state of the
last position. So in the last layer all other positions need no query, no attention and no feed-forward. In a
model of two layers that is over a third of the cost of a prompt; the numbers are the same up to rounding.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, get_ident
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule

from coconut_core.latent.cache.contexts import CACHE_NAMES
from coconut_core.latent.model import LatentModel


class LastPositionLayer(nn.Module):
    """Wraps the last Llama layer; for the thread that is `reader`, only the last position is computed in full.

    The hidden states returned for the other positions are then the layer's inputs and must not be used.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.reader: int | None = None  # the thread that reads a prompt

    def forward(self, hidden_states: Tensor, **options: Any) -> Tensor:
        """hidden_states (batch, time, hidden), options as the wrapped layer takes them."""
        if self.reader != get_ident() or hidden_states.shape[1] < 2:
            output: Tensor = self.layer(hidden_states, **options)
            return output
        cos, sin = options["position_embeddings"]
        cache = next(options[name] for name in CACHE_NAMES if name in options)
        self._store_keys_and_values(hidden_states[:, :-1], cos[:, :-1], sin[:, :-1], cache)
        mask = options["attention_mask"]
        options |= {
            "position_embeddings": (cos[:, -1:], sin[:, -1:]),
            "position_ids": options["position_ids"][:, -1:],
            "attention_mask": mask[:, :, -1:] if isinstance(mask, Tensor) and mask.dim() == 4 else mask,
        }
        return torch.cat([hidden_states[:, :-1], self.layer(hidden_states[:, -1:], **options)], dim=1)

    def _store_keys_and_values(self, hidden: Tensor, cos: Tensor, sin: Tensor, cache: Any) -> None:
        from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

        attention: Any = self.layer.self_attn
        normed = self.layer.input_layernorm(hidden)  # type: ignore[operator]
        shape = (*normed.shape[:-1], -1, attention.head_dim)
        keys = attention.k_proj(normed).view(shape).transpose(1, 2)
        values = attention.v_proj(normed).view(shape).transpose(1, 2)
        keys, _ = apply_rotary_pos_emb(keys, keys, cos, sin)
        cache.update(keys, values, attention.layer_idx)


@contextmanager
def prompt_shortcut(model: LatentModel) -> Iterator[None]:
    """Put the shortcut into a Llama-shaped model for the time of the block; others go without, as does one
    whose layers are moved from device to device, or gather their weights from several processes."""
    layers: Any = getattr(model.text_model, "layers", None)
    fits = model.base_lm.config.model_type == "llama" and not hasattr(layers[-1], "_hf_hook")
    fits = fits and not isinstance(layers[-1], FSDPModule)
    wrapped = None
    with _changing_layers:
        if fits and model.prompt_layer is None:
            layers[-1] = model.prompt_layer = wrapped = LastPositionLayer(layers[-1])
    try:
        yield
    finally:
        if wrapped is not None:
            with _changing_layers:
                layers[-1], model.prompt_layer = wrapped.layer, None


@contextmanager
def reading_prompt(model: LatentModel, is_prompt: bool) -> Iterator[None]:
    """Say whether what this thread reads within the block is a prompt, of whose states only the last counts."""
    layer = model.prompt_layer if is_prompt else None
    if layer is not None:
        layer.reader = get_ident()
    try:
        yield
    finally:
        if layer is not None:
            layer.reader = None


_changing_layers = Lock()
