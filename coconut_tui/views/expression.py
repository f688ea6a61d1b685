"""The expression of a problem of sums as a tree, with a thought's probability on each of its values."""

from collections.abc import Sequence

from rich.text import Text

from coconut_core.common.cells import padded
from coconut_core.common.errors import CoconutError
from coconut_core.problems.arithmetic import check_equation, numbers_in
from coconut_core.records.trace import StepRecord
from coconut_tui.views.view import LEAST_SHARE, Sight, last_thoughts, step_name
from coconut_tui.widgets.tokens import error_line, share_bar, share_text

_BAR = 8  # cells
_COLUMN = 5  # cells of a value in the table

Sums = Sequence[tuple[str, str]]  # of each step the sum and its result


def draw(sight: Sight, thought: StepRecord | None) -> Text:
    """The last result as the root, under each result what it was made of; then each thought beside each result.

    thought is the one whose probabilities stand in the tree: the selected one, or the last in front of it.
    """
    assert sight.run is not None
    sums, shares = sight.run.sums, {} if thought is None else thought.watched
    text = Text()
    if thought is not None:
        text.append(f"probability at thought {step_name(thought)}\n", "dim")
    remaining = set(range(len(sums)))
    while remaining:  # results that nothing was made of have a tree of their own
        root = max(remaining)
        for step, depth, number in _tree(sums, root):
            if step is not None:
                remaining.discard(step)
            text.append_text(_line(sums, step, depth, number, shares, sight.width))
    return text.append_text(_table(sight, sums, thought))


def _tree(sums: Sums, root: int, depth: int = 0) -> list[tuple[int | None, int, str]]:
    """The lines of a result's tree: its step (None for a number of the question), depth, number."""
    lines: list[tuple[int | None, int, str]] = [(root, depth, sums[root][1])]
    for number in numbers_in(sums[root][0]):
        source = next((step for step in range(root - 1, -1, -1) if sums[step][1] == number), None)
        lines += [(None, depth + 1, number)] if source is None else _tree(sums, source, depth + 1)
    return lines


def _line(sums: Sums, step: int | None, depth: int, number: str, shares: dict[str, float], width: int) -> Text:
    indent = "  " * depth
    if step is None:
        return Text(f"{indent}{number}\n", "dim")
    total, result = sums[step]
    share = shares.get(number, 0.0)
    room = max(8, width - _BAR - 5)
    text = Text(padded(f"{indent}{number} = {total}", room), "bold" if share >= 0.1 else "")
    try:
        check_equation(f"{total}={result}")
    except CoconutError as error:
        return text.append(" ").append(error_line(str(error))).append("\n")
    if share >= LEAST_SHARE:
        text.append_text(share_bar(share, _BAR))
    return text.append("\n")


def _table(sight: Sight, sums: Sums, selected: StepRecord | None) -> Text:
    """Each thought's probability of each result; the last thoughts up to the selected one."""
    assert sight.run is not None
    thoughts = last_thoughts(sight.run, selected)
    if not thoughts:
        return Text()
    results = [result for _, result in sums]
    text = Text("\nresults, thought by thought\n", "dim")
    text.append("    " + "".join(f"{result:>{_COLUMN}}" for result in results) + "\n", "dim")
    for step in thoughts:
        row = "".join(f"{_share(step.watched.get(result)):>{_COLUMN}}" for result in results)
        mark = "▸" if step is selected else " "
        text.append(f"{mark}{step_name(step):<3}{row}\n", "bold" if step is selected else "")
    return text


def _share(share: float | None) -> str:
    return "" if share is None else share_text(share)
