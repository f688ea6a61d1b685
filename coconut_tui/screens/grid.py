"""The causal grid: what is done by row, where by column, and how far each cell moves the answer."""

from collections.abc import Callable, Mapping

from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.coordinate import Coordinate
from textual.widgets import DataTable, Footer, Static

from coconut_core.common.cells import cells, shortened
from coconut_core.grid.layouts import ABOUT, Direction, Kind, Layout, Place, Size, layout_of
from coconut_core.problems.base import Problem
from coconut_tui.run.grid import KINDS, GridChoice, GridTable
from coconut_tui.run.state import Variant, WhatIf
from coconut_tui.screens.dialog import WhatIfDialog
from coconut_tui.widgets.palettes import SHADES
from coconut_tui.widgets.text import plain_title
from coconut_tui.widgets.tokens import error_line, place_note, with_marks
from coconut_tui.widgets.variants import LEAST_SCALE, difference_of, sentence, signed

_LEAST, _TALLEST = 7, 6  # cells of a column, and lines of a row
_WIDEST = 30  # cells of a column of a long list, of which a line has to be followed
_ROUND_IT = 10  # lines of the dialog besides the rows: kinds, headings, and what stands below
_TWO_DIGITS = 9  # cells of a column in which there is room for two digits behind the point
_STRONGEST = 9  # cells that are gone through, the strongest first
_SAID = 6  # lines of what is said of a cell
_WIDEST_NAME = 24  # cells of a row's name
_NARROW = 96  # columns below which it is not said where the numbers are read
_LEGEND = "Shade and number: Δ logit difference, in nats. ✗ a right answer becomes wrong, ✓ a wrong one right."


class GridScreen(WhatIfDialog):
    """Shows every cell of a grid as they come in; gives the one that is to become a branch."""

    BINDINGS = [
        Binding("question_mark,f1", "app.explain('grid')", "help"),
        Binding("escape,q", "dismiss", "close"),
        Binding("ctrl+s", "confirm", "make a branch"),
        Binding("tab", "next_kind(1)", "next kind", priority=True),
        Binding("shift+tab", "next_kind(-1)", "kind before", show=False, priority=True),
        Binding("d", "turn", "direction"),
        Binding("o", "next_donor", "donor"),
        Binding("t", "next_thought", "thought"),
        Binding("m", "strongest", "strongest"),
        *(
            Binding(str(number), f"kind('{kind}')", str(kind), show=False)
            for number, kind in enumerate(KINDS, start=1)
        ),
        Binding("j", "cursor(1, 0)", "down", show=False),
        Binding("k", "cursor(-1, 0)", "up", show=False),
        Binding("h", "cursor(0, -1)", "left", show=False),
        Binding("l", "cursor(0, 1)", "right", show=False),
    ]

    def __init__(
        self, thoughts: int, begin: int = 1, ask: Callable[[GridChoice], object] = lambda choice: None
    ) -> None:
        """thoughts: how many the run takes; begin: the thought on which the cursor begins; ask: called with
        what is to be measured."""
        super().__init__("")
        self._choice = GridChoice(thoughts)
        self._layout: Layout | None = layout_of(Kind.ABLATIONS, Size(thoughts))
        self._begin, self._ask = begin, ask
        self._drawn: dict[Place, tuple[str, str, str]] = {}  # what stands in the cells
        self._form: tuple[object, ...] = ()  # which rows and columns are drawn, and how large
        self._typed, self._error = True, ""
        self.run: Problem | None = None  # whose run is changed, where that is not the question on screen

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog full what-if") as dialog:
            dialog.border_subtitle = "enter makes a branch of it, escape closes"
            yield Static(id="grid-kinds")
            yield DataTable(cursor_type="cell", header_height=2, cell_padding=0)
            yield Static(id="what-if-state")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to measure."""
        self.query_one(DataTable).focus()
        self._ask(self._choice)

    def take(self, found: GridTable) -> None:
        """Show what is known of what was asked last."""
        if found.choice == self._choice:
            self._layout, self._error = found.layout, found.error
            self.run, self._typed = found.run, found.typed
            self.show(found.table)

    def on_data_table_cell_highlighted(self, event: DataTable.CellHighlighted) -> None:
        """Say a cell in words."""
        self._say()

    def on_data_table_cell_selected(self, event: DataTable.CellSelected) -> None:
        """Take a cell."""
        text = self._texts.get((event.coordinate.row, event.coordinate.column), "")
        if text and not self._by_text.get(text, Variant("")).error:
            if self._typed:
                self.dismiss(text)
            else:
                self.notify("this cell is of another question's run, in which its text means something else")

    def action_cursor(self, down: int, right: int) -> None:
        """Move the cursor."""
        grid = self.query_one(DataTable)
        here = grid.cursor_coordinate
        grid.move_cursor(row=here.row + down, column=here.column + right)

    def action_kind(self, kind: str) -> None:
        """Show the grid of a kind."""
        self._choose(self._choice.of_kind(Kind(kind)))

    def action_next_kind(self, by: int) -> None:
        """Show the kind behind this one, or in front of it."""
        self._choose(self._choice.next_kind(by))

    def action_turn(self) -> None:
        """Noising in place of denoising, or the other way round."""
        self._choose(self._choice.turned())

    def action_next_donor(self) -> None:
        """Patch in another donor's activations."""
        self._choose(self._choice.next_donor())

    def action_next_thought(self) -> None:
        """Patch heads at another thought, or at all."""
        self._choose(self._choice.next_thought())

    def action_strongest(self) -> None:
        """Go to the cell that moves the answer most; from there to the next, as far as the strongest go."""
        by_text, table = self._by_text, self._table
        shifts = {
            place: abs(shift)
            for place, text in self._texts.items()
            if text in by_text and (shift := table.shift(by_text[text])) is not None
        }
        grid = self.query_one(DataTable)
        here = (grid.cursor_coordinate.row, grid.cursor_coordinate.column)
        order = sorted(shifts, key=lambda place: -shifts[place])
        if order:
            at = (order.index(here) + 1) % len(order) if here in order[:_STRONGEST] else 0
            grid.move_cursor(row=order[at][0], column=order[at][1])

    # -- inside --------------------------------------------------------------------------------------------

    @property
    def _texts(self) -> Mapping[Place, str]:
        return {} if self._layout is None else self._layout.texts

    @property
    def _by_text(self) -> dict[str, Variant]:
        return {variant.text: variant for variant in self._table.variants}

    def _choose(self, choice: GridChoice) -> None:
        self._choice, self._table, self._error = choice, WhatIf("", ()), ""
        self._ask(choice)
        self._draw_newest()

    def _draw(self) -> None:
        self._draw_kinds()
        grid, layout = self.query_one(DataTable), self._layout
        if layout is None:
            self._form, self._drawn = (), {}
            grid.clear(columns=True)
            self._say()
            return
        room = self.query_one(".dialog").scrollable_content_region
        names = min(_WIDEST_NAME, max(map(cells, layout.rows))) + 1
        long = len(layout.rows) > room.height - _ROUND_IT
        widest = _WIDEST if long else room.width
        width = max(_LEAST, min(widest, (room.width - names - 2) // len(layout.columns)))
        height = max(1, min(_TALLEST, (room.height - _ROUND_IT) // len(layout.rows)))
        known = self._by_text
        shifts = [self._table.shift(variant) for variant in self._table.variants]
        most = max((LEAST_SCALE, *(abs(shift) for shift in shifts if shift is not None)))
        readings = {place: self._reading(known.get(text), width, most) for place, text in layout.texts.items()}
        form = (layout.rows, layout.columns, layout.kind, width, height)
        if form == self._form:
            for place, reading in readings.items():
                if reading != self._drawn.get(place):
                    grid.update_cell_at(Coordinate(*place), _cell(reading, width, height))
        else:
            self._lay_out(layout, readings, width, height)
        self._form, self._drawn = form, readings
        self._say()

    def _lay_out(
        self, layout: Layout, readings: dict[Place, tuple[str, str, str]], width: int, height: int
    ) -> None:
        """Draw rows and columns anew; the cursor stays where it was as long as the grid is of the same kind."""
        grid = self.query_one(DataTable)
        same = bool(self._form) and self._form[2] is layout.kind
        by_thought = layout.column_title == "thought"
        at = grid.cursor_coordinate if same else Coordinate(0, self._begin - 1 if by_thought else 0)
        grid.clear(columns=True)
        for number, name in enumerate(layout.columns):
            over = layout.column_title if not number else ""
            name = name.removeprefix(f"{layout.column_title} ")
            grid.add_column(Text(f"{over:^{width}}\n{name:^{width}}"), width=width)
        for row, name in enumerate(layout.rows):
            drawn = [
                _cell(readings[row, column], width, height) if (row, column) in readings else Text()
                for column in range(len(layout.columns))
            ]
            label = Text("\n" * _above(height) + shortened(name, _WIDEST_NAME), "bold")
            grid.add_row(*drawn, height=height, label=label)
        long = (
            len(layout.rows) * height > self.query_one(".dialog").scrollable_content_region.height - _ROUND_IT
        )
        grid.styles.height = "1fr" if long else "auto"  # what is said of the cell stays in sight, and the
        self.query_one("#what-if-state").styles.min_height = _SAID if long else 0  # list as long as it is
        grid.move_cursor(row=at.row, column=at.column)

    def _draw_kinds(self) -> None:
        """The kinds with their keys, then what else can be chosen, and the title."""
        choice, line = self._choice, Text()
        for number, kind in enumerate(KINDS, start=1):
            style = Style.parse("reverse bold" if kind is choice.kind else "none")
            line.append(f" {number} {kind} ", style + Style(meta={"@click": f"screen.kind('{kind}')"}))
        chosen = [f"d {choice.direction}", f"o {choice.donor}"]
        if choice.kind is Kind.HEADS:
            chosen.append(f"t {'all' if choice.thought is None else choice.thought}")
        line.append("  ").append(" · ".join(chosen), "dim")
        self.query_one("#grid-kinds", Static).update(line)
        title = ABOUT[choice.kind] if self._layout is None else self._layout.title
        self.query_one(".dialog").border_title = plain_title(f"What if: {title}")

    def _reading(self, variant: Variant | None, width: int, most: float) -> tuple[str, str, str]:
        """What stands in a cell: the number, the mark of a flip, and the style."""
        if variant is not None and variant.error:
            return "–", "", "dim"
        if variant is None or (variant.said is None and variant.logit_difference is None):
            return "…", "", "dim"
        flip, shift = self._table.flip(variant), self._table.shift(variant)
        mark = "…" if variant.said is None else "✗" if flip is False else "✓" if flip else ""
        if shift is None:
            return "≠" if variant.changed else "=", mark, ""
        level = round(abs(shift) / most * (SHADES - 1))
        style = f"coconut.{'loss' if shift < 0 else 'shade'}.{level}" if level else ""
        return signed(shift, 2 if width >= _TWO_DIGITS else 1), mark, style

    def _say(self) -> None:
        """The cell under the cursor in words, then how the numbers are made or how far it has come."""
        table, text = self._table, Text()
        state = self.query_one("#what-if-state", Static)
        if self._error:
            state.update(error_line(self._error))
            return
        at = self.query_one(DataTable).cursor_coordinate
        variant = self._by_text.get(self._texts.get((at.row, at.column), ""))
        text = Text() if variant is None else sentence(table, variant)
        if table.variants:
            text.append("\n").append_text(sentence(table, table.variants[0])).append("\n")
        answered = sum(variant.said is not None for variant in table.variants)
        going_on = f"trying … {answered} of {len(table.variants)} answered, escape stops"
        note = _LEGEND
        if self._choice.direction is Direction.DENOISING:
            note = f"The {self._choice.donor}'s run, with this question's activations. {note}"
        if self.size.width >= _NARROW:
            note = " ".join(filter(None, (note, difference_of(table.place), place_note(table.place))))
        text.append_text(with_marks(note if table.complete else going_on, "dim"))
        state.update(text)


def _cell(reading: tuple[str, str, str], width: int, height: int) -> Text:
    """A number on its shade, with a gap to the next cell on both sides where there is room."""
    number, mark, style = reading
    gap = 1 if width > _LEAST else 0
    text = f"{number:>6} {mark or ' '}" if width > _TWO_DIGITS else f"{number}{mark}"
    line = Text(" " * gap).append(text.center(width - 2 * gap), style)
    if not style:
        line = with_marks(line)
    blank = Text(" " * gap).append(" " * (width - 2 * gap), style)
    return Text("\n").join([*[blank] * _above(height), line, *[blank] * (_thick(height) - 1 - _above(height))])


def _thick(height: int) -> int:
    """Lines of a cell that are shaded: of high rows one is left between two."""
    return height - 1 if height > 2 else height


def _above(height: int) -> int:
    """Lines of a cell above its number."""
    return (_thick(height) - 1) // 2
