"""Which architectures the tests hold to a full recompute; any other one is tried out when it is opened. And the
names that architectures give to their parts, for who looks inside; what caches can do: see cache_layers."""

import torch

from coconut_core.common.errors import CoconutError, one_line
from coconut_core.latent.model import LatentModel, Work

TESTED = {  # model type: what people call it
    "gpt2": "GPT-2",
    "llama": "Llama",
    "qwen2": "Qwen2",
    "qwen3": "Qwen3",
    "mistral": "Mistral",
    "gemma": "Gemma",
    "gemma2": "Gemma 2",
    "gemma3_text": "Gemma 3 (text)",
    "phi": "Phi",
    "phi3": "Phi-3",
    "olmo": "OLMo",
    "olmo2": "OLMo 2",
    "mamba": "Mamba",
    "jamba": "Jamba",
    "qwen3_next": "Qwen3-Next",
}
ATTENTIONS = ("self_attn", "attn", "attention", "self_attention")  # the attention of a layer
PROJECTIONS = ("o_proj", "c_proj", "out_proj", "dense")  # the matrix that joins the heads of an attention
NORMS = ("ln_f", "norm", "final_layer_norm", "final_layernorm", "norm_f", "embedding_norm")  # the last norm


@torch.inference_mode()
def check_loop(model: LatentModel) -> None:
    """Raise CoconutError where an architecture that is not TESTED, fed step by step, gives other logits than in
    one pass: where it scales them, or keeps something that the loop does not know of."""
    name = type(model.base_lm).__name__
    if model.base_lm.config.model_type in TESTED:
        return
    ids = torch.tensor([[0, model.config.latent_id] * 2], device=model.device)
    try:
        embeddings, context = model.embed(ids), model.empty_context(1)
        embeddings[:, -1] = embeddings.mean(dim=1)  # no word: some models look words up again
        whole = model.base_lm(inputs_embeds=embeddings, use_cache=False).logits.float()
        steps = [model.feed(context, part) for part in embeddings.split([2, 1, 1], dim=1)]
        stepped = model.logits(torch.cat(steps, dim=1)).float()
        same = bool((stepped - whole).abs().max() < 0.1 * whole.std())  # half precision rounds
    except Exception as error:  # whatever a model that is not known may raise
        raise CoconutError(f"{name} cannot be fed step by step: {one_line(error)}") from error
    if not same:
        raise CoconutError(f"{name} gives other logits when it is fed step by step, so it cannot be used here")
    model.work = Work()
