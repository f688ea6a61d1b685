"""The help screen: all keys, from the table of actions."""

from itertools import groupby

from rich.table import Table
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from coconut_tui.actions import ACTIONS


class HelpScreen(ModalScreen[None]):
    """Shows every action with its keys."""

    BINDINGS = [Binding("escape,question_mark,f1,q", "dismiss", "close")]

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog") as dialog:
            dialog.border_title = "Keys"
            dialog.border_subtitle = "escape closes"
            yield Static(_table())


def _table() -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column()
    for group, actions in groupby(ACTIONS, key=lambda action: action.group):
        table.add_row(f"[dim]{group}[/dim]", "")
        for action in actions:
            table.add_row(f"  {action.shown_keys}".replace("[", r"\["), action.description)
    table.add_row("[dim]Everywhere[/dim]", "")
    table.add_row("  up, down", "Select another step (or click it)")
    table.add_row("  tab", "Move between panes")
    table.add_row("  ctrl+p", "Command palette: every action by name")
    return table
