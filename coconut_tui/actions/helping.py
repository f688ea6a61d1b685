"""The command line, help, and leaving."""

from collections.abc import Sequence

from coconut_core.common.errors import CoconutError
from coconut_tui.explorer.base import ExplorerBase
from coconut_tui.run.action import Action
from coconut_tui.run.breakpoints import USAGES
from coconut_tui.run.commands import completions, read_line
from coconut_tui.run.drafts import Workshop
from coconut_tui.screens.command import CommandScreen
from coconut_tui.tour.bar import TourBar
from coconut_tui.tour.steps import STOPS


def command(app: ExplorerBase, argument: str) -> None:
    """The command line."""
    type_line(app, "")


def show_help(app: ExplorerBase, argument: str) -> None:
    """The view that has the focus, and all keys."""
    app.action_explain(app.focused_view)


def tour(app: ExplorerBase, argument: str) -> None:
    """Lead through the explorer in six steps, or leave off."""
    bar = app.query_one(TourBar)
    if bar.stop is None or bar.stop == len(STOPS):
        bar.begin()
    else:
        bar.end()


def leave(app: ExplorerBase, argument: str) -> None:
    """Close what lies over the model's run, or end the app."""
    if app.replay is not None and app.choice is not None:
        app.close_replay()
    else:
        app.exit()


def end(app: ExplorerBase, argument: str) -> None:
    """End the app."""
    app.exit()


def suspend(app: ExplorerBase, argument: str) -> None:
    """Stop the process until the shell's fg."""
    app.action_suspend_process()


def type_line(app: ExplorerBase, text: str, error: str = "") -> None:
    """Ask for a line, and do it; one that cannot be done comes back with what is wrong."""
    forms = () if app.facts is None else app.facts.forms
    known: dict[str, Sequence[str]] = {"CONDITION": USAGES, "LAYOUT": list(app.layouts)}
    if app.view is not None and app.facts is not None:
        known["BRANCH"] = [branch.name for branch in app.view.tree.branches]
        known |= Workshop(app.facts, app.view, app.meant_thought).known()

    def closed(line: str | None) -> None:
        if line is None:
            return
        try:
            command = read_line(line, app.actions, forms)
            command.action.act(app, command.argument)
        except CoconutError as wrong:
            type_line(app, line, str(wrong))

    app.push_screen(
        CommandScreen(text, error, lambda typed: completions(typed, app.actions, forms, known)), closed
    )


ACTIONS = (
    Action("command", "colon", "command", "Type an action or an intervention by name", "Help", command),
    Action(
        "help",
        "question_mark,f1",
        "help",
        "Explain the view that has the focus; show all keys",
        "Help",
        show_help,
    ),
    Action("tour", "H", "tour", "Lead through the explorer in six steps, or stop doing so", "Help", tour),
    Action("suspend", "ctrl+z", "suspend", "Back to the shell; its fg goes on here", "Help", suspend),
    Action("leave", "q", "quit", "Close the saved trace that is open, or else leave", "Help", leave),
    Action("quit", "ctrl+q", "quit", "Leave at once, from wherever you are", "Help", end),
)
