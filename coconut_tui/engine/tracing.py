"""Whole trees of branches as traces."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from coconut_core.records.trace import Trace
from coconut_tui.engine.engine import Engine
from coconut_tui.engine.worker import Job
from coconut_tui.export.tree import TracedRun, TracedTree

if TYPE_CHECKING:
    from coconut_tui.engine.workbench import Workbench

Step = Callable[[int, int], bool]  # is told how many branches of how many are done; whether to end


def use_tree(engine: Engine, activity: str, use: Callable[[TracedTree], None]) -> None:
    """Call `use` with everything seen in all branches, in the engine's thread, unless it is stopped."""

    def find(bench: "Workbench", job: Job) -> None:
        def step(done: int, total: int) -> bool:
            job.progress(done, total)
            return job.stopped

        tree = trace_tree(bench, engine.with_verdict, step)
        if tree is not None:
            use(tree)

    engine.find_out(activity, find)


def trace_tree(
    bench: "Workbench", told: Callable[[Trace], Trace], step: Step = lambda done, total: False
) -> TracedTree | None:
    """The branches of a workbench, computed again where they are not held in memory; None where it was to end.
    told adds what is known of the model."""
    bench.note_run()
    tree, runs = bench.tree, []
    names = {branch.number: branch.name for branch in tree.branches}
    for done, branch in enumerate(tree.branches):
        if step(done, len(tree.branches)):
            return None
        parent = None if branch.parent is None else names[branch.parent]
        trace = told(bench.trace(branch.number))
        runs.append(TracedRun(branch.name, trace, parent, branch.forked_at, branch.done))
    numbers = [branch.number for branch in tree.branches]
    return TracedTree(tuple(runs), numbers.index(tree.current))
