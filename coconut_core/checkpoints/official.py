"""The format of the official code (facebookresearch/coconut), read and written.

Its checkpoint_N is the state dict of a module that holds the causal language model as `base_causallm` and its
token embeddings once more as `embedding`. The tokenizer is not in it: the official run adds three markers to
that of the base model, in the order below, and makes the embeddings as long as the tokenizer then is.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel

from coconut_core.checkpoints.base import Base, add_markers, open_base
from coconut_core.checkpoints.importers import ImportOptions, Report, other_formats
from coconut_core.checkpoints.keys import (
    check_keys,
    check_tied,
    few,
    fill_tied,
    names_of_one_tensor,
    without_old_buffers,
)
from coconut_core.checkpoints.weights import read_weights
from coconut_core.common.errors import CoconutError
from coconut_core.latent.config import CoconutConfig, check_thoughts
from coconut_core.latent.model import LatentModel

PREFIX, EMBEDDING = "base_causallm.", "embedding.weight"
MARKERS = ("<|start-latent|>", "<|end-latent|>", "<|latent|>")  # in the order in which they are added
THOUGHTS = 6  # of the published recipes: GSM8k 3 stages of 2, ProsQA and ProntoQA 6 of 1
ANSWER_PREFIX = "###"


def read_official(path: Path, options: ImportOptions, report: Report) -> LatentModel:
    """The model of an official checkpoint_N. Raises CoconutError in one line for whatever is wrong with it."""
    base = open_base(options.base)
    report(f"reading {path}")
    return official_model(read_weights(path, options.max_gigabytes), base, path, options, report)


def official_model(
    weights: dict[str, Tensor], base: Base, path: Path, options: ImportOptions, report: Report
) -> LatentModel:
    """The model that these tensors of the file at path are. Raises CoconutError where they do not fit."""
    bot, eot, latent = add_markers(base.tokenizer, MARKERS)
    base.tokenizer.pad_token = base.tokenizer.eos_token
    skeleton = base.skeleton(len(base.tokenizer))
    plain = _base_weights(weights, skeleton, path, options.base)
    report(f"fitting {len(plain)} tensors to {type(skeleton).__name__}")
    config = CoconutConfig(
        bot_id=bot,
        eot_id=eot,
        latent_id=latent,
        thoughts=check_thoughts(THOUGHTS if options.thoughts is None else options.thoughts),
        answer_prefix=ANSWER_PREFIX if options.answer_prefix is None else options.answer_prefix,
        family=options.family,
    )
    return LatentModel(base.with_weights(skeleton, plain), base.tokenizer, config).eval()


def save_official(model: LatentModel, path: Path) -> None:
    """Write the state dict that the official code reads with `load_model_path: path`.

    Raises CoconutError where the official code could not run the model: it feeds back the hidden state, for a
    fixed number of thoughts, and has one embedding for each token of its tokenizer.
    """
    check_official(model)
    weights = model.base_lm.state_dict()
    state = {PREFIX + name: tensor for name, tensor in weights.items()}
    state[EMBEDDING] = weights[_input_name(model.base_lm)]
    with path.open("wb") as file:
        torch.save(state, file)


def check_official(model: LatentModel) -> None:
    """Raise CoconutError unless the official code could run this model as it is run here."""
    config = model.config
    if config.feedback != "hidden" or config.ending != "fixed":
        kind = f"feedback '{config.feedback}'" if config.feedback != "hidden" else f"ending '{config.ending}'"
        raise CoconutError(
            f"{model.name} has {kind}: the official code knows a fixed number of hidden states only"
        )
    if config.passes or config.chat or config.question_end != "\n":
        what = "another end of a question than a line break"
        what = "parallel passes" if config.passes else "a chat template" if config.chat else what
        raise CoconutError(f"{model.name} has {what}, which the official code does not know")
    ids = [config.bot_id, config.eot_id, config.latent_id]
    if model.tokenizer.convert_tokens_to_ids(list(MARKERS)) != ids:
        raise CoconutError(f"{model.name} has other markers than the official code's {', '.join(MARKERS)}")
    rows = model.base_lm.get_input_embeddings().weight.shape[0]
    if rows != len(model.tokenizer):
        raise CoconutError(
            f"{model.name} has {rows} token embeddings for {len(model.tokenizer)} tokens: the official code "
            "makes as many as there are tokens and could not load it"
        )


def _base_weights(
    weights: dict[str, Tensor], skeleton: PreTrainedModel, path: Path, base: str
) -> dict[str, Tensor]:
    """The tensors of the causal language model by their own names, once all of the file is known to fit it."""
    expected = {PREFIX + name: tensor for name, tensor in skeleton.state_dict().items()}
    expected[EMBEDDING] = expected[PREFIX + _input_name(skeleton)]
    _check_wrapping(weights, expected, path)
    tied = _tied_names(skeleton)
    weights = fill_tied(without_old_buffers(weights, expected), tied)
    _check_rows(weights, expected, path, base)
    cure = other_formats(weights, "official") or f"Was it trained from another --base than {base}?"
    check_keys(weights, expected, str(path), cure)
    check_tied(weights, tied, str(path))
    return {name.removeprefix(PREFIX): tensor for name, tensor in weights.items() if name != EMBEDDING}


def _input_name(model: PreTrainedModel) -> str:
    """The name of the token embeddings among a model's tensors."""
    embeddings = model.get_input_embeddings().weight
    names: list[str] = [name for name, parameter in model.named_parameters() if parameter is embeddings]
    return names[0]


def _tied_names(skeleton: PreTrainedModel) -> list[list[str]]:
    """The names under which a checkpoint holds one tensor, `embedding.weight` among them."""
    embeddings = PREFIX + _input_name(skeleton)
    groups = [[PREFIX + name for name in group] for group in names_of_one_tensor(skeleton)]
    others = [group for group in groups if embeddings not in group]
    tied = next((group for group in groups if embeddings in group), [embeddings])
    return [*others, [*tied, EMBEDDING]]


def _check_wrapping(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: Path) -> None:
    if any(name.startswith(PREFIX) for name in weights):
        return
    if hint := other_formats(weights, "official"):
        raise CoconutError(f"{path} has no {PREFIX}* tensors. {hint}")
    if any(PREFIX + name in expected for name in weights):
        raise CoconutError(
            f"{path} has no {PREFIX}* tensors: it is a causal language model without thoughts, such as the "
            "official code saves for its cot, no_cot and no_thoughts runs"
        )
    raise CoconutError(f"{path} has no {PREFIX}* tensors but {few(weights)}: it is no official checkpoint")


def _check_rows(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: Path, base: str) -> None:
    rows, tokens = weights.get(EMBEDDING, torch.empty(0)).shape[:1], expected[EMBEDDING].shape[0]
    if rows and rows[0] != tokens:
        raise CoconutError(
            f"{path} has {rows[0]} token embeddings, but the tokenizer of {base} with its markers has {tokens} "
            "tokens: give the --base that it was trained from"
        )
