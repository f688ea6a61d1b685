"""Which question is open."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from coconut_core.common.errors import CoconutError
from coconut_core.problems import recognise
from coconut_core.problems.base import Problem
from coconut_tui.actions.atlas import ask_for_folder, atlas
from coconut_tui.actions.reopening import show_finding
from coconut_tui.actions.running import whole_number
from coconut_tui.engine import finding
from coconut_tui.explorer.base import ExplorerBase
from coconut_tui.run.action import Action
from coconut_tui.run.branches import Said, Tree
from coconut_tui.run.controlled import Swaps
from coconut_tui.saved.format import SavedRun
from coconut_tui.screens.problems import ProblemsScreen
from coconut_tui.screens.recent import RecentScreen


def question(app: ExplorerBase, argument: str) -> None:
    """Write a question."""
    app.require_model()
    app.write_question("" if app.view is None else app.view.question)


def next_problem(app: ExplorerBase, argument: str) -> None:
    """The next problem of those that are gone through."""
    app.require_model()
    open_problem(app, app.problems.after(app.problem_number, 1))


def previous_problem(app: ExplorerBase, argument: str) -> None:
    """The problem before."""
    app.require_model()
    open_problem(app, app.problems.after(app.problem_number, -1))


def problem(app: ExplorerBase, argument: str) -> None:
    """A problem by its number."""
    app.require_model()
    open_problem(app, whole_number(argument, "the number of a problem", 1))


def problems(app: ExplorerBase, argument: str) -> None:
    """Pick a problem from a list."""
    app.require_model()
    if not app.problems:
        raise CoconutError("there are no problems to pick from: open a file with coconut-tui --data FILE")

    def closed(number: int | None) -> None:
        app.engine.forget(finding.SWAPS)
        if number is not None:
            open_problem(app, number)

    def answer(problems: Mapping[int, Problem]) -> None:
        finding.answer_all(app.engine, problems, judged)

    def judged(answers: Mapping[int, Said]) -> None:
        app.problems.note(answers)
        screen.show()

    def test(problems: Mapping[int, Problem]) -> None:
        finding.swap(app.engine, problems, [problem for _, problem in app.problems.listed()], tested)

    def tested(swaps: Mapping[int, Swaps]) -> None:
        app.problems.note_swaps(swaps)
        screen.show()

    screen = ProblemsScreen(app.problems, app.problem_number, answer, test, partial(ask_for_folder, app))
    app.push_screen(screen, closed)


def recent(app: ExplorerBase, argument: str) -> None:
    """Ask one of the questions asked lately."""
    app.require_model()
    if not app.keeper.questions:
        raise CoconutError("no question has been asked lately")

    def closed(text: str | None) -> None:
        if text is not None:
            app.ask(text, recognise(text), None)

    app.push_screen(RecentScreen("Questions asked lately", app.keeper.questions), closed)


def model(app: ExplorerBase, argument: str) -> None:
    """Open another model."""

    if argument:
        app.open_model(argument)
    else:
        app.choose(title="Open another model", leaving="closes")


def cpu(app: ExplorerBase, argument: str) -> None:
    """The session that is open, with its model on the CPU: where a device has failed."""
    app.require_model()
    tree = app.require_view().tree
    assert app.choice is not None  # of the model that is there
    choice = replace(app.choice, device="cpu")
    app.saved = SavedRun(choice, tree, answered=app.problems.answered)
    app.start_engine(choice)


def open_first(app: ExplorerBase) -> None:
    """Where a model is there: the session that goes on, the question that is open, the one that the app was
    started with, or a first one."""
    saved, app.saved = app.saved, None
    try:
        if app.reopened is not None:
            show_finding(app)
        elif app.begins_with_atlas:
            app.begins_with_atlas = False
            app.end_start()
            atlas(app, "")
        elif saved is not None:
            app.problems.take_up(saved.answered)
            app.engine.reopen(saved.tree)
        elif app.view is not None and app.replay is None:
            ask_again(app, app.view.tree)
        elif app.first_question is not None:
            app.ask(app.first_question, recognise(app.first_question), None)
        elif app.problems:
            open_problem(app, app.first_example or 1)
        elif app.first_example is not None:
            raise CoconutError("this model names no problem family with examples")
        else:
            question(app, "")
    except CoconutError as error:
        app.tell_error(str(error))


def open_problem(app: ExplorerBase, number: int) -> None:
    """A problem of the file or the family. Raises CoconutError where there is none."""
    opened = app.problems.problem(number)
    app.ask(opened.question, opened, number)


def ask_again(app: ExplorerBase, tree: Tree) -> None:
    """The question of another model's run; its number counts where this model has the same problems."""
    number, same = tree.example, False
    if number is not None and app.problems:
        same = app.problems.problem(number) == tree.problem
    app.ask(tree.question, tree.problem, number if same else None)


ACTIONS = (
    Action("question", "Q", "question", "Write a question", "Question", question),
    Action("next", "n", "next", "Open the next problem", "Question", next_problem),
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
    Action(
        "recent",
        "quotation_mark",
        "recent",
        "Ask a question again that was asked lately",
        "Question",
        recent,
    ),
    Action("model", "M", "model", "Open another model", "Question", model, "[MODEL]"),
    Action("cpu", "Y", "on the CPU", "Go on with the session on the CPU, say after a failure", "Question", cpu),
)
