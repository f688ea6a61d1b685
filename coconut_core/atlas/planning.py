"""What is to be built: a new atlas, the rest of one, or more runs of one. All refusals are made here."""

from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from coconut_core.atlas.folder import (
    MANIFEST,
    DataMark,
    Manifest,
    ModelMark,
    Settings,
    check_parts,
    hash_file,
    read_manifest,
)
from coconut_core.common.errors import CoconutError
from coconut_core.common.paths import user_path
from coconut_core.common.whole_files import refusals_as_errors
from coconut_core.evaluation.verdict import hash_weights


def plan_atlas(
    folder: str | Path, model: ModelMark, settings: Settings, data: DataMark, *, append: bool
) -> Manifest:
    """The manifest to build towards. Of a folder that is there already the same problems go on, and others are
    added with append; model and settings have to be those of before.

    Raises CoconutError for whatever does not fit, and where the atlas has all of these problems.
    """
    folder = user_path(folder)
    if not (folder / MANIFEST).exists():
        if append:
            raise CoconutError(f"there is no atlas at {folder} to add to: leave out --append")
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise CoconutError(f"{folder} is there and no atlas: choose another --out")
        with refusals_as_errors(f"make {folder}"):
            folder.mkdir(parents=True, exist_ok=True)
        return Manifest(model, settings, (data,), made=datetime.now(UTC).date().isoformat())
    before = read_manifest(folder)
    check_weights(before, model.source, folder)
    if before.model.feedback != model.feedback:
        raise CoconutError(
            f"{folder} holds runs with feedback '{before.model.feedback}', not '{model.feedback}'"
        )
    _check_settings(before, settings, folder)
    check_parts(folder, before)
    done = before.data if before.complete else before.data[:-1]
    if any((mark.hash, mark.count) == (data.hash, data.count) for mark in done):
        raise CoconutError(f"{folder} has all {data.count} of these problems: nothing is to be done")
    if (before.data[-1].hash, before.data[-1].count) == (data.hash, data.count):
        return before
    if not before.complete:
        raise CoconutError(
            f"{folder} is not complete ({before.rows} of {before.planned} runs): go on with "
            f"{before.data[-1].source} first"
        )
    if not append:
        raise CoconutError(f"{folder} holds other problems: --append adds these, or choose another --out")
    return replace(before, data=(*before.data, data))


def check_weights(manifest: Manifest, source: str, folder: str | Path) -> None:
    """Raise CoconutError where the weights at source are not those whose runs an atlas holds."""
    if manifest.model.weights != hash_model(source):
        raise CoconutError(
            f"{folder} holds runs of another model ({manifest.model.source}): its weights are not those of "
            f"{source}"
        )


def _check_settings(manifest: Manifest, settings: Settings, folder: Path) -> None:
    for name, value in asdict(settings).items():
        before = getattr(manifest.settings, name)
        if before != value:
            raise CoconutError(
                f"{folder} was made with {name} {before}, not {value}: give the same, or another --out"
            )


def hash_model(source: str) -> str:
    """What tells a model from others: the hash of a folder's weights and configuration, or of a GGUF file;
    empty for a hub id."""
    path = user_path(source)
    return hash_file(path) if path.is_file() else hash_weights(path)
