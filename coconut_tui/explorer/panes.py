"""The panes of the explorer's screen: which has the focus, and which is in front where one has room."""

from collections.abc import Sequence

from rich.theme import Theme as RichTheme
from textual.app import App, ComposeResult
from textual.containers import Horizontal, Vertical
from textual.filter import LineFilter
from textual.reactive import Reactive
from textual.screen import Screen
from textual.theme import Theme
from textual.widget import Widget
from textual.widgets import Tab, Tabs

from coconut_core.common.errors import visible
from coconut_tui.run.action import AnyAction
from coconut_tui.run.state import ModelFacts, RunView
from coconut_tui.views.inspect import InspectPane
from coconut_tui.widgets.branches import BranchesPane
from coconut_tui.widgets.framed import FramedPane
from coconut_tui.widgets.keys import KeysLine
from coconut_tui.widgets.palettes import palette_theme
from coconut_tui.widgets.prompt import PromptPane, question_line
from coconut_tui.widgets.rows import RowsView
from coconut_tui.widgets.text import NOTHING_OBEYED, TextView
from coconut_tui.widgets.thoughts import ThoughtsPane

PANES = ("thoughts", "inspect", "branches", "prompt")  # in a narrow terminal, as tabs


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
        if isinstance(self.app, PanedApp):
            self.app.draw_keys()
        if now is not None:
            self._keep_in_front(now)
        elif self.app.app_focus:
            self.call_after_refresh(self._give_focus_back)

    @property
    def one_at_a_time(self) -> bool:
        """Whether there is room for one pane only."""
        return bool({"-narrow", "-zoomed"} & self.classes)

    def _keep_in_front(self, widget: Widget) -> None:
        """The pane that has the focus is the one that stays when the terminal becomes narrow."""
        name = next((node.id for node in widget.ancestors_with_self if node.id in PANES), None)
        if name is not None and not self.one_at_a_time:
            self.query_one("#pane-tabs", Tabs).active = f"tab-{name}"

    def _give_focus_back(self) -> None:
        if self.is_current and self.focused is None and isinstance(self.app, PanedApp):
            self.app.focus_pane(self.query_one("#pane-tabs", Tabs).active.removeprefix("tab-"))


class PanedApp(App[None]):
    """An app of four panes, side by side or one at a time."""

    NOTE_SECONDS, ERROR_SECONDS = 3.0, 6.0  # that it is shown
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]

    def get_default_screen(self) -> Screen[None]:
        """The screen with the panes."""
        return PanesScreen(id="_default")

    def compose(self) -> ComposeResult:
        yield TextView(id="status")
        yield TextView(id="asked")
        yield Tabs(*(Tab(name.capitalize(), id=f"tab-{name}") for name in PANES), id="pane-tabs")
        with Horizontal(id="panes"):
            with Vertical(id="left"):
                yield PromptPane(id="prompt", classes="pane")
                yield BranchesPane(id="branches", classes="pane")
            yield ThoughtsPane(id="thoughts", classes="pane front")
            yield InspectPane(id="inspect", classes="pane")

    def actions_now(self) -> Sequence[AnyAction]:
        """What the line of keys names."""
        raise NotImplementedError

    def draw_keys(self) -> None:
        """The line of keys follows the focus and the run."""
        for line in self.query(KeysLine):
            line.show(self.actions_now())

    def draw_question(self, view: RunView | None, facts: ModelFacts | None) -> None:
        """Draw the question: what it asks in the line on top, all of it in its pane."""
        self.query_one("#asked", TextView).show(question_line(view))
        self.query_one(PromptPane).show(view, facts)

    @property
    def focused_pane(self) -> str:
        """The pane that has the focus, or that holds what has it."""
        nodes = () if self.focused is None else self.focused.ancestors_with_self
        return next((node.id for node in nodes if node.id in PANES), "thoughts")

    @property
    def shown_view(self) -> str:
        """The view that the inspect pane shows."""
        return self.query_one(InspectPane).shown

    @property
    def focused_view(self) -> str:
        """The pane that has the focus; of the inspect pane, the view that is shown."""
        pane = self.focused_pane
        return self.shown_view if pane == "inspect" else pane

    def focus_pane(self, name: str) -> None:
        """Give a pane the focus, and bring it to the front where only one is shown."""
        self.query_one("#pane-tabs", Tabs).active = f"tab-{name}"
        self.bring_to_front(name)
        self.screen.set_focus(self._body_of(name))

    def show_view(self, name: str) -> None:
        """Bring a view of the inspect pane to the front; the focus stays in the pane where it was."""
        had_focus = self.focused_pane == "inspect"
        self.query_one(InspectPane).view_tab(name)
        if self._one_at_a_time:
            self.query_one("#pane-tabs", Tabs).active = "tab-inspect"
        if had_focus:
            self.screen.set_focus(self._body_of("inspect"))

    def zoom(self) -> None:
        """Let the pane that has the focus take the whole screen, or give it back."""
        self.focus_pane(self.focused_pane)
        self.screen.toggle_class("-zoomed")

    def bring_to_front(self, front: str) -> None:
        """Show a pane where only one is shown."""
        alone = self._one_at_a_time  # else nothing looks different
        for name in PANES:
            self.query_one(f"#{name}").set_class(name == front, "front", update=alone)
        self.query_one("#left").set_class(front in ("prompt", "branches"), "front", update=alone)
        if alone and self.focused_pane != front and self.focused is not None:
            self.call_after_refresh(self._body_of(front).focus)

    @property
    def _one_at_a_time(self) -> bool:
        panes = self.screen_stack[0]
        return isinstance(panes, PanesScreen) and panes.one_at_a_time

    def _body_of(self, name: str) -> Widget:
        pane = self.query_one(f"#{name}")
        return pane.body if isinstance(pane, BranchesPane | InspectPane) else pane

    def on_tabs_tab_activated(self, event: Tabs.TabActivated) -> None:
        """In a narrow terminal, bring a pane to the front."""
        if event.tabs.id == "pane-tabs" and event.tab.id is not None:
            self.bring_to_front(event.tab.id.removeprefix("tab-"))

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's, and one behind which nothing is left that the terminal would obey."""
        return (*super().get_line_filters(), NOTHING_OBEYED)

    def tell(self, text: str) -> None:
        """Say something in passing."""
        self.notify(visible(text, "\n"), markup=False, timeout=self.NOTE_SECONDS)

    def tell_error(self, text: str) -> None:
        """Say what went wrong."""
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
        ground = self.current_theme.to_color_system().generate()["background"]
        return palette_theme(
            self._palette, self.current_theme.dark, ground[:7] if ground.startswith("#") else ""
        )

    def _take_theme(self, theme: Theme) -> None:
        """Use the colours that go with a theme's ground."""
        self.console.pop_theme()
        self.console.push_theme(self.colours)
        for view in self.query(Widget):
            if isinstance(view, TextView | RowsView):
                view.draw_again()
