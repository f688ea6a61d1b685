"""Changing thoughts, trying what a change would do, and taking changes back."""

from collections.abc import Sequence

from coconut_core.common.errors import CoconutError
from coconut_core.evaluation.ablations import ablations_of
from coconut_tui.engine import finding
from coconut_tui.explorer.base import ExplorerBase
from coconut_tui.run.action import Action
from coconut_tui.run.drafts import Workshop
from coconut_tui.run.what_if import strengths_of, sweep_of
from coconut_tui.screens.edit import EditScreen
from coconut_tui.screens.what_if import WhatIfScreen


def edit(app: ExplorerBase, argument: str) -> None:
    """From a menu, with a preview."""
    app.require_model()
    assert app.facts is not None  # as there is a model
    meant = app.meant_thought
    segment = 0 if meant is None else meant.segment

    def closed(text: str | None) -> None:
        app.engine.forget(finding.PREVIEW)
        if text is not None:
            app.engine.edit(text, segment)

    def look_ahead(text: str) -> None:
        finding.preview(app.engine, text, segment, screen.show)

    workshop = Workshop(app.facts, app.require_view(), meant)
    screen = EditScreen(workshop, argument, look_ahead)
    app.push_screen(screen, closed)


def zero(app: ExplorerBase, argument: str) -> None:
    """Zeros in the place of the selected thought."""
    step = app.require_thought()
    app.engine.edit(f"zero@{step.index}", step.segment)


def own(app: ExplorerBase, argument: str) -> None:
    """Its own value again."""
    step = app.require_thought()
    app.engine.restore(step.index, step.segment)


def what_if(app: ExplorerBase, argument: str) -> None:
    """All ablations of the selected thought."""
    step = app.require_thought()
    if step.segment:
        raise CoconutError("what if is about the thoughts in front of the first word")
    _try(app, f"thought {step.index}", ablations_of(step.index))


def sweep(app: ExplorerBase, argument: str) -> None:
    """An intervention at several strengths."""
    app.require_model()
    thought = 1 if "@" in argument else app.require_thought().index
    _try(app, argument, sweep_of(argument, thought), strengths_of(argument))


def undo(app: ExplorerBase, argument: str) -> None:
    """Undo the last change."""
    app.require_model()
    app.engine.undo()


def redo(app: ExplorerBase, argument: str) -> None:
    """Do again what was undone."""
    app.require_model()
    app.engine.redo()


def _try(app: ExplorerBase, title: str, texts: Sequence[str], strengths: Sequence[float] = ()) -> None:
    def closed(text: str | None) -> None:
        app.engine.forget(finding.WHAT_IF)
        if text is not None:
            app.engine.edit(text, 0)

    screen = WhatIfScreen(title, strengths)
    app.push_screen(screen, closed)
    finding.what_if(app.engine, title, texts, screen.show)


ACTIONS = (
    Action(
        "edit",
        "e",
        "edit",
        "Do something to the selected thought, from a menu, with a preview",
        "Edit",
        edit,
        "[EDIT]",
    ),
    Action("zero", "z", "zero", "Replace the selected thought by zeros, in a branch", "Edit", zero),
    Action(
        "own",
        "Z",
        "own value",
        "Give the selected thought its own value again, in a branch",
        "Edit",
        own,
    ),
    Action(
        "what-if", "i", "what if", "Try every ablation of the selected thought, side by side", "Edit", what_if
    ),
    Action(
        "sweep",
        "I",
        "sweep",
        "Try an intervention at several strengths: steer rompus -8..8",
        "Edit",
        sweep,
        "EDIT",
    ),
    Action("undo", "u", "undo", "Undo the last change", "Edit", undo),
    Action("redo", "U,ctrl+r", "redo", "Do again what was undone", "Edit", redo),
)
