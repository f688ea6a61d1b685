"""Folders of tiny random language models that know nothing of latent thinking, as Hugging Face writes them."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

BEGIN, END = "<s>", "<|im_end|>"
CHATML = (  # as Qwen's, with a system prompt of its own where none is given
    "{% if messages[0].role != 'system' %}<|im_start|>system\nBe brief.<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WITH_BEGIN = "{{ bos_token }}" + CHATML  # as Llama's: the template writes the beginning of the text
OPENS_THINKING = CHATML.replace("assistant\n", "assistant\n<think>\n")  # as DeepSeek-R1's
NO_SYSTEM = (  # as Gemma's
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + CHATML
)


def ordinary_tokenizer(template: str | None = None, *, thinking: bool = False) -> PreTrainedTokenizerFast:
    """One token for each byte; it starts every text with <s>. thinking: it knows <think> and </think>."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([BEGIN, END, "<|im_start|>"])
    if thinking:
        tokenizer.add_tokens(["<think>", "</think>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", special_tokens=[(BEGIN, tokenizer.token_to_id(BEGIN))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BEGIN, eos_token=END, chat_template=template
    )


def ordinary_folder(
    folder: Path,
    architecture: str = "llama",
    *,
    template: str | None = None,
    thinking: bool = False,
    **settings: Any,
) -> Path:
    """Write a folder without coconut.json. gpt2 has tied embeddings, llama and qwen2 have not."""
    tokenizer = ordinary_tokenizer(template, thinking=thinking)
    torch.manual_seed(0)
    base = _base(architecture, len(tokenizer), tokenizer.eos_token_id, settings)
    base.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _base(architecture: str, vocabulary: int, eos: int, settings: dict[str, Any]) -> PreTrainedModel:
    common: dict[str, Any] = {
        "vocab_size": vocabulary,
        "bos_token_id": None,
        "eos_token_id": eos,
        "initializer_range": 0.25,
    }
    if architecture == "gpt2":
        shape = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256}
        return GPT2LMHeadModel(GPT2Config(**shape | common | settings))
    common |= {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "tie_word_embeddings": False,
    }
    if architecture == "llama":
        return LlamaForCausalLM(LlamaConfig(**common | settings))
    return Qwen2ForCausalLM(Qwen2Config(**common | settings))
