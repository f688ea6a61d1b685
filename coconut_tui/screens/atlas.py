"""The runs of a data set as a table, each with the course of its thoughts; above, what they have in common."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, Label

from coconut_tui.engine import EngineError
from coconut_tui.engine.atlas_reader import AtlasReader, check_same_model
from coconut_tui.engine.messages import Activity
from coconut_tui.run.atlas import (
    COURSE,
    Browsing,
    LiveModel,
    ToOpen,
    both,
    highest,
    measures_of,
    order_text,
    shown_columns,
    written_names,
)
from coconut_tui.screens.atlas_columns import ColumnsScreen
from coconut_tui.screens.atlas_map import MapScreen
from coconut_tui.screens.atlas_nearest import NearestScreen
from coconut_tui.widgets.atlas_cells import SHARES, Look, run_text
from coconut_tui.widgets.atlas_heat import AtlasHeat
from coconut_tui.widgets.atlas_summary import AtlasSummary
from coconut_tui.widgets.filter_line import FilterLine, Names
from coconut_tui.widgets.text import TextView, plain_title
from coconut_tui.widgets.tokens import error_line
from coconut_tui.widgets.windowed import WINDOW, Column, Row, WindowedTable

if TYPE_CHECKING:
    from coconut_core.atlas import Atlas, Summary
    from coconut_core.atlas.folder import Manifest

_NEEDED = ("run", "right", "said", "expected", "question", "token", "hops", "thoughts")  # below the table
_TALL = 36  # lines of a screen with room for more than two about a run


class AtlasScreen(ModalScreen[ToOpen | None]):
    """An atlas. What it shows is kept in a Browsing, so that one can come back to it."""

    BINDINGS = [
        Binding("slash", "focus_filter", "filter"),
        Binding("x", "show_all", "all", show=False),
        Binding("left,h", "thought(-1)", "thought", key_display="←→"),
        Binding("right,l", "thought(1)", "thought", show=False),
        Binding("less_than_sign", "sort(-1)", "sort", key_display="< > r"),
        Binding("greater_than_sign", "sort(1)", "sort", show=False),
        Binding("r", "turn", "turn", show=False),
        Binding("c", "columns", "columns"),
        Binding("v", "measure", "course"),
        Binding("n", "nearest", "nearest"),
        Binding("m", "map", "map"),
        Binding("question_mark,f1", "app.explain('atlas')", "help"),
        Binding("escape,q,f2", "dismiss", "close", show=False),
    ]

    def __init__(self, browsing: Browsing, model: LiveModel | None) -> None:
        """model: the one that is open, where one is."""
        super().__init__()
        self.browsing, self._model = browsing, model
        self._reader = AtlasReader(self.post_message, browsing.atlas)
        self._names = Names()
        self._runs: Sequence[int] = ()  # that the table shows, in its order
        self._in_table = ("", "")  # filter and order of these
        self._summary: Summary | None = None
        self._error = ""
        self._asked_whose = False  # whether the runs are of the model that is open
        self._most: dict[str, float] = {}

    def compose(self) -> ComposeResult:
        with Vertical(id="atlas", classes="dialog full") as dialog:
            dialog.border_title = plain_title(f"Atlas: {self.browsing.path}")
            dialog.border_subtitle = "x shows all runs, escape closes"
            yield AtlasSummary(id="atlas-summary")
            with Horizontal(id="atlas-filter"):
                yield Label("/")
                yield FilterLine(
                    self.browsing.where,
                    placeholder="wrong and top(3) = 'yumpus' and frontier(4) < .5",
                    suggester=self._names,
                    compact=True,
                    select_on_focus=False,
                )
            yield TextView(id="atlas-state")
            yield WindowedTable(self._cell, id="atlas-rows")
            yield TextView(id="atlas-run")
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Open the atlas."""
        self.query_one(WindowedTable).focus()
        self._reader.open(self.browsing.path, self._opened, self._failed)

    def on_unmount(self) -> None:
        """Let the reading thread end."""
        self._reader.close()

    def on_resize(self) -> None:
        """All of it follows the size."""
        self.call_after_refresh(self._show_all)

    @property
    def busy(self) -> bool:
        """Whether something is being read."""
        return self._reader.busy or any(table.waits for table in self.query(WindowedTable))

    # -- what comes in -------------------------------------------------------------------------------------

    def _opened(self, atlas: "Atlas") -> None:
        self.browsing.atlas = atlas
        self._names.names = written_names(atlas.names)
        self._set_measure(self.browsing.measure or self._measures[0])
        self._entitle("")
        self._lay_out()
        self._look_up()

    def _failed(self, error: str) -> None:
        self._error = error
        self._show_state()

    def _look_up(self) -> None:
        """Ask for the runs that fit the filter, and for what they have in common."""
        where, order = self.browsing.where.strip(), order_text(self.browsing)
        self._reader.ask(
            "runs",
            lambda atlas: [row["run"] for row in atlas.rows(where, order, columns=("run",))],
            partial(self._take_runs, (where, order)),
            self._failed,
        )
        if where != self._in_table[0] or self._summary is None:
            self._reader.ask("summary", lambda atlas: atlas.summary(where), self._take_summary, self._failed)

    def _take_runs(self, asked: tuple[str, str], runs: Sequence[int]) -> None:
        self._in_table, self._runs, self._error = asked, runs, ""
        here = self.browsing.run
        place = runs.index(here) if here in runs else 0
        self.query_one(WindowedTable).begin(len(runs), place)
        self._show_state()
        if not runs:
            self._ask_whose()

    def _take_summary(self, summary: "Summary") -> None:
        self._summary = summary
        self._show_summary()

    def on_windowed_table_wanted(self, message: WindowedTable.Wanted) -> None:
        """Read rows that are in sight."""
        message.stop()
        asked, columns = self._in_table, self._read_columns

        def read(atlas: "Atlas") -> list[tuple[int, list[Row]]]:
            return [
                (place, list(atlas.rows(*asked, limit=WINDOW, offset=place, columns=columns)))
                for place in message.places
            ]

        def fill(windows: Sequence[tuple[int, Sequence[Row]]]) -> None:
            if asked == self._in_table:
                for place, rows in windows:
                    self.query_one(WindowedTable).fill(place, rows)
                self._ask_whose()

        self._reader.ask("rows", read, fill, self._failed)

    def on_activity(self, message: Activity) -> None:
        """The reading thread says nothing of what it does: it is done soon."""
        message.stop()

    def on_engine_error(self, message: EngineError) -> None:
        """What went wrong while reading."""
        message.stop()
        self._failed(message.text)

    # -- keys ----------------------------------------------------------------------------------------------

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter anew."""
        event.stop()
        if event.value.strip() != self.browsing.where.strip() or self._error:
            self.browsing.where = event.value
            self._look_up()

    def action_focus_filter(self) -> None:
        """Write a filter."""
        self.query_one(FilterLine).focus()

    def action_focus_rows(self) -> None:
        """Go through the rows."""
        self.query_one(WindowedTable).focus()

    def action_show_all(self) -> None:
        """Without a filter."""
        self.query_one(FilterLine).value = ""

    def action_thought(self, by: int) -> None:
        """Another thought is in question."""
        self._set_thought(self.browsing.thought + by)

    def action_sort(self, by: int) -> None:
        """Sort by the next column that is shown, or by the one before."""
        shown = self._shown
        here = self.browsing.sorted_by(shown)
        place = shown.index(here) + by if here in shown else 0
        self._sort(shown[place % len(shown)], turn=False)

    def action_turn(self) -> None:
        """The other way round."""
        self._sort(self.browsing.sorted_by(self._shown), turn=True)

    def action_measure(self) -> None:
        """The course of another list."""
        measures = self._measures
        self._set_measure(measures[(measures.index(self.browsing.measure) + 1) % len(measures)])
        self._read_again()

    def action_columns(self) -> None:
        """Choose the columns."""

        def closed(columns: tuple[str, ...] | None) -> None:
            if columns:
                self.browsing.columns = columns
                self._read_again()

        self.app.push_screen(ColumnsScreen(self._shown, self._has_graphs), closed)

    def action_nearest(self) -> None:
        """The thoughts nearest to the one in question."""
        row, thought = self.query_one(WindowedTable).row_here, self.browsing.thought
        if row is None or thought > (row.get("thoughts") or 0):
            self._failed("this run has no such thought: left and right choose another")
            return
        screen = NearestScreen(self._reader, row, thought)
        self.app.push_screen(screen, lambda chosen: None if chosen is None else self._open_run(chosen))

    def action_map(self) -> None:
        """All thoughts, or those of a number, in two directions."""
        self.app.push_screen(MapScreen(self._reader, self._in_table[0], self.browsing))

    def on_windowed_table_moved(self, message: WindowedTable.Moved) -> None:
        """Show the run under the cursor."""
        message.stop()
        row = self.query_one(WindowedTable).row_here
        if row is not None:
            self.browsing.run = row["run"]
        self._show_run()

    def on_windowed_table_chosen(self, message: WindowedTable.Chosen) -> None:
        """Open the run under the cursor."""
        message.stop()
        row = self.query_one(WindowedTable).row_here
        if row is not None:
            self._open_run(row)

    def on_windowed_table_headed(self, message: WindowedTable.Headed) -> None:
        """Sort by a column, or the other way round."""
        message.stop()
        self._sort(message.column, turn=message.column == self.browsing.sorted_by(self._shown))

    def on_atlas_heat_picked(self, message: AtlasHeat.Picked) -> None:
        """Show only the runs of a cell."""
        message.stop()
        cell = message.cell
        self.browsing.thought = cell.thought
        if cell.token is None and self._summary is not None:
            self.browsing.order = self._summary.heat.column
            self.browsing.descending = self.browsing.order not in SHARES  # the odd ones first
        self.query_one(FilterLine).value = both(self._in_table[0], cell.condition)
        self._lay_out()
        self.action_focus_rows()

    # -- inside --------------------------------------------------------------------------------------------

    @property
    def _has_graphs(self) -> bool:
        atlas = self.browsing.atlas
        return atlas is not None and atlas.manifest.graphs > 0

    @property
    def _measures(self) -> Sequence[str]:
        return measures_of(graphs=self._has_graphs)

    @property
    def _shown(self) -> tuple[str, ...]:
        return shown_columns(self.browsing, self.size.width)

    @property
    def _read_columns(self) -> tuple[str, ...]:
        shown = (name for name in self._shown if name != COURSE)
        return tuple(dict.fromkeys((*_NEEDED, *shown, self.browsing.measure)))

    @property
    def _look(self) -> Look:
        browsing, atlas = self.browsing, self.browsing.atlas
        count = 1 if atlas is None else atlas.manifest.most_thoughts
        return Look(browsing.thought, browsing.measure, self._most.get(browsing.measure, 1.0), count)

    def _cell(self, row: Row, column: Column) -> Text:
        return self._look.cell(row, column)

    def _ask_whose(self) -> None:
        """Ask whether the runs are the open model's, once there are rows: its weights are read for that."""
        if not self._asked_whose:
            self._asked_whose, note = True, "not the model that is open"
            same = partial(check_same_model, model=self._model)
            self._reader.ask("model", same, lambda _: None, lambda _: self._entitle(note))

    def _open_run(self, row: Row) -> None:
        """Leave with a run, where the model that is open is the one whose run it is."""

        def open_it(manifest: "Manifest") -> None:
            self.dismiss(ToOpen(row, manifest.settings.thoughts))

        self._reader.ask("open", partial(check_same_model, model=self._model), open_it, self._failed)

    def _sort(self, name: str, *, turn: bool) -> None:
        self.browsing.sort(name, turn=turn)
        self._lay_out()
        self._look_up()

    def _set_measure(self, measure: str) -> None:
        def take(most: float) -> None:
            self._most[measure] = most
            self.query_one(WindowedTable).draw_again()

        self.browsing.measure = measure
        if measure not in SHARES:
            self._reader.ask("most", lambda atlas: highest(atlas, measure), take, self._failed)

    def _set_thought(self, thought: int) -> None:
        atlas = self.browsing.atlas
        most = 1 if atlas is None else max(1, atlas.manifest.most_thoughts)
        self.browsing.thought = min(max(thought, 1), most)
        self._lay_out()
        self._show_summary()
        self._show_run()
        if order_text(self.browsing) != self._in_table[1]:
            self._look_up()
        else:
            self._show_state()

    def _read_again(self) -> None:
        """Other columns of the same runs."""
        self._lay_out()
        table = self.query_one(WindowedTable)
        table.begin(len(self._runs), table.place)
        self._show_run()

    def _entitle(self, note: str) -> None:
        """Say what is open. note: what is to be known of its model."""
        atlas = self.browsing.atlas
        assert atlas is not None
        facts = [f"{len(atlas)} runs", atlas.manifest.model.source, note, str(self.browsing.path)]
        title = " · ".join(filter(None, facts))
        self.query_one("#atlas").border_title = plain_title(f"Atlas: {title}")

    def _lay_out(self) -> None:
        shown, browsing = self._shown, self.browsing
        columns = self._look.columns(shown, browsing.sorted_by(shown), browsing.descending)
        self.query_one(WindowedTable).lay_out(columns)

    def _show_all(self) -> None:
        if not self.query("#atlas-rows"):
            return
        self._lay_out()
        self._show_summary()
        self._show_state()
        self._show_run()

    def _show_summary(self) -> None:
        if self._summary is not None and (parts := self.query(AtlasSummary)):
            parts.first().show(self._summary, self.browsing.thought, self.size)

    def _show_state(self) -> None:
        atlas, browsing = self.browsing.atlas, self.browsing
        text = error_line(self._error)
        if not self._error:
            counted = "opening …" if atlas is None else f"{len(self._runs)} of {len(atlas)} runs"
            about = f" · by {order_text(browsing)} · thought {browsing.thought}"
            text = Text().append(counted, "bold").append("" if atlas is None else about, "dim")
            text.truncate(max(1, self.query_one(WindowedTable).size.width), overflow="ellipsis")
        self.query_one("#atlas-state", TextView).show(text)

    def _show_run(self) -> None:
        row, shown = self.query_one(WindowedTable).row_here, self.query_one("#atlas-run", TextView)
        lines = 2 if self.size.height < _TALL else max(4, self.size.height // 9)
        shown.styles.height = lines + 1
        shown.show(Text() if row is None else run_text(row, self._look, self.size.width - 6, lines))
