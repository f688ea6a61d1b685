"""A tiny random Llama as llama.cpp would have it: one GGUF file with a byte-level tokenizer, written by the
package gguf itself."""

import json
from pathlib import Path

import gguf
import numpy as np

from tests.core.ordinary_models import CHATML
from tests.core.real_tokenizers import byte_bpe

WIDTH, INNER, HEADS, LAYERS = 32, 64, 4, 2


def write_gguf(path: Path, *, template: str | None = CHATML) -> Path:
    """Weights of 16 and 32 bits; <|im_end|> ends a text."""
    random = np.random.default_rng(0)
    state = json.loads(byte_bpe("<|im_start|>", "<|im_end|>").to_str())["model"]
    tokens = sorted(state["vocab"], key=state["vocab"].get)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(256)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    control = (gguf.TokenType.CONTROL, gguf.TokenType.NORMAL)
    writer.add_token_types([control[not token.startswith("<|")] for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in state["merges"]])
    writer.add_bos_token_id(tokens.index("<|im_start|>"))
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    if template is not None:
        writer.add_chat_template(template)
    shapes: dict[str, tuple[int, ...]] = {
        **dict.fromkeys(["token_embd", "output"], (len(tokens), WIDTH)),
        "output_norm": (WIDTH,),
    }
    for layer in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            shapes[f"blk.{layer}.{name}"] = (WIDTH, WIDTH)
        for name in ("attn_norm", "ffn_norm"):
            shapes[f"blk.{layer}.{name}"] = (WIDTH,)
        shapes[f"blk.{layer}.ffn_gate"] = shapes[f"blk.{layer}.ffn_up"] = (INNER, WIDTH)
        shapes[f"blk.{layer}.ffn_down"] = (WIDTH, INNER)
    for name, shape in shapes.items():
        weight = random.standard_normal(shape) * 0.25
        writer.add_tensor(f"{name}.weight", weight.astype(np.float32 if len(shape) == 1 else np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
