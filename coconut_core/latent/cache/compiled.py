"""One position's pass through the base model as a compiled graph (torch.compile).

A short pass is mostly waiting: for Python between the parts of the model, and on a GPU for the launch of one
kernel after the other. Compiled, parts are fused and little of that is left. A graph wants shapes that stay:
so it reads a cache's whole room (see growing_layer), with a mask over what is not written yet, and
writes one position into it. Going back, forking and picking rows are what they are without it.

The numbers are the same up to rounding, and not to the bit: other kernels add in another order.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch._dynamo.exc import TorchDynamoException
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from coconut_core.common.errors import CoconutError, one_line
from coconut_core.latent.cache.cache_layers import abilities
from coconut_core.latent.cache.contexts import Context, cache_argument
from coconut_core.latent.cache.growing_layer import GrowingLayer


class CompiledPass:
    """Reads one position a row where it can; everything else goes through the model as ever."""

    def __init__(
        self, base_lm: PreTrainedModel, text_model: nn.Module, backend: str | Callable[..., Any] = "inductor"
    ) -> None:
        """Nothing is compiled before the first position is read. backend: see torch.compile.

        Raises CoconutError for a model that cannot be read in this way.
        """
        check_compilable(base_lm)
        self._modules = list(text_model.modules())
        self._text_model, self._name = text_model, cache_argument(text_model)
        self._read = torch.compile(_read, backend=backend)

    def takes(self, context: Context, embeddings: Tensor) -> bool:
        """Whether this pass is one of those: of one position, without gradients, after others, with nobody who
        looks at or changes what is inside (hooks, which a graph would not call)."""
        return (
            embeddings.shape[1] == 1
            and context.length > 0
            and not torch.is_grad_enabled()
            and not any(module._forward_hooks or module._forward_pre_hooks for module in self._modules)
        )

    def __call__(self, context: Context, embeddings: Tensor, seen: Tensor, positions: Tensor) -> Tensor:
        """Read embeddings (batch, 1, hidden) at positions (batch, 1) into the context's cache.

        seen (batch, context.length + 1) is 0 where nothing is attended to. Returns hidden states
        (batch, 1, hidden). Raises CoconutError where no graph can be made on this machine.
        """
        assert context.cache is not None
        layers: list[GrowingLayer] = context.cache.layers
        rooms = [layer.reserve(1) for layer in layers]
        width = rooms[0].keys.shape[-2]
        mask = nn.functional.pad(seen, (0, width - seen.shape[1]))[:, None, None].bool()
        positions = positions.clone(memory_format=torch.contiguous_format)  # strides that stay as well
        place = torch.full((1,), context.length, device=embeddings.device)
        keys, values = [room.keys for room in rooms], [room.values for room in rooms]
        _let_vary(0, embeddings, positions, mask, *keys, *values)
        _let_vary(2, *keys, *values)
        _let_vary(3, mask)
        try:
            hidden: Tensor = self._read(
                self._text_model, self._name, embeddings, positions, mask, place, keys, values
            )
        except TorchDynamoException as error:
            message = f"the step cannot be compiled here ({one_line(error)})"
            raise CoconutError(f"{message}: it needs a C++ compiler; leave out --compile") from error
        for layer, room in zip(layers, rooms, strict=True):
            layer.take(room, context.length + 1)
        return hidden


def check_compilable(base_lm: PreTrainedModel) -> None:
    """Raise CoconutError unless one mask serves all layers of the model, and all of it lies on one device."""
    what = f"a model of type '{base_lm.config.model_type}'"
    if not all(abilities(layer).compile for layer in DynamicCache(config=base_lm.config).layers):
        raise CoconutError(
            f"{what} has layers with a window or a state: it cannot be compiled, leave out --compile"
        )
    if base_lm.config._attn_implementation != "sdpa":
        raise CoconutError(
            f"{what} computes attention in a way of its own: it cannot be compiled, leave out --compile"
        )
    if getattr(base_lm, "hf_device_map", None) and len(set(base_lm.hf_device_map.values())) > 1:
        raise CoconutError(
            "a model spread over several devices cannot be compiled: leave out --compile or --device-map"
        )


class _WholeRoom(DynamicLayer):  # type: ignore[misc]
    """A layer's room, into which one position is written at a given place."""

    def __init__(self, keys: Tensor, values: Tensor, place: Tensor) -> None:
        super().__init__()
        self.keys, self.values, self.place = keys, values, place
        self.is_initialized = True

    def update(self, keys: Tensor, values: Tensor, *more: Any, **options: Any) -> tuple[Tensor, Tensor]:
        """Write keys and values (batch, heads, 1, size); returns those of the whole room."""
        self.keys.index_copy_(2, self.place, keys)
        self.values.index_copy_(2, self.place, values)
        return self.keys, self.values


def _read(
    text_model: nn.Module,
    name: str,
    embeddings: Tensor,
    positions: Tensor,
    mask: Tensor,
    place: Tensor,
    keys: list[Tensor],
    values: list[Tensor],
) -> Tensor:
    """What is compiled. name is the argument that takes the cache; keys and values are the layers' rooms,
    (batch, heads, room, size) each."""
    cache = DynamicCache()
    cache.layers = [_WholeRoom(*room, place) for room in zip(keys, values, strict=True)]
    output = text_model(
        inputs_embeds=embeddings,
        attention_mask=mask,
        position_ids=positions,
        use_cache=True,
        **{name: cache},
    )
    hidden: Tensor = output.last_hidden_state
    return hidden


def _let_vary(axis: int, *tensors: Tensor) -> None:
    """Have the graph made for any size of that axis; of size 1 it is made apart in any case."""
    for tensor in tensors:
        if tensor.shape[axis] > 1:
            torch._dynamo.maybe_mark_dynamic(tensor, axis)
