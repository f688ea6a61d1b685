"""Options that several subcommands share, and the opening of a model from them."""

import math
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coconut_core.common.errors import CoconutError
from coconut_core.common.paths import user_path, user_source
from coconut_core.common.seeds import check_seed
from coconut_core.latent.feedback import RULES, rule_named
from coconut_core.model_choice import ModelChoice
from coconut_core.terminal.guard import say

if TYPE_CHECKING:
    from coconut_core.coconut import CoconutModel
    from coconut_core.runs.halting import StopRule

UNTRAINED = "Models that were not trained to think in latents"


def expanded(path: Path | None) -> Path | None:
    """A path of the command line, where the shell has not expanded `~`, as in --out=~/run."""
    return None if path is None else user_path(path)


def expanded_source(source: str | None) -> str | None:
    """The same of a model's folder or hub id."""
    return source and user_source(source)


MODEL_HELP = "Checkpoint folder, hub id or GGUF file; official:PATH and the like with --base."
Data = Annotated[
    Path,
    typer.Option(
        "--data",
        "-d",
        help="Problems: a file (JSON, Parquet, CSV), a `datasets` folder or hub:owner/name.",
        callback=expanded,
    ),
]
Count = Annotated[int | None, typer.Option(help="Only the first N problems.")]
BatchSize = Annotated[int, typer.Option(help="Questions at a time.")]
OutFolder = Annotated[
    Path, typer.Option("--out", "-o", help="The folder to write.", metavar="DIR", callback=expanded)
]
Force = Annotated[bool, typer.Option("--force", help="Replace a model folder that is there already.")]
Model = Annotated[str, typer.Option("--model", "-m", help=MODEL_HELP, callback=expanded_source)]
Base = Annotated[
    str | None,
    typer.Option(
        help="With official:PATH: folder or hub id of the model it was trained from.", callback=expanded_source
    ),
]
Thoughts = Annotated[
    int | None, typer.Option("--thoughts", "-n", help="Continuous thoughts; default: what the checkpoint says.")
]
Passes = Annotated[
    int | None,
    typer.Option(
        help="Find all thoughts side by side in P parallel passes; 0: one after the other. Default: what the "
        "checkpoint says.",
        metavar="P",
        show_default=False,
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]
Dtype = Annotated[str, typer.Option(help="auto, float32, bfloat16, float16.")]
DeviceMap = Annotated[
    str | None,
    typer.Option(
        help="In place of --device: spread the weights over GPUs, main memory and disk. auto, balanced, "
        "balanced_low_0, sequential, or a JSON object of modules and devices.",
        metavar="MAP",
        show_default=False,
    ),
]
Compiled = Annotated[
    bool,
    typer.Option(
        "--compile",
        help="Compile the latent step (torch.compile): some ten seconds at the start, steps that wait less; "
        "the numbers are the same up to rounding.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
_ASKABLE = [name for name, rule in RULES.items() if not rule.trained]
Feedback = Annotated[
    str | None,
    typer.Option(
        help=f"What is fed back at a thought: {', '.join(_ASKABLE[:-1])} or {_ASKABLE[-1]}; "
        "options as in mixture:temperature=0.6,top_p=0.95.",
        rich_help_panel=UNTRAINED,
        metavar="KIND",
    ),
]
Chat = Annotated[
    bool | None,
    typer.Option(
        "--chat/--no-chat",
        help="Put the question in the model's chat template. Default: where it has one.",
        show_default=False,
        rich_help_panel=UNTRAINED,
    ),
]
ChatTemplate = Annotated[
    str | None,
    typer.Option(
        help="Which of several chat templates, by name. Default: the one named default.",
        rich_help_panel=UNTRAINED,
        metavar="NAME",
        show_default=False,
    ),
]
System = Annotated[
    str | None,
    typer.Option(help="System prompt in front of the question.", rich_help_panel=UNTRAINED, metavar="TEXT"),
]
Markers = Annotated[
    str | None,
    typer.Option(
        help="What stands around the thoughts: none, a text in front, or FRONT,BEHIND as in "
        "'<think>,</think>'; \\n is a line break, \\, a comma. Default: the markers that the model "
        "has, or none.",
        rich_help_panel=UNTRAINED,
        metavar="TEXT",
        show_default=False,
    ),
]


def seed(description: str) -> Any:
    """The option of a seed."""
    return typer.Option(help=description, callback=check_seed)


@dataclass(frozen=True)
class Source:
    """Which model is opened."""

    model: Model = "models/prosqa"
    base: Base = None


@dataclass(frozen=True)
class Placement:
    """Where its weights go, and their number format."""

    device: Device = "auto"
    dtype: Dtype = "auto"
    device_map: DeviceMap = None


@dataclass(frozen=True)
class Untrained:
    """How a model thinks that was not trained to think in latents."""

    feedback: Feedback = None
    chat: Chat = None
    chat_template: ChatTemplate = None
    system: System = None
    markers: Markers = None

    @property
    def chat_choice(self) -> bool | str | None:
        """What --chat, --no-chat and --chat-template say together: a name, yes, no, or nothing."""
        if self.chat is False and self.chat_template is not None:
            raise CoconutError("--no-chat uses no chat template: leave out --chat-template")
        return self.chat if self.chat_template is None else self.chat_template


@dataclass(frozen=True)
class Ending:
    """How thinking ends early."""

    until_entropy: Annotated[
        float | None,
        typer.Option(
            help="End thinking once the readout's entropy is under X nats, --thoughts being the most.",
            metavar="X",
        ),
    ] = None
    entropy_steps: Annotated[int, typer.Option(help="… for N thoughts in a row.", metavar="N")] = 1

    def rule(self) -> "StopRule | None":
        """The rule of --until-entropy and --entropy-steps; None where neither is given."""
        from coconut_core.runs.halting import EntropyRule

        threshold, steps = self.until_entropy, self.entropy_steps
        if steps < 1:
            raise CoconutError(f"entropy-steps must be 1 or more, not {steps}")
        if threshold is None:
            if steps != 1:
                raise CoconutError("--entropy-steps goes with --until-entropy: give that as well")
            return None
        if not 0 < threshold < math.inf:
            raise CoconutError(f"until-entropy must be above 0, in nats, not {threshold:g}")
        return EntropyRule(threshold, steps)


@dataclass(frozen=True)
class Printing:
    """In which form results are printed."""

    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False
    as_json: Json = False


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take options together: where a parameter is a dataclass, its fields are the options."""
    parameters = signature(command).parameters.values()
    groups: dict[str, Any] = {
        parameter.name: parameter.annotation for parameter in parameters if is_dataclass(parameter.annotation)
    }

    @wraps(command)
    def run(**values: Any) -> None:
        for name, group in groups.items():
            present = signature(group).parameters.keys() & values.keys()  # the others have their defaults
            values[name] = group(**{option: values.pop(option) for option in present})
        command(**values)

    options: list[Parameter] = []
    for parameter in parameters:
        is_group = parameter.name in groups
        options += signature(parameter.annotation).parameters.values() if is_group else [parameter]
    keywords = [option.replace(kind=Parameter.KEYWORD_ONLY) for option in options]
    run.__signature__ = Signature(keywords)  # type: ignore[attr-defined]  # from which typer reads the options
    run.__annotations__ = {option.name: option.annotation for option in options}
    return run


def model_choice(
    source: Source,
    placement: Placement,
    untrained: Untrained,
    passes: int | None = None,
    compiled: bool = False,
) -> ModelChoice:
    """The model that the options name, and how it is opened."""
    return ModelChoice(
        source.model,
        device=placement.device,
        dtype=placement.dtype,
        feedback=untrained.feedback,
        chat=untrained.chat_choice,
        system=untrained.system,
        markers=untrained.markers,
        device_map=placement.device_map,
        passes=passes,
        compiled=compiled,
        base=source.base,
    )


def open_model(choice: ModelChoice, thoughts: int | None = None) -> "CoconutModel":
    """Open a model; a note on stderr where it was not trained to think in latents. thoughts: the most that are
    asked for, for that note."""
    from coconut_core.records.untrained import untrained_label

    opened = choice.open()
    if not opened.config.trained:
        most = opened.config.thoughts if thoughts is None else thoughts
        label = untrained_label(opened.config.feedback, most)
        say(f"note: {choice.source} was {label}", err=True)
    remark = rule_named(opened.config.feedback).remark_tied
    if remark and opened.base_lm.config.tie_word_embeddings:
        say(f"note: {remark}", err=True)
    return opened


def report(line: str) -> None:
    """Say on stderr what is being done."""
    say(line, err=True)
