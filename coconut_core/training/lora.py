"""LoRA (arXiv 2106.09685) beside frozen weights, by PEFT: what a recipe's [lora] asks for.

A checkpoint is a whole model, with the adapter added to its weights, so that everything opens it. Beside it, in
adapter/, is the adapter alone as PEFT saves it, which opens as well where its base is. Of a base that was put
into few bits a checkpoint has the weights as they were computed with; its adapter goes beside the whole base.
"""

import json
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from coconut_core.checkpoints.lora_adapters import FILE_NAME, WEIGHTS
from coconut_core.common.errors import CoconutError
from coconut_core.latent.model import LatentModel
from coconut_core.training.packed_base import as_before, check_packing, pack, unpacked
from coconut_core.training.recipe import LoraChoice

FOLDER = "adapter"  # in a checkpoint's folder
PREFIX = "base_model.model."  # in front of the names of PEFT's weights
_LAYER, _OWN = ".base_layer.", (".lora_", ".lora_dropout")


@dataclass(frozen=True)
class LoraAdapter:
    """The adapter of a model in training, and what its weights were trained beside: a folder or a hub id."""

    base: str

    def merged(self, model: LatentModel) -> dict[str, Tensor]:
        """The weights of the base model by their own names, W + alpha / rank · B A where there is LoRA."""
        weights: dict[str, Tensor] = {}
        modules = dict(model.base_lm.named_modules())
        for name, tensor in unpacked(model.base_lm):
            if any(part in name for part in _OWN):
                continue
            weight, (place, _, own) = tensor, name.rpartition(".")
            if own == "weight":
                if name.endswith(f"{_LAYER}weight"):
                    weight = weight + modules[name.rpartition(_LAYER)[0]].get_delta_weight("default").to(weight)
                weight = as_before(modules[place], weight)
            weights[name.replace(_LAYER, ".")] = weight
        return weights

    def save(self, model: LatentModel, folder: Path) -> None:
        """Write the adapter into the folder of a checkpoint, with the rows of all tokens, as some are new."""
        from peft import get_peft_model_state_dict

        (folder := folder / FOLDER).mkdir(exist_ok=True)
        base: Any = model.base_lm
        weights = {f"{PREFIX}{name}": weight for name, weight in get_peft_model_state_dict(base).items()}
        words, head = base.get_input_embeddings(), base.get_output_embeddings()
        tables = (words,) if head.weight is words.weight else (words, head)
        for module, table in base.named_modules():
            if any(table is one for one in tables):
                weights[f"{PREFIX}{module}.weight"] = table.weight
        save_file({name: weight.detach().contiguous() for name, weight in weights.items()}, folder / WEIGHTS)
        settings = base.peft_config["default"].to_dict()
        settings |= {"base_model_name_or_path": self.base, "inference_mode": True}
        settings = {name: _plain(value) for name, value in settings.items()}
        (folder / FILE_NAME).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        model.save_extras(folder)


def check_lora(choice: LoraChoice) -> None:
    """Raise CoconutError where LoRA is asked for and cannot be had here."""
    if choice.rank and find_spec("peft") is None:
        raise CoconutError("lora.rank needs the package peft: pip install 'coconut-tui[lora]', or set it to 0")
    check_packing(choice)


def add_lora(model: LatentModel, choice: LoraChoice, base: str) -> None:
    """Freeze the base model's weights and put LoRA beside them; the feedback and a halting head learn on."""
    from peft import LoraConfig, inject_adapter_in_model

    names = {name.rpartition(".")[2] for name, _ in model.base_lm.named_modules()}
    if strange := [layer for layer in choice.layers if layer.rpartition(".")[2] not in names]:
        raise CoconutError(
            f"lora.layers: {type(model.base_lm).__name__} has no layer '{strange[0]}': it has "
            f"{', '.join(_linear_layers(model))}"
        )
    if choice.quantize:
        pack(model, choice.quantize)
    alpha: Any = choice.alpha  # PEFT names whole numbers, and takes all
    config = LoraConfig(
        r=choice.rank,
        lora_alpha=alpha,
        lora_dropout=choice.dropout,
        target_modules=list(choice.layers) or "all-linear",
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings(action="ignore"):  # of layers that keep their weights turned round
        inject_adapter_in_model(config, model.base_lm)
    model.adapter = LoraAdapter(base)


def _linear_layers(model: LatentModel) -> list[str]:
    """The names of the layers that have a matrix, each once."""
    layers = (nn.Linear, Conv1D)
    found = (name for name, module in model.base_lm.named_modules() if isinstance(module, layers))
    return list(dict.fromkeys(name.rpartition(".")[2] for name in found))


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, set) else value
