"""Models in one file as llama.cpp has them (GGUF), read by transformers and unpacked: what comes out is an
ordinary model, which can be trained and written."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, GgufConfig
from transformers.utils import is_gguf_available

from coconut_core.checkpoints.placing import free_bytes, require_room
from coconut_core.common.errors import CoconutError, one_line
from coconut_core.common.paths import user_path

SUFFIX, MAGIC = ".gguf", b"GGUF"
MOST_UNPACKED = 22  # times as large as the file: 32 bits for a weight in place of one and a half


def gguf_file(source: str | Path) -> Path | None:
    """The GGUF file that source is, or the only one in a folder that is no model otherwise; None for all else.

    Raises CoconutError for a folder with several, for a file that is none, and where no package reads them.
    """
    path = user_path(source)
    if path.is_dir() and not (path / "config.json").exists() and not (path / "adapter_config.json").exists():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() == SUFFIX and file.is_file())
        if len(files) > 1:
            raise CoconutError(f"{path} has {len(files)} GGUF files: give one of them, as {files[0]}")
        path = files[0] if files else path
    if path.suffix.lower() != SUFFIX or not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            magic = file.read(len(MAGIC))
    except OSError as error:
        raise CoconutError(f"{path} cannot be read: {error.strerror}") from error
    if magic != MAGIC:
        raise CoconutError(f"{path} is no GGUF file: copy or download it again")
    if not is_gguf_available():
        raise CoconutError(
            f"{path} is read with the package gguf, which is not installed: pip install 'coconut-tui[gguf]'"
        )
    return path


def reading(source: str | Path) -> tuple[str | Path, dict[str, Any]]:
    """What from_pretrained of transformers is given for a source: a folder or hub id, and the file in it."""
    path = gguf_file(source)
    return (source, {}) if path is None else (path.parent, {"gguf_file": path.name})


def unpacking(is_gguf: bool) -> dict[str, Any]:
    """What from_pretrained of a model is given so that no weight stays in its four bits, which cannot learn."""
    return {"quantization_config": GgufConfig(dequantize=True)} if is_gguf else {}


@contextmanager
def no_bar_in_a_file() -> Iterator[None]:
    """The library draws a bar as it unpacks and has no way to turn it off; a terminal alone shall see it."""
    with nullcontext() if sys.stderr.isatty() else redirect_stderr(io.StringIO()):
        yield


def check_unpacked_room(path: Path, dtype: torch.dtype | str, device: torch.device) -> None:
    """Raise CoconutError where the unpacked weights need more memory than is free on the device."""
    if path.stat().st_size * MOST_UNPACKED <= free_bytes(device):
        return  # as nearly always; the file says exactly how much, but takes seconds to read
    try:
        config = AutoConfig.from_pretrained(path.parent, gguf_file=path.name, trust_remote_code=False)
        with torch.device("meta"):
            skeleton = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except Exception as error:  # transformers raises bare Exceptions here
        raise CoconutError(f"the model {path} cannot be loaded: {one_line(error)}") from error
    count = sum(parameter.numel() for parameter in skeleton.parameters())
    size = dtype.itemsize if isinstance(dtype, torch.dtype) else torch.float32.itemsize
    require_room(path, count * size, count * torch.bfloat16.itemsize, device)


def unpacked(base: Any) -> Any:
    """The model without the mark of a quantised one, with which it would refuse to be trained and written."""
    base.is_quantized, base.hf_quantizer = False, None
    if hasattr(base.config, "quantization_config"):
        del base.config.quantization_config
    return base
