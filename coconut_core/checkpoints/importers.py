"""The table of other people's formats; plugins add to it. Needs no torch: an importer's module is imported when
it is used."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from coconut_core.common.errors import CoconutError
from coconut_core.common.paths import user_path
from coconut_core.common.plugins import Table

if TYPE_CHECKING:
    from coconut_core.latent.model import LatentModel

Report = Callable[[str], None]  # is told in a line what is being done


@dataclass(frozen=True)
class ImportOptions:
    """What a foreign file does not say itself. None: what the format's published checkpoints have."""

    base: str  # folder or hub id of the model it was trained from: its configuration and tokenizer are read
    thoughts: int | None = None
    answer_prefix: str | None = None
    family: str | None = None  # the problem family it was trained on, see coconut_core.problems
    max_gigabytes: float = 64.0  # all files of a checkpoint together; larger ones are refused unread
    lora_alpha: float | None = None  # of CODI's LoRA, whose rank is in the file


@dataclass(frozen=True)
class Importer:
    """One foreign format."""

    name: str
    description: str  # one line
    sign: str  # what names of tensors begin with in this format and in no ordinary model
    function: str  # "module:function", a Read

    def read(self, path: Path, options: ImportOptions, report: Report) -> "LatentModel":
        """The model of a checkpoint in this format. Raises CoconutError in one line for whatever is wrong."""
        module, _, name = self.function.partition(":")
        read: Read = getattr(import_module(module), name)
        return read(path, options, report)


Read = Callable[[Path, ImportOptions, Report], "LatentModel"]

IMPORTERS = {
    importer.name: importer
    for importer in (
        Importer(
            "official",
            "facebookresearch/coconut: a checkpoint_N of torch.save with base_causallm.* and embedding.weight",
            "base_causallm.",
            "coconut_core.checkpoints.official:read_official",
        ),
        Importer(
            "codi",
            "zhenyi4/codi: pytorch_model.bin or model.safetensors with codi.*, LoRA beside its base, and prj.*",
            "codi.",
            "coconut_core.checkpoints.codi:read_codi",
        ),
        Importer(
            "sim-cot",
            "InternLM/SIM-CoT on Coconut: a checkpoint_N with expainable_llm.*, kept to explain thoughts",
            "expainable_llm.",
            "coconut_core.checkpoints.sim_cot:read_sim_cot",
        ),
        Importer(
            "pccot",
            "whyNLP/PCCoT: a folder with an adapter of PEFT (or all weights), prj.* and pccot_args.json",
            "base_model.model.",
            "coconut_core.checkpoints.pccot:read_pccot",
        ),
    )
}


TABLE = Table("format", "coconut.importers", Importer, IMPORTERS)


def importer_named(name: str) -> Importer:
    """The importer of that name. Raises CoconutError for an unknown one, or a plugin that does not work."""
    importer = TABLE.get(name)
    if importer is None:
        raise CoconutError(f"unknown format '{name}': known are {', '.join(TABLE.names())}")
    return importer


def other_formats(names: Iterable[str], than: str) -> str:
    """What to say where tensors' names are those of another format; empty where they are not."""
    names = list(names)
    formats = [
        importer.name
        for importer in TABLE.values().values()
        if importer.name != than and any(name.startswith(importer.sign) for name in names)
    ]
    return f"Its tensors look like another format: {' or '.join(formats)}." if formats else ""


def split_source(source: str) -> tuple[str, Path] | None:
    """Kind and path of a source such as official:runs/checkpoint_33; None for a folder or hub id."""
    kind, colon, path = source.partition(":")
    if not colon or kind not in TABLE.names() or Path(source).exists():
        return None
    if not path:
        raise CoconutError(f"{source} names no file: write {kind}:PATH")
    return kind, user_path(path)
