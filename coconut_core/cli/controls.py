"""coconut controls: do this checkpoint's thoughts matter?"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coconut_core.common.errors import CoconutError
from coconut_core.common.processes import current
from coconut_core.evaluation.ablations import CONTROLS
from coconut_core.evaluation.control_tables import as_markdown, control_rows
from coconut_core.evaluation.verdict import FILE_NAME
from coconut_core.terminal import options
from coconut_core.terminal.bar import counting_bar
from coconut_core.terminal.guard import say
from coconut_core.terminal.processes import over_processes, resolved

if TYPE_CHECKING:
    from collections.abc import Callable

    from coconut_core.coconut import CoconutModel
    from coconut_core.evaluation.verdict import Controls
    from coconut_core.latent.config import CoconutConfig
    from coconut_core.problems import Problem

DRAWN = 500  # problems drawn from the model's own family where no file is given


@dataclass(frozen=True)
class _Measurement:
    """What is measured."""

    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            "-d",
            help=f"Problem file. Default: {DRAWN} problems of the model's family, test split.",
            metavar="FILE",
            callback=options.expanded,
        ),
    ] = None
    count: options.Count = None
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Only this control; may be repeated.", metavar="NAME")
    ] = None
    per_thought: Annotated[
        bool, typer.Option("--per-thought", help="Also each thought left out, swapped, and only the first k.")
    ] = False
    thoughts: options.Thoughts = None
    free: Annotated[
        bool, typer.Option("--free", help="Let it reason in words after the thoughts; default: answer at once.")
    ] = False
    max_new_tokens: Annotated[int, typer.Option(help="Most words of an answer.")] = 64
    seed: Annotated[int, options.seed("Seed of donors, noise and orders.")] = 0

    def run(self, model: "CoconutModel", problems: "list[Problem]", weights: str) -> "Controls":
        """The controls, with a progress bar where somebody watches. weights: the hash of those."""
        from coconut_core.evaluation.controls import run_controls

        origin = f"{len(problems)} drawn from {model.config.family}, test split"
        return _with_progress(
            lambda advance: run_controls(
                model,
                problems,
                names=tuple(self.only or CONTROLS),
                per_thought=self.per_thought,
                thoughts=self.thoughts,
                answer_only=not self.free,
                max_new_tokens=self.max_new_tokens,
                seed=self.seed,
                weights=weights,
                data=origin if self.data is None else str(self.data),
                progress=advance,
            )
        )


@dataclass(frozen=True)
class _Verdict:
    """Where the result is kept, and whether."""

    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Keep the result in this file instead of beside the weights.",
            metavar="FILE",
            callback=options.expanded,
        ),
    ] = None
    keep: Annotated[
        bool | None,
        typer.Option(
            "--keep/--no-keep",
            help="Make this the model's verdict. Default: unless other data or settings are chosen.",
        ),
    ] = None

    def target(self, model: str, is_look: bool) -> Path | None:
        """The file to keep the result in; None for a look at other data or settings, which is no verdict."""
        if self.keep is False or (is_look and not self.keep and self.out is None):
            return None
        if self.out is None and not Path(model).is_dir():
            raise CoconutError(f"{model} is no folder to keep the result in: give --out FILE, or --no-keep")
        return self.out or Path(model) / FILE_NAME


@options.grouped
@over_processes
def controls_command(
    *,
    source: options.Source,
    measurement: _Measurement,
    verdict: _Verdict,
    placement: options.Placement,
    compiled: options.Compiled = False,
    untrained: options.Untrained,
    printing: options.Printing,
) -> None:
    """Answer problems with something else in place of the thoughts, and say whether they are USED.

    Asked of the model's own test problems, the result is kept as controls.json beside the weights, where info,
    ask --trace and the explorer read it. Other data or settings are a look, which leaves that verdict alone.

    docs/CONTROLS.md says what each control shows, and by which rule the verdict is given. Over several
    processes or GPUs: torchrun --nproc_per_node N -m coconut_core controls …
    """
    from coconut_core.common.paths import check_outputs
    from coconut_core.evaluation.verdict import hash_weights
    from coconut_core.problems import read_some_problems

    choice = options.model_choice(source, placement, untrained, compiled=compiled)
    data, count, thoughts = measurement.data, measurement.count, measurement.thoughts
    if measurement.max_new_tokens < 1 or (count is not None and count < 1):
        raise CoconutError("max-new-tokens and count must be 1 or more")
    if printing.as_json and printing.markdown:
        raise CoconutError("choose --json or --markdown")
    check_outputs([verdict.out], [data])
    choice = resolved(choice)
    model = choice.source
    settings = (data, count, measurement.only, thoughts, choice.feedback, choice.chat, choice.system)
    target = verdict.target(model, measurement.free or any(setting is not None for setting in settings))
    problems = None if data is None else read_some_problems(data, count, answered=True)
    opened = options.open_model(choice, thoughts)
    if problems is None:
        problems = _draw(opened.config, count or DRAWN)
    controls = measurement.run(opened, problems, hash_weights(model))
    if not current().is_main:
        return
    if failed := controls.settings.get("failed"):
        error = controls.settings["error"]
        say(f"note: runs left out as they have no answer: {failed}; the first: {error}", err=True)
    if printing.as_json:
        say(json.dumps(controls.to_json(), ensure_ascii=False))
    else:
        say(as_markdown(controls)) if printing.markdown else _print(controls)
    if target is not None:
        controls.save(target)
        say(f"kept in {target}", err=True)
    elif verdict.keep is None:
        say(f"note: the verdict of {model} stays as it was: --keep puts this in its place", err=True)


def _print(controls: "Controls") -> None:
    from rich.console import Console
    from rich.table import Table

    from coconut_core.terminal.show import cell

    console = Console()
    for title, results in (
        ("in place of the thoughts", controls.results),
        ("one thought", controls.per_thought),
    ):
        rows = control_rows(controls, results)
        if not rows:
            continue
        table = Table(box=None, padding=(0, 2, 0, 0))
        for number, name in enumerate(rows[0]):
            table.add_column(title if number == 0 else name, justify="left" if number == 0 else "right")
        for row in rows[1:]:
            table.add_row(*row)
        console.print(table)
        console.print()
    console.print(cell(controls.verdict.usage, "bold") + cell(f": {controls.verdict.reason}"))
    console.print(cell(f"{controls.model} on {controls.data}, n={controls.count}, {controls.date}", "dim"))


def _draw(config: "CoconutConfig", count: int) -> "list[Problem]":
    from coconut_core.problems import generate_problems, is_family, trained_size

    family = config.family
    if not is_family(family):
        raise CoconutError("this model names no problem family to draw problems from: give a file with --data")
    return generate_problems(family, count, 5, "test", trained_size(family, config.recipe))


def _with_progress(run: "Callable[[Callable[[int], None]], Controls]") -> "Controls":
    with counting_bar() as bar:
        task = bar.add_task("runs", total=None)
        return run(lambda done: bar.advance(task, done))
