"""What can be found out with a model besides the run on screen. All return at once; `show` gets the results, in
the engine's thread. The engine's forget(KIND) ends what is under way."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from coconut_core.problems.base import Problem
from coconut_tui.beside import Measured
from coconut_tui.controlled import Controlled, Swaps
from coconut_tui.engine.engine import Engine
from coconut_tui.engine.worker import Job

if TYPE_CHECKING:
    from coconut_tui.engine.workbench import Workbench

CONTROLS, SWAPS, MEASURE = "controls", "swaps", "measure"  # kinds of jobs of which only the newest counts


def control(engine: Engine, others: Sequence[Problem], show: Callable[[Controlled], object]) -> None:
    """Run all controls on the question that is open; others: problems to take thoughts from."""

    def find(bench: "Workbench", job: Job) -> None:
        from coconut_tui.engine.controlling import control_question

        def tell(found: Controlled) -> None:
            job.progress(sum(bool(row.probabilities) for row in found.rows), len(found.rows))
            show(found)

        control_question(bench, others, lambda: job.stopped, tell)

    engine.find_out("running the controls", find, CONTROLS)


def swap(
    engine: Engine,
    problems: Mapping[int, Problem],
    others: Sequence[Problem],
    show: Callable[[Mapping[int, Swaps]], object],
) -> None:
    """Answer problems, by number, with several others' thoughts; others: to take thoughts from."""

    def find(bench: "Workbench", job: Job) -> None:
        from coconut_tui.engine.controlling import swap_thoughts

        done = 0

        def tell(swaps: Mapping[int, Swaps]) -> None:
            nonlocal done
            done += len(swaps)
            job.progress(done, len(problems))
            show(swaps)

        swap_thoughts(bench.model, problems, others, lambda: job.stopped, tell)

    engine.find_out("swapping thoughts", find, SWAPS)


def measure(first: Engine, second: Engine, show: Callable[[Measured], object]) -> None:
    """How far the thoughts of two engines' runs lie apart, as far as the two models can be compared."""

    def look(bench: "Workbench", job: Job) -> None:
        from coconut_tui.engine.apart import apart, seen_in

        mine = seen_in(bench)

        def compare(other: "Workbench", later: Job) -> None:
            if not later.stopped:
                show(apart(mine, seen_in(other)))

        if not job.stopped:
            second.find_out("measuring", compare, MEASURE)

    first.find_out("measuring", look, MEASURE)
