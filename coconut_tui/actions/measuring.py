"""What is found out besides the run: controls, another model on the same question, how a training run goes.

Two of the screens draw plots: they are imported when asked for, so that the first paint need not wait.
"""

import shlex
from dataclasses import replace
from pathlib import Path

from coconut_core.common.errors import CoconutError, one_line
from coconut_core.common.paths import user_path
from coconut_core.problems.base import Problem
from coconut_tui.actions.helping import type_line
from coconut_tui.engine.finding import ACROSS, CONTROLS, ask_across, control
from coconut_tui.explorer.base import ExplorerBase
from coconut_tui.run.action import Action
from coconut_tui.run.beside import Side
from coconut_tui.screens.beside import BesideScreen


def controls(app: ExplorerBase, argument: str) -> None:
    """All controls on this question."""
    from coconut_tui.screens.controls import ControlsScreen

    app.require_model()
    app.require_view()
    assert app.facts is not None  # as there is a model
    screen = ControlsScreen(app.facts.verdict)
    app.push_screen(screen, lambda _: app.engine.forget(CONTROLS))
    others = [problem for _, problem in app.problems.listed()] if app.problems else []
    control(app.engine, others, screen.show)


def beside(app: ExplorerBase, argument: str) -> None:
    """Other models on this question."""
    app.require_model()
    assert app.choice is not None  # as there is a model
    assert app.facts is not None
    first = Side(app.facts.name, app.facts, app.require_view())
    sources = [argument] if user_path(argument).exists() else words_of(argument)
    choices = [replace(app.choice, source=source, feedback=None) for source in sources]  # as each says itself
    app.push_screen(BesideScreen(first, app.engine, choices[0], app.thoughts, *choices[1:]))


def words_of(argument: str) -> list[str]:
    """The words of an argument, quoted as in a shell. Raises CoconutError where a quote is not closed."""
    try:
        return shlex.split(argument)
    except ValueError as error:
        raise CoconutError(f"{argument}: {one_line(error)}") from error


def across(app: ExplorerBase, argument: str) -> None:
    """This question over the checkpoints of a run, by default of that which the model is from."""
    from coconut_tui.screens.across import AcrossScreen

    app.require_model()
    view = app.require_view()
    assert app.choice is not None  # as there is a model
    run = user_path(argument) if argument else _run_of(Path(app.choice.source))
    if run is None:
        type_line(app, "across ")
        return
    problem = view.problem or Problem(view.question, (), "")

    def closed(folder: str | None) -> None:
        app.engine.forget(ACROSS)
        if folder is not None:
            app.open_model(folder)

    screen = AcrossScreen(str(run))
    app.push_screen(screen, closed)
    choice = replace(app.choice, feedback=None, base=None)  # as each checkpoint says itself
    ask_across(app.engine, run, problem, app.thoughts, choice, screen.show)


def _run_of(checkpoint: Path) -> Path | None:
    """The run that a checkpoint is in; None where it is in none."""
    folders = (checkpoint, checkpoint.parent, checkpoint.parent.parent)
    return next((folder for folder in folders if (folder / "recipe.json").is_file()), None)


def training(app: ExplorerBase, argument: str) -> None:
    """The log of a training run, by default that of the run which the model is from."""
    from coconut_tui.run.training_log import TrainingLog
    from coconut_tui.screens.training import TrainingScreen

    if argument:
        app.push_screen(TrainingScreen(TrainingLog.of(user_path(argument))))
        return
    try:
        if app.choice is None:
            raise CoconutError("there is no model, so no run that it is from")
        log = TrainingLog.of(Path(app.choice.source))
    except CoconutError:
        type_line(app, "training ")
    else:
        app.push_screen(TrainingScreen(log))


ACTIONS = (
    Action(
        "controls",
        "V",
        "controls",
        "Run all controls on this question: something else in place of its thoughts",
        "Measure",
        controls,
    ),
    Action(
        "beside",
        "S",
        "beside",
        "Lay other models' runs of this question beside this one, step by step",
        "Measure",
        beside,
        "MODEL …",
    ),
    Action(
        "across",
        "f6",
        "across",
        "Ask the checkpoints of a training run this question: when does the search appear?",
        "Measure",
        across,
        "[RUN_FOLDER]",
    ),
    Action(
        "training",
        "L",
        "training",
        "Follow the log of a training run: loss, accuracy, learning rate",
        "Measure",
        training,
        "[RUN_FOLDER]",
    ),
)
