"""LoRA and a projection as PEFT, CODI and PCCoT make them, small; nothing of coconut_core is used here."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

RANK, ALPHA = 3, 7.0
ADAPTED = (
    "c_attn",
    "c_proj",
    "c_fc",
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "up_proj",
    "down_proj",
    "gate_proj",
)


class LoraLayer(nn.Module):
    """A linear layer with LoRA beside it, its parts named as PEFT names them."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.base_layer = layer
        weight = layer.weight
        assert isinstance(weight, Tensor)
        inputs, outputs = weight.shape if isinstance(layer, Conv1D) else weight.T.shape
        self.lora_A = nn.ModuleDict({"default": nn.Linear(inputs, RANK, bias=False)})
        self.lora_B = nn.ModuleDict({"default": nn.Linear(RANK, outputs, bias=False)})

    def forward(self, x: Tensor) -> Tensor:
        added = self.lora_B["default"](self.lora_A["default"](x))
        found: Tensor = self.base_layer(x) + ALPHA / RANK * added
        return found


def adapt(model: PreTrainedModel) -> PreTrainedModel:
    """The same model, LoRA in the layers that the published recipes adapt."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if name in ADAPTED:
                setattr(parent, name, LoraLayer(child))
    return model


def projection(hidden_size: int, width: int, *, dropout: bool, norm: bool = True) -> nn.Sequential:
    """CODI's `prj` (which begins with dropout and names its layer norm) or PCCoT's."""
    layers: list[tuple[str, nn.Module]] = [("1", nn.Linear(hidden_size, width)), ("2", nn.GELU())]
    layers.append(("3", nn.Linear(width, hidden_size)))
    if norm:
        layers.append(("ln" if dropout else "4", nn.LayerNorm(hidden_size)))
    prj = nn.Sequential()
    for name, layer in [("0", nn.Dropout(0.0)), *layers] if dropout else layers:
        prj.add_module(name if dropout else str(int(name) - 1), layer)
    with torch.no_grad():
        for parameter in prj.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return prj


def last_states(model: PreTrainedModel, embeddings: list[Tensor]) -> Tensor:
    """Last hidden states (time, hidden) of one sequence, the whole of it recomputed."""
    output: Any = model(inputs_embeds=torch.stack(embeddings)[None], output_hidden_states=True, use_cache=False)
    states: Tensor = output.hidden_states[-1][0]
    return states


def logits_of(model: PreTrainedModel, embeddings: list[Tensor]) -> Tensor:
    """Logits (time, vocabulary) of one sequence."""
    logits: Tensor = model(inputs_embeds=torch.stack(embeddings)[None], use_cache=False).logits[0]
    return logits
