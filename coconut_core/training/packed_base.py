"""The frozen weights under LoRA packed into four or eight bits (QLoRA, arXiv 2305.14314), by bitsandbytes.

Less memory is needed in training, and that is all: a checkpoint has the weights that the model computed with,
unpacked.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from coconut_core.common.errors import CoconutError
from coconut_core.latent.model import LatentModel
from coconut_core.training.recipe import LoraChoice

BLOCK = 64  # inputs that share a scale, in four bits
_KINDS = ("Linear4bit", "Linear8bitLt")  # bitsandbytes' layers, which cannot be imported everywhere
_TURNED = "turned_weight"  # on a packed layer whose weight was kept as (in, out)


def check_packing(choice: LoraChoice) -> None:
    """Raise CoconutError where a packed base is asked for and cannot be had here."""
    if choice.quantize and find_spec("bitsandbytes") is None:
        raise CoconutError(
            "lora.quantize needs the package bitsandbytes: pip install 'coconut-tui[kbit]', or leave it out"
        )


def pack(model: LatentModel, kind: str) -> None:
    """Pack the linear layers of the base model but its head. kind: "nf4" or "int8".

    Four bits have a scale for each BLOCK inputs. On CPUs the library reads wrong numbers where these are of two
    rows, so a layer of another width stays as it is. Raises CoconutError where none is packed.
    """
    base: Any = model.base_lm
    head, count = base.get_output_embeddings(), 0
    for name, layer in list(base.named_modules()):
        if type(layer) not in (nn.Linear, Conv1D) or layer is head:
            continue
        inputs = layer.weight.shape[0 if type(layer) is Conv1D else 1]
        if kind == "int8" or inputs % BLOCK == 0:
            base.set_submodule(name, _packed(layer, kind))
            count += 1
    if not count:
        raise CoconutError(
            f"lora.quantize: {type(base).__name__} has no linear layer that can be packed ('nf4' takes those "
            f"whose width is a multiple of {BLOCK}): leave it out"
        )


def is_packed(layer: nn.Module) -> bool:
    """Whether a layer's weight is packed."""
    return type(layer).__name__ in _KINDS and type(layer).__module__.startswith("bitsandbytes.")


def unpacked_weight(layer: nn.Module) -> Tensor:
    """The weight that a packed layer computes with, (out, in), float32."""
    from bitsandbytes import functional

    packed: Any = layer
    if type(layer).__name__ == "Linear4bit":
        weight: Tensor = functional.dequantize_4bit(packed.weight.data, packed.weight.quant_state)
        return weight
    scales = packed.state.SCB if packed.weight.SCB is None else packed.weight.SCB  # the first pass moves them
    whole: Tensor = functional.int8_vectorwise_dequant(packed.weight.data, scales)
    return whole


def as_before(layer: nn.Module, weight: Tensor) -> Tensor:
    """A weight (out, in) in the form that a packed layer's had before."""
    return weight.T if hasattr(layer, _TURNED) else weight


def unpacked(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors of a model's state with the weights of packed layers (out, in) as they compute."""
    layers = {name: layer for name, layer in model.named_modules() if is_packed(layer)}
    for name, tensor in model.state_dict().items():
        owner = next((path for path in layers if name.startswith(f"{path}.")), None)
        own = name if owner is None else name.removeprefix(f"{owner}.")
        if owner is None or own == "bias":
            yield name, tensor
        elif own == "weight":  # beside it are its scales
            yield name, unpacked_weight(layers[owner])


def load_packed(model: nn.Module, weights: dict[str, Any]) -> None:
    """Load the state of a model; what belongs to four-bit weights is taken out of `weights`."""
    for name, module in model.named_modules():
        if is_packed(module) and type(module).__name__ == "Linear4bit":
            layer: Any = module
            begin = f"{name}.weight"
            scales = {key: weights.pop(key) for key in list(weights) if key.startswith(f"{begin}.")}
            scales = {key.removeprefix(f"{begin}."): value for key, value in scales.items()}
            layer.weight = type(layer.weight).from_prequantized(
                weights[begin], scales, requires_grad=False, device=layer.weight.device
            )
    model.load_state_dict(weights)


def _packed(layer: nn.Module, kind: str) -> nn.Module:
    from bitsandbytes import nn as bits

    turned = isinstance(layer, Conv1D)
    whole: Any = layer.weight
    weight = whole.data.T.contiguous() if turned else whole.data
    outputs, inputs = weight.shape
    packed: Any
    if kind == "nf4":
        packed = bits.Linear4bit(inputs, outputs, bias=layer.bias is not None, quant_type="nf4", device="meta")
        packed.weight = bits.Params4bit(weight, requires_grad=False, quant_type="nf4", blocksize=BLOCK)
        # On some CPUs evaluation would turn the weights into another form for good, and round their scales.
        packed.support_avx512bf16_for_cpu = False
    else:
        packed = bits.Linear8bitLt(
            inputs, outputs, bias=layer.bias is not None, has_fp16_weights=False, device="meta"
        )
        packed.weight = bits.Int8Params(weight, requires_grad=False, has_fp16_weights=False)
    packed.bias = layer.bias
    if turned:
        setattr(packed, _TURNED, True)
    result: nn.Module = packed.to(weight.device)  # which packs it
    return result.requires_grad_(False)
