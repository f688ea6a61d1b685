"""What is on screen."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from coconut_core.errors import CoconutError
from coconut_tui.breakpoints import USAGES
from coconut_tui.commands import completions, read_line
from coconut_tui.drafts import Workshop
from coconut_tui.screens.command import CommandScreen

if TYPE_CHECKING:
    from coconut_tui.app import Explorer


def top(app: "Explorer", argument: str) -> None:
    """Likeliest tokens."""
    app.show_view("top")


def graph(app: "Explorer", argument: str) -> None:
    """The path graph."""
    app.show_view("graph")


def answer(app: "Explorer", argument: str) -> None:
    """The words said."""
    app.show_view("answer")


def more_tokens(app: "Explorer", argument: str) -> None:
    """More tokens of a step."""
    app.set_token_count(app.token_count + 5 if app.token_count >= 5 else 5)


def fewer_tokens(app: "Explorer", argument: str) -> None:
    """Fewer tokens of a step."""
    app.set_token_count(app.token_count - 5)


def switch_theme(app: "Explorer", argument: str) -> None:
    """Dark or light."""
    app.theme = "textual-light" if app.current_theme.dark else "textual-dark"


def command(app: "Explorer", argument: str) -> None:
    """The command line."""
    type_line(app, "")


def show_help(app: "Explorer", argument: str) -> None:
    """The view that has the focus, and all keys."""
    app.action_explain(app.focused_view)


def leave(app: "Explorer", argument: str) -> None:
    """End the app."""
    app.exit()


def type_line(app: "Explorer", text: str, error: str = "") -> None:
    """Ask for a line, and do it; one that cannot be done comes back with what is wrong."""
    forms = () if app.facts is None else app.facts.forms
    known: dict[str, Sequence[str]] = {"CONDITION": USAGES}
    if app.view is not None and app.facts is not None:
        known["BRANCH"] = [branch.name for branch in app.view.tree.branches]
        known |= Workshop(app.facts, app.view, app.selected_thought).known()

    def closed(line: str | None) -> None:
        if line is None:
            return
        try:
            read = read_line(line, app.actions, forms)
            read.action.do(app, read.argument)
        except CoconutError as wrong:
            type_line(app, line, str(wrong))

    app.push_screen(
        CommandScreen(text, error, lambda typed: completions(typed, app.actions, forms, known)), closed
    )
