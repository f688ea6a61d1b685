"""From a foreign checkpoint to a Coconut folder: where it was asked for, or kept in the cache.

Needs no torch until something is converted.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from coconut_core.checkpoints.importers import ImportOptions, Report, importer_named
from coconut_core.common.errors import CoconutError
from coconut_core.common.paths import user_path
from coconut_core.common.whole_files import folder_written_aside, refusals_as_errors

if TYPE_CHECKING:
    from coconut_core.latent.model import LatentModel

CACHE_FORMAT = 1  # raised where the same file would be converted into another folder than before


def convert(kind: str, path: Path, out: Path, options: ImportOptions, report: Report) -> "LatentModel":
    """Write the Coconut folder of a checkpoint to out, aside first: a kill leaves what was there, or nothing.

    Its coconut.json says under `data` which file it came from. Returns the model; raises CoconutError in one
    line for whatever is wrong with the checkpoint.
    """
    model = importer_named(kind).read(user_path(path), options, report)
    report("hashing the source")
    origin = {
        "converted_from": kind,
        "file": path.absolute().name,
        "sha256": _sha256(user_path(path)),
        "base": options.base,
    }
    model.config = replace(model.config, data=origin)
    report(f"writing {out}")
    with refusals_as_errors(f"write {out}"), folder_written_aside(out) as aside:
        model.save_pretrained(aside)
    return model


def convert_into_cache(kind: str, path: Path, options: ImportOptions, report: Report) -> Path:
    """The converted folder of a checkpoint, from the cache where the same files were converted before."""
    from filelock import FileLock
    from platformdirs import user_cache_path

    key = _fingerprint(kind, path, options)
    folder = user_cache_path("coconut", appauthor=False) / "converted" / f"{kind}-{path.absolute().name}-{key}"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(folder.name + ".lock")):
            if folder.is_dir():
                report(f"{kind}:{path} was converted before: opening {folder}")
            else:
                report(f"converting {kind}:{path} into {folder}, which is safe to delete")
                convert(kind, path, folder, options, report)
    except OSError as error:
        raise CoconutError(f"cannot convert into the cache {folder}: {error}") from error
    return folder


def _fingerprint(kind: str, path: Path, options: ImportOptions) -> str:
    """Changes where the checkpoint's files, the base's configuration or tokenizer, or the options change."""
    base = user_path(options.base)
    files = _files(path)
    if base.is_dir():
        files += [file for file in _files(base) if file.suffix in (".json", ".model", ".txt")]
    record = [CACHE_FORMAT, kind, asdict(options), *map(_state, files)]
    return hashlib.sha256(json.dumps(record).encode()).hexdigest()[:16]


def _state(file: Path) -> list[str | int]:
    status = file.stat()
    return [str(file.resolve()), status.st_size, status.st_mtime_ns]


def _files(path: Path) -> list[Path]:
    """The file, or the files of a folder. Raises CoconutError where there is nothing."""
    if not path.exists():
        raise CoconutError(f"there is no checkpoint {path}")
    return sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]


def _sha256(path: Path) -> str:
    """Of a file; of a folder that of its files' names and hashes, in order."""
    files: Iterable[Path] = _files(path)
    digests = []
    for file in files:
        with file.open("rb") as handle:
            digests.append((file.name, hashlib.file_digest(handle, "sha256").hexdigest()))
    return digests[0][1] if path.is_file() else hashlib.sha256(json.dumps(digests).encode()).hexdigest()
