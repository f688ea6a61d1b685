"""Many runs at once: looking through an atlas, and building one."""

from collections.abc import Sequence
from pathlib import Path

from coconut_core.common.errors import CoconutError
from coconut_core.common.paths import user_path
from coconut_core.problems import recognise
from coconut_core.problems.base import Problem
from coconut_tui.actions.helping import type_line
from coconut_tui.engine import finding
from coconut_tui.explorer.base import ExplorerBase
from coconut_tui.run.action import Action
from coconut_tui.run.atlas import AtlasPlan, Browsing, LiveModel, ToOpen, unused_name


def atlas(app: ExplorerBase, argument: str) -> None:
    """The atlas named, or the one looked at last, as it was left."""
    from coconut_tui.screens.atlas import AtlasScreen

    if argument:
        path = user_path(argument)
        if app.browsing is None or app.browsing.path != path:
            app.browsing = Browsing(path)
    if app.browsing is None:
        type_line(app, "atlas ")
        return

    def closed(chosen: ToOpen | None) -> None:
        if chosen is not None:
            problem = problem_of(str(chosen.row["question"]), chosen.row.get("expected"))
            app.open_run(problem, chosen.thoughts)
        elif app.facts is None and app.replay is None:  # it was all that was open
            app.choose()

    model = None
    if app.choice is not None and app.facts is not None and app.replay is None:
        model = LiveModel(app.choice.source, app.facts.feedback)
    app.push_screen(AtlasScreen(app.browsing, model), closed)


def build_atlas(app: ExplorerBase, argument: str) -> None:
    """An atlas of the problems that were listed, or of all."""
    app.require_model()
    if not app.problems:
        raise CoconutError("there are no problems to run: open a file with coconut-tui --data FILE")
    assert app.choice is not None  # as there is a model
    problems = app.listed or tuple(problem for _, problem in app.problems.listed())
    folder = user_path(argument)

    def show(count: int, complete: bool) -> None:
        if complete:
            app.browsing = Browsing(folder)
            app.tell(f"{argument} holds {count} runs: f2 looks through them")
        else:
            app.tell(f"stopped: {count} runs are in {argument}; :build-atlas {argument} goes on")

    plan = AtlasPlan(folder, app.choice.source, app.keeper.problem_file or "", app.thoughts)
    finding.build_atlas(app.engine, problems, plan, show)


def ask_for_folder(app: ExplorerBase, problems: Sequence[Problem]) -> None:
    """Ask where an atlas of these problems is to be."""
    app.listed = tuple(problems)
    name = "model" if app.facts is None else app.facts.name
    type_line(app, f"build-atlas {unused_name(name, Path())}")


def problem_of(question: str, expected: object) -> Problem:
    """The problem of a run: with its graph where its words tell it, else the question with its answer."""
    known = recognise(question)
    if known is not None and (not expected or known.answer == expected):
        return known
    return Problem(question, (), str(expected or ""))


ACTIONS = (
    Action(
        "atlas",
        "f2",
        "atlas",
        "Look through the runs of a data set: sort, filter, open one; go back to where one was",
        "Question",
        atlas,
        "[FOLDER]",
    ),
    Action(
        "build-atlas",
        "f4",
        "build atlas",
        "Run the problems that were listed last, or all, and keep what was thought in an atlas",
        "Question",
        build_atlas,
        "FOLDER",
    ),
)
