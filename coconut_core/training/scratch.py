"""A fresh model for a recipe that trains from scratch."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from coconut_core.config import CoconutConfig
from coconut_core.model import CoconutModel
from coconut_core.problems.wording import BOT, EOT, LATENT, build_tokenizer
from coconut_core.training.recipe import Recipe


def build_model(recipe: Recipe) -> CoconutModel:
    """A Llama-shaped model with random weights and the word-level tokenizer.

    Weights start with standard deviation 1/sqrt(width): at GPT-2's 0.02 a narrow model's attention starts
    so flat that the look-up circuit does not form.
    """
    torch.manual_seed(recipe.seed)
    shape, tokenizer = recipe.model, build_tokenizer()
    base_config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        max_position_embeddings=shape.max_positions,
        attention_bias=True,
        tie_word_embeddings=True,
        initializer_range=shape.hidden_size**-0.5,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        attn_implementation="eager",  # on CPU its backward is faster than the fused kernel's
    )
    bot, eot, latent = tokenizer.convert_tokens_to_ids([BOT, EOT, LATENT])
    config = CoconutConfig(
        bot_id=bot,
        eot_id=eot,
        latent_id=latent,
        thoughts=0,
        family=recipe.data.family,
        first_thought_hops=0 if recipe.step_style == "chain" else 1,
        recipe=recipe.to_json(),
    )
    return CoconutModel(LlamaForCausalLM(base_config), tokenizer, config)
