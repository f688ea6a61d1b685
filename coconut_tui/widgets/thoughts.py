"""The thoughts pane: a row for each thought, taken or to come, then what was said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.text import Text
from textual import events

from coconut_core.common.cells import cells
from coconut_core.records.trace import UNREADABLE, StepRecord
from coconut_tui.run.branches import Said
from coconut_tui.run.breakpoints import Breakpoint, Moment, first_hit, stops_at
from coconut_tui.run.state import ModelFacts, RunView, marker_name
from coconut_tui.widgets.rows import Row, RowsView
from coconut_tui.widgets.tokens import (
    EDIT_BOLD,
    EDIT_STYLE,
    FLAT,
    RIGHT_BOLD,
    WRONG_BOLD,
    flat,
    share_text,
    token_bar,
    verdict_mark,
)

NAME_WIDTH = 8  # least cells of a token's name
_LONGEST = 16  # most cells of it
_BAR = 12  # the longest bar
_BESIDE = 7  # cells of one token besides its name and bar: a space, ' .46', and a gap
_CHUNK = NAME_WIDTH + _BESIDE
_FEWEST, _MOST = 3, 6  # tokens of a thought: three with short bars, more where all of them is shown
_FOLLOWING = 24  # rows for thoughts that are still to come


@dataclass(frozen=True)
class _StepRows:
    """The rows of the steps of a run, and what they depend on."""

    steps: tuple[StepRecord, ...]
    peeks: Mapping[int, Said]
    width: int
    rows: list[Row] = field(default_factory=list)
    longest: int = NAME_WIDTH  # cells of the longest name among the likeliest tokens of thoughts


class ThoughtsPane(RowsView):
    """Draws the run; moving the cursor selects a step."""

    BORDER_TITLE = "Thoughts"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._view: RunView | None = None
        self._selected: int | None = None
        self._breakpoints: tuple[Breakpoint, ...] = ()
        self._stops: frozenset[int] = frozenset()  # steps taken at which a breakpoint stops
        self._step_rows = _StepRows((), {}, 0)

    def show(
        self,
        view: RunView | None,
        selected: int | None,
        breakpoints: Sequence[Breakpoint] = (),
        facts: ModelFacts | None = None,
    ) -> None:
        """Draw a run, with the cursor on one of its steps, and * where a breakpoint stops it."""
        self._view, self._selected, self._breakpoints = view, selected, tuple(breakpoints)
        self._stops = frozenset[int]()
        if view is not None and breakpoints:
            before = (None, *(step if step.kind == "thought" else None for step in view.steps))
            moments = (
                Moment(step, previous, view.graph, 1 if facts is None else facts.first_thought_hops)
                for step, previous in zip(view.steps, before, strict=False)
            )
            hits = (n for n, moment in enumerate(moments) if first_hit(breakpoints, moment) is not None)
            self._stops = frozenset(hits)
        self._lay_out()

    def on_resize(self, event: events.Resize) -> None:
        """The bars and the answer's lines follow the width."""
        self._lay_out()

    def text_of(self, key: int) -> Text:
        """A thought or a marker; a key is the number of a step."""
        assert self._view is not None
        step, selected = self._view.steps[key], key == self._selected
        if step.kind == "marker":
            return Text(f"{'◉' if selected else ' '} {marker_name(step)}", "bold" if selected else "dim")
        return self._thought(step, selected, stop=key in self._stops)

    def source_of(self, key: int) -> object:
        """The step, whether it is selected, and how wide names are."""
        assert self._view is not None
        return (
            self._view.steps[key],
            key == self._selected,
            key in self._stops,
            self._step_rows.longest,
        )

    # -- inside --------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        view, key = self._view, self._selected
        if view is not None and key is not None and view.steps[key].kind == "token":
            key = view.first_word  # the words share the rows of the answer
        self.lay_out([] if view is None else self._rows_of(view), key)

    def _rows_of(self, view: RunView) -> list[Row]:
        rows = list(self._rows_of_steps(view))
        if view.mode == "thinking":
            segment = view.segment
            count = sum(step.kind == "thought" and step.segment == segment for step in view.steps)
            to_come = range(count + 1, view.thoughts + 1)
            stops = {index for index in to_come[:_FOLLOWING] if stops_at(self._breakpoints, index)}
            rows += [
                Row(text=Text(f"○ {index}{'*' if index in stops else ''}", "dim"))
                for index in to_come[:_FOLLOWING]
            ]
            if len(to_come) > _FOLLOWING:
                rows.append(Row(text=Text(f"○ … {view.thoughts}", "dim")))
            rows += _around(view.around[1])
            if view.without_thoughts and not rows:
                rows.append(Row(text=Text("no thought is planned: s says the first word", "dim")))
        elif view.words():
            lines = self._wrapped(_answer(view.said, view.expected))
            rows += [Row(view.first_word if number == 0 else None, line) for number, line in enumerate(lines)]
        return rows

    def _rows_of_steps(self, view: RunView) -> list[Row]:
        """A run that has only grown keeps the rows that it has."""
        width, before = self.scrollable_content_region.width, self._step_rows
        known, rows, longest = len(before.steps), before.rows, before.longest
        if before != _StepRows(view.steps[:known], view.peeks, width, rows, longest) or not rows:
            longest = NAME_WIDTH
            known, rows = 0, [*_around(view.around[0]), *self._peek(view, 0)]
        for number, step in enumerate(view.steps[known:], start=known):
            if step.kind != "token":
                rows += [Row(number), *self._peek(view, number + 1)]
            if step.kind == "thought":
                longest = max([longest, *(cells(item.name) for item in step.top[:_FEWEST])])
        self._step_rows = _StepRows(view.steps, view.peeks, width, rows, longest)
        return rows

    def _peek(self, view: RunView, position: int) -> list[Row]:
        """What it would say after so many steps, where that is known."""
        said = view.peeks.get(position)
        if said is None:
            return []
        text = (
            Text("    would say » ", "dim")
            .append(said.answer or "nothing", "italic")
            .append(verdict_mark(said))
        )
        return [Row(text=line) for line in self._wrapped(text)]

    def _wrapped(self, text: Text) -> list[Text]:
        return list(text.wrap(self.app.console, max(8, self.scrollable_content_region.width)))

    def _thought(self, step: StepRecord, selected: bool, stop: bool) -> Text:
        mark = "*" if stop else " "
        row = Text(f"{'◉' if selected else '●'} {step.index}{mark}", "bold" if selected else "")
        row.append("✎ " if step.edit else "  ", EDIT_STYLE)
        if not step.readable:
            return row.append(f"⚠ {UNREADABLE}", EDIT_BOLD)
        if flat(step.top):
            return row.append(f"{FLAT} every token {share_text(step.top[0].probability)}", "dim")
        room = self.scrollable_content_region.width - row.cell_len - 2
        columns, name_width, bar_width = _layout(room, min(_LONGEST, self._step_rows.longest))
        for item in step.top[:columns]:
            row.append_text(token_bar(item.name, item.probability, name_width, bar_width))
            row.append("  ")
        return row


def _layout(room: int, longest: int) -> tuple[int, int, int]:
    """How many tokens of a thought there is room for, and the cells of a name and of a bar.

    A bar gives way to a name that is longer than usual, but for the last three cells.
    """
    room = max(20, room)
    columns = max(1, min(_FEWEST, room // (_CHUNK + 3)), min(_MOST, room // (longest + _BAR + _BESIDE)))
    name_width = max(NAME_WIDTH, min(longest, room // columns - _BESIDE - 3))
    return columns, name_width, max(3, min(_BAR, room // columns - _BESIDE - name_width))


def _around(text: str) -> list[Row]:
    """What stands in front of the thoughts or behind them, where anything does."""
    return [Row(text=Text(f"  {text}", "dim"))] if text else []


def _answer(said: Said, expected: str | None) -> Text:
    row = Text().append("» ", "dim").append(said.answer or ("nothing" if said.over else "…"), "bold")
    cut = "cut off; " if said.cut_off else ""
    if said.near:
        row.append(f"  ≈ right name, other wording; {cut}expected: {expected}")
    elif said.right is not None:
        row.append(*("  ✓ right", RIGHT_BOLD) if said.right else (f"  ✗ {cut}expected: {expected}", WRONG_BOLD))
    elif said.cut_off:
        row.append("  cut off", "dim")
    return row
