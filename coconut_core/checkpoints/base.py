"""The model that a foreign checkpoint was trained from: its configuration and tokenizer, and its shape."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    GenerationConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from coconut_core.checkpoints.hub import is_hub_id, reach_hub
from coconut_core.checkpoints.keys import common_dtype
from coconut_core.checkpoints.loading import load_tokenizer
from coconut_core.common.errors import CoconutError, one_line
from coconut_core.common.paths import user_path


@dataclass(frozen=True)
class Base:
    """What is read of a base model; its weights are not."""

    name: str  # as it was given
    location: str  # the same, or where its download lies if the hub does not answer
    config: PreTrainedConfig
    tokenizer: PreTrainedTokenizerBase

    def skeleton(self, rows: int) -> PreTrainedModel:
        """The causal language model with so many token embeddings, its parameters without data (meta)."""
        self.config.vocab_size = rows
        try:
            with torch.device("meta"):
                model: PreTrainedModel = AutoModelForCausalLM.from_config(self.config, trust_remote_code=False)
        except Exception as error:  # transformers raises many kinds
            raise CoconutError(f"{self.name} is no causal language model: {one_line(error)}") from error
        return model

    def with_weights(self, skeleton: PreTrainedModel, weights: Mapping[str, Tensor]) -> PreTrainedModel:
        """The model whose shape skeleton is, with weights by their names in it, in their number format."""
        dtype = common_dtype(weights.values())
        model: PreTrainedModel = type(skeleton).from_pretrained(
            None, config=self.config, state_dict=dict(weights), dtype=dtype
        )
        ends = {
            name: getattr(self.tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")
        }
        model.generation_config = GenerationConfig(**ends)
        return model.eval().requires_grad_(False)


def open_base(source: str) -> Base:
    """Read configuration and tokenizer of a folder or hub id. Raises CoconutError where they cannot be had."""
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    if not is_hub_id(source) and not (user_path(source) / "config.json").is_file():
        raise CoconutError(
            f"--base {source} is no model folder (it has no config.json): give the folder or hub id of the "
            "model that the checkpoint was trained from, such as openai-community/gpt2"
        )
    location = reach_hub(source) if is_hub_id(source) else str(user_path(source))
    try:
        config: Any = AutoConfig.from_pretrained(location, trust_remote_code=False)
    except Exception as error:  # transformers raises bare OSError, ValueError and more
        raise CoconutError(f"the configuration of {source} cannot be read: {one_line(error)}") from error
    return Base(source, location, config, load_tokenizer(location))


def add_markers(tokenizer: PreTrainedTokenizerBase, markers: tuple[str, ...]) -> list[int]:
    """Add markers to a tokenizer in their order, as the official code does; returns their ids."""
    for marker in markers:
        tokenizer.add_tokens([marker], special_tokens=True)
    ids: list[int] = tokenizer.convert_tokens_to_ids(list(markers))
    return ids
