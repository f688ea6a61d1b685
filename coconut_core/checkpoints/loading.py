"""Opening a checkpoint: every way in which it can be wrong ends in one line that says what to do."""

import threading
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RemoteEntryNotFoundError
from huggingface_hub.utils.tqdm import enable_progress_bars
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

from coconut_core.checkpoints.bundled import bundled_model
from coconut_core.checkpoints.gguf_files import (
    check_unpacked_room,
    gguf_file,
    no_bar_in_a_file,
    reading,
    unpacked,
    unpacking,
)
from coconut_core.checkpoints.hub import check_source, is_hub_id, reach_hub
from coconut_core.checkpoints.lora_adapters import find_adapter, merged
from coconut_core.checkpoints.placing import check_room, read_device_map, weight_files
from coconut_core.checkpoints.weights import damaged
from coconut_core.common.errors import CoconutError, one_line
from coconut_core.common.paths import user_path, user_source
from coconut_core.common.records import read_json_object
from coconut_core.latent.architectures import check_loop
from coconut_core.latent.config import FILE_NAME, CoconutConfig
from coconut_core.latent.feedback import TABLE, check_feedback, read_feedback
from coconut_core.latent.markers import LATENT, add_tokens, own_markers, with_markers
from coconut_core.latent.model import EXTRA_FILE, LatentModel
from coconut_core.latent.special_tokens import tokenizer_errors

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
MIXTURE = {"temperature": 0.6, "top_p": 0.95}  # an untrained model goes on sensibly behind it: docs/MODELS.md
EXTRA_PARTS = {"feedback.": "feedback", "halting.": "halting head"}  # what the names of its weights start with

# While transformers builds a model, what torch makes in any thread has no weights: two at once lack some.
_ONE_AT_A_TIME = threading.Lock()

Model = TypeVar("Model", bound=LatentModel)


def load(
    model_class: type[Model],
    source: str | Path,
    *,
    device: str = "auto",
    dtype: str = "auto",
    feedback: str | None = None,
    chat: bool | str | None = None,
    system: str | None = None,
    device_map: str | None = None,
    markers: str | None = None,
) -> Model:
    """See CoconutModel.from_pretrained; model_class is what is built of the parts, in evaluation mode."""
    target = choose_device(device)
    torch_dtype = choose_dtype(dtype)
    if device_map is not None and device != "auto":
        raise CoconutError("a device map says where each part goes: give --device or --device-map, not both")
    placed = None if device_map is None else read_device_map(device_map)
    override = None if feedback is None else read_feedback(feedback)
    source = bundled_model(source) or source
    source = name = user_source(str(source)).rstrip("/")
    adapter = find_adapter(source)
    source = source if adapter is None else str(adapter.base)
    source = reach_hub(source) if is_hub_id(source) else source
    packed = gguf_file(source)
    own = adapter.folder if adapter is not None and adapter.trained else source  # says how it thinks
    own_config = _own_config(source) if own is source else CoconutConfig.load(own)
    if own_config is not None:
        _check_feedback(own_config, own)
    transformers_logging.disable_progress_bar()
    enable_progress_bars()  # of downloads, which the line above turns off as well
    transformers_logging.set_verbosity_error()
    tokenizer = load_tokenizer(source if adapter is None else adapter.tokenizer or source)
    if placed is None:
        if packed is None:
            check_room(source, torch_dtype, target)
        else:
            check_unpacked_room(packed, torch_dtype, target)
    base = _load_base(source, torch_dtype, {"": target} if placed is None else placed)
    if adapter is not None:
        base = merged(base, adapter, len(tokenizer) if adapter.tokenizer else 0)
    config = _untrained_config(base, tokenizer) if own_config is None else own_config
    _check_markers(config, base.get_input_embeddings().weight.shape[0], source)
    if own_config is None and override is None:
        override = ("mixture", MIXTURE)
        if config.bot_id is None and markers in (None, "none"):
            # A thought would stand for a word of the answer, and it would go on behind that word.
            config = replace(config, thoughts=0)
    config = config if override is None else _with_feedback(config, *override)
    config = config if markers is None else _with_markers(config, tokenizer, source, markers)
    config = _with_chat(config, tokenizer, source, chat, system)
    model = model_class(base, tokenizer, config)
    if own_config is not None:
        _load_extra_weights(model, own, feedback=_same_feedback(own_config, config))
    check_loop(model)
    model.name = name
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
    check_source(folder)
    if not folder.is_dir():
        raise CoconutError(f"{folder} is a file: give the folder that holds it")
    if (folder / "adapter_config.json").is_file():  # transformers would open the model with the adapter
        raise CoconutError(
            f"{folder} holds a PEFT adapter beside a model: keep the adapter in a folder of its own"
        )
    config = folder / "config.json"
    if not config.is_file():
        raise CoconutError(f"{folder} is not a model: it has no config.json")
    read_json_object(config)
    weight_files(folder)  # whether all shards are there
    weights = sorted(folder.glob("*.safetensors"))
    if all(path.name == EXTRA_FILE for path in weights):
        raise CoconutError(f"{folder} has no *.safetensors weights; pickled weights are not loaded")
    for path in weights:
        try:
            with safe_open(path, framework="pt") as file:
                file.keys()
        except (SafetensorError, OSError) as error:
            raise damaged(path, error) from error


def _own_config(source: str | Path) -> CoconutConfig | None:
    """Check that a folder or hub id is there, and read its coconut.json where it has one."""
    folder = user_path(source)
    if gguf_file(source) is not None:
        return CoconutConfig.load(folder) if folder.is_dir() else None
    if not is_hub_id(source):
        check_folder(folder)
        return CoconutConfig.load(folder)
    try:
        path = hf_hub_download(str(source), FILE_NAME)
    except (RemoteEntryNotFoundError, LocalEntryNotFoundError):
        return None
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise CoconutError(f"there is no folder {source}, and the hub says: {one_line(error)}") from error
    return CoconutConfig.load(Path(path).parent)


def load_tokenizer(source: str | Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder, hub id or GGUF file; code that it brings along is never run."""
    with tokenizer_errors(f"the tokenizer of {source} cannot be loaded"):
        # AutoTokenizer puts a model type's own class (Qwen2's) in place of the generic one that the folder
        # names, and with it other rules of splitting words.
        folder, file = reading(source)
        named = None if file else get_tokenizer_config(folder).get("tokenizer_class")
        generic = named in ("TokenizersBackend", "PreTrainedTokenizerFast")
        kind = PreTrainedTokenizerFast if generic else AutoTokenizer
        tokenizer: PreTrainedTokenizerBase = kind.from_pretrained(folder, trust_remote_code=False, **file)
    try:
        tokenizer.unk_token_id  # noqa: B018  # an unknown token has this id, and so has it, where it is unknown
    except RecursionError as error:
        raise CoconutError(f"{source}: the tokenizer's unk_token is not in its vocabulary") from error
    return tokenizer


def _load_base(source: str | Path, dtype: torch.dtype | str, device_map: Any) -> Any:
    folder, file = reading(source)
    try:
        with _ONE_AT_A_TIME, no_bar_in_a_file() if file else nullcontext():
            base, report = AutoModelForCausalLM.from_pretrained(
                folder,
                **file,
                **unpacking(bool(file)),
                dtype=dtype,
                device_map=device_map,
                use_safetensors=True,
                output_loading_info=True,
                trust_remote_code=False,
            )
    except torch.OutOfMemoryError as error:
        raise CoconutError(
            f"{source} does not fit ({one_line(error)}): use --device cpu, a smaller --dtype or --device-map"
        ) from error
    except ImportError as error:  # of the library that reads a quantised checkpoint
        raise CoconutError(f"{source} needs a library that is not installed: {one_line(error)}") from error
    except Exception as error:  # likewise
        raise CoconutError(f"the model {source} cannot be loaded: {one_line(error)}") from error
    if report["missing_keys"]:
        names = ", ".join(sorted(report["missing_keys"])[:3])
        raise CoconutError(f"the weights of {source} are incomplete, missing: {names}")
    return unpacked(base) if file else base


def _check_feedback(config: CoconutConfig, source: str | Path) -> None:
    """Raise CoconutError where a checkpoint names no possible feedback, before its weights are read."""
    if config.feedback_package is not None and config.feedback not in TABLE.names():
        raise CoconutError(
            f"{source}/{FILE_NAME}: the feedback '{config.feedback}' comes with the package "
            f"{config.feedback_package}, which is not installed: install it"
        )
    try:
        check_feedback(config.feedback, config.feedback_options)
    except CoconutError as error:
        raise CoconutError(f"{source}/{FILE_NAME}: {error}") from error


def _load_extra_weights(model: LatentModel, source: str | Path, *, feedback: bool) -> None:
    """Fill the feedback, unless it is another than the checkpoint's, and the halting head with the weights that
    lie beside the base model's."""
    parameters = {
        name: weight
        for name, weight in model.extra_weights.items()
        if feedback or not name.startswith("feedback.")
    }
    if not parameters:
        return
    parts = [part for part in EXTRA_PARTS if any(name.startswith(part) for name in parameters)]
    what = " and ".join(EXTRA_PARTS[part] for part in parts)
    folder = user_path(source)
    try:
        file = folder / EXTRA_FILE if folder.is_dir() else hf_hub_download(str(source), EXTRA_FILE)
        weights = load_file(file)
    except (RemoteEntryNotFoundError, LocalEntryNotFoundError, FileNotFoundError) as error:
        instead = f', or set "ending" to "fixed" in {FILE_NAME}' if parts == ["halting."] else ""
        raise CoconutError(
            f"{source} has no {EXTRA_FILE}, the weights of its {what}: copy or download it again{instead}"
        ) from error
    except (SafetensorError, HfHubHTTPError, OSError, ValueError) as error:
        raise CoconutError(f"{source}/{EXTRA_FILE} cannot be read ({one_line(error)})") from error
    unused = tuple(part for part in EXTRA_PARTS if part not in parts)  # as of a head whose ending was changed
    weights = {name: weight for name, weight in weights.items() if not name.startswith(unused)}
    expected = {name: list(weight.shape) for name, weight in parameters.items()}
    if {name: list(weight.shape) for name, weight in weights.items()} != expected:
        shapes = " and ".join(f"{name} {shape}" for name, shape in expected.items())
        raise CoconutError(f"{source}/{EXTRA_FILE} is not this model's {what}: it must hold {shapes}")
    model.load_state_dict(weights, strict=False)


def _untrained_config(base: Any, tokenizer: PreTrainedTokenizerBase) -> CoconutConfig:
    """For an ordinary model: the markers that its vocabulary has for thinking, else none, since it would know
    no others. The latent token stands for a thought and is never said."""
    bot, eot = own_markers(tokenizer) or (None, None)
    (latent,) = add_tokens(base, tokenizer, (LATENT,))
    chat = True if tokenizer.chat_template is not None else None
    return CoconutConfig(bot, eot, latent, trained=False, answer_prefix="", chat=chat)


def _same_feedback(first: CoconutConfig, second: CoconutConfig) -> bool:
    return (first.feedback, first.feedback_options) == (second.feedback, second.feedback_options)


def _with_feedback(config: CoconutConfig, kind: str, options: dict[str, Any]) -> CoconutConfig:
    """Another feedback than the checkpoint's, if it was not trained with that."""
    changed = replace(config, feedback=kind, feedback_options=options or config.feedback_options)
    if _same_feedback(changed, config):
        return config
    if config.trained:
        raise CoconutError(f"this checkpoint was trained with feedback '{config.feedback}', not '{kind}'")
    return replace(config, feedback=kind, feedback_options=options)


def _with_markers(
    config: CoconutConfig, tokenizer: PreTrainedTokenizerBase, source: str | Path, text: str
) -> CoconutConfig:
    if config.trained:
        raise CoconutError(f"{source} was trained with markers of its own: leave out --markers")
    return with_markers(config, tokenizer, text)


def _with_chat(
    config: CoconutConfig,
    tokenizer: PreTrainedTokenizerBase,
    source: str | Path,
    chat: bool | str | None,
    system: str | None,
) -> CoconutConfig:
    """How a question is put, which a checkpoint that was trained to think says itself."""
    name = chat if isinstance(chat, str) else config.chat_template
    is_chat = bool(config.chat) if chat is None else chat is not False
    differs = (is_chat, name) != (bool(config.chat), config.chat_template)
    if config.trained and (differs or system not in (None, config.system)):
        how = "with its chat template" if config.chat else "without a chat template"
        raise CoconutError(f"{source} was trained {how}: leave out --chat, --no-chat and --system")
    if is_chat:
        _check_template(tokenizer, source, name)
    return replace(
        config,
        chat=config.chat if chat is None else is_chat,
        chat_template=name if is_chat else None,
        system=config.system if system is None and is_chat else system,
    )


def _check_template(tokenizer: PreTrainedTokenizerBase, source: str | Path, name: str | None) -> None:
    """Raise CoconutError where the tokenizer has no such chat template, or several and none is named."""
    templates = tokenizer.chat_template
    if templates is None:
        raise CoconutError(f"the tokenizer of {source} has no chat template: ask without --chat")
    if not isinstance(templates, dict):
        if name is not None:
            raise CoconutError(f"the tokenizer of {source} has one chat template: ask without --chat-template")
    elif (name or "default") not in templates:
        raise CoconutError(
            f"the tokenizer of {source} has no chat template '{name or 'default'}' but "
            f"{', '.join(sorted(templates))}: give one of these as --chat-template, or --no-chat"
        )


def _check_markers(config: CoconutConfig, vocabulary: int, source: str | Path) -> None:
    for name in ("bot_id", "eot_id", "latent_id", "before_ids", "behind_ids"):
        value = getattr(config, name)
        for number in value if isinstance(value, tuple) else [] if value is None else [value]:
            if not 0 <= number < vocabulary:
                raise CoconutError(
                    f"{source}/{FILE_NAME}: {name} {number} is outside the vocabulary of {vocabulary} tokens"
                )
