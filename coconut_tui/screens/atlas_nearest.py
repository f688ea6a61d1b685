"""The thoughts of a data set that are nearest to one of them."""

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Static

from coconut_core.common.token_names import plain_name
from coconut_tui.engine.atlas_reader import AtlasReader, NearThought, nearest_thoughts
from coconut_tui.widgets.atlas_cells import answer_line, cell_text
from coconut_tui.widgets.tokens import BAR_STYLE, bar, end_of, error_line
from coconut_tui.widgets.windowed import Row

COUNT = 100  # thoughts that are listed
_HEADS = ("cosine", "", "run", "thought", "", "hops", "token", "said", "question, its end")
_TAKEN = 68  # cells of all columns but the question
_BAR = 10


class NearestScreen(ModalScreen[Row | None]):
    """Lists them, nearest first; gives the run that is to be opened."""

    BINDINGS = [
        Binding("j", "cursor(1)", "down", show=False),
        Binding("k", "cursor(-1)", "up", show=False),
        Binding("enter", "confirm", "open", priority=True),
        Binding("question_mark,f1", "app.explain('atlas')", "help"),
        Binding("escape,q,n", "dismiss", "close"),
    ]

    def __init__(self, reader: AtlasReader, row: Row, thought: int) -> None:
        super().__init__()
        self._reader, self._row, self._thought = reader, row, thought
        self.found: Sequence[NearThought] | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog full") as dialog:
            dialog.border_title = f"Nearest to thought {self._thought} of run {self._row['run']}"
            dialog.border_subtitle = "enter opens, escape closes"
            yield Static(self._about(), id="nearest-about")
            yield DataTable[Text](cursor_type="row")
            yield Static("reading …", id="nearest-state")
        yield Footer()

    def on_mount(self) -> None:
        """Look for them."""
        run, thought = self._row["run"], self._thought
        self._reader.ask(
            "nearest", lambda atlas: nearest_thoughts(atlas, run, thought, COUNT), self._take, self._failed
        )

    def on_resize(self) -> None:
        """The question takes what the other columns leave."""
        self.call_after_refresh(self._draw)

    def action_cursor(self, by: int) -> None:
        """Move the cursor."""
        table = self.query_one(DataTable)
        table.move_cursor(row=table.cursor_row + by)

    def action_confirm(self) -> None:
        """Open the run under the cursor."""
        place = self.query_one(DataTable).cursor_row
        if self.found is not None and place < len(self.found):
            self.dismiss(self.found[place].row)

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Open the run that was clicked."""
        self.action_confirm()

    @property
    def busy(self) -> bool:
        """Whether it still looks."""
        return self._reader.busy

    def _about(self) -> Text:
        tokens: Sequence[str] = self._row.get("token") or ()
        said = plain_name(tokens[self._thought - 1]) if self._thought <= len(tokens) else "–"
        text = answer_line(self._row).append(f"\nthought {self._thought} says ", "dim").append(said, "bold")
        return text.append("; cosines of the vectors that were fed, each with all others of the atlas", "dim")

    def _take(self, found: Sequence[NearThought]) -> None:
        self.found = found
        self._draw()

    def _failed(self, error: str) -> None:
        if states := self.query("#nearest-state"):
            states.first(Static).update(error_line(error))

    def _draw(self) -> None:
        if self.found is None or not self.query(DataTable):
            return
        table = self.query_one(DataTable)
        place, width = table.cursor_row, table.size.width - _TAKEN
        table.clear(columns=True)
        table.add_columns(*_HEADS)
        for each in self.found:
            row = each.row
            question = " ".join(str(row["question"]).split())
            table.add_row(
                Text(f"{each.cosine:+.3f}".replace("-", "−")),
                Text(bar(each.cosine, _BAR), BAR_STYLE),
                Text(str(row["run"]), justify="right"),
                Text(str(each.thought), justify="right"),
                cell_text(row, "right", 1, 1),
                cell_text(row, "hops", 4, 1),
                cell_text(row, "token", 12, each.thought),
                cell_text(row, "said", 14, 1),
                Text(end_of(question, max(10, width)), "dim"),
            )
        table.move_cursor(row=place)
        table.focus()
        note = "" if self.found else "there are no other thoughts"
        self.query_one("#nearest-state", Static).update(Text(note, "dim"))
