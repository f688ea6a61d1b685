"""The what-if table."""

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Static

from coconut_core.common.cells import cells
from coconut_tui.run.state import Variant, WhatIf
from coconut_tui.screens.dialog import SEARCHING
from coconut_tui.widgets.text import plain_title
from coconut_tui.widgets.tokens import (
    chance_text,
    end_of,
    error_line,
    place_headings,
    place_note,
    shortened,
    verdict_mark,
    with_marks,
)

_CHANCE = 5  # cells of a probability
_ALOUD = "; +5 words were said in front of one"


class WhatIfScreen(ModalScreen[str | None]):
    """Shows interventions side by side as they come in; gives the one that is to become a branch."""

    BINDINGS = [
        *SEARCHING,
        Binding("question_mark,f1", "app.explain('what-if')", "help"),
        Binding("escape,q", "dismiss", "close"),
        Binding("j", "cursor(1)", "down", show=False),
        Binding("k", "cursor(-1)", "up", show=False),
    ]

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title
        self._table = WhatIf(title, ())

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide") as dialog:
            dialog.border_title = plain_title(f"What if: {self._title}")
            dialog.border_subtitle = "enter makes a branch of it, escape closes"
            yield DataTable(cursor_type="row")
            yield Static(id="what-if-state")
        yield Footer()

    def on_mount(self) -> None:
        """The columns."""
        self._head()
        self.query_one("#what-if-state", Static).update("trying …")
        if self._table.variants:
            self.show(self._table)

    def show(self, table: WhatIf) -> None:
        """Show what is known."""
        self._table = table
        if not self.query("#what-if-state"):  # it is not there yet, or not any more
            return
        rows = self.query_one(DataTable)
        row = rows.cursor_row
        headings = self._head()
        widest = max((cells(variant.text) for variant in table.variants), default=0)
        chances = sum(max(_CHANCE, cells(heading)) for heading in headings)
        columns_width = widest + len("changed") + chances + 2 * (3 + len(headings))
        room = max(16, self.query_one(".dialog").scrollable_content_region.width - columns_width)
        for variant in table.variants:
            rows.add_row(*_cells(variant, room, len(headings)))
        rows.move_cursor(row=row)
        self._say(row)

    def _head(self) -> list[str]:
        """Write the columns anew; gives the headings of the probabilities."""
        rows = self.query_one(DataTable)
        headings = place_headings(self._table.place) or ["p"]
        rows.clear(columns=True)
        rows.add_columns("what", "answer", "changed", *map(with_marks, headings))
        return headings

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Say why a row has no answer."""
        self._say(event.cursor_row)

    def _say(self, row: int) -> None:
        variants = self._table.variants
        error = variants[row].error if row < len(variants) else ""
        answered = sum(variant.said is not None for variant in variants)
        aloud = _ALOUD if any(variant.aloud for variant in variants) else ""
        note = f"changed compares answers alone{aloud}. {place_note(self._table.place)}".rstrip()
        text = note if self._table.complete else f"trying … {answered} answered, escape stops"
        self.query_one("#what-if-state", Static).update(error_line(error) if error else Text(text, "dim"))

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Take a row; the first one changes nothing."""
        if (
            0 < event.cursor_row < len(self._table.variants)
            and not self._table.variants[event.cursor_row].error
        ):
            self.dismiss(self._table.variants[event.cursor_row].text)

    def action_cursor(self, by: int) -> None:
        """Move the cursor."""
        rows = self.query_one(DataTable)
        rows.move_cursor(row=rows.cursor_row + by)


def _cells(variant: Variant, room: int, columns: int) -> list[Text]:
    """A row with so many columns of probabilities; room is for the answer."""
    none = [Text()] * columns
    if variant.error:
        return [Text(variant.text), Text(shortened(variant.error, room), "dim"), Text("—"), *none]
    if variant.said is None:
        return [Text(variant.text), Text("…", "dim"), Text(), *none]
    mark = verdict_mark(variant.said)
    cut = shortened if variant.said.right is None else end_of  # the end of a known answer decides
    answer = Text(cut(variant.said.answer or "nothing", room - len(mark))).append(mark)
    aloud = f"  +{variant.aloud} word{'' if variant.aloud == 1 else 's'}" if variant.aloud else ""
    answer.append(aloud if answer.cell_len + len(aloud) <= room else "", "dim")
    changed = Text("≠ yes", "bold") if variant.changed else Text("= no", "dim")
    chances = [Text(chance_text(chance)) for chance in variant.probabilities] or none
    return [Text(variant.text), answer, changed, *chances]
