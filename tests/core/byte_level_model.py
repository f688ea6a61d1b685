"""A tiny model whose vocabulary has words with and without a space in front, and bytes."""

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from coconut_core.coconut import CoconutModel
from coconut_core.latent.config import CoconutConfig
from tests.core.tokenizers_of_kinds import trained_byte_level


def byte_level_model(*likeliest: str, thoughts: int = 2) -> CoconutModel:
    """Says these tokens first, in this order, whatever it is asked; they are given by their names."""
    torch.manual_seed(0)
    tokenizer = trained_byte_level()
    tokenizer.add_tokens(["<bot>", "<eot>", "<latent>"])
    base = GPT2LMHeadModel(
        GPT2Config(
            n_embd=32,
            n_layer=2,
            n_head=4,
            n_positions=128,
            vocab_size=len(tokenizer),
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            tie_word_embeddings=False,
        )
    )
    bot, eot, latent = tokenizer.convert_tokens_to_ids(["<bot>", "<eot>", "<latent>"])
    config = CoconutConfig(bot_id=bot, eot_id=eot, latent_id=latent, thoughts=thoughts, feedback="hidden")
    model = CoconutModel(base, tokenizer, config).eval()
    with torch.no_grad():
        base.transformer.ln_f.weight.mul_(0.1)
        base.transformer.ln_f.bias[0] = 1.0  # of every state
        for rank, name in enumerate(likeliest):
            base.lm_head.weight[model.token_id(name), 0] = 5.0 - 0.2 * rank
    return model
