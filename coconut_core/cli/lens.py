"""coconut lens: train a tuned lens for a checkpoint, and say how far it can be trusted."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from coconut_core.common.errors import CoconutError
from coconut_core.common.paths import user_path
from coconut_core.model_choice import ModelChoice
from coconut_core.terminal import options
from coconut_core.terminal.guard import say

if TYPE_CHECKING:
    from coconut_core.analysis.tuned_lens import Calibration

app = typer.Typer(help="The tuned lens of a checkpoint (arXiv 2303.08112).", no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass  # with it, the one command keeps its name


@app.command("train")
@options.grouped
def train(
    *,
    data: options.Data,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            help="Checkpoint folder; the lens is written into it.",
            callback=options.expanded_source,
        ),
    ],
    count: options.Count = None,
    steps: Annotated[int, typer.Option(help="Training steps, of 256 states each.")] = 500,
    seed: Annotated[int, options.seed("Of the split and the batches.")] = 0,
    placement: options.Placement,
    as_json: options.Json = False,
) -> None:
    """Train one affine map a layer to say what the last layer says; two thirds of the problems are trained on.

    Prints the calibration: how far the plain and the tuned lens are from the last layer on the other third.
    """
    from coconut_core.analysis.tuned_lens import save_tuned_lens, train_tuned_lens
    from coconut_core.problems import read_some_problems

    if steps < 1 or (count is not None and count < 1):
        raise CoconutError("steps and count must be 1 or more")
    if not user_path(model).is_dir():
        raise CoconutError(f"{model} is no folder: a tuned lens is written beside the weights that it reads")
    questions = [problem.question for problem in read_some_problems(data, count)]
    opened = options.open_model(ModelChoice(model, **vars(placement)))
    watched = sys.stderr.isatty()

    def report(step: int, loss: float) -> None:
        if watched or step == steps:
            line = f"step {step} of {steps}, KL {loss:.3f} nats"
            typer.echo(f"\r{line}" if watched else line, err=True, nl=not watched or step == steps)

    lens = train_tuned_lens(opened, questions, opened.config.thoughts, steps=steps, seed=seed, progress=report)
    path = save_tuned_lens(lens, user_path(model))
    say(f"wrote {path}", err=True)
    _show(lens.calibration, as_json)


def _show(calibration: "Calibration", as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(calibration.to_json()))
        return
    table = calibration.table()
    typer.echo(table.caption)
    typer.echo(f"{'':<10} {'plain lens':>12} {'tuned lens':>12}")
    for name, plain, tuned in table.rows:
        typer.echo(f"{name:<10} {plain:>12} {tuned:>12}")
