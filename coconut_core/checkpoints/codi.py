"""The format of CODI (zhenyi4/codi, arXiv 2502.21074): a whole state dict with LoRA beside its base and `prj`.

Behind the vocabulary of the base model there are three more embeddings: of padding, of <bot> and of <eot>. The
tokenizer does not know them, and a question stands in front of <bot> without a line break. Padding is never fed
to a model that runs one question, so its place serves as the placeholder of a thought.
"""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from coconut_core.checkpoints.adapters import (
    PROJECTION,
    add_tokens_at,
    merge_lora,
    read_projection,
    split_lora,
)
from coconut_core.checkpoints.base import Base, open_base
from coconut_core.checkpoints.explainer import Explainer
from coconut_core.checkpoints.importers import ImportOptions, Report, other_formats
from coconut_core.checkpoints.keys import (
    check_keys,
    check_tied,
    few,
    fill_tied,
    names_of_one_tensor,
    without_old_buffers,
)
from coconut_core.checkpoints.sim_cot import fit_decoder
from coconut_core.checkpoints.weights import read_weights
from coconut_core.common.errors import CoconutError
from coconut_core.latent.config import CoconutConfig, check_thoughts
from coconut_core.latent.model import LatentModel

PREFIX, LORA_PREFIX = "codi.", "codi.base_model.model."
DECODER, BRIDGES = "decoder.", ("pj_in.", "pj_out.")  # what SIM-CoT trains beside CODI
TOKENS = ("<|latent|>", "<|start-latent|>", "<|end-latent|>")  # in the places of padding, <bot> and <eot>
THOUGHTS, ALPHA = 6, 32.0  # of the published models
ANSWER_PREFIX = "The answer is:"


def read_codi(path: Path, options: ImportOptions, report: Report) -> LatentModel:
    """The model of a CODI checkpoint, its LoRA added to the weights. Raises CoconutError in one line for
    whatever is wrong with it."""
    base = open_base(options.base)
    report(f"reading {path}")
    weights = read_weights(path, options.max_gigabytes)
    explainer = _explainer(weights, base, path, report)
    latent, bot, eot = add_tokens_at(base.tokenizer, base.config.vocab_size, TOKENS)
    if base.tokenizer.pad_token is None:
        base.tokenizer.pad_token = base.tokenizer.eos_token
    skeleton = base.skeleton(eot + 1)
    hidden_size = skeleton.get_input_embeddings().weight.shape[1]
    projection = read_projection(weights, ("1", "3", "ln"), hidden_size, str(path))
    prefix = LORA_PREFIX if any(name.startswith(LORA_PREFIX) for name in weights) else PREFIX
    plain, adapters = split_lora(_without_prefix(weights, prefix, path))
    expected = skeleton.state_dict()
    tied = names_of_one_tensor(skeleton)
    plain = fill_tied(without_old_buffers(plain, expected), tied)
    cure = other_formats(weights, "codi") or f"Was it trained from another --base than {options.base}?"
    check_keys(plain, expected, f"{path} ({prefix}*)", cure)
    check_tied(plain, tied, str(path))
    if adapters:
        alpha = ALPHA if options.lora_alpha is None else options.lora_alpha
        origin = "the published models'" if options.lora_alpha is None else "as told"
        report(f"adding LoRA to {len(adapters)} layers with alpha {alpha:g}, {origin}: it is not in the file")
        plain = merge_lora(plain, adapters, skeleton, alpha, str(path))
    config = CoconutConfig(
        bot_id=bot,
        eot_id=eot,
        latent_id=latent,
        thoughts=check_thoughts(THOUGHTS if options.thoughts is None else options.thoughts),
        answer_prefix=ANSWER_PREFIX if options.answer_prefix is None else options.answer_prefix,
        family=options.family,
        question_end="",
        **projection.config_entries,
    )
    model = LatentModel(base.with_weights(skeleton, plain), base.tokenizer, config)
    model.companion = explainer
    return projection.put_into(model).eval()


def _explainer(weights: Mapping[str, Tensor], base: Base, path: Path, report: Report) -> Explainer | None:
    """The decoder that SIM-CoT trains beside CODI, which reads one thought at a time; None where there is none,
    or one of another model, whose own words are others."""
    decoder = {name: tensor for name, tensor in weights.items() if name.startswith(DECODER)}
    if not decoder:
        return None
    if any(name.startswith(BRIDGES) for name in weights):
        report("leaving out SIM-CoT's decoder: it is another model, with projections between the two")
        return None
    own = {name.removeprefix(DECODER): tensor for name, tensor in decoder.items()}
    report("keeping SIM-CoT's decoder as explainer: coconut ask --explain")
    return Explainer(fit_decoder(own, base, f"{path} ({DECODER}*)"), 1, first_position=0)


def _without_prefix(weights: Mapping[str, Tensor], prefix: str, path: Path) -> dict[str, Tensor]:
    """The tensors of the language model by their own names. Raises CoconutError where there are none, or more
    than those of CODI."""
    own = {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}
    if not own:
        raise CoconutError(
            f"{path} has no {PREFIX}* tensors but {few(weights)}: it is no CODI checkpoint. "
            + other_formats(weights, "codi")
        )
    known = (prefix, PROJECTION, DECODER, *BRIDGES)
    if strange := [name for name in weights if not name.startswith(known)]:
        raise CoconutError(
            f"{path} holds {len(strange)} tensors that CODI does not have ({few(strange)}). "
            + other_formats(strange, "codi")
        )
    return own
