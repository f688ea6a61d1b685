"""coconut info: what a checkpoint is."""

import json
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from coconut_core.common.errors import CoconutError
from coconut_core.model_choice import ModelChoice
from coconut_core.terminal import options
from coconut_core.terminal.guard import say

TRAINING = "Memory of training"


@dataclass(frozen=True)
class _Training:
    """What a training step is to be like."""

    training: Annotated[
        bool,
        typer.Option(
            "--training",
            help="Predict the memory of a training step instead, from shapes: MODEL is then a recipe, or a "
            "model to train on, of which config.json is enough. Needs --question-length.",
            rich_help_panel=TRAINING,
        ),
    ] = False
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Lay a value over the recipe, like --set micro_batch=4.", rich_help_panel=TRAINING
        ),
    ] = None
    processes: Annotated[
        int, typer.Option(min=1, help="Processes of the run, with FSDP and without.", rich_help_panel=TRAINING)
    ] = 1
    answer_length: Annotated[
        int, typer.Option(min=1, help="Tokens said behind the thoughts.", rich_help_panel=TRAINING)
    ] = 32
    steps_length: Annotated[
        int,
        typer.Option(
            min=0, help="Tokens of the steps in words, which codi's teacher reads.", rich_help_panel=TRAINING
        ),
    ] = 0
    device: Annotated[
        str,
        typer.Option(help="Where it would train: auto, cpu, cuda.", rich_help_panel=TRAINING),
    ] = "auto"


@options.grouped
def info(
    *,
    model: Annotated[
        str, typer.Argument(help=options.MODEL_HELP, callback=options.expanded_source)
    ] = "models/prosqa",
    base: options.Base = None,
    question_length: Annotated[
        int | None, typer.Option(min=1, help="Tell the memory for questions of so many tokens, at most.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Questions at once, for --question-length.")] = 1,
    thoughts: Annotated[
        int | None,
        typer.Option("--thoughts", "-n", min=0, help="Thoughts and words of each, for --question-length."),
    ] = None,
    branches: Annotated[int, typer.Option(min=1, help="Branches of each, for --question-length.")] = 1,
    markers: options.Markers = None,
    training: _Training,
    as_json: options.Json = False,
) -> None:
    """Tell what a checkpoint is: architecture, size, markers, how it thinks, stage, files, memory.

    With --question-length also the memory that runs will take at most; one of that length is read to see.
    With --training the memory of a training step in each process, see docs/SCALE.md.
    """
    if training.training:
        _tell_training(model, training, question_length, thoughts, as_json)
        return
    if question_length is None and (batch > 1 or branches > 1 or thoughts is not None):
        raise CoconutError("how long are the questions? give --question-length in tokens as well")
    from coconut_core.evaluation.facts import model_facts

    choice = ModelChoice(model, "cpu", markers=markers, base=base).resolved(options.report)
    opened = options.open_model(choice)
    facts = model_facts(choice.source, opened)
    if facts["not_finite"]:
        say(f"warning: weights with NaN or infinity: {', '.join(facts['not_finite'])}", err=True)
    if question_length is not None:
        from coconut_core.runs.memory import predict

        need = predict(opened, question_length, batch=batch, thoughts=thoughts, branches=branches)
        facts["memory"] |= asdict(need) | {"peak": need.peak}
    if as_json:
        say(json.dumps(facts, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    from coconut_core.terminal.show import cell

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, value in facts.items():
        table.add_row(name.replace("_", " "), cell(_as_text(value)))
    Console().print(table)


def _tell_training(
    source: str, asked: _Training, question: int | None, thoughts: int | None, as_json: bool
) -> None:
    if question is None:
        raise CoconutError("how long are the questions? give --question-length in tokens as well")
    from coconut_core.checkpoints.bundled import bundled_model
    from coconut_core.checkpoints.loading import choose_device
    from coconut_core.training.memory import Lengths, predict_training
    from coconut_core.training.recipe import available_recipes, load_recipe, recipe_for_base

    settings = asked.settings or []
    if source in available_recipes() or source.endswith(".toml"):
        recipe = load_recipe(source, settings)
    else:
        recipe = recipe_for_base(str(bundled_model(source) or source), settings)
    if thoughts is None:
        thoughts = max(stage.thoughts for stage in recipe.stages)
    lengths = Lengths(question, thoughts, asked.answer_length, asked.steps_length)
    gpu = asked.device.startswith("cuda") or choose_device(asked.device).type != "cpu"
    needs = predict_training(recipe, lengths, processes=asked.processes, gpu=gpu)
    if as_json:
        told = {"lengths": asdict(lengths), "processes": asked.processes, "device": "cuda" if gpu else "cpu"}
        say(json.dumps({**told, **{sharing: need.to_json() for sharing, need in needs.items()}}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("in each process" if asked.processes > 1 else "in use", no_wrap=True, style="dim")
    for sharing in needs:
        table.add_column(_SHARINGS[sharing], justify="right", no_wrap=True)
    for name in next(iter(needs.values())).to_json():
        values = [_size(need.to_json()[name]) for need in needs.values()]
        table.add_row(_NEEDS[name], *values, style="bold" if name == "peak" else None)
    Console().print(table)


_SHARINGS = {"whole": "without FSDP", "gathered": "gathered once", "sharded": "gathered anew"}
_NEEDS = {
    "weights": "weights",
    "averages": "optimizer's averages",
    "gathered": "weights of others, gathered",
    "gradients": "gradients",
    "activations": "activations kept for the way back",
    "passes": "passes there and back, at most",
    "update": "step of the optimizer, at most",
    "peak": "peak",
}


def _as_text(value: Any) -> str:
    if isinstance(value, dict) and all(isinstance(item, int) for item in value.values()):
        return "\n".join(f"{name}  {_size(number)}" for name, number in value.items()) or "none"
    if isinstance(value, dict):
        return "\n".join(f"{name.replace('_', ' ')}  {_marker_text(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(value) or "none"
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _marker_text(item: Any) -> str:
    if isinstance(item, dict):
        return f"{item['token']}  (id {item['id']})"
    return repr(item) if item else "nothing"


def _size(count: int) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.4g} {unit}"
        count = count / 1000  # type: ignore[assignment]
    return f"{count:.4g} GB"
