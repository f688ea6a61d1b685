"""Reading the weights of a file that somebody else wrote: tensors and nothing but tensors.

torch.load runs with weights_only=True throughout, so a pickle that names any function is refused and never
run. Files are mapped where their format allows it: what is not looked at is not read.
"""

import json
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from coconut_core.checkpoints.importers import ImportOptions
from coconut_core.checkpoints.keys import few
from coconut_core.common.errors import CoconutError, one_line

MAX_NAMES_BYTES = 64 * 2**20  # of names and shapes in a torch file or an index; 100,000 tensors need 14 MB
INDEX_SUFFIX = ".index.json"
WRAPPING_KEYS = ("state_dict", "model_state_dict", "model", "module")  # {"model": weights, "epoch": 3}
# What FSDP, gradient checkpointing and torch.compile put between the names of modules.
WRAPPERS = frozenset({"_fsdp_wrapped_module", "_fpw_module", "_checkpoint_wrapped_module", "_orig_mod"})
ZIP, LEGACY_PICKLE = b"PK\x03\x04", b"\x80"
REFUSED_FORMATS = {
    b"\x93NUMPY": "a NumPy array",
    b"GGUF": "a GGUF file, whose weights are quantised for llama.cpp",
    b"\x1f\x8b": "compressed with gzip: unpack it first",
    b"version https:": "a Git LFS pointer: fetch the file itself with git lfs pull",
}


def read_weights(path: Path, max_gigabytes: float = ImportOptions.max_gigabytes) -> dict[str, Tensor]:
    """Every tensor of a checkpoint by its name, without the prefixes of FSDP, DDP and torch.compile.

    path is a file of torch.save (a state dict, or one under "model", "state_dict" …), a safetensors file, or a
    folder of either in one piece or in shards with their index. Raises CoconutError in one line for all else.
    """
    files = _files_of(path)
    size = sum(file.stat().st_size for file in files)
    if size > max_gigabytes * 1e9:
        raise CoconutError(
            f"{path} has {size / 1e9:.1f} GB, more than the {max_gigabytes:g} GB that are read: "
            "if it is what you think, raise --max-gigabytes"
        )
    weights: dict[str, Tensor] = {}
    for file in files:
        for name, tensor in _read_file(file).items():
            if name in weights:
                raise CoconutError(f"{path} holds the tensor {name} in two files: it was put together wrongly")
            weights[name] = tensor
    return without_wrappers(weights, path)


def without_wrappers(weights: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The same tensors by their names without FSDP, DDP, torch.compile and gradient checkpointing."""
    plain: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        parts = [part for part in name.split(".") if part not in WRAPPERS]
        while len(parts) > 1 and parts[0] == "module":  # DistributedDataParallel
            parts.pop(0)
        if not parts or parts[-1].startswith(("_flat_param", "flat_param")):
            raise CoconutError(f"{path} holds FSDP's flattened pieces ({name}): save a full state dict instead")
        if (bare := ".".join(parts)) in plain:
            raise CoconutError(f"{path} holds {bare} twice, with and without a wrapper's prefix")
        plain[bare] = tensor
    return plain


def check_index(index: Path) -> dict[str, str]:
    """The weight map of a sharded checkpoint, name of a tensor -> name of a file beside the index.

    Raises CoconutError where it cannot be read or a file's name leads out of the folder.
    """
    try:
        if index.stat().st_size > MAX_NAMES_BYTES:
            raise ValueError(f"it is larger than {MAX_NAMES_BYTES / 1e6:.0f} MB")
        record = json.loads(index.read_text(encoding="utf-8"))
        files = record["weight_map"]
        if not isinstance(files, dict) or not all(isinstance(name, str) for name in files.values()):
            raise ValueError("weight_map must name a file for each tensor")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CoconutError(f"{index} cannot be read: {one_line(error)}") from error
    for name in sorted(set(files.values())):
        if name in ("", ".", "..") or re.search(r"[/\\:\0]", name):
            raise CoconutError(f"{index} names the file '{name[:80]}' outside its folder: it is not opened")
    return files


def _files_of(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise CoconutError(f"there is no checkpoint {path}")
    if (path / ".metadata").exists():
        raise CoconutError(
            f"{path} is a distributed checkpoint, whose index is a pickle: make one file of it with "
            "python -m torch.distributed.checkpoint.format_utils dcp_to_torch"
        )
    for index in sorted(path.glob("*" + INDEX_SUFFIX)):
        shards = [path / name for name in sorted(set(check_index(index).values()))]
        if missing := [shard.name for shard in shards if not shard.is_file()]:
            raise CoconutError(
                f"{path} lacks {len(missing)} of {len(shards)} shards, the first is {missing[0]}"
            )
        return shards
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (path / name).is_file():
            return [path / name]
    names = sorted(file.name for file in path.glob("checkpoint_*"))
    cure = f"it holds {few(names)}: name one of them" if names else "give the file that holds the weights"
    raise CoconutError(f"{path} is a folder without weights; {cure}")


def _read_file(path: Path) -> dict[str, Tensor]:
    try:
        with path.open("rb") as handle:
            head = handle.read(16)
    except OSError as error:
        raise CoconutError(f"cannot read {path}: {error.strerror}") from error
    for mark, what in REFUSED_FORMATS.items():
        if head.startswith(mark):
            raise CoconutError(f"{path} is no checkpoint that can be read but {what}")
    if head[8:9] == b"{" or path.suffix == ".safetensors":
        return _read_safetensors(path)
    if head.startswith(ZIP):
        _check_zip(path)
        return _read_torch(path, mmap=True)
    if head.startswith(LEGACY_PICKLE):  # torch.save of before 1.6
        return _read_torch(path, mmap=False)
    raise CoconutError(f"{path} is neither a file of torch.save nor safetensors")


def damaged(path: Path, error: Exception) -> CoconutError:
    """What to raise for a file that is not whole, from the error of the library that reads it."""
    return CoconutError(f"{path} is truncated or corrupted ({one_line(error)}): copy or download it again")


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise damaged(path, error) from error


def _check_zip(path: Path) -> None:
    """Raise CoconutError for what torch.save does not write: a bomb, or names that lead elsewhere."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise damaged(path, error) from error
    names = [entry.filename for entry in entries]
    for name in names:
        parts = PurePosixPath(name).parts
        if name.startswith("/") or ".." in parts or "\\" in name or ":" in name:
            raise CoconutError(f"{path} is an archive with the path '{name[:80]}' in it: it is not opened")
    if len(names) != len(set(names)) or len({name.partition("/")[0] for name in names}) != 1:
        raise CoconutError(f"{path} is an archive, but not one that torch.save writes")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise CoconutError(f"{path} is a compressed archive: torch.save does not compress, unpack it first")
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise CoconutError(f"{path} is an archive whose parts overlap: it is not opened")
    pickles = [entry for entry in entries if entry.filename.endswith("/data.pkl")]
    if not pickles:
        raise CoconutError(f"{path} is an archive, but not one that torch.save writes: it has no data.pkl")
    if pickles[0].file_size > MAX_NAMES_BYTES:
        raise CoconutError(
            f"{path} has {pickles[0].file_size / 1e6:.0f} MB of names and shapes alone, "
            f"more than the {MAX_NAMES_BYTES / 1e6:.0f} MB that are read"
        )


def _read_torch(path: Path, *, mmap: bool) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of formats that are refused anyhow
            loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except Exception as error:  # torch.load raises its own, pickle's and zip's errors
        if match := re.search(
            r"GLOBAL ([\w.]+)|[Uu]nsupported (?:class|operand|instruction) ?(\S*)", str(error)
        ):
            name = (match[1] or match[2] or "code").strip("`.")
            raise CoconutError(
                f"{path} is refused: it asks to run {name} when it is opened, and holds more than tensors"
            ) from error
        raise damaged(path, error) from error
    return _tensors_of(loaded, path)


def _tensors_of(loaded: Any, path: Path) -> dict[str, Tensor]:
    if isinstance(loaded, dict):
        inner = [loaded[name] for name in WRAPPING_KEYS if isinstance(loaded.get(name), dict)]
        if len(inner) == 1:
            loaded = inner[0]
    if not isinstance(loaded, dict) or not loaded:
        raise CoconutError(f"{path} holds no state dict but {_kind(loaded)}")
    for name, value in loaded.items():
        if not isinstance(name, str):
            raise CoconutError(
                f"{path} holds no state dict: a tensor has the {_kind(name)[2:]} {name!r} for a name"
            )
        if not isinstance(value, Tensor):
            raise CoconutError(f"{path} holds no state dict: '{name[:80]}' is {_kind(value)}, not a tensor")
        if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu":
            raise CoconutError(f"{path}: the tensor {name} is sparse, quantised or without data")
    return {name: value.detach() for name, value in loaded.items()}


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return f"a dictionary of {few([str(name)[:40] for name in value])}" if value else "an empty dictionary"
    return f"a {type(value).__name__}"
