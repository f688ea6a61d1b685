"""python -m bench.graph: what it takes to draw the path graph, new in its room and with another thought."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Annotated

import typer

from bench.measure import Comparison
from bench.shapes import Shape
from coconut_core.problems import generate_problems
from coconut_core.problems.base import Problem
from coconut_core.records.trace import StepRecord
from coconut_core.terminal.guard import run_guarded
from coconut_tui.engine.garbage import set_aside, take_back
from coconut_tui.run.branches import THOUGHT, Branch, Decisions, Said, Tree
from coconut_tui.run.state import RunView
from coconut_tui.views.canvas import line_cells
from coconut_tui.views.diagram import plan
from coconut_tui.views.graph import draw
from coconut_tui.views.layered import layered
from coconut_tui.views.view import Sight

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
NODES, EDGES = 23, 36  # at least, as ProsQA's graphs have
THOUGHTS = 6
LIMIT = 0.05  # seconds that a redraw may take
SIZES = ((34, 17), (64, 46), (120, 30), (198, 52))  # of the pane, cells


@dataclass(frozen=True)
class Times:
    """Seconds of the processor: laid out and drawn, and drawn again with each further thought."""

    new: list[float]
    again: list[float]


def runs(count: int, seed: int) -> list[RunView]:
    """Runs on so many graphs that are as large as NODES and EDGES say, with thoughts on their nodes."""
    found: list[RunView] = []
    for problem in generate_problems("prosqa", count * 20, seed):
        graph = problem.graph
        if graph is not None and len(graph.names) >= NODES and len(graph.edges) >= EDGES:
            found.append(_run(problem, graph.names))
    return found[:count]


def measure(views: Sequence[RunView], width: int, height: int) -> Times:
    """Draw every run in a pane of so many cells."""
    new: list[float] = []
    again: list[float] = []
    for view in views:
        layered.cache_clear()
        plan.cache_clear()
        line_cells.cache_clear()
        for number in range(THOUGHTS):
            began = time.process_time()
            draw(Sight(view, number=number, width=width, height=height))
            (again if number else new).append(time.process_time() - began)
    return Times(new, again)


def compare(shape: Shape, repetitions: int) -> list[Comparison]:
    """The slowest drawing of forty graphs in a pane of each size, beside what one may take; with the prosqa
    shape only, whose questions they are."""
    if shape.name != "prosqa":
        return []
    views = runs(40, seed=1)
    comparisons = []
    set_aside(others=True)  # as in the explorer, or to look through torch for garbage is what is measured
    for width, height in SIZES:
        every = [measure(views, width, height) for _ in range(repetitions)]
        worst = [max(*times.new, *times.again) for times in every]
        count = sum(len(times.new) + len(times.again) for times in every)
        name, note = f"slowest, {width}×{height}", f"graphs: {len(views)}, {count} drawings"
        limits = [LIMIT] * repetitions
        comparisons.append(Comparison("graph", shape.name, name, note, worst, limits, 1, cost=True))
    take_back()
    return comparisons


@app.command()
def main(
    count: Annotated[int, typer.Option(min=2, help="Graphs that are drawn.")] = 100,
    seed: Annotated[int, typer.Option(help="That they are made with.")] = 1,
) -> None:
    """Draw graphs of 23 nodes and 36 edges or more in panes of several sizes."""
    views = runs(count, seed)
    typer.echo(f"{len(views)} graphs of at least {NODES} nodes and {EDGES} edges; CPU milliseconds")
    for width, height in SIZES:
        times = measure(views, width, height)
        within = sum(second < LIMIT for second in times.again)
        typer.echo(
            f"{width:>3} x {height:<3} new {_listed(times.new)}   again {_listed(times.again)}   "
            f"under 50 ms: {within} of {len(times.again)}"
        )


def _listed(seconds: Sequence[float]) -> str:
    cuts = quantiles(seconds, n=100)
    return f"p50 {1000 * cuts[49]:4.1f} p99 {1000 * cuts[98]:5.1f}"


def _run(problem: Problem, names: Sequence[str]) -> RunView:
    steps = []
    for index in range(1, THOUGHTS + 1):
        shares = {name: (1 + place * index % 7) / 60 for place, name in enumerate(names)}
        steps.append(StepRecord("thought", index, 0, "", (), entropy=1.0, norm=1.0, watched=shares))
    tree = Tree(problem.question, problem, 1, (Branch(1, "main", Decisions(None, (), THOUGHT * THOUGHTS)),))
    return RunView(tree, tuple(steps), THOUGHTS, "thinking", Said("", "", None))


if __name__ == "__main__":
    run_guarded(app)
