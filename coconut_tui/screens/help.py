"""The help screen: the view that has the focus, then all keys, from the table of actions."""

from collections.abc import Sequence
from itertools import groupby

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.widgets import Static

from coconut_tui.run.action import AnyAction
from coconut_tui.screens.dialog import ReadingDialog
from coconut_tui.views.guides import Guide


class HelpScreen(ReadingDialog):
    """Shows how to read a view, and every action with its keys."""

    BINDINGS = [
        Binding("escape,question_mark,f1,q", "dismiss", "close"),
    ]

    def __init__(self, guide: Guide, actions: Sequence[AnyAction]) -> None:
        super().__init__()
        self._guide, self._actions = guide, actions

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog wide") as dialog:
            dialog.border_title = f"Help: {self._guide.title}"
            dialog.border_subtitle = "/ searches, n and N go on, escape closes"
            yield Static(Group(_about(self._guide), _table(self._actions)))


def _about(guide: Guide) -> Text:
    text = Text("How to read it\n", "bold").append(guide.reading, "not bold")
    text.append("\n\nHow it can mislead\n").append(guide.misleading, "not bold")
    return text.append("\n\nKeys, and what to type behind :\n")


def _table(actions: Sequence[AnyAction]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(no_wrap=True)
    table.add_column()
    for group, members in groupby(actions, key=lambda action: action.group):
        table.add_row(Text(group, "dim"))
        for action in members:
            table.add_row(
                Text(f"  {action.shown_keys}"), Text(f":{action.usage}", "not bold"), Text(action.description)
            )
    table.add_row(Text("Everywhere", "dim"))
    table.add_row(Text("  tab"), "", "Move between panes")
    table.add_row(Text("  ctrl+p"), "", "Command palette: every action by name")
    return table
