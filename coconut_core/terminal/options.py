"""Options that several subcommands share, and the opening of a model from them."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
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
UntilEntropy = Annotated[
    float | None,
    typer.Option(
        help="End thinking once the readout's entropy is under X nats, --thoughts being the most.", metavar="X"
    ),
]
EntropySteps = Annotated[int, typer.Option(help="… for N thoughts in a row.", metavar="N")]


def seed(description: str) -> Any:
    """The option of a seed."""
    return typer.Option(help=description, callback=check_seed)


def chosen_chat(chat: bool | None, template: str | None) -> bool | str | None:
    """What --chat, --no-chat and --chat-template say together: a name, yes, no, or nothing."""
    if chat is False and template is not None:
        raise CoconutError("--no-chat uses no chat template: leave out --chat-template")
    return chat if template is None else template


# The options of a ModelChoice with their defaults, by the names of their parameters.
_SHARED: dict[str, tuple[Any, Any]] = {
    "model": (Model, "models/prosqa"),
    "base": (Base, None),
    "passes": (Passes, None),
    "device": (Device, "auto"),
    "dtype": (Dtype, "auto"),
    "device_map": (DeviceMap, None),
    "compiled": (Compiled, False),
    "feedback": (Feedback, None),
    "chat": (Chat, None),
    "chat_template": (ChatTemplate, None),
    "system": (System, None),
    "markers": (Markers, None),
}
SOURCE, PLACE, HOW = ("model", "base"), ("device", "dtype", "device_map"), tuple(_SHARED)[-5:]


def opens_model(
    first: Sequence[str] = (), **behind: Sequence[str]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command options that say which model it opens, and how: it takes them together, as `choice`.

    behind: which of them --help has behind a parameter of the command's own; first: in front of all.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def run(**given: Any) -> None:
            command(choice=_choice(**{name: given.pop(name) for name in _SHARED if name in given}), **given)

        own = [each for name, each in signature(command).parameters.items() if name != "choice"]
        assert behind.keys() <= {each.name for each in own}, "no such parameter to stand behind"
        order = [*_parameters(first)]
        for each in own:
            order += [each.replace(kind=Parameter.KEYWORD_ONLY), *_parameters(behind.get(each.name, ()))]
        run.__signature__ = Signature(order)  # type: ignore[attr-defined]  # from which typer reads the options
        run.__annotations__ = {each.name: each.annotation for each in order}
        return run

    return decorate


def _parameters(names: Iterable[str]) -> Iterator[Parameter]:
    for name in names:
        kind, default = _SHARED[name]
        yield Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def _choice(
    model: str, chat: bool | None = None, chat_template: str | None = None, **others: Any
) -> ModelChoice:
    return ModelChoice(model, chat=chosen_chat(chat, chat_template), **others)


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


def entropy_rule(threshold: float | None, steps: int) -> "StopRule | None":
    """The rule of --until-entropy and --entropy-steps; None where it was not asked for."""
    from coconut_core.runs.halting import EntropyRule

    if steps < 1:
        raise CoconutError(f"entropy-steps must be 1 or more, not {steps}")
    if threshold is None:
        if steps != 1:
            raise CoconutError("--entropy-steps goes with --until-entropy: give that as well")
        return None
    if not 0 < threshold < math.inf:
        raise CoconutError(f"until-entropy must be above 0, in nats, not {threshold:g}")
    return EntropyRule(threshold, steps)


def report(line: str) -> None:
    """Say on stderr what is being done."""
    say(line, err=True)
