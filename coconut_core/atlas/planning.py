"""What is to be built: a new atlas, the rest of one, or more runs of one. All refusals are made here."""

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from coconut_core.atlas.folder import (
    LOCK,
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
from coconut_core.evaluation.verdict import hash_weights

if TYPE_CHECKING:
    from coconut_core.latent.model import LatentModel


def plan_atlas(
    folder: str | Path, model: ModelMark, settings: Settings, data: DataMark, *, append: bool
) -> Manifest:
    """The manifest to build towards. Of a folder that is there already the same problems go on, and others are
    added with append; model and settings have to be those of before.

    Raises CoconutError for whatever does not fit, and where problems are to be added that are there.
    """
    folder = user_path(folder)
    if not (folder / MANIFEST).exists():
        if append:
            raise CoconutError(f"there is no atlas at {folder} to add to: leave out --append")
        return Manifest(model, settings, (data,), made=datetime.now(UTC).date().isoformat())
    before = read_manifest(folder)
    check_weights(before, model.weights, model.source, folder)
    for name in ("feedback", "prompt"):
        ours, theirs = getattr(before.model, name), getattr(model, name)
        if ours != theirs:
            raise CoconutError(f"{folder} was made with {name} '{ours}', not '{theirs}': choose another --out")
    _check_settings(before, settings, folder)
    check_parts(folder, before)
    these, known = (data.hash, data.count), [(mark.hash, mark.count) for mark in before.data]
    if not before.complete and these != known[-1]:
        raise CoconutError(
            f"{folder} is not complete ({before.rows} of {before.planned} runs): go on with "
            f"{before.data[-1].source} first"
        )
    if append and before.complete and these in known:
        raise CoconutError(f"{folder} has all {data.count} of these problems: nothing is to be added")
    if these in known:
        return before
    if not append:
        raise CoconutError(f"{folder} holds other problems: --append adds these, or choose another --out")
    return replace(before, data=(*before.data, data))


def check_weights(manifest: Manifest, weights: str, source: str, folder: str | Path) -> None:
    """Raise CoconutError where an atlas does not hold runs of the weights at source, whose hash is given."""
    if manifest.model.weights != weights:
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


def check_place(folder: Path) -> None:
    """Raise CoconutError where something else than an atlas is there."""
    if (
        folder.exists()
        and not (folder / MANIFEST).exists()
        and (not folder.is_dir() or {*folder.iterdir()} - {folder / LOCK})
    ):
        raise CoconutError(f"{folder} is there and no atlas: choose another --out")


def mark_model(model: "LatentModel", source: str) -> ModelMark:
    """What tells a model from others, and how it was opened."""
    from coconut_core.latent.feedback import feedback_text
    from coconut_core.latent.markers import markers_record

    config = model.config
    chosen = {
        "chat": config.chat_template or config.chat,
        "system": config.system,
        "markers": None if config.trained else markers_record(config, model.tokenizer),
        "passes": config.passes,
    }
    prompt = json.dumps(
        {name: value for name, value in chosen.items() if value}, ensure_ascii=False, sort_keys=True
    )
    return ModelMark(source, hash_model(source), model.shape.hidden_size, feedback_text(config), prompt)


def hash_model(source: str) -> str:
    """What tells weights from others: the hash of a folder's weights and configuration, or of a GGUF file; of a
    hub id that of what was downloaded."""
    from coconut_core.checkpoints.bundled import bundled_model
    from coconut_core.checkpoints.hub import is_hub_id

    path = user_path(bundled_model(source) or source)
    if path.is_file():
        return hash_file(path)
    if is_hub_id(source):
        from huggingface_hub import try_to_load_from_cache

        here = try_to_load_from_cache(source, "config.json")
        return hash_weights(Path(here).parent) if isinstance(here, str) else ""
    return hash_weights(path)
