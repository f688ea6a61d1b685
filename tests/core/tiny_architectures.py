"""Tiny configurations of further architectures: sliding windows shorter than any prompt, recurrent layers,
scaled embeddings, capped logits. See tiny_models for the models made of them."""

from typing import Any

from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

_HALF_SLIDING = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 7}
_HALF_LINEAR = {"layer_types": ["linear_attention", "full_attention"]}
_MAMBA = {"state_size": 4, "use_mambapy": False}

# Model type: what its tiny configuration has besides the common shape.
CROPPED: dict[str, dict[str, Any]] = {
    "mistral": {"head_dim": 8, "sliding_window": 7},
    "gemma": {"head_dim": 8, "tie_word_embeddings": True},
    "gemma2": {"head_dim": 8, "tie_word_embeddings": True, "final_logit_softcapping": 3.0, **_HALF_SLIDING},
    "gemma3_text": {"head_dim": 8, "tie_word_embeddings": True, **_HALF_SLIDING},
    "phi": {},
    "phi3": {"sliding_window": 7},
    "olmo": {},
    "olmo2": {},
}
RECURRENT: dict[str, dict[str, Any]] = {
    "mamba": {"time_step_rank": 4, **_MAMBA},
    "jamba": {
        "attn_layer_period": 2,
        "attn_layer_offset": 1,
        "num_experts": 1,
        "mamba_d_state": 4,
        "mamba_dt_rank": 4,
    },
    "qwen3_next": {
        "head_dim": 8,
        "mlp_only_layers": [0, 1],
        "linear_num_value_heads": 4,
        "linear_num_key_heads": 2,
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
        **_HALF_LINEAR,
    },
}


def build_base(architecture: str, common: dict[str, Any]) -> PreTrainedModel:
    """A model of that type and common shape, its weights as the library draws them. Types that are in neither
    table have nothing besides the common shape."""
    left_out = ["tie_word_embeddings"]
    if architecture == "mamba":  # which has no attention, and no end
        left_out += ["num_attention_heads", "num_key_value_heads", "max_position_embeddings"]
    common = {name: value for name, value in common.items() if name not in left_out}
    if architecture in ("gemma2", "mamba", "rwkv"):  # which have no other; the first caps its attention
        common["attn_implementation"] = "eager"
    config = AutoConfig.for_model(architecture, **common | (CROPPED | RECURRENT).get(architecture, {}))
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config)
    return model
