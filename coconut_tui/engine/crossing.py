"""One question over the checkpoints of a run, in the engine's thread: each is opened beside the model in use,
and let go before the next."""

from collections.abc import Callable
from pathlib import Path

from coconut_core.across.course import Course, Point
from coconut_core.across.over_run import Asked, OverRun
from coconut_core.across.questions import problems_of_run
from coconut_core.common.errors import CoconutError
from coconut_core.model_choice import ModelChoice
from coconut_core.problems.base import Problem
from coconut_tui.engine.live import Interrupted, Stop, stopping
from coconut_tui.run.across import Across

_OTHERS = 9  # problems of the run to take thoughts from, one more than are taken


def ask_checkpoints(
    run: Path,
    problem: Problem,
    thoughts: int | None,
    choice: ModelChoice,
    stop: Stop,
    show: Callable[[Across], None],
) -> None:
    """Ask each checkpoint; show gets all that is known each time that one more is."""
    points: list[Point] = []
    try:
        over = OverRun(run, Asked(_others(run), problem, thoughts), choice)
        known = Across(Course(str(run), over.asked.record, ()), len(over.checkpoints))
        show(known)
        for point in over.points(stopping(stop)):
            points.append(point)
            course = Course(str(run), over.asked.record, tuple(points))
            complete = len(points) == len(over.checkpoints)
            known = Across(course, len(over.checkpoints), complete, tuple(over.notes))
            show(known)
        over.course(points)
    except CoconutError as error:
        show(Across(Course(str(run), {}, tuple(points)), complete=True, error=str(error)))
    except Interrupted:
        return


def _others(run: Path) -> tuple[Problem, ...]:
    """The run's held-out problems; none where it has none, and then no thoughts are swapped."""
    try:
        return tuple(problems_of_run(run, _OTHERS))
    except CoconutError:
        return ()
