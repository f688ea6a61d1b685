"""Picking a problem."""

from collections.abc import Callable, Mapping

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, OptionList
from textual.widgets.option_list import Option

from coconut_core.errors import visible
from coconut_core.problems.base import Problem
from coconut_tui.collection import Collection
from coconut_tui.controlled import Swaps
from coconut_tui.drawing import shortened

MOST_LISTED = 2000


class ProblemsScreen(ModalScreen[int | None]):
    """Lists problems that fit a filter; gives the number of the one that is picked."""

    BINDINGS = [
        Binding("down", "cursor(1)", "down", show=False, priority=True),
        Binding("up", "cursor(-1)", "up", show=False, priority=True),
        Binding("pagedown", "cursor(10)", "down", show=False, priority=True),
        Binding("pageup", "cursor(-10)", "up", show=False, priority=True),
        Binding("ctrl+a", "answer_all", "answer these", priority=True),
        Binding("ctrl+t", "swap", "test these: thoughts used?", priority=True),
        Binding("f1", "app.explain('problems')", "help", priority=True),
        Binding("escape", "leave", "close", priority=True),
    ]

    class Swapped(Message):
        """What became of some problems' answers with other problems' thoughts."""

        def __init__(self, swaps: Mapping[int, Swaps]) -> None:
            super().__init__()
            self.swaps = swaps

    def __init__(
        self,
        problems: Collection,
        current: int | None,
        answer: Callable[[Mapping[int, Problem]], None],
        swap: Callable[[Mapping[int, Problem], "ProblemsScreen"], None],
    ) -> None:
        """answer: answers and judges problems; verdicts come in later. swap: tests whether the thoughts of
        problems are used; what is found comes as Swapped."""
        super().__init__()
        self._problems, self._current, self._answer, self._swap = problems, current, answer, swap
        self._numbers: list[int] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide") as dialog:
            dialog.border_title = "Problems"
            dialog.border_subtitle = "enter opens, ctrl+a answers these, ctrl+t tests these, escape closes"
            yield Input(
                placeholder="filter: 4   3-5   right wrong open   used partly unused   a word of the question",
                compact=True,
            )
            yield OptionList()
        yield Footer()

    def on_mount(self) -> None:
        """List all, once it is known how wide the lines are."""
        self.call_after_refresh(self._list_all)

    def _list_all(self) -> None:
        self.show()
        if self._current in self._numbers[:MOST_LISTED]:
            self.query_one(OptionList).highlighted = self._numbers.index(self._current)

    def show(self) -> None:
        """List what fits the filter; the cursor stays on its problem."""
        listed = self.query_one(OptionList)
        place = listed.highlighted
        before = None if place is None or place >= len(self._numbers) else self._numbers[place]
        self._numbers = self._problems.matching(self.query_one(Input).value)
        listed.clear_options()
        listed.add_options([Option(self._line(number)) for number in self._numbers[:MOST_LISTED]])
        if self._numbers:
            listed.highlighted = self._numbers.index(before) if before in self._numbers[:MOST_LISTED] else 0
        judged = [self._problems.verdicts.get(number) for number in self._numbers]
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
        """Open the problem under the cursor."""
        place = self.query_one(OptionList).highlighted
        if place is not None and place < len(self._numbers):
            self.dismiss(self._numbers[place])

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Open the problem that was clicked."""
        self.dismiss(self._numbers[event.option_index])

    def action_cursor(self, by: int) -> None:
        """Move the cursor while the filter is being typed."""
        listed = self.query_one(OptionList)
        if listed.option_count:
            listed.highlighted = min(max((listed.highlighted or 0) + by, 0), listed.option_count - 1)

    def action_answer_all(self) -> None:
        """Answer what is listed."""
        self._answer({number: self._problems.problem(number) for number in self._numbers[:MOST_LISTED]})

    def action_swap(self) -> None:
        """Answer what is listed with other problems' thoughts."""
        self._swap({number: self._problems.problem(number) for number in self._numbers[:MOST_LISTED]}, self)

    def on_problems_screen_swapped(self, message: Swapped) -> None:
        """Note it, and list anew."""
        message.stop()
        self._problems.note_swaps(message.swaps)
        self.show()

    def action_leave(self) -> None:
        """Close."""
        self.dismiss(None)

    def _line(self, number: int) -> Text:
        problem = self._problems.problem(number)
        verdict = self._problems.verdicts.get(number)
        mark = "·" if verdict is None else "✓" if verdict else "✗"
        hops = f"{len(problem.steps)} steps" if problem.steps else ""
        line = Text(f"{mark} {number:>4}  {hops:<8} ")
        if self._problems.swaps:
            swaps = self._problems.swaps.get(number)
            line.append(f"{'' if swaps is None else swaps.mark:<6}")
        line.append("… ")
        room = max(20, self.query_one(OptionList).size.width - line.cell_len - 2)
        line.append(visible(problem.question.rstrip())[-min(room, 60) :])
        return line.append(f"  {shortened(problem.answer, room - 62)}", "dim") if room > 70 else line
