"""The list of breakpoints."""

from collections.abc import Callable

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Footer, OptionList, Static
from textual.widgets.option_list import Option

from coconut_tui.run.breakpoints import USAGES, Breakpoint, toggled
from coconut_tui.screens.dialog import SEARCHING


class BreakpointsScreen(ModalScreen[bool]):
    """Turns breakpoints on and off, and takes them away; gives True where a new one is wanted."""

    BINDINGS = [
        *SEARCHING,
        Binding("space", "turn", "on or off"),
        Binding("d,delete", "delete", "delete"),
        Binding("a", "add", "add"),
        Binding("j", "cursor(1)", "down", show=False),
        Binding("k", "cursor(-1)", "up", show=False),
        Binding("escape,B,q,ctrl+s", "leave", "close"),
    ]

    def __init__(
        self, breakpoints: tuple[Breakpoint, ...], changed: Callable[[tuple[Breakpoint, ...]], None]
    ) -> None:
        super().__init__()
        self._breakpoints, self._changed = breakpoints, changed

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog small") as dialog:
            dialog.border_title = "Breakpoints"
            dialog.border_subtitle = "escape closes"
            yield OptionList()
            yield Static(
                Text(
                    f"Stops after a thought, or wrong at the end, at: {', '.join(USAGES)}; < and > both work",
                    "dim",
                )
            )
        yield Footer()

    def on_mount(self) -> None:
        """Show the list."""
        self._show(0)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Enter or a click turns one on or off."""
        event.stop()
        self.action_turn()

    def action_turn(self) -> None:
        """Turn the one under the cursor on or off."""
        if (place := self._place) is not None:
            self._change(toggled(self._breakpoints, place), place)

    def action_delete(self) -> None:
        """Take the one under the cursor away."""
        if (place := self._place) is not None:
            self._change(self._breakpoints[:place] + self._breakpoints[place + 1 :], max(0, place - 1))

    def action_add(self) -> None:
        """Write another one."""
        self.dismiss(True)

    def action_cursor(self, by: int) -> None:
        """Move the cursor."""
        options = self.query_one(OptionList)
        options.action_cursor_down() if by > 0 else options.action_cursor_up()

    def action_leave(self) -> None:
        """Close."""
        self.dismiss(False)

    @property
    def _place(self) -> int | None:
        return self.query_one(OptionList).highlighted if self._breakpoints else None

    def _change(self, breakpoints: tuple[Breakpoint, ...], place: int) -> None:
        self._breakpoints = breakpoints
        self._changed(breakpoints)
        self._show(place)

    def _show(self, place: int) -> None:
        options = self.query_one(OptionList)
        options.clear_options()
        for entry in self._breakpoints:
            options.add_option(Option(Text(f"{'[x]' if entry.enabled else '[ ]'} {entry}")))
        if self._breakpoints:
            options.highlighted = place
        else:
            options.add_option(Option(Text("There is none: press a to add one.", "dim"), disabled=True))
