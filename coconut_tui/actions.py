"""Every action of the explorer in one table: keys, footer, command line, palette, help and docs use it."""

from typing import TYPE_CHECKING

from coconut_tui.action import Action
from coconut_tui.verbs import asking, branching, editing, filing, helping, looking, measuring, moving, running
from coconut_tui.widgets.views import VIEWS, all_views
from coconut_tui.widgets.views.sight import View

if TYPE_CHECKING:
    from coconut_tui.app import Explorer

ACTIONS = (
    *running.ACTIONS,
    *editing.ACTIONS,
    *branching.ACTIONS,
    *asking.ACTIONS,
    *measuring.ACTIONS,
    *looking.ACTIONS,
    *moving.ACTIONS,
    *filing.ACTIONS,
    *helping.ACTIONS,
)


def all_actions() -> tuple[Action, ...]:
    """The same, and one without a key for each view that a plugin brings."""
    return (*ACTIONS, *(_bringing(view) for view in list(all_views().values())[len(VIEWS) :]))


def _bringing(view: View) -> Action:
    def show(app: "Explorer", argument: str) -> None:
        app.show_view(view.name)

    return Action(view.name, "", view.title, f"Show the view {view.title}", "Plugins", show)


def keys_table() -> str:
    """The table of actions in docs/EXPLORER.md, in Markdown."""
    rows = ["| key | typed | what it does |", "| --- | --- | --- |"]
    rows += [f"| `{action.shown_keys}` | `:{action.usage}` | {action.description} |" for action in ACTIONS]
    return "\n".join(rows)
