"""What is on screen."""

from typing import TYPE_CHECKING

from coconut_tui.action import Action

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


ACTIONS = (
    Action("top-k", "1", "top-k", "Show the selected step's likeliest tokens", "View", top),
    Action("graph", "2", "graph", "Show the selected thought on the problem's graph", "View", graph),
    Action("answer", "3", "answer", "Show the words said, each with its probability", "View", answer),
    Action(
        "more-tokens",
        "plus,equals_sign",
        "more tokens",
        "Show more tokens of a step",
        "View",
        more_tokens,
    ),
    Action("fewer-tokens", "minus", "fewer tokens", "Show fewer tokens of a step", "View", fewer_tokens),
    Action(
        "theme",
        "d",
        "dark or light",
        "Switch between the dark and the light theme",
        "View",
        switch_theme,
    ),
)
