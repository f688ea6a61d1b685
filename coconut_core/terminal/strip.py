"""The strip of a course: a row for each checkpoint, a column for each thought."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from coconut_core.across.course import Course, Measurement, Point, ThoughtReading
from coconut_core.common.errors import visible
from coconut_core.terminal.show import cell

SHADES = " ░▒▓█"
_WIDE = 110  # columns from which intervals and the log have room


def print_course(course: Course, console: Console | None = None) -> None:
    """Print the strip, and below it from when on what holds."""
    console = console or Console()
    console.print(strip(course, wide=console.width >= _WIDE))
    console.print()
    for sentence in course.sentences():
        console.print(cell(sentence))
    console.print(cell(about(course), "dim"))


def about(course: Course) -> str:
    """What was asked, in a line."""
    n, question = course.about["n"], course.about["question"]
    how = "answers at once" if course.about["answer_only"] else "goes on in words"
    what = f"n={n} problems" if question is None else "one question: no more than an example"
    chance = "; ° not above chance for certain" if any(map(_by_chance, course.points)) else ""
    return f"{course.run}, {len(course.points)} checkpoints, {what}; each {how} after its thoughts{chance}"


def _by_chance(point: Point) -> bool:
    found = point.measurement
    return found is not None and any(reading.on_frontier is False for reading in found.thoughts)


def strip(course: Course, *, wide: bool) -> Table:
    """The rows of the checkpoints. wide: whether there is room for intervals and more of the log."""
    single = course.about["question"] is not None
    table = Table(box=None, padding=(0, 2 if wide else 1, 0, 0), header_style="bold")
    table.add_column("step", justify="right", no_wrap=True)
    table.add_column("loss", justify="right", no_wrap=True)
    if wide:
        table.add_column("held out", justify="right", no_wrap=True)
    names = ("said", "right-wrong", "swaps") if single else ("right", "swap costs", "verdict")
    for name in names:
        table.add_column(name, justify="left" if name in ("said", "verdict") else "right", no_wrap=True)
    for number in range(1, course.thoughts + 1):
        table.add_column(f"thought {number}" if wide else str(number), no_wrap=True)
    for point in course.points:
        table.add_row(*_row(course, point, single, wide))
    return table


def _row(course: Course, point: Point, single: bool, wide: bool) -> list[Text]:
    logged, found = point.logged, point.measurement
    row = [Text(str(point.step)), _number(logged.loss)]
    row += [_number(logged.held_out_loss)] if wide else []
    if found is None:
        return [*row, Text("cannot be read", "red"), *[Text("")] * (2 + course.thoughts)]
    row += _of_question(found) if single else _of_problems(found, wide)
    readings = [*found.thoughts, *[None] * (course.thoughts - len(found.thoughts))]
    return row + [_thought(reading, single, wide) for reading in readings]


def _number(value: float | None) -> Text:
    return Text("" if value is None else f"{value:.2f}")


def _of_problems(found: Measurement, wide: bool) -> list[Text]:
    share, swap = found.share, found.swaps[0] if found.swaps else None
    right, costs = "", ""
    if share is not None:
        low, high = share.interval
        right = f"{100 * share.accuracy:.0f} %" + (f" ({100 * low:.0f}–{100 * high:.0f})" if wide else "")
    if swap is not None:
        low, high = swap.pairs.interval
        costs = f"{100 * swap.pairs.drop:.0f} ({100 * low:.0f} to {100 * high:.0f})"
    verdict = "" if found.verdict is None else str(found.verdict.usage)
    return [Text(right), Text(costs), Text(verdict or ("no thought" if not found.thoughts else ""))]


def _of_question(found: Measurement) -> list[Text]:
    mark = {None: "", 0: " ✗", 1: " ✓"}[found.right]
    style = {None: "", 0: "red", 1: "green"}[found.right]
    difference = "" if found.logit_difference is None else f"{found.logit_difference:+.1f}"
    swaps = "" if found.swapped is None else f"{found.swapped.changed}/{found.swapped.count}"
    return [Text(f"{visible(found.said)}{mark}", style), Text(difference), Text(swaps)]


def _thought(reading: ThoughtReading | None, single: bool, wide: bool) -> Text:
    """Its mass on the frontier as a shade and a number, where there is one; and of one question, or where there
    is no graph, what it would say."""
    if reading is None:
        return Text("·", "dim")
    text = Text()
    if reading.frontier is not None:
        share = min(1.0, max(0.0, reading.frontier.mean))
        text.append(SHADES[round(share * (len(SHADES) - 1))] * 2, "cyan").append(f" {share:.2f}")
        text.append("" if reading.on_frontier is not False else "°", "dim")
    if (single and (wide or reading.frontier is None)) or reading.frontier is None:
        name, share = reading.tokens[0]
        text.append(f"{' ' if text else ''}{visible(name)}", "bold" if single else "")
        text.append(f" {share:.2f}", "dim")
    return text
