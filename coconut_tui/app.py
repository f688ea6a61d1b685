"""The explorer: panes, keys and the messages between them. No model code; the engine has that."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from textual.app import ComposeResult, SystemCommand
from textual.binding import Binding
from textual.events import Key
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer

from coconut_core.common.errors import CoconutError
from coconut_core.problems.base import Problem
from coconut_core.records.trace import Trace
from coconut_tui import views
from coconut_tui.actions.asking import open_first
from coconut_tui.actions.helping import type_line
from coconut_tui.actions.moving import search_on
from coconut_tui.actions.palette import PaletteProvider, palette_commands
from coconut_tui.actions.table import ACTIONS, all_actions, keys_anywhere, keys_in_force, keys_moved
from coconut_tui.config import Config
from coconut_tui.engine import (
    Activity,
    Engine,
    ModelChoice,
    ModelReady,
    RunChanged,
    Stopped,
    VerdictRead,
)
from coconut_tui.explorer.base import ExplorerBase
from coconut_tui.explorer.footing import keys_shown
from coconut_tui.explorer.keys_first import MOMENT, KeysFirst
from coconut_tui.explorer.pace import Pace
from coconut_tui.findings import Finding
from coconut_tui.run.action import AnyAction
from coconut_tui.run.atlas import Browsing
from coconut_tui.run.breakpoints import Breakpoint
from coconut_tui.run.collection import Collection
from coconut_tui.saved.format import SavedRun
from coconut_tui.saved.keeper import Keeper
from coconut_tui.screens.beside import BesideScreen
from coconut_tui.screens.themes import ThemesScreen
from coconut_tui.tour.bar import TourBar
from coconut_tui.widgets.branches import BranchesPane, BranchTree
from coconut_tui.widgets.keys import KeysLine
from coconut_tui.widgets.own_themes import own_themes
from coconut_tui.widgets.rows import RowsView
from coconut_tui.widgets.status import VerdictView, status_line
from coconut_tui.widgets.text import TextView
from coconut_tui.widgets.thoughts import ThoughtsPane


class Explorer(ExplorerBase):
    """Steps a model, or a saved trace, through its thoughts."""

    TITLE = "coconut"
    COMMANDS = {PaletteProvider}
    CSS_PATH = "styles/explorer.tcss"
    BINDINGS = [
        *(
            Binding(
                action.keys,
                f"act('{action.name}')",
                action.label,
                show=False,  # the line of keys has its own
                id=action.name,
            )
            for action in ACTIONS
        ),
        *(
            Binding(keys, f"act('{name}')", show=False, priority=True, id=f"{name}-anywhere")
            for name, keys in keys_anywhere({}).items()
        ),
    ]

    def __init__(
        self,
        choice: ModelChoice | None = None,
        *,
        trace: Trace | None = None,
        question: str | None = None,
        example: int | None = None,
        thoughts: int | None = None,
        top_k: int = 10,
        problems: Sequence[Problem] | None = None,
        config: Config | None = None,
        tour: bool = False,
        saved: SavedRun | None = None,
        keeper: Keeper | None = None,
        begins_with_choice: bool = False,
        finding: Finding | None = None,
        atlas: Path | None = None,
    ) -> None:
        """Open a model (choice) with a question, or a problem of a file or of its family, or replay a trace.

        problems: those of a file; example is then the number of one of them, from 1. Of config the theme, the
        keys, the memory for branches and look_ahead count here. tour: begin with the tour. saved: a run to go
        on with in place of a question; keeper: keeps what is done. begins_with_choice: ask first what to open.
        finding: one to reopen, with choice as its model.
        atlas: look through its runs first, in place of a question.
        """
        config = Config() if config is None else config
        self.keeper = Keeper() if keeper is None else keeper
        engine = Engine(self.post_message, self.keeper.note_tree, look_ahead=config.look_ahead)
        super().__init__(engine, choice, trace, problems, config.branch_memory_mb * 2**20)
        for theme in own_themes(config.themes):
            self.register_theme(theme)
        self.theme = config.theme
        self.take_palette(config.palette)
        keys = keys_in_force(config.keys)
        self.set_keymap(keys_moved(config.keys))
        self.actions = tuple(replace(action, keys=keys.get(action.name, "")) for action in all_actions())
        self._actions_by_name = {action.name: action for action in self.actions}
        self.saved, self.begins_with_choice = None, begins_with_choice
        self.begins_with_atlas = atlas is not None
        self.browsing = None if atlas is None else Browsing(atlas)
        self.breakpoints: tuple[Breakpoint, ...] = ()
        if saved is not None:
            self.take_up(saved)
        self.findings_folder, self.reopened = Path(config.findings).expanduser(), finding
        self.activity = ""
        self.token_count = top_k
        self.dials = replace(self.dials, painted=config.paint, form=config.form)
        self.take_layouts(config.layouts, config.layout)
        self.last_export: Path | None = None
        self.has_compared: bool = False
        self._tour = tour
        self.problems = Collection(problems, None)
        self._draw_timer: Timer | None = None
        self._pace = Pace()
        self._keys_first = KeysFirst(self, self.engine)
        self._thoughts_pane: ThoughtsPane | None = None
        self.first_question, self.first_example, self.thoughts = question, example, thoughts

    def compose(self) -> ComposeResult:
        yield from super().compose()
        yield TourBar(id="tour")
        yield VerdictView(id="verdict")
        yield KeysLine(id="keys")

    def on_mount(self) -> None:
        """Draw first; load the model after the first paint."""
        self.keeper.listen(self.tell)
        for problem in views.TABLE.problems():
            self.tell_error(problem)
        self._thoughts_pane = self.query_one(ThoughtsPane)
        self.arrange_panes()
        self._thoughts_pane.focus()
        self._draw()
        self.call_after_refresh(self._keys_first.start)  # which looks for garbage in all that was imported
        self.call_after_refresh(self.open)

    def open_first(self) -> None:
        """Open what comes first."""
        open_first(self)

    def take_up(self, run: SavedRun) -> None:
        """Go on with a session, once its model is there."""
        self.saved, self.selected, self.breakpoints = run, run.selected, run.breakpoints

    def on_unmount(self) -> None:
        """Let the engine's thread end."""
        self._keys_first.stop()
        self.engine.close()

    def post_message(self, message: Message) -> bool:
        """Take a message; for a key of the explorer's own screen all that can wait gives way at once."""
        if isinstance(message, Key) and self._has_panes and len(self.screen_stack) == 1:
            self._keys_first.make_way()
        return super().post_message(message)

    # -- actions -------------------------------------------------------------------------------------------

    def action_act(self, name: str) -> None:
        """Do an action of the table that a key asked for."""
        self._keys_first.make_way()
        self._keys_first.acted()
        action = next(action for action in self.actions if action.name == name)
        if action.needs_argument:
            type_line(self, f"{name} ")
            return
        try:
            action.act(self)
        except CoconutError as error:
            self.tell_error(str(error))

    def action_search_on(self, by: int) -> None:
        """Go to the next line, or the one before, with what was searched last."""
        try:
            search_on(self, by)
        except CoconutError as error:
            self.tell_error(str(error))

    def search_themes(self) -> None:
        """Choose a theme, seen on the screen as it is."""
        self.push_screen(ThemesScreen())

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What the command palette offers."""
        yield from (command for command in super().get_system_commands(screen) if command.title == "Theme")
        yield from (command for command, _ in palette_commands(self, self.action_act))

    # -- messages of the engine and the panes --------------------------------------------------------------

    def on_model_ready(self, message: ModelReady) -> None:
        """A model is there: open its first question."""
        self.facts = message.facts
        if message.choice is not None:
            if self.choice is None:  # a saved run was on screen; with a model there is something to change
                self.replay = None
            self.choice, self._model_facts = message.choice, message.facts
            self.keeper.note_model(message.choice)
            self.forget_answers()
            self.problems = Collection(self._file, message.facts.family, message.facts.problem_size)
            self.open_first()
        self._draw()

    def on_verdict_read(self, message: VerdictRead) -> None:
        """Show what is known of the model's thoughts."""
        if self.facts is not None:
            known = replace(self.facts, verdict=message.verdict, shares=message.shares)
            self.facts = self._model_facts = known
            self._draw_status()

    def on_run_changed(self, message: RunChanged) -> None:
        """Show the run's new state; the cursor goes to the newest step unless it is held elsewhere."""
        before, view = self.view, message.newest()
        if message.replayed is not (self.replay is not None):
            return  # from a run that is no longer the one on screen
        self.view = view
        self.end_start()
        if self._tour and self.replay is None:  # now what it asks for can be done
            self._tour = False
            self.query_one(TourBar).begin()
        count = len(view.steps)
        same = before is not None and (before.question, before.tree.current) == (
            view.question,
            view.tree.current,
        )
        grown = before is not None and same and count != len(before.steps)
        if grown or self.selected is None or self.selected >= count:
            self.selected = count - 1 if count else None
        example = view.tree.example
        if example is not None and view.said.right is not None and view.tree.here.parent is None:
            self.problems.note({example: view.said})
        self._draw_soon()

    def on_stopped(self, message: Stopped) -> None:
        """Say at which breakpoint the run has stopped."""
        self.tell(f"stopped at: {message.breakpoint}")

    def on_activity(self, message: Activity) -> None:
        """Show what the engine is doing."""
        self.activity = message.text
        self.note_stage(message.text)
        self._draw_status()
        if not message.text:
            self.note_idle()

    def on_rows_view_highlighted(self, message: RowsView.Highlighted) -> None:
        """Select the step, or the branch, that was clicked."""
        self.highlight(message.rows, message.key)

    def on_rows_view_chosen(self, message: RowsView.Chosen) -> None:
        """Go to a branch."""
        if isinstance(message.rows, BranchTree) and self.replay is None:
            self.engine.move(message.key)

    # -- drawing -------------------------------------------------------------------------------------------

    def actions_now(self) -> Sequence[AnyAction]:
        """What the line of keys names."""
        replayed, loaded = self.replay is not None, self.facts is not None
        names = keys_shown(
            self.view,
            replayed=replayed,
            loaded=self._model_facts is not None if replayed else loaded,
            focused=self.focused_view,
            opening=self.is_opening,
        )
        return [self._actions_by_name[name] for name in names]

    @property
    def _asking_for_thoughts(self) -> str:
        """How one asks for thoughts where a run takes none; a saved run is as it is."""
        key = self._actions_by_name["more-thoughts"].shown_keys
        return "" if self.replay is not None else f"{key} plans one, :thoughts 6 six"

    @property
    def key_is_awaited(self) -> bool:
        """Whether somebody waits for the paint of a key."""
        return self._keys_first.is_awaited

    @property
    def up_to_date(self) -> bool:
        """Whether what is on screen is the newest state of the run."""
        return self._draw_timer is None and not self.rest_waits

    def _draw_soon(self) -> None:
        """Draw at once, or shortly where the last drawing has just been: one drawing then serves many steps."""
        if self._draw_timer is None:
            self._draw_when_due()

    def _draw_when_due(self) -> None:
        if (wait := max(self._pace.wait, MOMENT * self.key_is_awaited)) <= 0:
            self._draw()
        else:
            self._draw_timer = self.set_timer(wait, self._draw_when_due)

    def _draw(self) -> None:
        if self._draw_timer is not None:
            self._draw_timer.stop()
            self._draw_timer = None
        if not self._has_panes:
            return
        self._pace.begin()
        view = self.view
        self.arrange_for(*(() if view is None else (view.question, len(view.tree.branches))))
        self.draw_question(self.view, self.facts, self.sight.marks)
        self.query_one(BranchesPane).show(self.view)
        self._draw_selected()
        self._draw_status()
        if not self.rest_waits:
            self.call_after_refresh(self.note_drawn)

    def note_drawn(self) -> None:
        """All is on screen."""
        self._pace.painted()

    def _draw_selected(self) -> None:
        self.query_one(ThoughtsPane).show(self.view, self.selected, self.breakpoints, self.facts, self.dials)
        self.draw_views()
        self.keeper.note_screen(self.selected, self.breakpoints, self.problems.answered)

    @property
    def _has_panes(self) -> bool:
        """False while the app is closing; the engine may still have something to say."""
        return self._thoughts_pane is not None and self.is_mounted(self._thoughts_pane)

    def _draw_status(self) -> None:
        if not self._has_panes:
            return
        self.keeper.note_screen(self.selected, self.breakpoints, self.problems.answered)
        self.query_one("#status", TextView).show(
            status_line(self.facts, self.view, self.breakpoints, self.activity)
        )
        thoughts = None if self.view is None else self.view.thoughts
        self.query_one(VerdictView).show_facts(self.facts, thoughts, self._asking_for_thoughts)
        self.draw_keys()
        for screen in self.screen_stack:
            if isinstance(screen, BesideScreen):
                screen.show_first(self.view, self.activity)
