"""A course as a table for a spreadsheet, and as a figure. Needs no torch."""

from collections.abc import Callable
from math import isfinite

from coconut_core.across.course import Course, Measurement, Point
from coconut_core.analysis.estimates import line_of
from coconut_core.common.csv_rows import rows_as_csv
from coconut_core.common.plots import Figure, Line, draw_lines
from coconut_core.evaluation.significance import Share

Cell = str | int | float | None


def csv_text(course: Course) -> str:
    """A row for each checkpoint, the names of the columns first; an empty cell where nothing is known."""
    return rows_as_csv([_csv_row(course, point) for point in course.points])


def _csv_row(course: Course, point: Point) -> dict[str, Cell]:
    found, logged = point.measurement, point.logged
    row: dict[str, Cell] = {"step": point.step, "stage": logged.stage, "loss": logged.loss}
    row |= {"held_out_loss": logged.held_out_loss, "held_out_accuracy": logged.held_out_accuracy}
    row |= {"error": point.error, "n": None if found is None else found.count}
    share = None if found is None else found.share
    low, high = (None, None) if share is None else share.interval
    row |= {"accuracy": None if share is None else share.accuracy, "accuracy_low": low, "accuracy_high": high}
    swap = found.swaps[0] if found is not None and found.swaps else None
    low, high = (None, None) if swap is None else swap.pairs.interval
    row |= {"swap": None if swap is None else swap.name, "swap_drop": None if swap is None else swap.pairs.drop}
    row |= {"swap_drop_low": low, "swap_drop_high": high}
    verdict = None if found is None else found.verdict
    row |= {"verdict": None if verdict is None else str(verdict.usage)}
    needs = None if found is None else found.needs_thoughts
    row |= {"needs_thoughts": None if needs is None else str(needs).lower()}
    row |= {"said": found.said if found is not None else None}
    row |= {"logit_difference": found.logit_difference if found is not None else None}
    swapped = None if found is None else found.swapped
    row |= {"swaps": None if swapped is None else swapped.count}
    row |= {"swaps_changed": None if swapped is None else swapped.changed}
    for number in range(1, course.thoughts + 1):
        row |= _csv_thought(found, number)
    return row


def _csv_thought(found: Measurement | None, number: int) -> dict[str, Cell]:
    reading = found.thoughts[number - 1] if found is not None and number <= len(found.thoughts) else None
    token, share = reading.tokens[0] if reading is not None and reading.tokens else (None, None)
    row: dict[str, Cell] = {"token": token, "share": share, "entropy": reading.entropy if reading else None}
    for name in ("frontier", "control"):
        value = getattr(reading, name, None)
        for part, column in (("mean", name), ("low", f"{name}_low"), ("high", f"{name}_high")):
            entry = getattr(value, part, None)
            row[column] = entry if entry is not None and isfinite(entry) else None
    return {f"thought_{number}_{name}": value for name, value in row.items()}


# -- the figure ----------------------------------------------------------------------------------------------


def draw_course(course: Course) -> Figure:
    """The losses of the log; what is right, with the thoughts of each problem and of others; and each thought's
    mass on the frontier, with its control, over the steps."""
    figure = _losses(course).beside(_answers(course))
    frontier = _frontier(course)
    return figure if frontier is None else figure.beside(frontier)


def _line(course: Course, label: str, value: Callable[[Point], float | None]) -> Line:
    known = [(point.step, number) for point in course.points if (number := value(point)) is not None]
    return Line(label, [step for step, _ in known], [number for _, number in known])


def _losses(course: Course) -> Figure:
    lines = [
        _line(course, "training batch", lambda point: point.logged.loss),
        _line(course, "held out", lambda point: point.logged.held_out_loss),
    ]
    marks, before = [], ""
    for point in course.points:
        if point.logged.stage and point.logged.stage != before:
            marks.append((float(point.step), point.logged.stage))
            before = point.logged.stage
    return draw_lines(lines, "loss of the log", "step", "nats a token", marks)


def _answers(course: Course) -> Figure:
    measured = [(point.step, point.measurement) for point in course.points if point.measurement is not None]
    if any(found.swapped is not None or found.said for _, found in measured):
        changed = {
            step: Share(found.swapped.changed, found.swapped.count)
            for step, found in measured
            if found.swapped is not None
        }
        line = _of_shares("answers that another's thoughts change", changed)
        return draw_lines([line], "one question", "step", "per cent of the swaps", y_range=(0, 100))
    shares = {step: found.share for step, found in measured if found.share is not None}
    swapped = {step: found.swaps[0].share for step, found in measured if found.swaps}
    lines = [_of_shares("own thoughts", shares), _of_shares("other problems' thoughts", swapped)]
    return draw_lines(lines, "answers", "step", "per cent right", y_range=(0, 100))


def _of_shares(label: str, shares: dict[int, Share]) -> Line:
    intervals = [share.interval for share in shares.values()]
    return Line(
        label,
        list(shares),
        [100 * share.accuracy for share in shares.values()],
        [100 * low for low, _ in intervals],
        [100 * high for _, high in intervals],
    )


def _frontier(course: Course) -> Figure | None:
    lines = []
    for name, label in (("frontier", "thought {}"), ("control", "by chance, {}")):
        for number in range(1, course.thoughts + 1):
            values = {
                point.step: value
                for point in course.points
                if point.measurement is not None and number <= len(point.measurement.thoughts)
                if (value := getattr(point.measurement.thoughts[number - 1], name)) is not None
            }
            if values:
                lines.append(line_of(label.format(number), values))
    if not lines:
        return None
    return draw_lines(lines, "search: thoughts on the frontier", "step", "probability", y_range=(0, 1))
