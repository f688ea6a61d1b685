"""Inside the base model: what its layers and heads put out at a position, seen and changed by hooks.

The residual stream after a layer, the output of a head and the attention weights have no place in the latent
loop; whoever wants them opens a context around the steps that are of interest.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from coconut_core.common.errors import CoconutError
from coconut_core.common.reprs import record_repr
from coconut_core.latent.architectures import ATTENTIONS, PROJECTIONS
from coconut_core.latent.cache.cache_layers import abilities
from coconut_core.latent.cache.contexts import new_cache
from coconut_core.latent.model import LatentModel


@dataclass
class Activations:
    """What a pass through the base model put out at its last position. Heads are in one row, head by head."""

    layers: Tensor  # (batch, layers, hidden), the residual stream after each layer, before the final norm
    heads: Tensor  # (batch, layers, heads, head size), before the output projection; 0 heads in a hybrid
    attention: Tensor | None = None  # (batch, layers, heads, time), weights; None where they were not asked for

    __repr__ = record_repr


@dataclass
class Watch:
    """What was seen while a `watching` was open, a record for each pass."""

    passes: list[Activations] = field(default_factory=list)


def decoder_layers(model: LatentModel) -> list[nn.Module]:
    """The layers of the base model, in order. Raises CoconutError where they cannot be told."""
    count = model.shape.num_hidden_layers
    for module in model.text_model.modules():  # from the outside in
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return list(module)
    raise CoconutError(f"{type(model.base_lm).__name__} has no layers that could be looked into")


def attention_of(layer: nn.Module) -> nn.Module:
    """The attention of a layer. Raises CoconutError where there is none of a known name."""
    attention = _attention(layer)
    if attention is None:
        raise CoconutError(f"{type(layer).__name__} has no attention of a known name")
    return attention


def output_projection(layer: nn.Module) -> nn.Module:
    """The matrix that joins the heads of a layer. Raises CoconutError where there is none of a known name."""
    attention = attention_of(layer)
    for name in PROJECTIONS:
        if isinstance(projection := getattr(attention, name, None), nn.Module):
            return projection
    raise CoconutError(f"{type(attention).__name__} has no output projection of a known name")


def head_count(model: LatentModel) -> int:
    """Number of attention heads in a layer that has any."""
    return int(getattr(model.shape, "num_attention_heads", 0))


def head_size(model: LatentModel) -> int:
    """Numbers that one attention head puts out at a position."""
    shape = model.shape
    return int(getattr(shape, "head_dim", None) or shape.hidden_size // shape.num_attention_heads)


def cache_size(model: LatentModel) -> int:
    """Bytes that a position takes in the KV cache: a key and a value in each layer that attends to it."""
    layers = sum(abilities(layer).stores_keys for layer in new_cache(model.shape).layers)
    if not layers:
        return 0
    heads = getattr(model.shape, "num_key_value_heads", None) or head_count(model)
    return int(2 * layers * heads * head_size(model) * model.dtype.itemsize)


@contextmanager
def watching(model: LatentModel, *, attention: bool = False) -> Iterator[Watch]:
    """Record what each pass within the context puts out at its last position.

    attention asks for the attention weights too, for which the base model computes attention step by step
    ("eager") as long as the context is open: the same numbers up to rounding.
    """
    watch, collected = Watch(), _Collected()
    layers = decoder_layers(model)
    have_heads = all(_attention(layer) is not None for layer in layers)
    with ExitStack() as stack:
        if attention:
            stack.enter_context(_eager_attention(model))
        for layer in layers:
            if have_heads:
                projection = output_projection(layer)
                stack.enter_context(_hook(projection.register_forward_pre_hook(collected.heads_hook)))
            if attention:
                stack.enter_context(_hook(attention_of(layer).register_forward_hook(collected.attention_hook)))
            stack.enter_context(_hook(layer.register_forward_hook(collected.layer_hook)))
        ended = layers[-1].register_forward_hook(
            lambda module, inputs, output: watch.passes.append(collected.take(head_count(model)))
        )
        stack.enter_context(_hook(ended))
        yield watch


@contextmanager
def watching_stream(model: LatentModel, positions: int = 1) -> Iterator[list[Tensor]]:
    """Record the residual stream of each pass within the context at its last positions, fewer where it has
    fewer: (batch, positions, layers + 1, hidden), in front what is fed to the first layer, then the stream
    after each layer, before the final norm. Raises CoconutError where the layers cannot be told."""
    passes: list[Tensor] = []

    def ended(stream: list[Tensor]) -> None:
        ends = [part[:, -positions:].detach().to(stream[-1].device) for part in stream]
        passes.append(torch.stack(ends, dim=2))

    with _streaming(model, ended):
        yield passes


@contextmanager
def keeping_stream(model: LatentModel) -> Iterator[list[Tensor]]:
    """Within the context the list holds the residual stream of the newest pass, with gradients: what is fed to
    the first layer, then the stream after each layer, before the final norm, (batch, time, hidden) each. Raises
    CoconutError where the layers cannot be told."""
    newest: list[Tensor] = []

    def ended(stream: list[Tensor]) -> None:
        newest[:] = stream

    with _streaming(model, ended):
        yield newest


@contextmanager
def _streaming(model: LatentModel, ended: Callable[[list[Tensor]], None]) -> Iterator[None]:
    """Call `ended` at the end of each pass within the context, see keeping_stream for what it is given."""
    stream: list[Tensor] = []
    layers = decoder_layers(model)

    def fed(module: nn.Module, inputs: Any, options: dict[str, Any]) -> None:
        stream[:] = [inputs[0] if inputs else options["hidden_states"]]

    def put_out(module: nn.Module, inputs: Any, output: Any) -> None:
        stream.append(_tensor(output))
        if len(stream) > len(layers):
            ended(stream)
            stream.clear()

    with ExitStack() as stack:
        stack.enter_context(_hook(layers[0].register_forward_pre_hook(fed, with_kwargs=True)))
        for layer in layers:
            stack.enter_context(_hook(layer.register_forward_hook(put_out)))
        yield


@dataclass(frozen=True)
class Patch:
    """A vector put in place of what one layer, or one head of it, gives at a position of one row."""

    row: int
    layer: int
    vector: Tensor  # (hidden,), or (head size,) for a head
    head: int | None = None
    position: int = -1  # of the positions of a pass; by default the last

    __repr__ = record_repr


@contextmanager
def patching(model: LatentModel, patches: Sequence[Patch]) -> Iterator[None]:
    """Apply patches to every pass within the context; a `watching` around it sees what they put in.

    Raises CoconutError for a patch that does not fit.
    """
    check_patches(model, patches)
    layers = decoder_layers(model) if patches else []
    heads = head_count(model)
    with ExitStack() as stack:
        for number in sorted({patch.layer for patch in patches}):
            whole = [patch for patch in patches if patch.layer == number and patch.head is None]
            parts = [patch for patch in patches if patch.layer == number and patch.head is not None]
            if whole:
                hook = layers[number].register_forward_hook(_replace_output(whole), prepend=True)
                stack.enter_context(_hook(hook))
            if parts:
                projection = output_projection(layers[number])
                hook = projection.register_forward_pre_hook(_replace_heads(parts, heads), prepend=True)
                stack.enter_context(_hook(hook))
        yield


Hook = Callable[[Tensor], Tensor | None]
At = Literal["thoughts", "everything"]


@contextmanager
def hooked(model: LatentModel, functions: Mapping[int, Hook], at: At = "thoughts") -> Iterator[None]:
    """Run functions on what layers give, by number from 0: the residual stream, (…, hidden) -> (…, hidden).

    What a function returns goes on to the next layer (activation patching, steering, ablation); one that
    returns None only looks. At "thoughts" it is given the positions that read a thought, (positions, hidden),
    of all rows of a batch that think, and nothing else; at "everything" whole passes (batch, time, hidden),
    prompts and padding included. Gradients flow through it. The KV cache keeps what was read with it: to undo
    it, rewind a session outside. A `watching` within sees what it put in.

    Raises CoconutError for a layer that is not there, and for what has another shape than it was given.
    """
    for number in functions:
        check_layer(model, number)
    layers = decoder_layers(model) if functions else []
    with ExitStack() as stack:
        for number, function in functions.items():
            hook = layers[number].register_forward_hook(_run_function(model, function, at), prepend=True)
            stack.enter_context(_hook(hook))
        yield


def check_layer(model: LatentModel, number: int) -> None:
    """Raise CoconutError for the number of a layer that is not there."""
    if not 0 <= number < model.shape.num_hidden_layers:
        raise CoconutError(
            f"there is no layer {number}: this model has layers 0 to {model.shape.num_hidden_layers - 1}"
        )


def check_patches(model: LatentModel, patches: Sequence[Patch]) -> None:
    """Raise CoconutError for a patch of a layer or head that is not there, or of another size."""
    shape, heads = model.shape, head_count(model)
    for patch in patches:
        check_layer(model, patch.layer)
        if patch.head is not None:
            output_projection(decoder_layers(model)[patch.layer])  # refused where the layer has none
            if not 0 <= patch.head < heads:
                raise CoconutError(f"there is no head {patch.head}: this model has heads 0 to {heads - 1}")
        size = shape.hidden_size if patch.head is None else head_size(model)
        if patch.vector.shape != (size,):
            raise CoconutError(f"the patch has shape {tuple(patch.vector.shape)}, its place ({size},)")


# -- hooks -------------------------------------------------------------------------------------------------


@dataclass
class _Collected:
    """What the hooks of one pass have seen so far, layer by layer."""

    layers: list[Tensor] = field(default_factory=list)
    heads: list[Tensor] = field(default_factory=list)
    attention: list[Tensor] = field(default_factory=list)

    def layer_hook(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self.layers.append(_tensor(output)[:, -1].detach())

    def heads_hook(self, module: nn.Module, inputs: Any) -> None:
        self.heads.append(inputs[0][:, -1].detach())

    def attention_hook(self, module: nn.Module, inputs: Any, output: Any) -> None:
        weights = output[1] if isinstance(output, tuple) and len(output) > 1 else None
        if weights is None:
            raise CoconutError(f"{type(module).__name__} does not give its attention weights")
        self.attention.append(weights[:, :, -1].detach())

    def take(self, heads: int) -> Activations:
        """The pass as a whole; forgets it."""
        layers = torch.stack(self.layers, dim=1)
        none = layers[..., :0, None]
        activations = Activations(
            layers,
            torch.stack(self.heads, dim=1).unflatten(-1, (heads, -1)) if self.heads else none,
            torch.stack(self.attention, dim=1) if self.attention else None,
        )
        self.layers, self.heads, self.attention = [], [], []
        return activations


def _tensor(output: Any) -> Tensor:
    """The hidden states in what a layer returns: some give a tensor, others a tuple that begins with it."""
    hidden = output[0] if isinstance(output, tuple) else output
    assert isinstance(hidden, Tensor)
    return hidden


def _run_function(model: LatentModel, function: Hook, at: At) -> Callable[..., Any]:
    def hook(module: nn.Module, inputs: Any, output: Any) -> Any:
        hidden, thinking = _tensor(output), model.thinking
        if at == "everything":
            changed = _changed(function, hidden)
        elif thinking is None or not thinking.any():
            return None
        elif thinking.shape != hidden.shape[:2]:
            raise CoconutError(
                "this model reads everything again at each step: hooks at thoughts need torch.no_grad()"
            )
        else:
            changed = _changed(function, hidden[thinking])
            if changed is not None:
                changed = hidden.masked_scatter(thinking[..., None], changed)
        if changed is None:
            return None
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    return hook


def _changed(function: Hook, hidden: Tensor) -> Tensor | None:
    changed = function(hidden)
    if changed is None:
        return None
    if changed.shape != hidden.shape:
        raise CoconutError(
            f"the hook returns shape {tuple(changed.shape)}, what it was given has {tuple(hidden.shape)}"
        )
    return changed.to(hidden)


def _replace_output(patches: Sequence[Patch]) -> Callable[..., Any]:
    def hook(module: nn.Module, inputs: Any, output: Any) -> Any:
        hidden = _tensor(output).clone()
        for patch in patches:
            hidden[patch.row, patch.position] = patch.vector.to(hidden)
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    return hook


def _replace_heads(patches: Sequence[Patch], heads: int) -> Callable[..., Any]:
    def hook(module: nn.Module, inputs: Any) -> Any:
        joined = inputs[0].clone()
        parts = joined.unflatten(-1, (heads, -1))  # a view
        for patch in patches:
            parts[patch.row, patch.position, patch.head] = patch.vector.to(parts)
        return (joined, *inputs[1:])

    return hook


@contextmanager
def _hook(handle: Any) -> Iterator[None]:
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _eager_attention(model: LatentModel) -> Iterator[None]:
    before = model.base_lm.config._attn_implementation
    model.base_lm.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.base_lm.set_attn_implementation(before)


def _attention(layer: nn.Module) -> nn.Module | None:
    modules = (getattr(layer, name, None) for name in ATTENTIONS)
    return next((module for module in modules if isinstance(module, nn.Module)), None)
