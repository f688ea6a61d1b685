"""The what-if table."""

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Static

from coconut_core.cli.show import printable
from coconut_tui.drawing import share_text, shortened, verdict_mark
from coconut_tui.state import Variant, WhatIf
from coconut_tui.widgets.text import plain_title

_ABOUT = (
    "p is the probability of the word shown: the first one that differs from the answer with nothing "
    "changed; for an answer that stays, the word where others differ."
)


class WhatIfScreen(ModalScreen[str | None]):
    """Shows interventions side by side as they come in; gives the one that is to become a branch."""

    BINDINGS = [
        Binding("question_mark,f1", "app.explain('what-if')", "help"),
        Binding("escape,q", "leave", "close"),
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
        self.query_one(DataTable).add_columns("what", "answer", "changed", "word", "p")
        self.query_one("#what-if-state", Static).update("trying …")

    def show(self, table: WhatIf) -> None:
        """Show what is known."""
        rows = self.query_one(DataTable)
        row = rows.cursor_row
        self._table = table
        rows.clear()
        for variant in table.variants:
            rows.add_row(*_cells(variant, max(22, self.query_one(".dialog").size.width - 51)))
        rows.move_cursor(row=row)
        self._say(row)

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Say why a row has no answer."""
        self._say(event.cursor_row)

    def _say(self, row: int) -> None:
        variants = self._table.variants
        error = variants[row].error if row < len(variants) else ""
        answered = sum(variant.said is not None for variant in variants)
        text = _ABOUT if self._table.complete else f"trying … {answered} answered, escape stops"
        self.query_one("#what-if-state", Static).update(Text(f"✗ {error}" if error else text, "dim"))

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

    def action_leave(self) -> None:
        """Close."""
        self.dismiss(None)


def _cells(variant: Variant, room: int) -> tuple[Text, ...]:
    """A row; room is for the answer."""
    if variant.error:
        return Text(variant.text), Text(shortened(variant.error, room), "dim"), Text("—"), Text(), Text()
    if variant.said is None:
        return Text(variant.text), Text("…", "dim"), Text(), Text(), Text()
    answer = Text(shortened(variant.said.answer or "nothing", room - 2)).append(verdict_mark(variant.said))
    return (
        Text(variant.text),
        answer,
        Text("≠ yes", "bold") if variant.changed else Text("= no", "dim"),
        Text(printable(variant.word) if variant.word else ""),
        Text("" if variant.probability is None else share_text(variant.probability)),
    )
