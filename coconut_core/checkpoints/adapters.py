"""What CODI and PCCoT put beside a base model: LoRA, which is added to its weights, and a projection `prj`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.pytorch_utils import Conv1D

from coconut_core.checkpoints.keys import check_keys
from coconut_core.common.errors import CoconutError
from coconut_core.latent.feedback_modules import ProjectionFeedback
from coconut_core.latent.model import LatentModel

_LORA = re.compile(r"(.+)\.lora_(A|B)(?:\.default)?\.weight")  # PEFT keeps or leaves out the adapter's name
PROJECTION = "prj."


@dataclass(frozen=True)
class Projection:
    """A `prj` by the names of ProjectionFeedback, and the options that make it; no weights: there is none."""

    weights: Mapping[str, Tensor]
    options: Mapping[str, Any]

    @property
    def config_entries(self) -> dict[str, Any]:
        """The entries of a CoconutConfig that it settles."""
        return {"feedback": "projection", "feedback_options": dict(self.options)} if self.weights else {}

    def put_into(self, model: LatentModel) -> LatentModel:
        """The same model, its feedback with these weights."""
        if self.weights:
            model.feedback.load_state_dict(dict(self.weights))
        return model


def read_projection(
    weights: Mapping[str, Tensor], layers: tuple[str, str, str], hidden_size: int, what: str
) -> Projection:
    """The projection among the tensors of a checkpoint; layers are the names of its two linear layers and of
    its layer norm, which there may not be. Raises CoconutError where something is missing or does not fit."""
    tensors = {name: tensor for name, tensor in weights.items() if name.startswith(PROJECTION)}
    if not tensors:
        return Projection({}, {})
    inner, outer, norm = (PROJECTION + layer for layer in layers)
    normed = any(name.startswith(f"{norm}.") for name in tensors)
    shape = tensors.get(f"{inner}.weight", torch.empty(0, 0)).shape
    width = shape[0] if len(shape) == 2 and shape[0] else hidden_size
    with torch.device("meta"):
        expected = ProjectionFeedback(hidden_size, width, normed).state_dict()
    places = {"inner": inner, "outer": outer, "norm": norm}
    names = {name: f"{places[name.split('.')[0]]}.{name.split('.')[1]}" for name in expected}
    cure = f"A projection is {inner} (linear), GELU, {outer} (linear), {norm} (layer norm)."
    check_keys(tensors, {names[name]: tensor for name, tensor in expected.items()}, what, cure)
    options = {"width": width} if normed else {"width": width, "norm": False}
    return Projection({name: tensors[names[name]] for name in expected}, options)


def split_lora(weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]:
    """The tensors by their names without LoRA, and by module the matrices A (rank, in) and B (out, rank)."""
    plain: dict[str, Tensor] = {}
    adapters: dict[str, dict[str, Tensor]] = {}
    for name, tensor in weights.items():
        if match := _LORA.fullmatch(name):
            adapters.setdefault(match[1], {})[match[2]] = tensor
        else:
            plain[name.replace(".base_layer.", ".")] = tensor
    return plain, adapters


def merge_lora(
    weights: Mapping[str, Tensor],
    adapters: Mapping[str, Mapping[str, Tensor]],
    skeleton: PreTrainedModel,
    alpha: float,
    what: str,
) -> dict[str, Tensor]:
    """W + alpha / rank · B A for each adapted layer (arXiv 2106.09685, section 4.1), in float32; the rest as
    it is.

    skeleton says which layers keep their weights turned round, as GPT-2's do. Raises CoconutError for an
    adapter that is not whole or belongs to no layer.
    """
    merged = dict(weights)
    layers = dict(skeleton.named_modules())
    for module, parts in adapters.items():
        weight = weights.get(f"{module}.weight")
        if weight is None or module not in layers:
            raise CoconutError(f"{what} has LoRA for {module}, and {type(skeleton).__name__} has no such layer")
        if parts.keys() != {"A", "B"}:
            raise CoconutError(f"{what} has lora_{next(iter(parts))} of {module} and not the other half")
        turned = isinstance(layers[module], Conv1D)
        down, up = parts["A"].float(), parts["B"].float()
        shapes = [list(tensor.shape) for tensor in (down, up)]
        outputs, inputs = reversed(weight.shape) if turned else weight.shape
        if down.dim() != 2 or shapes != [[down.shape[0], inputs], [outputs, down.shape[0]]]:
            raise CoconutError(
                f"{what}: lora_A {shapes[0]} and lora_B {shapes[1]} of {module} do not fit its {inputs} inputs "
                f"and {outputs} outputs"
            )
        change = alpha / down.shape[0] * (up @ down)
        merged[f"{module}.weight"] = weight.float() + (change.T if turned else change)
    return merged


def add_tokens_at(tokenizer: PreTrainedTokenizerBase, first: int, tokens: tuple[str, ...]) -> list[int]:
    """Give tokens the ids from `first` on; ids between the tokenizer's last and them get placeholders.

    Raises CoconutError where those ids, or the tokens, are taken.
    """
    gap = first - len(tokenizer)
    if gap < 0 or any(token in tokenizer.get_vocab() for token in tokens):
        raise CoconutError(
            f"the tokenizer of --base has {len(tokenizer)} tokens where its model has {first}, or it has "
            f"{', '.join(tokens)} already: give the --base that the checkpoint was trained from"
        )
    tokenizer.add_tokens([f"<|unused-{number}|>" for number in range(gap)], special_tokens=True)
    tokenizer.add_tokens(list(tokens), special_tokens=True)
    return list(range(first, first + len(tokens)))
