"""Picking a problem."""

from collections.abc import Callable, Mapping, Sequence

from rich.cells import set_cell_size
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, OptionList, Static
from textual.widgets.option_list import Option

from coconut_core.common.errors import visible
from coconut_core.problems.base import Problem
from coconut_core.records.answers import conclusion
from coconut_tui.run.collection import ORDERS, Collection, Tally
from coconut_tui.screens.dialog import LIST_CURSOR
from coconut_tui.widgets.tokens import (
    BAR_STYLE,
    RIGHT_STYLE,
    WRONG_STYLE,
    bar,
    end_of,
    verdict_mark,
    with_marks,
)

MOST_LISTED = 2000
_WHOLE = 20  # with so many cells an answer is shown whole, else what it comes down to
_HEADS = {
    "": "",
    "#": "   #",
    "steps": "steps",
    "swaps": "swaps",
    "said": "said",
    "expected": "expected",
    "question": "question, its end",
}
_SORTED = {"number": "#", "steps": "steps", "answer": "said", "swaps": "swaps"}  # the column of each order
_LEGEND = (
    "✓ right  ✗ wrong  ≈ right name, other wording  · not answered     "
    "swaps: ● most change the answer  ◐ some  ○ none"
)


class ProblemsScreen(ModalScreen[int | None]):
    """Lists problems that fit a filter; gives the number of the one that is picked."""

    BINDINGS = [
        *LIST_CURSOR,
        Binding("ctrl+s", "confirm", "open", priority=True),
        Binding("ctrl+a", "answer_all", "answer these", priority=True),
        Binding("ctrl+t", "swap", "test these: thoughts used?", priority=True),
        Binding("f3", "sort", "sort", priority=True),
        Binding("f4", "build", "atlas of these", priority=True),
        Binding("f1", "app.explain('problems')", "help", priority=True),
        Binding("escape", "dismiss", "close", priority=True),
    ]

    def __init__(
        self,
        problems: Collection,
        current: int | None,
        answer: Callable[[Mapping[int, Problem]], None],
        swap: Callable[[Mapping[int, Problem]], None],
        build: Callable[[Sequence[Problem]], None] = lambda problems: None,
    ) -> None:
        """answer: answers and judges problems. swap: tests whether the thoughts of problems are used. Both note
        what comes of it in `problems`, and show() then lists anew. build: builds an atlas of problems."""
        super().__init__()
        self._problems, self._current, self._answer, self._swap = problems, current, answer, swap
        self._build = build
        self._numbers: list[int] = []
        self._order = ORDERS[0]

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog full") as dialog:
            dialog.border_title = "Problems"
            dialog.border_subtitle = "enter opens, ctrl+a answers these, ctrl+t tests these, escape closes"
            yield Input(
                placeholder="filter: 4   3-5   right wrong open   used partly unused   a word of the question",
                compact=True,
            )
            yield Static(id="problem-heads")
            yield OptionList()
            yield Static(id="problem-tallies")
            yield Static(with_marks(_LEGEND, "dim"), id="problem-marks")
        yield Footer()

    def on_mount(self) -> None:
        """List all, once it is known how wide the lines are."""
        self.call_after_refresh(self._list_all)

    def on_resize(self) -> None:
        """The columns follow the width."""
        self.call_after_refresh(self.show)

    def _list_all(self) -> None:
        self.show()
        if self._current in self._numbers[:MOST_LISTED]:
            self.query_one(OptionList).highlighted = self._numbers.index(self._current)

    def show(self) -> None:
        """List what fits the filter; the cursor stays on its problem."""
        if not self.query(OptionList):  # it is not there yet, or not any more
            return
        options = self.query_one(OptionList)
        place = options.highlighted
        before = None if place is None or place >= len(self._numbers) else self._numbers[place]
        matching = self._problems.matching(self.query_one(Input).value)
        self._numbers = self._problems.ordered(matching, self._order)
        columns = self._columns
        sorted_by = _SORTED[self._order]
        heads = _HEADS | {
            sorted_by: f"{_HEADS[sorted_by]}▾".strip().rjust(columns[sorted_by] * (sorted_by == "#"))
        }
        self.query_one("#problem-heads", Static).update(Text(_row(heads, columns), "bold"))
        tallies = self._problems.tallies(self._numbers)
        self.query_one("#problem-tallies", Static).update(tallies_text(tallies, options.region.width))
        options.clear_options()
        options.add_options([Option(self._line(number, columns)) for number in self._numbers[:MOST_LISTED]])
        if self._numbers:
            options.highlighted = self._numbers.index(before) if before in self._numbers[:MOST_LISTED] else 0
        judged = [self._problems.verdict(number) for number in self._numbers]
        known = sum(verdict is not None for verdict in judged)
        title = f"Problems: {len(self._numbers)}, answered {known}, right {judged.count(True)}"
        tested = [self._problems.swaps.get(number) for number in self._numbers]
        if kinds := [swaps.kind for swaps in tested if swaps is not None]:
            counts = [f"{kinds.count(kind)} {kind}" for kind in ("used", "partly", "unused")]
            title += f", tested {len(kinds)}: {', '.join(counts)}"
        self.query_one(".dialog", Vertical).border_title = title

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter anew."""
        self.show()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter opens, too."""
        self.action_confirm()

    def action_confirm(self) -> None:
        """Open the problem under the cursor."""
        place = self.query_one(OptionList).highlighted
        if place is not None and place < len(self._numbers):
            self.dismiss(self._numbers[place])

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Open the problem that was clicked."""
        self.dismiss(self._numbers[event.option_index])

    def action_cursor(self, by: int) -> None:
        """Move the cursor while the filter is being typed."""
        options = self.query_one(OptionList)
        if options.option_count:
            options.highlighted = min(max((options.highlighted or 0) + by, 0), options.option_count - 1)

    def action_answer_all(self) -> None:
        """Answer what is listed."""
        self._answer({number: self._problems.problem(number) for number in self._numbers[:MOST_LISTED]})

    def action_sort(self) -> None:
        """In another order; the cursor stays on its problem."""
        orders = ORDERS if self._problems.swaps else ORDERS[:-1]
        self._order = (
            orders[(orders.index(self._order) + 1) % len(orders)] if self._order in orders else orders[0]
        )
        self.show()

    def action_swap(self) -> None:
        """Answer what is listed with other problems' thoughts."""
        self._swap({number: self._problems.problem(number) for number in self._numbers[:MOST_LISTED]})

    def action_build(self) -> None:
        """Build an atlas of all that fit the filter."""
        if self._numbers:
            self._build([self._problems.problem(number) for number in self._numbers])

    @property
    def _columns(self) -> dict[str, int]:
        """Cells of each column; answers get a quarter each of what is left, as far as they need it."""
        columns = {"": 1, "#": 4, "steps": 5} | ({"swaps": 5} if self._problems.swaps else {})
        width = self.query_one(OptionList).scrollable_content_region.width
        room = width - sum(columns.values()) - 2 * len(columns)
        answer = max(10, min(32, room // 4))
        return columns | {"said": answer, "expected": answer, "question": max(10, room - 2 * answer - 4)}

    def _line(self, number: int, columns: Mapping[str, int]) -> Text:
        problem, said = self._problems.problem(number), self._problems.answers.get(number)
        swaps = self._problems.swaps.get(number)
        short = columns["said"] < _WHOLE
        cells = {
            "": "·" if said is None or said.right is None else verdict_mark(said).plain.strip(),
            "#": f"{number:>4}",
            "steps": f"{len(problem.steps) or '':>5}",
            "swaps": "" if swaps is None else swaps.mark,
            "said": "" if said is None else (_short(said.answer, short) or "nothing"),
            "expected": _short(problem.answer, short),
            "question": visible(problem.question.rstrip()),
        }
        wrong = said is not None and said.right is False
        styles = {"said": WRONG_STYLE if wrong else "", "expected": "" if wrong else "dim"}
        line = Text()
        for name, width in columns.items():
            line.append(_cell(cells[name], width), styles.get(name, "")).append("  ")
        line.rstrip()
        return with_marks(line)


def tallies_text(tallies: Mapping[int, Tally], width: int) -> Text:
    """Two lines: the share of right answers for each number of reasoning steps, and of used thoughts."""
    text = Text(no_wrap=True, overflow="ellipsis")
    if not any(tally.answered or tally.tested for tally in tallies.values()):
        return text.append(
            "none of these is answered yet: ctrl+a answers them, ctrl+t tests their thoughts\n", "dim"
        )
    room = max(3, min(16, width // max(1, len(tallies)) - 14))
    for name, part, whole, style in (
        ("right", "right", "answered", RIGHT_STYLE),
        ("used ", "used", "tested", BAR_STYLE),
    ):
        if not any(getattr(tally, whole) for tally in tallies.values()):
            text.append(f"{name}  not known yet\n", "dim")
            continue
        text.append(name, "bold")
        for steps, tally in tallies.items():
            some, all_of = getattr(tally, part), getattr(tally, whole)
            share = some / all_of if all_of else 0.0
            text.append(f"  {steps or '–'}: ", "dim").append(bar(share, room), style)
            text.append(f" {some}/{all_of}" if all_of else " –")
        text.append("\n")
    text.rstrip()
    return text


def _row(cells: Mapping[str, str], columns: Mapping[str, int]) -> str:
    return "  ".join(_cell(cells[name], width) for name, width in columns.items())


def _cell(text: str, width: int) -> str:
    """A text in so many cells; of a longer one the end, which tells most."""
    return set_cell_size(end_of(text, width), width)


def _short(answer: str, short: bool) -> str:
    return conclusion(answer) if short else answer
