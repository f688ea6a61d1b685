"""The panes of the explorer's screen: which are there, which has the focus, and which is in front where one has
room."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text
from rich.theme import Theme as RichTheme
from textual.app import ComposeResult
from textual.filter import LineFilter
from textual.geometry import Size
from textual.reactive import Reactive
from textual.screen import Screen
from textual.theme import Theme
from textual.widget import Widget

from coconut_core.common.errors import CoconutError, visible
from coconut_tui.explorer.arranged import Panes
from coconut_tui.explorer.lasting import LastingApp
from coconut_tui.run.action import AnyAction
from coconut_tui.run.layouts import (
    AUTO,
    BUILT_IN,
    NARROW,
    PANES,
    Columns,
    Place,
    alone,
    filled,
    first_view,
    fitting,
    names,
    places,
    read_layout,
    with_inspect,
    without,
)
from coconut_tui.run.state import ModelFacts, RunView
from coconut_tui.views import all_views, names_of_views
from coconut_tui.views.pane import ViewPane
from coconut_tui.widgets.branches import BranchesPane
from coconut_tui.widgets.framed import FramedPane
from coconut_tui.widgets.keys import KeysLine
from coconut_tui.widgets.notes import lift_notes
from coconut_tui.widgets.palettes import palette_theme
from coconut_tui.widgets.prompt import PromptPane, question_line
from coconut_tui.widgets.rows import RowsView
from coconut_tui.widgets.status import QuestionView
from coconut_tui.widgets.text import NOTHING_OBEYED, TextView
from coconut_tui.widgets.theme_colours import ground_of, legible
from coconut_tui.widgets.thoughts import ThoughtsPane
from coconut_tui.widgets.token_marks import TokenMarks
from coconut_tui.widgets.view_tabs import ViewTabs

_IN_SPARE_ROOM = ("answer", "nearest")  # below a prompt that is short
_TALL = 30  # lines of a terminal that has room to spare
_BELOW_A_BRANCH, _BELOW_BRANCHES, _BELOW_PROMPT = 3, 6, 7  # lines of facts and of the frame
_FRAME = 5  # cells of a pane's frame, its margin and its scrollbar
_IN_PLACE_OF_A_GRAPH = ("lens", "attention", "lines", "top")  # where a problem has none


class PanesScreen(Screen[None]):
    """Another focus paints the two panes that it concerns. Textual would paint the whole screen."""

    focused: Reactive[Widget | None] = Reactive(None, repaint=False)

    def watch_focused(self, before: Widget | None, now: Widget | None) -> None:
        """Let the frames tell where the focus is. Where a pane or the tabs have gone with the focus, as the
        terminal has another width, the pane in front gets it."""
        for widget in filter(None, (before, now)):
            for pane in widget.ancestors_with_self:
                if isinstance(pane, FramedPane):
                    pane.follow_focus()
        if not isinstance(self.app, PanedApp):
            return
        self.app.note_focus()
        self.app.draw_keys()
        if now is None and self.app.app_focus:
            self.call_after_refresh(self._give_focus_back)

    def _give_focus_back(self) -> None:
        if self.is_current and self.focused is None and isinstance(self.app, PanedApp):
            self.app.focus_pane(self.app.front)


class PanedApp(LastingApp):
    """An app of panes, side by side or one at a time."""

    NOTE_SECONDS, ERROR_SECONDS = 3.0, 6.0  # that it is shown
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (NARROW, "-wide")]
    view: RunView | None

    def __init__(self) -> None:
        super().__init__()
        self.layouts: Mapping[str, Columns] = BUILT_IN
        self.layout_name = AUTO
        self.front = "thoughts"  # the pane that is shown where there is room for one only
        self._recent: list[str] = []  # views that were chosen, the last one first
        self._views = {name: ViewPane(view) for name, view in all_views().items()}
        self._by_name: Mapping[str, Widget] = {
            "prompt": PromptPane(id="prompt", classes="pane"),
            "branches": BranchesPane(id="branches", classes="pane"),
            "thoughts": ThoughtsPane(id="thoughts", classes="pane"),
            **self._views,
        }
        self._all_panes = Panes(*self._by_name.values(), id="panes")
        self._arranged_for: object = None
        self._columns_for: object = None
        self._columns: Columns = ()

    def get_default_screen(self) -> Screen[None]:
        """The screen with the panes."""
        return PanesScreen(id="_default")

    def compose(self) -> ComposeResult:
        yield TextView(id="status")
        yield QuestionView(id="asked")
        yield ViewTabs([(name, name.capitalize()) for name in PANES], id="pane-tabs")
        yield ViewTabs(
            [(name, f"{view.key} {view.title}".strip()) for name, view in all_views().items()], id="view-tabs"
        )
        yield self._all_panes

    def actions_now(self) -> Sequence[AnyAction]:
        """What the line of keys names."""
        raise NotImplementedError

    def draw_keys(self) -> None:
        """The line of keys follows the focus and the run."""
        for line in self.query(KeysLine):
            line.show(self.actions_now())

    def draw_views(self) -> None:
        """Draw the views that are on screen."""
        raise NotImplementedError

    def draw_question(self, view: RunView | None, facts: ModelFacts | None, marks: TokenMarks) -> None:
        """Draw the question: what it asks in the line on top, all of it in its pane; marks: what stands out."""
        self.query_one(QuestionView).ask(question_line(view, marks))
        self.query_one(PromptPane).show(view, facts, marks)

    # -- where panes are -----------------------------------------------------------------------------------

    @property
    def columns(self) -> Columns:
        """The layout in use, in a terminal that has room for more than one pane."""
        view = self.view
        room = self._all_panes.size or self.size
        about = (
            self.layout_name,
            self.size,
            room,
            view and (view.tree.problem, view.question, len(view.tree.branches)),
        )
        if about != self._columns_for:  # it is asked for with every key
            self._columns_for, self._columns = about, self._choose_columns(room)
        return self._columns

    def _choose_columns(self, room: Size) -> Columns:
        columns = self.layouts[self.layout_name] or fitting(*self.size)
        if self.layout_name in BUILT_IN and self.view is not None and not (self.view.graph or self.view.sums):
            columns = without(columns, "graph", _IN_PLACE_OF_A_GRAPH)
        if self.layout_name == AUTO and self.size.height >= _TALL:
            columns = filled(columns, *room, self._needs, _IN_SPARE_ROOM)
        return with_inspect(columns)

    @property
    def one_at_a_time(self) -> bool:
        """Whether there is room for one pane only."""
        return self.size.width < NARROW or self.zoomed

    @property
    def zoomed(self) -> bool:
        """Whether a pane has been given the whole screen."""
        return self.screen_stack[0].has_class("-zoomed")

    @property
    def beside(self) -> set[str]:
        """The views that have a pane of their own."""
        return set() if self.one_at_a_time else names(self.columns) - set(PANES)

    @property
    def inspected(self) -> str:
        """The view that the inspect pane shows."""
        beside = self.beside
        default = first_view(self.columns) if not self.one_at_a_time else "top"
        return next((name for name in self._recent if name not in beside), default)

    @property
    def shown_view(self) -> str:
        """The view that was chosen last, by its key or by giving it the focus."""
        return self._recent[0] if self._recent else self.inspected

    @property
    def panes_in_order(self) -> tuple[str, ...]:
        """The panes from left to right and from top to bottom; a view beside goes by its name."""
        if self.one_at_a_time:
            return ("prompt", "branches", "thoughts", "inspect")
        return tuple(slot.name for column in self.columns for slot in column)

    def pane(self, name: str) -> Widget:
        """A pane, or the pane of a view."""
        return self._by_name[self.inspected if name == "inspect" else name]

    @property
    def views_in_sight(self) -> list[ViewPane]:
        """The panes of views that are on screen, the one chosen last first."""
        shown, first = [pane for pane in self._views.values() if pane.display], self.shown_view
        return sorted(shown, key=lambda pane: pane.view.name != first)

    def arrange_panes(self) -> None:
        """Put the panes where they belong."""
        panes = self._all_panes
        self.query_one("#pane-tabs", ViewTabs).choose(self.front)
        tabs = self.query_one("#view-tabs", ViewTabs)
        tabs.display = not self.one_at_a_time or self.front == "inspect"
        tabs.choose(self.inspected, self.beside)
        if panes.place(self._places, panes.size or self.size):
            self.call_after_refresh(self.draw_views)

    def arrange_for(self, *about: object) -> None:
        """Put the panes where they belong, where something that it depends on has changed."""
        if about != self._arranged_for:
            self._arranged_for = about
            self.arrange_panes()

    def take_layouts(self, own: Mapping[str, Any], name: str) -> None:
        """Know layouts of the settings besides, and begin with one. Raises ValueError for what is no layout."""
        views = names_of_views()
        self._columns_for = None
        self.layouts = {**BUILT_IN, **{each: read_layout(each, value, views) for each, value in own.items()}}
        self.layout_name = name

    def choose_layout(self, name: str) -> None:
        """Show the panes of another layout. Raises CoconutError for a name that there is not."""
        if name not in self.layouts:
            raise CoconutError(f"there is no layout '{name}': known are {', '.join(self.layouts)}")
        self.layout_name = name
        self.screen_stack[0].remove_class("-zoomed")
        self.arrange_panes()
        self._keep_focus_in_sight()

    def _places(self, width: int, height: int) -> dict[str, Place]:
        """Where each pane stands, by the ids of their widgets."""
        if self.zoomed:
            found = {self.front: Place(0, 0, width, height)}
        elif self.one_at_a_time:
            found = alone(self.front, width, height)
        else:
            found = places(self.columns, width, height, self._needs)
        return {self.pane(name).id or "": place for name, place in found.items()}

    def _needs(self, name: str, width: int) -> int | None:
        """The lines that a pane fills, its frame included."""
        if self.view is None or name not in ("prompt", "branches"):
            return None
        if name == "branches":
            count = len(self.view.tree.branches)
            return count + (_BELOW_BRANCHES if count > 1 else _BELOW_A_BRANCH)
        lines = Text(self.view.question).wrap(self.console, max(1, width - _FRAME))
        return len(lines) + _BELOW_PROMPT

    def on_panes_resized(self, message: Panes.Resized) -> None:
        """There is room for other panes."""
        self.arrange_panes()

    # -- focus ---------------------------------------------------------------------------------------------

    @property
    def focused_pane(self) -> str:
        """The pane that has the focus, or that holds what has it; of a view that stands beside, the view."""
        for node in () if self.focused is None else self.focused.ancestors_with_self:
            if isinstance(node, ViewPane):
                return "inspect" if node.view.name == self.inspected else node.view.name
            if node.id in PANES:
                return str(node.id)
        return "thoughts"

    @property
    def focused_view(self) -> str:
        """The pane that has the focus; of the inspect pane, the view that is shown."""
        pane = self.focused_pane
        return self.inspected if pane == "inspect" else pane

    def note_focus(self) -> None:
        """The pane that has the focus is the one that stays when the terminal becomes narrow."""
        if self.focused is None:
            return
        pane = self.focused_pane
        if pane not in PANES or pane == "inspect":
            self._note_view(self.focused_view)
            pane = "inspect"
        if not self.one_at_a_time:
            self.front = pane

    def focus_pane(self, name: str) -> None:
        """Give a pane the focus, and bring it to the front where only one is shown."""
        if name not in PANES:
            self._note_view(name)
        self.bring_to_front(name if name in PANES else "inspect")
        pane = self.pane(name)
        if not pane.display:  # the layout leaves it out
            pane = self.pane(self.panes_in_order[0])
        self.screen.set_focus(_body_of(pane))

    def show_view(self, name: str) -> None:
        """Bring a view to the front: one that stands beside gets the focus, else the inspect pane shows it; it
        gets the focus where another view had it."""
        had_focus = self.focused_pane not in ("prompt", "branches", "thoughts")
        self._note_view(name)
        self.bring_to_front("inspect" if self.one_at_a_time else self.front)
        if had_focus or name in self.beside:
            self.screen.set_focus(_body_of(self.pane(name)))

    def zoom(self) -> None:
        """Let the pane that has the focus take the whole screen, or give it back."""
        self.focus_pane(self.focused_pane)
        self.screen.toggle_class("-zoomed")
        self.arrange_panes()

    def bring_to_front(self, front: str) -> None:
        """Show a pane where only one is shown. The focus stays where it can still be seen."""
        self.front = front
        self.arrange_panes()
        self._keep_focus_in_sight()

    def _keep_focus_in_sight(self) -> None:
        if self.focused is None or self.pane(self.focused_pane).display:
            return
        front = self.front if self.one_at_a_time else self.panes_in_order[0]
        self.screen.set_focus(_body_of(self.pane(front)))

    def _note_view(self, name: str) -> None:
        self._recent = [name, *(other for other in self._recent if other != name)]

    def on_view_tabs_clicked(self, event: ViewTabs.Clicked) -> None:
        """Bring a pane, or a view, to the front."""
        if event.name in PANES:
            self.focus_pane(event.name)
        else:
            self.show_view(event.name)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's, and one behind which nothing is left that the terminal would obey."""
        return (*super().get_line_filters(), NOTHING_OBEYED)

    def tell(self, text: str) -> None:
        """Say something in passing."""
        lift_notes(self.screen_stack[0], "#panes")
        self.notify(visible(text, "\n"), markup=False, timeout=self.NOTE_SECONDS)

    def tell_error(self, text: str) -> None:
        """Say what went wrong."""
        lift_notes(self.screen_stack[0], "#panes")
        self.notify(visible(f"✗ {text}", "\n"), severity="error", markup=False, timeout=self.ERROR_SECONDS)

    # -- colours -------------------------------------------------------------------------------------------

    def take_palette(self, palette: str) -> None:
        """Draw in the colours of a palette, whatever the theme is or becomes."""
        self._palette = palette
        self.console.push_theme(self.colours)

    def on_mount(self) -> None:
        """Follow the theme."""
        self.theme_changed_signal.subscribe(self, self._take_theme)

    @property
    def colours(self) -> RichTheme:
        """What the names of styles mean on the ground that the theme has."""
        return palette_theme(self._palette, ground_of(self.current_theme))

    def get_css_variables(self) -> dict[str, str]:
        """The theme's, so that all can be read."""
        return legible(super().get_css_variables(), ansi=self.current_theme.ansi)

    def _take_theme(self, theme: Theme) -> None:
        """Use the colours that go with a theme's ground."""
        self.console.pop_theme()
        self.console.push_theme(self.colours)
        for view in self.query(Widget):
            if isinstance(view, TextView | RowsView):
                view.draw_again()


def _body_of(pane: Widget) -> Widget:
    """What of a pane takes the focus."""
    return pane.body if isinstance(pane, BranchesPane | ViewPane) else pane
