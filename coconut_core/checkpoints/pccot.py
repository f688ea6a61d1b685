"""The format of PCCoT (whyNLP/PCCoT, arXiv 2506.18582): a folder as PEFT and transformers write it.

adapter_model.safetensors holds LoRA, new embeddings of the markers and, where there is one, the projection
`prj`; without LoRA, model.safetensors holds all weights. pccot_args.json names the markers' ids, the number of
thoughts and what stands in front of an answer, config.json the number of parallel passes (num_iterations). A
question stands in front of <bot> without a line break.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from coconut_core.checkpoints.adapters import PROJECTION, Projection, merge_lora, read_projection, split_lora
from coconut_core.checkpoints.base import Base, open_base
from coconut_core.checkpoints.importers import ImportOptions, Report, other_formats
from coconut_core.checkpoints.keys import (
    check_keys,
    few,
    fill_tied,
    names_of_one_tensor,
    without_old_buffers,
)
from coconut_core.checkpoints.loading import load_tokenizer
from coconut_core.checkpoints.weights import read_weights
from coconut_core.common.errors import CoconutError, one_line
from coconut_core.common.records import read_json_object
from coconut_core.latent.config import CoconutConfig, check_thoughts
from coconut_core.latent.model import LatentModel

PREFIX = "base_model.model."
ARGUMENTS, ADAPTER, SHAPE = "pccot_args.json", "adapter_config.json", "config.json"
ADAPTER_FILES = ("adapter_model.safetensors", "adapter_model.bin")
TRAINED = "token_adapter.trainable_tokens_delta"  # PEFT's name of rows that it puts in place of others
PASSES = 6  # where config.json does not say
OTHER_KINDS = ("use_dora", "use_rslora", "alpha_pattern", "rank_pattern", "lora_bias")  # of adapters


def read_pccot(path: Path, options: ImportOptions, report: Report) -> LatentModel:
    """The model of a PCCoT folder, its LoRA added to the weights of the base. Raises CoconutError in one line
    for whatever is wrong with it."""
    if not path.is_dir():
        raise CoconutError(f"{path} is not a folder: give the one that holds {ARGUMENTS} and the weights")
    settings, shape = _read_json(path / ARGUMENTS), _read_json(path / SHAPE)
    base = replace(open_base(options.base), tokenizer=load_tokenizer(path))
    report(f"reading {path}")
    rows = max(len(base.tokenizer), base.config.vocab_size)
    skeleton = base.skeleton(rows)
    if (path / ADAPTER).is_file():
        plain, projection = _adapted(path, base, skeleton, options, report)
    else:
        plain, projection = _whole(path, skeleton, options)
    if bool(shape.get("use_projection")) != bool(projection.weights):
        raise CoconutError(
            f"{path}: config.json says use_projection {str(bool(shape.get('use_projection'))).lower()}, and "
            f"there are {len(projection.weights)} tensors {PROJECTION}* (they are saved where "
            "lora_modules_to_save names prj)"
        )
    thoughts, prefix = options.thoughts, options.answer_prefix
    config = CoconutConfig(
        bot_id=_number(settings, "bot_token_id", path),
        eot_id=_number(settings, "eot_token_id", path),
        latent_id=_number(settings, "latent_token_id", path),
        thoughts=check_thoughts(_number(settings, "num_latent_tokens", path) if thoughts is None else thoughts),
        answer_prefix=str(settings.get("answer_prompt", "")) if prefix is None else prefix,
        family=options.family,
        passes=_number({"num_iterations": PASSES, **shape}, "num_iterations", path),
        question_end="",
        **projection.config_entries,
    )
    model = LatentModel(base.with_weights(skeleton, plain), base.tokenizer, config)
    return projection.put_into(model).eval()


def _adapted(
    path: Path, base: Base, skeleton: PreTrainedModel, options: ImportOptions, report: Report
) -> tuple[dict[str, Tensor], Projection]:
    """All weights of the language model, and the projection, from an adapter and the base model's weights."""
    adapter = _read_json(path / ADAPTER)
    if unusual := [name for name in OTHER_KINDS if adapter.get(name)]:
        raise CoconutError(
            f"{path}: {ADAPTER} asks for {unusual[0]}, which is no plain LoRA: merge it with PEFT"
        )
    files = [path / name for name in ADAPTER_FILES if (path / name).is_file()]
    if not files:
        raise CoconutError(f"{path} has {ADAPTER}, but no {ADAPTER_FILES[0]} beside it")
    file = files[0]
    tensors = read_weights(file, options.max_gigabytes)
    if strange := [name for name in tensors if not name.startswith(PREFIX)]:
        raise CoconutError(
            f"{file} holds {len(strange)} tensors that are not {PREFIX}* ({few(strange)}): it is no adapter of "
            f"PEFT. {other_formats(strange, 'pccot')}"
        )
    tensors = {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items()}
    hidden_size = skeleton.get_input_embeddings().weight.shape[1]
    projection = read_projection(tensors, ("0", "2", "3"), hidden_size, str(file))
    brought, adapters = split_lora(
        {name: tensor for name, tensor in tensors.items() if not name.startswith(PROJECTION)}
    )
    report(f"reading the weights of {options.base}")
    weights = _with_embeddings(_base_weights(base), brought, _trained_tokens(adapter), skeleton, file)
    weights = fill_tied(weights, names_of_one_tensor(skeleton))
    check_keys(
        weights, skeleton.state_dict(), f"{options.base} with {file}", "Is it the --base of this adapter?"
    )
    alpha = adapter.get("lora_alpha")
    if not isinstance(alpha, int | float) or isinstance(alpha, bool):
        raise CoconutError(f"{path / ADAPTER} lacks lora_alpha, a number")
    report(f"adding LoRA to {len(adapters)} layers with alpha {alpha:g}")
    return merge_lora(weights, adapters, skeleton, float(alpha), str(file)), projection


def _whole(
    path: Path, skeleton: PreTrainedModel, options: ImportOptions
) -> tuple[dict[str, Tensor], Projection]:
    """All weights of the language model, and the projection, from a folder that holds them all."""
    weights = read_weights(path, options.max_gigabytes)
    hidden_size = skeleton.get_input_embeddings().weight.shape[1]
    projection = read_projection(weights, ("0", "2", "3"), hidden_size, str(path))
    plain = {name: tensor for name, tensor in weights.items() if not name.startswith(PROJECTION)}
    expected = skeleton.state_dict()
    plain = fill_tied(without_old_buffers(plain, expected), names_of_one_tensor(skeleton))
    cure = other_formats(weights, "pccot") or f"Was it trained from another --base than {options.base}?"
    check_keys(plain, expected, str(path), cure)
    return plain, projection


def _base_weights(base: Base) -> dict[str, Tensor]:
    """The base model's own weights, by name."""
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            base.location, dtype="auto", use_safetensors=True, trust_remote_code=False
        )
    except Exception as error:  # transformers raises bare Exceptions here
        raise CoconutError(f"the weights of --base {base.name} cannot be loaded: {one_line(error)}") from error
    return dict(model.state_dict())


def _with_embeddings(
    weights: Mapping[str, Tensor],
    brought: Mapping[str, Tensor],
    ids: Sequence[int],
    skeleton: PreTrainedModel,
    file: Path,
) -> dict[str, Tensor]:
    """The base model's weights with the embeddings that an adapter brings: the whole table, where it was made
    longer and saved, and in it the rows of the tokens `ids`, which were trained."""
    inputs, outputs = skeleton.get_input_embeddings(), skeleton.get_output_embeddings()
    module, head = (
        next(name for name, layer in skeleton.named_modules() if layer is embeddings)
        for embeddings in (inputs, outputs)
    )
    rows, hidden_size = inputs.weight.shape
    own = f"{module}.weight"
    table = brought.get(f"{module}.token_adapter.weight", brought.get(own, weights[own]))
    trained = brought.get(f"{module}.{TRAINED}", torch.zeros(0, 0))
    if list(trained.shape) != [len(ids), hidden_size]:
        raise CoconutError(
            f"{file}: {PREFIX}{module}.{TRAINED} must be {[len(ids), hidden_size]}, the embeddings of the "
            f"tokens that {ADAPTER} names, and is {list(trained.shape)}"
        )
    if table.shape[0] > rows or set(ids) - set(range(rows)) or set(range(table.shape[0], rows)) - set(ids):
        raise CoconutError(
            f"{file}: the tokenizer has {rows} tokens, the base model {table.shape[0]} embeddings, and "
            f"{ADAPTER} trains those of {few(map(str, ids))}: they do not belong together"
        )
    grown = torch.zeros(rows, hidden_size, dtype=torch.promote_types(table.dtype, trained.dtype))
    grown[: table.shape[0]] = table
    for number, row in zip(ids, trained, strict=True):
        grown[number] = row
    full = {**weights, own: grown}
    if outputs.weight is inputs.weight:
        full.pop(f"{head}.weight", None)  # which is the same tensor
    elif f"{head}.weight" in brought:
        full[f"{head}.weight"] = brought[f"{head}.weight"]
    known = {
        f"{prefix}.{name}" for prefix in (module, head) for name in (TRAINED, "weight", "token_adapter.weight")
    }
    if extra := [name for name in brought if name not in known]:
        raise CoconutError(f"{file} holds {len(extra)} tensors that belong to nothing ({few(extra)})")
    return full


def _trained_tokens(adapter: Mapping[str, Any]) -> list[int]:
    """The tokens whose embeddings the adapter brings: a list, or one under the name of the embeddings."""
    indices = adapter.get("trainable_token_indices")
    ids: Any = next(iter(indices.values()), None) if isinstance(indices, dict) else indices
    return [number for number in ids if type(number) is int] if isinstance(ids, list) else []


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return read_json_object(path)
    except FileNotFoundError:
        raise CoconutError(f"there is no {path}: is this the folder of a PCCoT model?") from None


def _number(record: Mapping[str, Any], name: str, path: Path) -> int:
    value = record.get(name)
    if type(value) is not int or value < 0:
        raise CoconutError(f"{path}: '{name}' must be a whole number, not {value!r}")
    return value
