"""Which folders a model may be written to. Needs no torch."""

import json
import os
import re
import zipfile
from pathlib import Path

from coconut_core.common.errors import CoconutError
from coconut_core.common.whole_files import remove_leftovers

# What a model's folder may hold: what transformers, the hub and we write.
MODEL_FOLDERS = {"explainer", "lens", "additional_chat_templates"}
MODEL_FILE = r"""(?x)
    (explainer/)? (generation_)? config \.json
    | (explainer/)? (model|pytorch_model) (-\d+-of-\d+)? \.(safetensors|bin)
    | (explainer/)? (model\.safetensors|pytorch_model\.bin) \.index\.json
    | coconut\.(json|safetensors) | controls\.json | lens/tuned\.safetensors | README\.md | \.gitattributes
    | (tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|chat_template)\.json
    | vocab\.(txt|bpe) | merges\.txt | (tokenizer|spiece|sentencepiece|sentencepiece\.bpe)\.model
    | chat_template\.jinja | additional_chat_templates/[\w.-]+\.jinja
    | checkpoint_\d+"""


def check_target(out: Path, force: bool, *sources: Path) -> None:
    """Raise CoconutError unless a folder may be written to out, in place of what is there with --force.

    Only a folder that holds one model as we or transformers write it, or nothing, is ever replaced, and never
    one with a source in it or the folder that the command runs in.
    """
    remove_leftovers(out.resolve().parent, out.resolve().name)  # of a kill: what it had set aside is back
    if not os.path.lexists(out):
        return
    if not force:
        raise CoconutError(f"{out} is there already: choose another --out, or replace it with --force")
    inside = [
        source for source in sources if source.exists() and source.resolve().is_relative_to(out.resolve())
    ]
    if inside:
        raise CoconutError(f"--out {out} would replace {inside[0]} itself: choose another folder")
    if Path.cwd().is_relative_to(out.resolve()):  # the shell would be left in the folder that was taken away
        raise CoconutError(f"--out {out} would replace the folder you are in: choose another folder")
    if (reason := _no_model_folder(out)) is not None:
        raise CoconutError(
            f"{out} is no model folder ({reason}), so --force does not replace it: choose another --out"
        )


def _no_model_folder(folder: Path) -> str | None:
    """Why a folder is not one model's and nothing else; None for one that is, and for an empty one."""
    if not folder.is_dir():
        return "it is no folder"
    held = []
    for entry in folder.rglob("*"):
        name = entry.relative_to(folder).as_posix()
        if name not in MODEL_FOLDERS if entry.is_dir() else not re.fullmatch(MODEL_FILE, name):
            return f"it holds {name}"
        held.append(name)
    if not held:
        return None
    if any(name.startswith("checkpoint_") for name in held):  # ours is alone; the official code keeps several
        alone = len(held) == 1 and zipfile.is_zipfile(folder / held[0])
        return None if alone else "it holds more than one exported checkpoint"
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        known = isinstance(config, dict) and isinstance(config.get("model_type"), str)
    except (OSError, ValueError, RecursionError):
        known = False
    if not known:
        return "it has no config.json of a model"
    return None if any(name.endswith((".safetensors", ".bin")) for name in held) else "it has no weights"
