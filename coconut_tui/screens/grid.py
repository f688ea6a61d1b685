"""What if, of all thoughts at once: a row for each ablation, a column for each thought."""

from collections.abc import Mapping

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.coordinate import Coordinate
from textual.widgets import DataTable, Footer, Static

from coconut_core.common.cells import cells
from coconut_tui.run.state import Variant
from coconut_tui.screens.dialog import WhatIfDialog
from coconut_tui.widgets.palettes import SHADES
from coconut_tui.widgets.text import plain_title
from coconut_tui.widgets.tokens import place_note, with_marks
from coconut_tui.widgets.variants import LEAST_SCALE, difference_of, sentence, signed

_LEAST, _TALLEST = 7, 6  # cells of a column, and lines of a row
_ROUND_IT = 8  # lines of the dialog besides the rows: headings, and what stands below
_TWO_DIGITS = 9  # cells of a column in which there is room for two digits behind the point
_NARROW = 96  # columns below which it is not said where the numbers are read
_LEGEND = "Shade and number: Δ logit difference, in nats. ✗ a right answer becomes wrong, ✓ a wrong one right."


class GridScreen(WhatIfDialog):
    """Shows every ablation at every thought as they come in; gives the one that is to become a branch."""

    BINDINGS = [
        Binding("question_mark,f1", "app.explain('grid')", "help"),
        Binding("escape,q", "dismiss", "close"),
        Binding("ctrl+s", "confirm", "make a branch"),
        Binding("j", "cursor(1, 0)", "down", show=False),
        Binding("k", "cursor(-1, 0)", "up", show=False),
        Binding("h", "cursor(0, -1)", "left", show=False),
        Binding("l", "cursor(0, 1)", "right", show=False),
    ]

    def __init__(self, texts: Mapping[tuple[str, int], str], thought: int = 1) -> None:
        """texts: the interventions by name and thought, row by row; thought: on which the cursor begins."""
        super().__init__("")
        self._texts = texts
        self._names = list(dict.fromkeys(name for name, _ in texts))
        self._thoughts = sorted({thought for _, thought in texts})
        self._begin = thought

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog full what-if") as dialog:
            dialog.border_title = plain_title("What if: every ablation at every thought")
            dialog.border_subtitle = "enter makes a branch of it, escape closes"
            yield DataTable(cursor_type="cell", header_height=2, cell_padding=0)
            yield Static(id="what-if-state")
        yield Footer()

    def on_data_table_cell_highlighted(self, event: DataTable.CellHighlighted) -> None:
        """Say a cell in words."""
        self._say()

    def on_data_table_cell_selected(self, event: DataTable.CellSelected) -> None:
        """Take a cell."""
        name, thought = self._names[event.coordinate.row], self._thoughts[event.coordinate.column]
        if not self._by_text.get(self._texts[name, thought], Variant("")).error:
            self.dismiss(self._texts[name, thought])

    def action_cursor(self, down: int, right: int) -> None:
        """Move the cursor."""
        grid = self.query_one(DataTable)
        here = grid.cursor_coordinate
        grid.move_cursor(row=here.row + down, column=here.column + right)

    # -- inside --------------------------------------------------------------------------------------------

    @property
    def _by_text(self) -> dict[str, Variant]:
        return {variant.text: variant for variant in self._table.variants}

    def _draw(self) -> None:
        grid = self.query_one(DataTable)
        at = grid.cursor_coordinate if grid.columns else Coordinate(0, self._thoughts.index(self._begin))
        room = self.query_one(".dialog").scrollable_content_region
        names = max(map(cells, self._names)) + 1
        width = max(_LEAST, (room.width - names - 2) // len(self._thoughts))
        height = max(1, min(_TALLEST, (room.height - _ROUND_IT) // len(self._names)))
        known = self._by_text
        shifts = [self._table.shift(variant) for variant in self._table.variants]
        most = max((LEAST_SCALE, *(abs(shift) for shift in shifts if shift is not None)))
        grid.clear(columns=True)
        for thought in self._thoughts:
            over = "thought" if thought == self._thoughts[0] else ""
            grid.add_column(Text(f"{over:^{width}}\n{thought:^{width}}"), width=width)
        for name in self._names:
            variants = [known.get(self._texts[name, thought]) for thought in self._thoughts]
            drawn = [self._cell(each, width, height, most) for each in variants]
            grid.add_row(*drawn, height=height, label=Text("\n" * _above(height) + name, "bold"))
        grid.move_cursor(row=at.row, column=at.column)
        self._say()

    def _cell(self, variant: Variant | None, width: int, height: int, most: float) -> Text:
        """A number on its shade, with a gap to the next cell on both sides where there is room."""
        number, mark, style = self._reading(variant, width, most)
        gap = 1 if width > _LEAST else 0
        text = f"{number:>6} {mark or ' '}" if width > _TWO_DIGITS else f"{number}{mark}"
        line = Text(" " * gap).append(text.center(width - 2 * gap), style)
        if not style:
            line = with_marks(line)
        blank = Text(" " * gap).append(" " * (width - 2 * gap), style)
        return Text("\n").join(
            [*[blank] * _above(height), line, *[blank] * (_thick(height) - 1 - _above(height))]
        )

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
        at = self.query_one(DataTable).cursor_coordinate
        if at.row < len(self._names) and at.column < len(self._thoughts):
            variant = self._by_text.get(self._texts[self._names[at.row], self._thoughts[at.column]])
            text = Text() if variant is None else sentence(table, variant)
        if table.variants:
            text.append("\n").append_text(sentence(table, table.variants[0])).append("\n")
        answered = sum(variant.said is not None for variant in table.variants)
        going_on = f"trying … {answered} of {len(table.variants)} answered, escape stops"
        note = _LEGEND
        if self.size.width >= _NARROW:
            note = " ".join(filter(None, (_LEGEND, difference_of(table.place), place_note(table.place))))
        text.append_text(with_marks(note if table.complete else going_on, "dim"))
        self.query_one("#what-if-state", Static).update(text)


def _thick(height: int) -> int:
    """Lines of a cell that are shaded: of high rows one is left between two."""
    return height - 1 if height > 2 else height


def _above(height: int) -> int:
    """Lines of a cell above its number."""
    return (_thick(height) - 1) // 2
