"""coconut convert: somebody else's checkpoint as a Coconut folder."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coconut_core.checkpoints import IMPORTERS, ImportOptions
from coconut_core.checkpoints.targets import check_target
from coconut_core.terminal import options
from coconut_core.terminal.guard import say

if TYPE_CHECKING:
    from coconut_core.latent.model import LatentModel

FORMATS = "; ".join(f"{importer.name}: {importer.description}" for importer in IMPORTERS.values())


def convert(
    kind: Annotated[str, typer.Argument(help=f"The format. {FORMATS}.", show_default=False)],
    path: Annotated[
        Path, typer.Argument(help="The checkpoint: a file, or a folder of shards.", callback=options.expanded)
    ],
    base: Annotated[
        str,
        typer.Option(
            "--base",
            help="Folder or hub id of the model it was trained from; its configuration and tokenizer are read.",
            callback=options.expanded_source,
        ),
    ],
    out: options.OutFolder,
    thoughts: Annotated[
        int | None,
        typer.Option(
            "--thoughts", "-n", help="Continuous thoughts; default: as the format's published models."
        ),
    ] = None,
    answer_prefix: Annotated[
        str | None, typer.Option(help="What stands before the answer; default: as the format's training data.")
    ] = None,
    family: Annotated[
        str | None, typer.Option(help="The problem family it was trained on, such as prosqa.")
    ] = None,
    max_gigabytes: Annotated[
        float, typer.Option(help="Refuse a larger checkpoint unread.")
    ] = ImportOptions.max_gigabytes,
    lora_alpha: Annotated[
        float | None, typer.Option(help="Of CODI's LoRA; default: 32, as the published models have it.")
    ] = None,
    force: options.Force = False,
    as_json: options.Json = False,
) -> None:
    """Write somebody else's checkpoint as a Coconut folder; prints its path.

    Tensors are read and nothing else: a file that wants to run code is refused. Nothing comes from the network
    unless --base is a hub id.

    Example:

      coconut convert official checkpoint_33 --base openai-community/gpt2 --out models/gsm8k
    """
    from coconut_core.checkpoints import importer_named
    from coconut_core.checkpoints.convert import convert as write_folder
    from coconut_core.problems.families import family_named

    importer_named(kind)
    if family is not None:
        family_named(family)
    check_target(out, force, path, Path(base))
    how = ImportOptions(base, thoughts, answer_prefix, family, max_gigabytes, lora_alpha)
    model = write_folder(kind, path, out, how, options.report)
    say(json.dumps(_record(model, out), ensure_ascii=False) if as_json else out)


def _record(model: "LatentModel", out: Path) -> dict[str, Any]:
    return {
        "out": str(out),
        **model.config.data,
        "architecture": type(model.base_lm).__name__,
        "dtype": str(model.dtype).removeprefix("torch."),
        "thoughts": model.config.thoughts,
        "answer_prefix": model.config.answer_prefix,
        "family": model.config.family,
    }
