"""coconut info: what a checkpoint is."""

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from coconut_core.common.errors import CoconutError
from coconut_core.model_choice import ModelChoice
from coconut_core.terminal import options
from coconut_core.terminal.guard import say


def info(
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
    as_json: options.Json = False,
) -> None:
    """Tell what a checkpoint is: architecture, size, markers, how it thinks, stage, files, memory.

    With --question-length also the memory that runs will take at most; one of that length is read to see.
    """
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
