"""Which question is open."""

from typing import TYPE_CHECKING

from coconut_core.errors import CoconutError
from coconut_core.problems import recognise
from coconut_core.problems.base import Problem
from coconut_tui.action import Action
from coconut_tui.screens.problems import ProblemsScreen
from coconut_tui.screens.question import QuestionScreen
from coconut_tui.verbs.running import whole_number

if TYPE_CHECKING:
    from coconut_tui.app import Explorer


def question(app: "Explorer", argument: str) -> None:
    """Write one."""
    app.require_model()

    def written(text: str | None) -> None:
        if text is not None:
            ask(app, text, recognise(text), None)

    app.push_screen(QuestionScreen("" if app.view is None else app.view.question), written)


def next_problem(app: "Explorer", argument: str) -> None:
    """The next problem of those that are gone through."""
    app.require_model()
    open_problem(app, app.problems.after(app.problem_number, 1))


def previous_problem(app: "Explorer", argument: str) -> None:
    """The problem before."""
    app.require_model()
    open_problem(app, app.problems.after(app.problem_number, -1))


def problem(app: "Explorer", argument: str) -> None:
    """A problem by its number."""
    app.require_model()
    open_problem(app, whole_number(argument, "the number of a problem", 1))


def problems(app: "Explorer", argument: str) -> None:
    """Pick one from a list."""
    app.require_model()
    if not app.problems:
        raise CoconutError("there are no problems to pick from: open a file with coconut-tui --data FILE")

    def closed(number: int | None) -> None:
        if number is not None:
            open_problem(app, number)

    app.push_screen(ProblemsScreen(app.problems, app.problem_number, app.engine.answer_all), closed)


def open_first(app: "Explorer") -> None:
    """The question that the app was started with, or a first one."""
    try:
        if app.first_question is not None:
            ask(app, app.first_question, recognise(app.first_question), None)
        elif app.problems:
            open_problem(app, app.first_example or 1)
        elif app.first_example is not None:
            raise CoconutError("this model names no problem family with examples")
        else:
            question(app, "")
    except CoconutError as error:
        app.tell_error(str(error))


def open_problem(app: "Explorer", number: int) -> None:
    """A problem of the file or the family. Raises CoconutError where there is none."""
    found = app.problems.problem(number)
    ask(app, found.question, found, number)


def ask(app: "Explorer", text: str, problem: Problem | None, example: int | None) -> None:
    """Open a question; example is its number among the problems that are gone through."""
    app.selected = None
    app.engine.ask(text, problem, example, app.thoughts)


ACTIONS = (
    Action("question", "q", "question", "Write a question", "Question", question, in_footer=True),
    Action("next", "n", "next", "Open the next problem", "Question", next_problem, in_footer=True),
    Action("previous", "p", "previous", "Open the problem before", "Question", previous_problem),
    Action("problem", "number_sign", "problem", "Open problem N", "Question", problem, "N"),
    Action(
        "problems",
        "P",
        "problems",
        "Pick a problem, by hops, by right or wrong, by word; or answer them all",
        "Question",
        problems,
    ),
)
