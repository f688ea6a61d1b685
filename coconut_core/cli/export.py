"""coconut export: a model as others read it: a folder for the Hugging Face hub, or an official checkpoint."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coconut_core.checkpoints.targets import check_target
from coconut_core.common.errors import CoconutError
from coconut_core.common.paths import user_path
from coconut_core.model_choice import ModelChoice
from coconut_core.terminal import options
from coconut_core.terminal.guard import say

if TYPE_CHECKING:
    from coconut_core.coconut import CoconutModel

FORMATS = ("huggingface", "official")


def export(
    model: Annotated[str, typer.Argument(help=options.MODEL_HELP, callback=options.expanded_source)],
    out: options.OutFolder,
    form: Annotated[
        str,
        typer.Option(
            "--format", "-f", help="huggingface: a folder ready for upload; official: checkpoint_N in a folder."
        ),
    ] = "huggingface",
    base: options.Base = None,
    force: options.Force = False,
    as_json: options.Json = False,
) -> None:
    """Write a model for others; prints the path.

    huggingface: weights, tokenizer, coconut.json and a model card, with what coconut controls has measured.
    official: the state dict that facebookresearch/coconut reads as load_model_path.

    Example:

      coconut export models/prosqa --out upload/prosqa
    """
    from coconut_core.checkpoints import split_source
    from coconut_core.common.whole_files import folder_written_aside, refusals_as_errors

    if form not in FORMATS:
        raise CoconutError(f"unknown format '{form}': choose one of {', '.join(FORMATS)}")
    source = split_source(model)
    held = [Path(model) if source is None else source[1], *([] if base is None else [Path(base)])]
    check_target(out, force, *(user_path(path) for path in held))
    choice = ModelChoice(model, "cpu", base=base).resolved(options.report)
    folder, opened = choice.source, options.open_model(choice)
    if form == "official":
        from coconut_core.checkpoints.official import check_official

        check_official(opened)
    with refusals_as_errors(f"write {out}"), folder_written_aside(out) as aside:
        name = _write_official(opened, aside) if form == "official" else _write_folder(opened, folder, aside)
    written = out / name
    say(json.dumps({"out": str(written), "format": form}) if as_json else written)
    if form == "official":
        model_id = opened.config.data.get("base") or f"the folder of: coconut export {model} --out DIR"
        say(f"the official code reads it with load_model_path: {written}, model_id: {model_id}", err=True)
    else:
        say(f"ready for: hf upload OWNER/NAME {out}", err=True)


def _write_official(model: "CoconutModel", folder: Path) -> str:
    """Write the checkpoint; returns its name, that of the file it once came from where there is one."""
    from coconut_core.checkpoints.official import save_official

    came_from = str(model.config.data.get("file", ""))
    name = came_from if re.fullmatch(r"checkpoint_\d+", came_from) else "checkpoint_0"
    save_official(model, folder / name)
    return name


def _write_folder(model: "CoconutModel", source: str, folder: Path) -> str:
    from coconut_core.checkpoints.explainer import FOLDER as EXPLAINER
    from coconut_core.cli.card import model_card, read_own_card
    from coconut_core.evaluation.verdict import FILE_NAME, hash_weights, read_controls

    model.save_pretrained(folder)
    if (explainer := Path(source) / EXPLAINER).is_dir():  # which a model is opened without
        shutil.copytree(explainer, folder / EXPLAINER)
    controls = read_controls(source)
    if controls is not None and controls.weights != hash_weights(source):
        say(f"note: {source}/{FILE_NAME} is void, the weights have changed; it is left out", err=True)
        controls = None
    if controls is not None:  # the same weights in files that may differ by a byte
        replace(controls, weights=hash_weights(folder)).save(folder / FILE_NAME)
    card = model_card(model, source, controls, read_own_card(source))
    (folder / "README.md").write_text(card, encoding="utf-8")
    return ""
