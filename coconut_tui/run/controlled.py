"""What became of answers with something else in place of the thoughts, as plain data, and what that can say."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from coconut_core.common.records import AtLeast0
from coconut_core.evaluation.significance import wilson_interval
from coconut_core.evaluation.verdict import SWAPS
from coconut_tui.run.branches import Said
from coconut_tui.run.state import DecidingPlace


@dataclass(frozen=True)
class Swaps:
    """One problem with several other problems' thoughts: how many of the answers became another text."""

    changed: AtLeast0
    count: AtLeast0

    @property
    def kind(self) -> str:
        """ "used" where more than half changed, "unused" where none did, else "partly"."""
        return "used" if 2 * self.changed > self.count else "partly" if self.changed else "unused"

    @property
    def mark(self) -> str:
        """A sign for the kind, and the figures."""
        return f"{ {'used': '●', 'partly': '◐', 'unused': '○'}[self.kind] } {self.changed}/{self.count}"


@dataclass(frozen=True)
class ControlRow:
    """One control on one question; several draws where it is drawn by chance."""

    name: str
    description: str
    draws: int  # 0 where this question has no such control
    missing: str = ""  # why
    said: tuple[Said, ...] = ()  # an answer for each draw, once they are known
    changed: int = 0  # answers that are another text than its own
    donors: int | None = None  # answers that became the donor's, where there is one
    probabilities: tuple[float, ...] = ()  # of the words at the deciding place, the mean over the draws
    logit_difference: float | None = None  # log p of the first of them - log p of the second, nats, the mean

    @property
    def right(self) -> int | None:
        """How many answers are right, where that is known."""
        known = [answer.right for answer in self.said if answer.right is not None]
        return sum(known) if known else None


@dataclass(frozen=True)
class Controlled:
    """All controls on one question. Where they cannot be run, `error` says why."""

    rows: tuple[ControlRow, ...] = ()
    own: Said | None = None  # with its own thoughts
    place: DecidingPlace | None = None  # where the answers to the question part
    probabilities: tuple[float, ...] = ()  # of the words there, with its own thoughts
    logit_difference: float | None = None  # of them, nats
    complete: bool = False
    error: str = ""

    def row(self, name: str) -> ControlRow | None:
        """A control's row, where it was run."""
        return next((row for row in self.rows if row.name == name and row.said), None)

    def with_row(self, changed: ControlRow) -> "Controlled":
        """The same with another row of that name."""
        return replace(self, rows=tuple(changed if row.name == changed.name else row for row in self.rows))

    def shift(self, row: ControlRow) -> float | None:
        """How far a control moves the logit difference, nats; None where one of the two is not known."""
        if self.logit_difference is None or row.logit_difference is None:
            return None
        return row.logit_difference - self.logit_difference


def what_it_says(table: Controlled) -> str:
    """What one question can and cannot say, in a line or two."""
    swapped = table.row("random")
    if swapped is None:
        return (
            "No other problem's thoughts could be fed: what is left only takes thoughts away or disturbs them, "
            "and cannot tell whether what they hold is used."
        )
    swaps = Swaps(swapped.changed, len(swapped.said))
    low, high = wilson_interval(swaps.changed, swaps.count)
    interval = f"(95 %: {100 * low:.0f} to {100 * high:.0f} %)"
    figures = (
        f"{_count(swaps.changed, swaps.count)} {'swap' if swaps.count == 1 else 'swaps'} changed it {interval}"
    )
    elsewhere = [row.name for row in table.rows if row.changed and row.name in SWAPS and row is not swapped]
    if swaps.kind == "unused" and not elsewhere:
        return f"Here the answer does not hang on whose thoughts are fed: {figures}. {_unmet(table)}".rstrip()
    if swaps.kind != "used":
        more = f"; with {' and '.join(elsewhere)} it changed" if elsewhere else ""
        return f"Here it does not show whether the answer hangs on whose thoughts are fed: {figures}{more}."
    twin = table.row("twin")
    if twin is not None and twin.donors:
        return f"Here the answer follows the thoughts: {figures}, and with the twin's it became the twin's."
    return f"Here the answer hangs on whose thoughts are fed: {figures}. {_disturbed(table, swaps)}".rstrip()


def _unmet(table: Controlled) -> str:
    """What changes the answer besides, where no swap does."""
    names = [row.name for row in table.rows if row.changed]
    return f"What changes it is only what it never met: {', '.join(names)}." if names else ""


def _disturbed(table: Controlled, swaps: Swaps) -> str:
    noise = table.row("noise")
    if noise is None or noise.changed * swaps.count < swaps.changed * len(noise.said):
        return ""
    return f"So it does with noise ({_count(noise.changed, len(noise.said))}): it may only have been disturbed."


def _count(some: int, every: int) -> str:
    return f"{some} of {every}"


def distinct_answers(row: ControlRow) -> Sequence[tuple[Said, int]]:
    """The different answers of a row, each with how often it was given, the commonest first."""
    by_text: dict[str, list[Said]] = {}
    for answer in row.said:
        by_text.setdefault(answer.answer, []).append(answer)
    return sorted(((alike[0], len(alike)) for alike in by_text.values()), key=lambda pair: -pair[1])
