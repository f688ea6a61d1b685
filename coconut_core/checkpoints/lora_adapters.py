"""LoRA adapters as PEFT writes them: a folder with what was learned beside a model, and that model's name."""

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers.utils import is_peft_available

from coconut_core.checkpoints.hub import is_hub_id
from coconut_core.common.errors import CoconutError, one_line
from coconut_core.common.paths import user_path
from coconut_core.common.records import read_json_object
from coconut_core.latent.config import FILE_NAME as CONFIG

# Where bitsandbytes is installed PEFT imports it, and on some CPUs it warns that it lacks a faster kernel.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)

FILE_NAME, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


@dataclass(frozen=True)
class Adapter:
    """The folder of an adapter, and the folder, file or hub id of the model that it belongs to."""

    folder: Path
    base: str | Path

    @property
    def trained(self) -> bool:
        """Whether it says itself how its model thinks."""
        return (self.folder / CONFIG).is_file()

    @property
    def tokenizer(self) -> Path | None:
        """The folder of a tokenizer of its own, which may have more tokens than the base's."""
        return self.folder if (self.folder / "tokenizer_config.json").is_file() else None


def find_adapter(source: str | Path) -> Adapter | None:
    """The adapter in a folder; None where there is none, or a whole model beside it.

    Raises CoconutError for one that cannot be opened: damaged, of another kind, pickled, without its base, or
    where PEFT is not installed.
    """
    folder = user_path(source)
    file = folder / FILE_NAME
    if not file.is_file() or (folder / "config.json").is_file():
        return None
    settings = read_json_object(file)
    kind, base = settings.get("peft_type"), settings.get("base_model_name_or_path")
    if kind != "LORA":
        raise CoconutError(f"{folder} holds an adapter of the kind {kind}: merge it into its base first")
    if not (folder / WEIGHTS).is_file():
        raise CoconutError(f"{folder} has no {WEIGHTS}; pickled weights are not loaded")
    if not isinstance(base, str) or not base:
        raise CoconutError(
            f"{file} does not say what it was trained beside: give base_model_name_or_path there"
        )
    _require_peft(folder)
    beside = folder / user_path(base)
    path = beside if beside.exists() else user_path(base)
    if not path.exists() and not is_hub_id(base):
        raise CoconutError(
            f"{folder} was trained beside {base}, which is not there: "
            f"give its place as base_model_name_or_path in {FILE_NAME}"
        )
    return Adapter(folder, path if path.exists() else base)


def _require_peft(folder: Path) -> None:
    if not is_peft_available():
        raise CoconutError(
            f"{folder} holds a LoRA adapter, which needs the package peft: pip install 'coconut-tui[lora]'"
        )


def merged(base: Any, adapter: Adapter, tokens: int) -> Any:
    """The base model with the adapter added to its weights: W + alpha / rank · B A (arXiv 2106.09685).

    tokens: of the tokenizer beside the adapter, where one is; the base gets rows for those it lacks. Raises
    CoconutError where the adapter does not fit.
    """
    from peft import PeftConfig, PeftModel

    if tokens > base.get_input_embeddings().weight.shape[0]:
        base.resize_token_embeddings(tokens, mean_resizing=False)
    try:
        with warnings.catch_warnings(action="ignore"):  # of peft on its own calls; what is missing is reported
            model = PeftModel(base, PeftConfig.from_pretrained(str(adapter.folder)))
            report = model.load_adapter(str(adapter.folder), "default", torch_device=str(base.device))
            whole = model.merge_and_unload()
    except Exception as error:  # peft raises bare Exceptions here
        raise CoconutError(
            f"the adapter {adapter.folder} does not fit {adapter.base}: {one_line(error)}"
        ) from error
    if wrong := [*report.missing_keys, *report.unexpected_keys]:
        raise CoconutError(f"the adapter {adapter.folder} does not fit {adapter.base}: {wrong[0]}")
    return whole
