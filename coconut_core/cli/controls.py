"""coconut controls: do this checkpoint's thoughts matter?"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coconut_core.common.errors import CoconutError
from coconut_core.evaluation.ablations import CONTROLS
from coconut_core.evaluation.control_tables import as_markdown, control_rows
from coconut_core.evaluation.verdict import FILE_NAME
from coconut_core.model_choice import ModelChoice
from coconut_core.terminal import options
from coconut_core.terminal.guard import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from coconut_core.evaluation.verdict import Controls
    from coconut_core.latent.config import CoconutConfig
    from coconut_core.problems import Problem

DRAWN = 500  # problems drawn from the model's own family where no file is given


@options.opens_model(options.SOURCE, keep=(*options.PLACE, "compiled", *options.HOW))
def controls_command(
    choice: ModelChoice,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            "-d",
            help=f"Problem file. Default: {DRAWN} problems of the model's family, test split.",
            metavar="FILE",
            callback=options.expanded,
        ),
    ] = None,
    count: Annotated[int | None, typer.Option(help="Only the first N problems.")] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Only this control; may be repeated.", metavar="NAME")
    ] = None,
    per_thought: Annotated[
        bool, typer.Option("--per-thought", help="Also each thought left out, swapped, and only the first k.")
    ] = False,
    thoughts: options.Thoughts = None,
    free: Annotated[
        bool, typer.Option("--free", help="Let it reason in words after the thoughts; default: answer at once.")
    ] = False,
    max_new_tokens: Annotated[int, typer.Option(help="Most words of an answer.")] = 64,
    seed: Annotated[int, options.seed("Seed of donors, noise and orders.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Keep the result in this file instead of beside the weights.",
            metavar="FILE",
            callback=options.expanded,
        ),
    ] = None,
    keep: Annotated[
        bool | None,
        typer.Option(
            "--keep/--no-keep",
            help="Make this the model's verdict. Default: unless other data or settings are chosen.",
        ),
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
    as_json: options.Json = False,
) -> None:
    """Answer problems with something else in place of the thoughts, and say whether they are USED.

    Asked of the model's own test problems, the result is kept as controls.json beside the weights, where info,
    ask --trace and the explorer read it. Other data or settings are a look, which leaves that verdict alone.

    docs/CONTROLS.md says what each control shows, and by which rule the verdict is given.
    """
    from coconut_core.common.paths import check_outputs
    from coconut_core.evaluation.verdict import hash_weights
    from coconut_core.problems import read_some_problems

    if max_new_tokens < 1 or (count is not None and count < 1):
        raise CoconutError("max-new-tokens and count must be 1 or more")
    if as_json and markdown:
        raise CoconutError("choose --json or --markdown")
    check_outputs([out], [data])
    choice = choice.resolved(options.report)
    model = choice.source
    settings = (data, count, only, thoughts, choice.feedback, choice.chat, choice.system, free or None)
    is_look = any(setting is not None for setting in settings)
    target = _target(Path(model), out, keep, is_look)
    if target is not None and out is None and not Path(model).is_dir():
        raise CoconutError(f"{model} is no folder to keep the result in: give --out FILE, or --no-keep")
    problems = None if data is None else read_some_problems(data, count, answered=True)
    opened = options.open_model(choice, thoughts)
    if problems is None:
        problems = _draw(opened.config, count or DRAWN)
    from coconut_core.evaluation.controls import run_controls

    found = _with_progress(
        lambda advance: run_controls(
            opened,
            problems,
            names=tuple(only or CONTROLS),
            per_thought=per_thought,
            thoughts=thoughts,
            answer_only=not free,
            max_new_tokens=max_new_tokens,
            seed=seed,
            weights=hash_weights(model),
            data=str(data)
            if data is not None
            else f"{len(problems)} drawn from {opened.config.family}, test split",
            progress=advance,
        )
    )
    if failed := found.settings.get("failed"):
        say(
            f"note: runs left out as they have no answer: {failed}; the first: {found.settings['error']}",
            err=True,
        )
    if as_json:
        say(json.dumps(found.to_json(), ensure_ascii=False))
    else:
        say(as_markdown(found)) if markdown else _print(found)
    if target is not None:
        found.save(target)
        say(f"kept in {target}", err=True)
    elif keep is None:
        say(f"note: the verdict of {model} stays as it was: --keep puts this in its place", err=True)


def _target(model: Path, out: Path | None, keep: bool | None, is_look: bool) -> Path | None:
    """The file to keep the result in; None for a look at other data or settings, which is no verdict."""
    if keep is False:
        return None
    return out or (model / FILE_NAME if keep or not is_look else None)


def _print(found: "Controls") -> None:
    from rich.console import Console
    from rich.table import Table

    from coconut_core.terminal.show import cell

    console = Console()
    for title, results in (("in place of the thoughts", found.results), ("one thought", found.per_thought)):
        rows = control_rows(found, results)
        if not rows:
            continue
        table = Table(box=None, padding=(0, 2, 0, 0))
        for number, name in enumerate(rows[0]):
            table.add_column(title if number == 0 else name, justify="left" if number == 0 else "right")
        for row in rows[1:]:
            table.add_row(*row)
        console.print(table)
        console.print()
    console.print(cell(found.verdict.usage, "bold") + cell(f": {found.verdict.reason}"))
    console.print(cell(f"{found.model} on {found.data}, n={found.count}, {found.date}", "dim"))


def _draw(config: "CoconutConfig", count: int) -> "list[Problem]":
    from coconut_core.problems import generate_problems, is_family, trained_size

    family = config.family
    if not is_family(family):
        raise CoconutError("this model names no problem family to draw problems from: give a file with --data")
    return generate_problems(family, count, 5, "test", trained_size(family, config.recipe))


def _with_progress(run: "Callable[[Callable[[int], None]], Controls]") -> "Controls":
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("runs", total=None)
        return run(lambda done: bar.advance(task, done))
