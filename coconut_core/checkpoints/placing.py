"""Where a model's weights go, and whether there is room for them: asked before any of them is read.

transformers maps safetensors into memory and hands out its pages: on the CPU a model that keeps its number
format costs no copy at all, and one that changes it is copied once, tensor by tensor.
"""

import json
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import psutil
import torch
from huggingface_hub import try_to_load_from_cache

from coconut_core.checkpoints.hub import is_hub_id
from coconut_core.checkpoints.weights import check_index
from coconut_core.common.errors import CoconutError
from coconut_core.common.paths import user_path

INDEX = "model.safetensors.index.json"
WHOLE = "model.safetensors"
FLOATS = ("F64", "F32", "F16", "BF16")  # as safetensors names the formats that --dtype changes
DEVICE_MAPS = ("auto", "balanced", "balanced_low_0", "sequential")


def read_device_map(text: str) -> str | dict[str, Any]:
    """What --device-map says: a name of DEVICE_MAPS, or a JSON object of modules and devices.

    Raises CoconutError for anything else.
    """
    if text in DEVICE_MAPS:
        return text
    try:
        device_map = json.loads(text)
    except ValueError:
        device_map = None
    if not isinstance(device_map, dict) or not device_map:
        raise CoconutError(
            f"device-map '{text}' must be {', '.join(DEVICE_MAPS)} or a JSON object of modules and devices, as "
            'in \'{"model.layers.0": "cuda:0", "": "cpu"}\''
        )
    return device_map


def check_room(source: str | Path, dtype: torch.dtype | str, device: torch.device) -> None:
    """Raise CoconutError where the weights of a folder or hub id need more memory than is free on the device.

    A hub id is asked only once its weights have been downloaded: before that nothing is known of their size.
    """
    folder = _folder(source)
    files = weight_files(folder) if folder is not None else []
    if not files:
        return
    assert folder is not None
    needed = weight_bytes(files, _kept_dtype(folder, dtype))
    require_room(source, needed, weight_bytes(files, torch.bfloat16), device)


def require_room(source: str | Path, needed: int, smaller: int, device: torch.device) -> None:
    """Raise CoconutError where a model's weights need more bytes than are free on the device. smaller: what
    they need as bfloat16."""
    free = free_bytes(device)
    if needed <= free:
        return
    ways = [
        *(["--device cpu"] if device.type != "cpu" else []),
        *(["--dtype bfloat16"] if smaller < needed else []),
        "--device-map auto",
    ]
    instead = " or ".join([", ".join(ways[:-1]), ways[-1]] if ways[1:] else ways)
    raise CoconutError(
        f"{source} needs {needed / 1e9:.3g} GB for its weights, {free / 1e9:.3g} GB are free on {device}: "
        f"use {instead}"
    )


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that hold a model's weights, in one piece or in shards; perhaps no files.

    Raises CoconutError for a shard that is not there, and for an index that cannot be read or leads elsewhere.
    """
    index = folder / INDEX
    if not index.is_file():
        return [folder / WHOLE] if (folder / WHOLE).is_file() else []
    files = [folder / name for name in sorted(set(check_index(index).values()))]
    missing = [path.name for path in files if not path.is_file()]
    if missing:
        more = f" and {len(missing) - 1} more" if missing[1:] else ""
        raise CoconutError(
            f"{folder} has no {missing[0]}{more}, which {INDEX} names: copy or download it again"
        )
    return files


def weight_bytes(files: Sequence[Path], dtype: torch.dtype | None) -> int:
    """Bytes that weights take once floating-point ones are in that format (None: as they are stored)."""
    total = 0
    for path in files:
        for entry in _header(path).values():
            start, end = entry["data_offsets"]
            is_float = entry["dtype"] in FLOATS
            total += prod(entry["shape"]) * dtype.itemsize if dtype is not None and is_float else end - start
    return total


def free_bytes(device: torch.device) -> int:
    """Bytes that are free where a device keeps its weights: on a GPU its own, otherwise the machine's."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def _folder(source: str | Path) -> Path | None:
    """The folder that a model's files lie in; None for a hub id of which nothing was downloaded."""
    if not is_hub_id(source):
        return user_path(source)
    file = try_to_load_from_cache(str(source), "config.json")
    return Path(file).parent if isinstance(file, str) else None


def _kept_dtype(folder: Path, dtype: torch.dtype | str) -> torch.dtype | None:
    """The format that floating-point weights will have; None for that of the file, as in a quantised model."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if config.get("quantization_config"):
        return None
    if isinstance(dtype, torch.dtype):
        return dtype
    named = getattr(torch, str(config.get("dtype", config.get("torch_dtype"))), None)
    return named if isinstance(named, torch.dtype) else None


def _header(path: Path) -> dict[str, Any]:
    """What a safetensors file says of its tensors: 8 bytes of length, then JSON."""
    with path.open("rb") as file:
        header: dict[str, Any] = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    header.pop("__metadata__", None)
    return header
