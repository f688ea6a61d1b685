"""A model of which only the shapes are there, to see what a training step would need without the memory for it.

Its weights are torch's FakeTensors: every operation on them says of which shape and format its result is, and
computes nothing. Token ids, masks and labels are real, as what is done depends on them.
"""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensor, FakeTensorMode
from transformers import AutoConfig, AutoModelForCausalLM

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError, one_line
from coconut_core.common.paths import user_path
from coconut_core.latent.config import CoconutConfig
from coconut_core.problems.wording import build_tokenizer
from coconut_core.runs.live_bytes import LiveBytes
from coconut_core.training.recipe import Recipe
from coconut_core.training.start import add_parts, fresh_config, from_config


def base_config(recipe: Recipe) -> Any:
    """The configuration of a recipe's base model; of a folder config.json is enough, no weights are read.

    Raises CoconutError where there is none.
    """
    if not recipe.model.base:
        return fresh_config(recipe, build_tokenizer(recipe.data.family))
    folder = user_path(recipe.model.base)
    try:
        source = folder if folder.is_dir() else recipe.model.base
        return AutoConfig.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        message = f"no shapes of model.base '{recipe.model.base}': {one_line(error)}"
        raise CoconutError(f"{message}; name a folder with a config.json") from error


def with_layers(config: Any, count: int) -> Any:
    """The same configuration with so many layers."""
    config = deepcopy(config)
    text = config.get_text_config()
    text.num_hidden_layers = count
    if getattr(text, "layer_types", None):
        text.layer_types = text.layer_types[:count]
    return config


def shape_only_model(recipe: Recipe, config: Any, attention: str, dtype: torch.dtype) -> CoconutModel:
    """The model that a recipe trains, with a base of that configuration, LoRA and the method's module included.

    attention: "eager" or "sdpa", as transformers names its kernels. The tokenizer is a small one, for lengths.
    """
    before = CoconutConfig.load(user_path(recipe.model.base)) if recipe.model.base else None
    tokenizer = build_tokenizer() if recipe.model.base else build_tokenizer(recipe.data.family)
    with torch.device("meta"):
        base = AutoModelForCausalLM.from_config(
            config, dtype=dtype, attn_implementation=attention, trust_remote_code=False
        )
        model = from_config(recipe, base, tokenizer, before)
        add_parts(model, recipe)
    _give_shapes(model.to(dtype))
    return model.train()


def _give_shapes(model: nn.Module) -> None:
    """Put FakeTensors, which say that they are on the CPU, in the place of weights on no device at all."""
    mode = FakeTensorMode(allow_non_fake_inputs=True)

    def shape_of(tensor: Tensor) -> Tensor:
        with mode:
            return torch.empty_like(tensor, device="cpu")

    parameters: dict[int, nn.Parameter] = {}
    for module in model.modules():
        for name, weight in list(module.named_parameters(recurse=False, remove_duplicate=False)):
            if id(weight) not in parameters:
                parameters[id(weight)] = nn.Parameter(shape_of(weight), weight.requires_grad)
            module.register_parameter(name, parameters[id(weight)])
        for name, buffer in list(module.named_buffers(recurse=False, remove_duplicate=False)):
            module._buffers[name] = shape_of(buffer)


class ShapeBytes(LiveBytes):
    """LiveBytes of a model of which only the shapes are there. `mark` ends a part of the time; `peaks` are the
    most bytes alive in each part."""

    def __init__(self) -> None:
        super().__init__()
        self.peaks: list[int] = []

    def mark(self, *_: Any) -> None:
        """End a part here."""
        self.peaks.append(self.peak)
        self.peak = self.alive

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation. How many rows a mask picks is known where it is real, so that is seen to here."""
        if function is torch.ops.aten.index.Tensor and isinstance(args[0], FakeTensor):
            args = (args[0], [place for index in args[1] for place in _places(index)])
        return super().__torch_dispatch__(function, types, args, kwargs)


def _places(index: Any) -> list[Any]:
    if index is None or index.dtype != torch.bool or isinstance(index, FakeTensor):
        return [index]
    return list(index.nonzero(as_tuple=True))
