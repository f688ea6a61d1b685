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
from coconut_tui.screens.grid import GridScreen
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
    title = f"thought {step.index}"
    _open(app, WhatIfScreen(title), title, ablations_of(step.index))


def grid(app: ExplorerBase, argument: str) -> None:
    """All ablations of all thoughts."""
    app.require_model()
    view = app.require_view()
    in_first = [step for step in view.steps if step.kind == "thought" and step.segment == 0]
    count = view.thoughts if view.mode == "thinking" and view.segment == 0 else len(in_first)
    if not count:
        raise CoconutError("this run takes no thoughts, so there is nothing to ablate: ] plans one")
    meant = app.meant_thought
    begin = min(meant.index, count) if meant is not None and meant.segment == 0 else 1

    def closed(text: str | None) -> None:
        app.engine.forget(finding.WHAT_IF)
        if text is None:
            return
        if screen.run is not None:
            app.open_run(screen.run, view.tree.here.decisions.thoughts)
        app.engine.edit(text, 0)

    screen = GridScreen(count, begin, lambda choice: finding.grid(app.engine, choice, screen.take))
    app.push_screen(screen, closed)


def sweep(app: ExplorerBase, argument: str) -> None:
    """An intervention at several strengths."""
    app.require_model()
    thought = 1 if "@" in argument else app.require_thought().index
    texts, strengths = sweep_of(argument, thought), strengths_of(argument)
    _open(app, WhatIfScreen(argument, strengths), argument, texts)


def undo(app: ExplorerBase, argument: str) -> None:
    """Undo the last change."""
    app.require_model()
    app.engine.undo()


def redo(app: ExplorerBase, argument: str) -> None:
    """Do again what was undone."""
    app.require_model()
    app.engine.redo()


def _open(app: ExplorerBase, screen: WhatIfScreen, title: str, texts: Sequence[str]) -> None:
    """Show interventions as they are tried; one that is chosen becomes a branch."""

    def closed(text: str | None) -> None:
        app.engine.forget(finding.WHAT_IF)
        if text is not None:
            app.engine.edit(text, 0)

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
        "grid",
        "at",
        "grid",
        "Try every ablation at every thought, layer, head or position: a grid of what each does",
        "Edit",
        grid,
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
