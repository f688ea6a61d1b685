"""FSDP cuts weights and the optimizer's averages over the processes; here they are put together, and cut again.

A checkpoint so holds what it holds without FSDP, and a run can go on with or without it.
"""

from copy import deepcopy
from typing import Any

from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    set_model_state_dict,
)
from torch.distributed.fsdp import FSDPModule
from torch.distributed.fsdp.wrap import transformer_auto_wrap_policy
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.latent.layers import decoder_layers


def prepare_sharding(accelerator: Accelerator, model: CoconutModel) -> bool:
    """Whether the run is one under FSDP, which is then set up for the latent loop: each layer is a unit, and
    what is left another one.

    Raises CoconutError for what does not go together with it.
    """
    plugin = getattr(accelerator.state, "fsdp_plugin", None)
    if plugin is None:
        return False
    if plugin.fsdp_version != 2:
        raise CoconutError("FSDP is supported in its second version: add --fsdp_version 2 to accelerate launch")
    if plugin.activation_checkpointing:
        raise CoconutError(
            "fsdp_activation_checkpointing would read every thought into the KV cache twice: turn it off and "
            "add --set gradient_checkpointing=true"
        )
    plugin.auto_wrap_policy = transformer_auto_wrap_policy
    plugin.transformer_cls_names_to_wrap = sorted({type(layer).__name__ for layer in decoder_layers(model)})
    plugin.cpu_ram_efficient_loading = False  # every process has built the whole model already
    return True


def keep_gathered(accelerator: Accelerator, sharded: nn.Module) -> None:
    """Where accelerate's fsdp_reshard_after_forward is off, keep what is gathered of the weights for all
    thoughts and micro-batches of a step, there and back; `scatter` lets go of it."""
    if not accelerator.state.fsdp_plugin.reshard_after_forward:
        assert isinstance(sharded, FSDPModule)
        sharded.set_reshard_after_backward(False)


def scatter(sharded: nn.Module) -> None:
    """Let go of what is gathered of a model's weights, but for each process's own part."""
    for module in sharded.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


class WholeModel:
    """In the main process, a plain copy of a sharded model to evaluate and save; elsewhere nothing."""

    def __init__(self, model: CoconutModel, is_main: bool) -> None:
        """model is as it was before it was sharded."""
        self.copy = None
        if is_main:
            self.copy = CoconutModel(deepcopy(model.base_lm), model.tokenizer, model.config).eval()
            self.copy.companion, self.copy.adapter = deepcopy(model.companion), model.adapter

    def gather(self, sharded: nn.Module) -> CoconutModel | None:
        """The copy with the present weights, on the CPU. Every process must call it."""
        weights = get_model_state_dict(
            sharded, options=StateDictOptions(full_state_dict=True, cpu_offload=True)
        )
        if self.copy is not None:
            self.copy.to("cpu").load_state_dict(weights)
        return self.copy


def load_weights(sharded: nn.Module, weights: dict[str, Any]) -> None:
    """Put whole weights, which every process has, into a sharded model."""
    set_model_state_dict(sharded, weights, options=StateDictOptions(full_state_dict=True))


def gather_optimizer(state: dict[str, Any]) -> dict[str, Any]:
    """An optimizer's state_dict with whole tensors, on the CPU. Every process must call it."""
    averages = {
        number: {name: _whole(value) for name, value in entry.items()}
        for number, entry in state["state"].items()
    }
    return {**state, "state": averages}


def shard_optimizer(optimizer: Optimizer) -> None:
    """Cut the averages of an optimizer that has loaded whole ones as its weights are cut."""
    for group in optimizer.param_groups:
        for weight in group["params"]:
            state = optimizer.state[weight]
            for name, value in state.items():
                if isinstance(weight, DTensor) and isinstance(value, Tensor) and value.shape == weight.shape:
                    state[name] = distribute_tensor(
                        value, weight.device_mesh, weight.placements, src_data_rank=None
                    )


def _whole(value: Any) -> Any:
    return value.full_tensor().to("cpu") if isinstance(value, DTensor) else value
