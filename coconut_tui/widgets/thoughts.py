"""The thoughts pane: the thoughts as a matrix or as rows, what was said, and the candidate curve."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.text import Text
from textual import events
from textual.geometry import Region

from coconut_core.common.cells import cells
from coconut_core.records.trace import UNREADABLE, StepRecord, TokenRecord
from coconut_tui.run.branches import Said
from coconut_tui.run.breakpoints import Breakpoint, Moment, first_hit, stops_at
from coconut_tui.run.lookups import AUTO, MATRIX, Dials
from coconut_tui.run.matrix import Matrix, Window, matrix_of, window_of
from coconut_tui.run.state import ModelFacts, RunView, marker_name
from coconut_tui.widgets.candidates import LEAST_HEIGHT, MOST_HEIGHT, candidate_curve
from coconut_tui.widgets.matrix import LEAST_CELL, LEAST_SHARE, Grid, draw_matrix, grid_of
from coconut_tui.widgets.rows import Row, RowsView
from coconut_tui.widgets.token_marks import TokenMarks, token_marks
from coconut_tui.widgets.tokens import (
    BAR_STYLE,
    EDIT_BOLD,
    EDIT_STYLE,
    FLAT,
    RIGHT_BOLD,
    WRONG_BOLD,
    bar,
    fitted,
    flat,
    verdict_mark,
)
from coconut_tui.widgets.units import P_CELLS, p_text

NAME_WIDTH = 8  # least cells of a token's name
_LONGEST = 16  # most cells of it
_BAR = 12  # a bar that more tokens are not worth shortening
_BESIDE = 9  # cells of one token besides its name and bar: its sign, spaces, ' .46', and a gap
_CHUNK = NAME_WIDTH + _BESIDE
_FEWEST, _MOST = 3, 6  # tokens of a thought: three with short bars, more where all of them is shown
_FOLLOWING = 24  # rows for thoughts that are still to come
_MATRIX = 34, 12  # columns and lines of the pane from which on the matrix comes by itself
_MOST_LINES = 8  # of a thought
_PARTED = 3  # lines of a thought from which on the last one is left free


@dataclass(frozen=True)
class _StepRows:
    """The rows of the steps of a run, and what they depend on."""

    steps: tuple[StepRecord, ...]
    peeks: Mapping[int, Said]
    width: int
    lines: int = 1  # of a thought
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
        self._dials = Dials()
        self._marks = TokenMarks()
        self._first_hops = 1
        self._matrix: Matrix | None = None
        self._matrix_run: RunView | None = None  # that it was made of
        self._made_of: tuple[object, ...] = ()  # and what besides
        self._curves: dict[object, list[Row]] = {}  # of the matrix, by the room and the cursor
        self._grid: Grid | None = None  # where the matrix stands; None while there are rows
        self._lines = 1  # of a thought

    def show(
        self,
        view: RunView | None,
        selected: int | None,
        breakpoints: Sequence[Breakpoint] = (),
        facts: ModelFacts | None = None,
        dials: Dials | None = None,
    ) -> None:
        """Draw a run, with the cursor on one of its steps, and * where a breakpoint stops it."""
        self._view, self._selected, self._breakpoints = view, selected, tuple(breakpoints)
        self._dials = Dials() if dials is None else dials
        spaces_shown = facts is not None and facts.spaces_shown
        self._marks = token_marks(None if view is None else view.graph, self._dials, spaces_shown=spaces_shown)
        self._first_hops = 1 if facts is None else facts.first_thought_hops
        self._stops = frozenset[int]()
        if view is not None and breakpoints:
            before = (None, *(step if step.kind == "thought" else None for step in view.steps))
            moments = (
                Moment(step, previous, view.graph, self._first_hops)
                for step, previous in zip(view.steps, before, strict=False)
            )
            hits = (n for n, moment in enumerate(moments) if first_hit(breakpoints, moment) is not None)
            self._stops = frozenset(hits)
        self._lay_out()

    def on_resize(self, event: events.Resize) -> None:
        """What is drawn follows the room there is."""
        self._lay_out()

    @property
    def is_matrix(self) -> bool:
        """Whether the thoughts are drawn as a matrix."""
        room = self.scrollable_content_region
        if self._view is None or self._dials.form != AUTO:
            return self._view is not None and self._dials.form == MATRIX
        return self._view.graph is not None and room.width >= _MATRIX[0] and room.height >= _MATRIX[1]

    def text_of(self, key: int) -> Text:
        """The first line of a thought or a marker; a key is the number of a step."""
        return self.line_of(Row(key))

    def line_of(self, row: Row) -> Text:
        """A line of a thought, or a marker."""
        assert self._view is not None
        assert row.key is not None
        step, selected = self._view.steps[row.key], row.key == self._selected
        if step.kind == "marker":
            return Text(f"{'◉' if selected else ' '} {marker_name(step)}", "bold" if selected else "dim")
        return self._thought(step, selected, row.key in self._stops, row.line)

    def source_of(self, key: int) -> object:
        """The step, whether it is selected, and how wide names are."""
        assert self._view is not None
        return (
            self._view.steps[key],
            key == self._selected,
            key in self._stops,
            self._step_rows.longest,
            self._lines,
            self._marks,
        )

    def on_click(self, event: events.Click) -> None:
        """Go to the row, or to the column of the matrix, that was clicked."""
        offset, grid = event.get_content_offset(self), self._grid
        if offset is not None and grid is not None and offset.y + self.scroll_offset.y < grid.height:
            event.prevent_default()
            place = grid.column_at(offset.x)
            number = None if place is None or self._matrix is None else self._matrix.columns[place].number
            if number is not None:
                self.post_message(self.Highlighted(self, number))

    def in_sight(self) -> list[tuple[Region, int]]:
        """Where on screen the thoughts stand, with the numbers of their steps."""
        rows, grid = super().in_sight(), self._grid
        if grid is None or self._matrix is None:
            return rows
        here = self.content_region
        places = zip(grid.columns, grid.edges, strict=False)
        columns = [(self._matrix.columns[place].number, left) for place, left in places]
        heads = [
            (Region(here.x + left, here.y, 1, 1), number) for number, left in columns if number is not None
        ]
        return heads + rows

    # -- inside --------------------------------------------------------------------------------------------

    def _keys(self) -> list[int]:
        """The thoughts, markers and the first word."""
        view = self._view
        if view is None or self._grid is None:
            return super()._keys()
        words = [] if view.first_word is None else [view.first_word]
        return [number for number, step in enumerate(view.steps) if step.kind != "token"] + words

    def _lay_out(self) -> None:
        view, key = self._view, self._selected
        if view is not None and key is not None and view.steps[key].kind == "token":
            key = view.first_word  # the words share the rows of the answer
        self._grid = None
        if view is None:
            self.lay_out([], key)
        elif self.is_matrix:
            self.lay_out(self._rows_of_matrix(view), key)
        else:
            self.lay_out(self._rows_of(view), key)

    def _take_matrix(self, view: RunView, height: int) -> Matrix:
        """The matrix of the run; it is made anew where the run, what is pinned, or what is in sight changes."""
        most = max(8, self.scrollable_content_region.width // LEAST_CELL)
        window = Window(self._selected, most)
        made_of = self._dials.pins, self._first_hops, height, window_of(view, window)
        if self._matrix is None or self._matrix_run is not view or self._made_of != made_of:
            self._matrix = matrix_of(view, self._dials.pins, self._first_hops, height, window)
            self._matrix_run, self._made_of, self._curves = view, made_of, {}
        return self._matrix

    def _rows_of_matrix(self, view: RunView) -> list[Row]:
        room = self.scrollable_content_region
        matrix = self._take_matrix(view, max(4, room.height - 6))
        cursor = self._column_of(matrix)
        below = self._below_matrix(view, matrix)
        rows_needed = len(matrix.rows) + 2 + len(below)
        has_candidates = any(row.role == "right" for row in matrix.rows)
        curve = LEAST_HEIGHT + 1 if has_candidates and room.height >= rows_needed + LEAST_HEIGHT + 1 else 0
        grid = grid_of(matrix, room.width, room.height - len(below) - curve, cursor)
        self._grid = grid
        stops = [
            column.number in self._stops
            if column.number is not None
            else column.kind == "thought"
            and column.label.isdigit()
            and stops_at(self._breakpoints, int(column.label))
            for column in matrix.columns
        ]
        lines = draw_matrix(matrix, grid, cursor, stops, self._dials.scale)
        rows = [Row(text=line) for line in lines] + below
        return rows + self._curve(matrix, grid.columns, grid.edges[0], cursor, room.height - len(rows) - 1)

    def _below_matrix(self, view: RunView, matrix: Matrix) -> list[Row]:
        """What was said, and what would be at the selected thought; a line is kept for it."""
        place = 0 if self._selected is None else self._selected + 1
        rows = self._peek(view, place if place in view.peeks else 0)
        if view.mode == "thinking" or not view.words():
            return [*rows, Row(text=Text("» …", "dim"))]
        return rows + self._answer_rows(view)

    def _curve(self, matrix: Matrix, columns: range, left: int, cursor: int | None, height: int) -> list[Row]:
        """The candidate curve where there is room for it."""
        if height < LEAST_HEIGHT:
            return []
        room = self.scrollable_content_region.width, min(MOST_HEIGHT, height)
        about = columns, left, room, cursor
        if about not in self._curves:
            text = candidate_curve(matrix, columns, left, *room, cursor)
            self._curves[about] = (
                [] if text is None else [Row(text=line) for line in (Text(), *text.split("\n"))]
            )
        return self._curves[about]

    def _column_of(self, matrix: Matrix) -> int | None:
        """The column of the selected step."""
        number, view = self._selected, self._view
        kind = "" if number is None or view is None else view.steps[number].kind
        return matrix.column_of(number, kind)

    def _rows_of(self, view: RunView) -> list[Row]:
        room = self.scrollable_content_region
        count = max(view.thoughts, sum(step.kind == "thought" for step in view.steps))
        answer = self._answer_rows(view)
        fits = room.height >= count + 5 + LEAST_HEIGHT + 1
        matrix = self._take_matrix(view, 4) if fits else None
        has_candidates = matrix is not None and any(row.role == "right" for row in matrix.rows)
        curve = LEAST_HEIGHT + 1 if has_candidates else 0
        free = room.height - max(2, len(answer)) - 2 - len(view.peeks) - curve
        self._lines = max(1, min(_MOST_LINES, free // max(1, count)))
        rows = [*self._rows_of_steps(view)]
        if view.mode == "thinking":
            segment = view.segment
            taken = sum(step.kind == "thought" and step.segment == segment for step in view.steps)
            to_come = range(taken + 1, view.thoughts + 1)
            stops = {index for index in to_come[:_FOLLOWING] if stops_at(self._breakpoints, index)}
            for index in to_come[:_FOLLOWING]:
                rows.append(Row(text=Text(f"○ {index}{'*' if index in stops else ''}", "dim")))
                rows += [Row(text=Text())] * (self._lines - 1)
            if len(to_come) > _FOLLOWING:
                rows.append(Row(text=Text(f"○ … {view.thoughts}", "dim")))
            rows += _around(view.around[1])
            if view.without_thoughts and not rows:
                rows.append(Row(text=Text("no thought is planned: s says the first word", "dim")))
            rows += [Row(text=Text())] * (curve > 0)  # the answer's, so that the curve stays where it is
        rows += answer
        if matrix is None or not curve:
            return rows
        columns, cursor = range(len(matrix.columns)), self._column_of(matrix)
        return rows + self._curve(matrix, columns, 0, cursor, room.height - len(rows) - 1)

    def _answer_rows(self, view: RunView) -> list[Row]:
        if view.mode == "thinking" or not view.words():
            return []
        lines = self._wrapped(_answer(view.said, view.expected))
        return [Row(view.first_word if number == 0 else None, line) for number, line in enumerate(lines)]

    def _rows_of_steps(self, view: RunView) -> list[Row]:
        """A run that has only grown keeps the rows that it has."""
        width, before = self.scrollable_content_region.width, self._step_rows
        known, rows, longest = len(before.steps), before.rows, before.longest
        kept = _StepRows(view.steps[:known], view.peeks, width, self._lines, rows, longest)
        if before != kept or not rows:
            longest = NAME_WIDTH
            known, rows = 0, [*_around(view.around[0]), *self._peek(view, 0)]
        for number, step in enumerate(view.steps[known:], start=known):
            if step.kind != "token":
                lines = self._lines if step.kind == "thought" else 1
                rows += [Row(number, line=line) for line in range(lines)]
                rows += self._peek(view, number + 1)
            if step.kind == "thought":
                longest = max([longest, *(cells(item.name) for item in step.top[:_FEWEST])])
        self._step_rows = _StepRows(view.steps, view.peeks, width, self._lines, rows, longest)
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

    def _thought(self, step: StepRecord, selected: bool, stop: bool, line: int) -> Text:
        mark = "*" if stop else " "
        row = Text(f"{'◉' if selected else '●'} {step.index}{mark}", "bold" if selected else "")
        row.append("✎ " if step.edit else "  ", EDIT_STYLE)
        if line:
            row = Text(" " * row.cell_len)
        if not step.readable:
            return row if line else row.append(f"⚠ {UNREADABLE}", EDIT_BOLD)
        if flat(step.top):
            share = p_text(step.top[0].probability)
            return row if line else row.append(f"{FLAT} every token {share}", "dim")
        room = self.scrollable_content_region.width - row.cell_len - 2
        longest = min(_LONGEST, self._step_rows.longest)
        columns, name_width, bar_width = _layout(room, longest, self._lines)
        tokens = step.top[: columns * self._lines]
        if self._lines == 1:
            for item in tokens:
                row.append_text(self._bar(item, name_width, bar_width, named=True)).append("  ")
            return row
        likely = [item for item in tokens if item.probability >= LEAST_SHARE] or list(tokens[:1])
        bars = self._lines - 1 if self._lines >= _PARTED else self._lines  # the last line parts two thoughts
        each = -(-len(likely) // columns)  # tokens below each other
        if line >= bars:
            return row
        place = line * each // bars  # each token is as high as there is room for
        for item in likely[place::each]:
            named = line == -(-place * bars // each)
            row.append_text(self._bar(item, name_width, bar_width, named=named)).append("  ")
        return row

    def _bar(self, item: TokenRecord, name_width: int, bar_width: int, *, named: bool) -> Text:
        """A token's bar, with its name and number on the first of its lines."""
        style = self._marks.style(item.name) or ("dim" if item.probability < 0.05 else "")
        name = (
            f"{self._marks.sign(item.name)}{fitted(item.name, name_width)}" if named else " " * (name_width + 1)
        )
        number = p_text(item.probability) if named else " " * P_CELLS
        return (
            Text(f"{name} ", style)
            .append(bar(item.probability, bar_width), BAR_STYLE)
            .append(f" {number}", style)
        )


def _layout(room: int, longest: int, lines: int) -> tuple[int, int, int]:
    """How many tokens of a thought stand side by side, and the cells of a name and of a bar.

    A bar gives way to a name that is longer than usual, but for the last three cells.
    """
    room = max(20, room)
    if lines == 1:
        columns = max(1, min(_FEWEST, room // (_CHUNK + 3)), min(_MOST, room // (longest + _BAR + _BESIDE)))
    else:
        columns = min(-(-_FEWEST // lines), max(1, room // (_CHUNK + 3)))
    name_width = max(NAME_WIDTH, min(longest, room // columns - _BESIDE - 3))
    return columns, name_width, max(3, room // columns - _BESIDE - name_width)


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
