"""Opening a checkpoint: every way in which it can be wrong ends in one line that says what to do."""

import json
import re
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RemoteEntryNotFoundError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)
from transformers.models.auto.tokenization_auto import get_tokenizer_config
from transformers.utils import logging as transformers_logging

from coconut_core.config import FILE_NAME, CoconutConfig
from coconut_core.errors import CoconutError
from coconut_core.halting import HaltingHead
from coconut_core.model import HALTING_FILE, CoconutModel

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
MARKERS = ("<|start-latent|>", "<|end-latent|>", "<|latent|>")


def load(
    source: str | Path, *, device: str = "auto", dtype: str = "auto", feedback: str | None = None
) -> CoconutModel:
    """See CoconutModel.from_pretrained. The model comes in evaluation mode."""
    target = choose_device(device)
    wanted = choose_dtype(dtype)
    config = _find(source)
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    tokenizer = _load_tokenizer(source)
    base = _load_base(source, wanted)
    if config is None:
        config = _untrained_config(base, tokenizer, feedback or "hidden")
    elif feedback is not None and feedback != config.feedback:
        raise CoconutError(f"this checkpoint was trained with feedback '{config.feedback}', not '{feedback}'")
    _check_markers(config, base.get_input_embeddings().weight.shape[0], source)
    try:
        base.to(target)
    except torch.OutOfMemoryError as error:
        raise CoconutError(
            f"{source} does not fit on {target}: use --device cpu or a smaller --dtype"
        ) from error
    model = CoconutModel(base, tokenizer, config)
    if model.halting is not None:
        _load_halting(model.halting, source)
    _check_cache(model)
    model.name = str(source).rstrip("/")
    return model.eval().requires_grad_(False)


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto" takes CUDA, then Apple's, then the CPU."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise CoconutError(f"there is no device '{name}' here: use auto, cpu or cuda") from error
    if device.type not in ("cpu", "cuda", "mps", "xpu"):
        raise CoconutError(f"device '{name}' cannot run a model: use auto, cpu or cuda")
    return device


def choose_dtype(name: str) -> torch.dtype | str:
    """The number format of that name; "auto" keeps the checkpoint's."""
    if name == "auto":
        return "auto"
    if name not in DTYPES:
        raise CoconutError(f"unknown dtype '{name}': use auto, {', '.join(DTYPES)}")
    return DTYPES[name]


def check_folder(folder: Path) -> None:
    """Raise CoconutError unless folder holds a model whose weight files are whole."""
    if not folder.exists():
        raise CoconutError(
            f"there is no folder {folder}: give a checkpoint folder or a hub id like openai-community/gpt2"
        )
    if not folder.is_dir():
        raise CoconutError(f"{folder} is a file: give the folder that holds it")
    config = folder / "config.json"
    if not config.is_file():
        raise CoconutError(f"{folder} is not a model: it has no config.json")
    try:
        if not isinstance(json.loads(config.read_text(encoding="utf-8")), dict):
            raise ValueError("not a JSON object")
    except (OSError, ValueError, RecursionError) as error:
        raise CoconutError(f"{config} cannot be read: {error}") from error
    weights = sorted(folder.glob("*.safetensors"))
    if all(path.name == HALTING_FILE for path in weights):
        raise CoconutError(f"{folder} has no *.safetensors weights; pickled weights are not loaded")
    for path in weights:
        try:
            with safe_open(path, framework="pt") as file:
                file.keys()
        except (SafetensorError, OSError) as error:
            raise CoconutError(
                f"{path} is truncated or corrupted ({_one_line(error)}): copy or download it again"
            ) from error


def _find(source: str | Path) -> CoconutConfig | None:
    """Check that a folder or hub id is there, and read its coconut.json where it has one."""
    folder = Path(source).expanduser()
    # A name like models/prosqa is a path, not a hub id, where its parent is a folder here.
    if folder.exists() or not _HUB_ID.fullmatch(str(source)) or folder.parent.is_dir():
        check_folder(folder)
        return CoconutConfig.load(folder)
    try:
        return CoconutConfig.load(Path(hf_hub_download(str(source), FILE_NAME)).parent)
    except (RemoteEntryNotFoundError, LocalEntryNotFoundError) as error:
        if isinstance(error, LocalEntryNotFoundError) and not isinstance(
            try_to_load_from_cache(str(source), "config.json"), str
        ):
            raise CoconutError(
                f"there is no folder {source}, and no model of that name can be had from the hub (offline?)"
            ) from error
        return None
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise CoconutError(f"there is no folder {source}, and the hub says: {_one_line(error)}") from error


def _load_tokenizer(source: str | Path) -> PreTrainedTokenizerBase:
    try:
        # AutoTokenizer puts a model type's own class (Qwen2's) in place of the generic one that the folder
        # names, and with it other rules of splitting words.
        named = get_tokenizer_config(source).get("tokenizer_class")
        generic = named in ("TokenizersBackend", "PreTrainedTokenizerFast")
        kind = PreTrainedTokenizerFast if generic else AutoTokenizer
        tokenizer: PreTrainedTokenizerBase = kind.from_pretrained(source)
    except Exception as error:  # transformers and tokenizers raise bare Exceptions here
        raise CoconutError(f"the tokenizer of {source} cannot be loaded: {_one_line(error)}") from error
    return tokenizer


def _load_base(source: str | Path, dtype: torch.dtype | str) -> Any:
    try:
        base, report = AutoModelForCausalLM.from_pretrained(
            source, dtype=dtype, use_safetensors=True, output_loading_info=True
        )
    except Exception as error:  # likewise
        raise CoconutError(f"the model {source} cannot be loaded: {_one_line(error)}") from error
    if report["missing_keys"]:
        names = ", ".join(sorted(report["missing_keys"])[:3])
        raise CoconutError(f"the weights of {source} are incomplete, missing: {names}")
    return base


def _load_halting(head: HaltingHead, source: str | Path) -> None:
    """Fill the head with the weights that lie beside the base model's."""
    folder = Path(source).expanduser()
    try:
        found = folder / HALTING_FILE if folder.is_dir() else hf_hub_download(str(source), HALTING_FILE)
        weights = load_file(found)
    except (RemoteEntryNotFoundError, LocalEntryNotFoundError, FileNotFoundError) as error:
        raise CoconutError(
            f"{source} has no {HALTING_FILE}, the weights of its halting head: copy or download it again, "
            f'or set "ending" to "fixed" in {FILE_NAME}'
        ) from error
    except (SafetensorError, HfHubHTTPError, OSError, ValueError) as error:
        raise CoconutError(f"{source}/{HALTING_FILE} cannot be read ({_one_line(error)})") from error
    wanted = head.state_dict(prefix="halting.")
    shapes = {name: list(weight.shape) for name, weight in weights.items()}
    if shapes != {name: list(weight.shape) for name, weight in wanted.items()}:
        expected = " and ".join(f"{name} {list(weight.shape)}" for name, weight in wanted.items())
        raise CoconutError(f"{source}/{HALTING_FILE} is not this model's halting head: it must hold {expected}")
    head.load_state_dict({name.removeprefix("halting."): weight for name, weight in weights.items()})


def _untrained_config(base: Any, tokenizer: PreTrainedTokenizerBase, feedback: str) -> CoconutConfig:
    """Markers for an ordinary model: its own where it has them, else new tokens whose rows are the mean row."""
    new = [marker for marker in MARKERS if marker not in tokenizer.get_vocab()]
    if new:
        tokenizer.add_tokens(list(MARKERS), special_tokens=True)
        rows = base.get_input_embeddings().weight.shape[0]
        if len(tokenizer) > rows:
            base.resize_token_embeddings(len(tokenizer), mean_resizing=False)
            for embeddings in (base.get_input_embeddings(), base.get_output_embeddings()):
                embeddings.weight.data[rows:] = embeddings.weight.data[:rows].mean(dim=0)
    bot, eot, latent = tokenizer.convert_tokens_to_ids(list(MARKERS))
    return CoconutConfig(
        bot_id=bot, eot_id=eot, latent_id=latent, feedback=feedback, trained=False, answer_prefix=""
    )


def _check_markers(config: CoconutConfig, vocabulary: int, source: str | Path) -> None:
    for name in ("bot_id", "eot_id", "latent_id"):
        number = getattr(config, name)
        if not 0 <= number < vocabulary:
            raise CoconutError(
                f"{source}/{FILE_NAME}: {name} {number} is outside the vocabulary of {vocabulary} tokens"
            )


def _check_cache(model: CoconutModel) -> None:
    cache = model.empty_context(1).cache
    if not cache.is_croppable:
        raise CoconutError(
            f"{type(model.base_lm).__name__} keeps a cache that cannot be taken back step by step "
            "(sliding window or recurrent layers); such models cannot be stepped yet"
        )


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:197] + "..."
