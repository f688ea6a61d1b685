"""python -m bench: measure how fast training and answering are, beside plain ways to do the same."""

import json
import os
import platform
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from coconut_core.common.errors import CoconutError
from coconut_core.terminal.guard import run_guarded

BENCHMARKS = {  # paint first: it starts programs, which takes a process that has grown large longer
    "paint": "how soon the explorer paints after a key and after its start, beside what it may take",
    "graph": "the path graph drawn in panes of several sizes, beside what a redraw may take",
    "train": "one training step, forward and backward, beside plain ways to take it, and one without thoughts",
    "step": "what a thought and a word cost, beside a token's step of the bare model; whether that grows",
    "ask": "answering a question step by step, beside reading the whole prefix again for every word",
    "eval": "answering many questions in batches, beside one at a time in the same plain way",
    "controls": "all controls of a few problems on a shared prompt, beside one evaluation for each",
    "atlas": "an atlas of problems, made and written, beside a plain evaluation of them",
    "grid": "every ablation at every thought of a question on a shared prompt, beside a run for each",
    "compile": "a thought through a compiled graph, beside the plain step",
    "lens": "a column of the lens in one product, beside one layer after the other",
    "start": "`coconut ask` from nothing to its answer, beside what it has to import",
    "serve": "64 clients of `coconut serve` at once, beside one after the other",
}


def bench(
    names: Annotated[list[str] | None, typer.Argument(help="Which benchmarks; without any, all.")] = None,
    shapes: Annotated[
        list[str] | None, typer.Option("--shape", help="Model and lengths; by default gpt2-small and prosqa.")
    ] = None,
    repetitions: Annotated[int, typer.Option(min=1, help="How often each way is timed.")] = 5,
    list_only: Annotated[bool, typer.Option("--list", help="List the benchmarks and shapes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure speed. The ways take turns, and must give the same numbers each time.

    Seconds are those of the processor, all threads together: measure with OMP_NUM_THREADS=1. Only `serve` and
    `paint` look at a clock, so they need a quiet machine.
    """
    if unknown := sorted(set(names or []) - BENCHMARKS.keys()):
        raise CoconutError(f"no benchmark '{unknown[0]}': name one of {', '.join(BENCHMARKS)}")
    from bench.shapes import DEFAULT_SHAPES, SHAPES

    if unknown := sorted(set(shapes or []) - SHAPES.keys()):
        raise CoconutError(f"no shape '{unknown[0]}': name one of {', '.join(SHAPES)}")
    if list_only:
        for name, description in BENCHMARKS.items():
            typer.echo(f"{name}  {description}")
        typer.echo(f"shapes: {', '.join(SHAPES)}")
        return
    run(names or list(BENCHMARKS), shapes or list(DEFAULT_SHAPES), repetitions, as_json)


def run(names: list[str], shapes: list[str], repetitions: int, as_json: bool) -> None:
    """Measure and print to stdout; what is being measured goes to stderr."""
    from bench import (
        ask,
        atlas,
        compiling,
        controls,
        evaluation,
        graph,
        grid,
        lens,
        paint,
        serve,
        start,
        step,
        train,
    )
    from bench.shapes import SHAPES

    compare = {
        "train": train.compare,
        "step": step.compare,
        "ask": ask.compare,
        "eval": evaluation.compare,
        "controls": controls.compare,
        "atlas": atlas.compare,
        "grid": grid.compare,
        "compile": compiling.compare,
        "lens": lens.compare,
        "start": start.compare,
        "serve": serve.compare,
        "paint": paint.compare,
        "graph": graph.compare,
    }
    results = []
    for name in names:
        for shape in shapes:
            typer.echo(f"measuring {name} on {shape}", err=True)
            results += compare[name](SHAPES[shape], repetitions)
    if as_json:
        typer.echo(json.dumps({"machine": machine(), "results": [result.to_json() for result in results]}))
        return
    table = Table(title=machine(), title_justify="left", box=None, pad_edge=False)
    for column in ("benchmark", "shape", "against", "CPU s", "theirs", "ratio: min", "median", "max", ""):
        is_text = column in ("benchmark", "shape", "against", "")
        table.add_column(column, justify="left" if is_text else "right", no_wrap=True)
    for result in results:
        table.add_row(*result.to_row())
    width = None if sys.stdout.isatty() else 120
    console = Console(width=width, highlight=False)
    console.print(table)
    for result in results:
        same = f"{result.benchmark} {result.shape}, {result.against}: same {result.same}"
        console.print(same, markup=False, soft_wrap=True)


def machine() -> str:
    """What it was measured on."""
    import torch

    return (
        f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} torch threads, "
        f"torch {torch.__version__}, float32"
    )


if __name__ == "__main__":
    command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    command.command()(bench)
    run_guarded(command)
