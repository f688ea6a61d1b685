"""Tiny random models in which nothing is zero by accident: biases are random, logits are not flat."""

from typing import Any

import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from coconut_core.coconut import CoconutModel
from coconut_core.latent.config import CoconutConfig
from coconut_core.problems.wording import BOT, EOT, LATENT, build_tokenizer
from tests.core.tiny_architectures import build_base

ARCHITECTURES = ("gpt2", "llama", "qwen2", "qwen3")
QUESTIONS = (
    "Every lempus is a rompus. Alex is a lempus. Is Alex a rompus or yumpus?",
    "Bob is a sterpus. Is Bob a sterpus or impus?",
    "Every impus is a jompus. Every jompus is a kerpus. Sam is a impus. Tom is a rempus. "
    "Is Sam a kerpus or rempus?",
    "Eva is a zumpus. Every zumpus is a worpus. Is Eva a gorpus or worpus?",
)
VOCABULARY = 80  # more rows than the tokenizer's 72 tokens, as real checkpoints often have


def tiny_model(
    architecture: str,
    *,
    seed: int = 0,
    thoughts: int = 3,
    max_positions: int = 160,
    attention: str = "sdpa",
    feedback: str = "hidden",
    dtype: torch.dtype = torch.float32,
) -> CoconutModel:
    """Two layers, width 32, in evaluation mode. gpt2 and qwen3 have tied embeddings, llama and qwen2 not.

    Tests that hold two ways to the same number against each other take float64, in which they agree to
    precision.EXACT on every processor; in float32 the order in which it adds decides by how much they differ.

    The architecture is one of ARCHITECTURES, or one of tiny_architectures."""
    torch.manual_seed(seed)
    tokenizer = build_tokenizer()
    base = _base(architecture, max_positions, attention, tokenizer)
    _randomise(base)
    bot, eot, latent = tokenizer.convert_tokens_to_ids([BOT, EOT, LATENT])
    config = CoconutConfig(
        bot_id=bot, eot_id=eot, latent_id=latent, thoughts=thoughts, feedback=feedback, family="prosqa"
    )
    return CoconutModel(base.to(dtype), tokenizer, config).eval()


def talkative_model(architecture: str, token_id: int, *, factor: float = 2.5, **options: Any) -> CoconutModel:
    """A tiny model that says a certain token often."""
    model = tiny_model(architecture, **options)
    with torch.no_grad():
        model.base_lm.get_output_embeddings().weight[token_id] *= factor
    return model


def overflowing_model(word: str) -> CoconutModel:
    """A tiny GPT-2 whose weights are finite, and whose numbers overflow where it reads a certain word."""
    model = tiny_model("gpt2", max_positions=512)
    model.base_lm.config.tie_word_embeddings = False
    with torch.no_grad():
        head = model.base_lm.get_output_embeddings()
        head.weight = torch.nn.Parameter(head.weight.detach().clone())
        model.base_lm.get_input_embeddings().weight[model.token_id(word)] = 3e38
    return model


def _base(architecture: str, max_positions: int, attention: str, tokenizer: Any) -> PreTrainedModel:
    common: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "attn_implementation": attention,
    }
    if architecture == "gpt2":
        return GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=max_positions, **common))
    common |= {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": max_positions,
        "tie_word_embeddings": architecture == "qwen3",
    }
    if architecture not in ARCHITECTURES:
        return build_base(architecture, common)
    if architecture == "llama":
        return LlamaForCausalLM(LlamaConfig(attention_bias=True, mlp_bias=True, **common))
    if architecture == "qwen2":
        return Qwen2ForCausalLM(Qwen2Config(**common))
    return Qwen3ForCausalLM(Qwen3Config(head_dim=8, **common))


def _randomise(base: PreTrainedModel) -> None:
    """Matrices near 1/sqrt(width), embeddings at 0.5, biases and gains away from 0 and 1."""
    scale = float(getattr(base.get_input_embeddings(), "embed_scale", 1.0))  # Gemma's, whose gains count from 0
    with torch.no_grad():
        for name, parameter in base.named_parameters():
            if parameter.dim() >= 2:
                parts = ("wte", "wpe", "embed_tokens", "embeddings", "lm_head")
                embedding = any(part in name for part in parts)
                parameter.normal_(std=0.5 / scale if embedding else 1.5 * parameter.shape[0] ** -0.5)
            elif name.endswith("bias"):
                parameter.normal_(std=0.2)
            else:
                parameter.normal_(mean=1.0 if scale == 1 else 0.0, std=0.2)
