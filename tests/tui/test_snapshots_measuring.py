"""Pictures of the controls, of two models side by side, and of a training run, from numbers made by hand."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from textual import events
from textual.pilot import Pilot

from coconut_core.evaluation.ablations import CONTROLS
from coconut_core.records.trace import Trace
from coconut_tui.engine import ModelChoice
from coconut_tui.run.beside import Measured, Side
from coconut_tui.run.branches import Said
from coconut_tui.run.collection import Collection
from coconut_tui.run.controlled import Controlled, ControlRow, Swaps
from coconut_tui.run.training_log import TrainingLog
from coconut_tui.screens.beside import BesideScreen
from coconut_tui.screens.controls import ControlsScreen
from coconut_tui.screens.problems import ProblemsScreen
from coconut_tui.screens.training import TrainingScreen
from tests.core.training_rows import evaluation_row, step_row, write
from tests.tui.conftest import PROBLEM, Snap, until
from tests.tui.screens import FACTS, PLACE, RIGHT, SIZES, WRONG, opened, said, view, with_branches


def controlled() -> Controlled:
    right, wrong = said(RIGHT), said(WRONG)
    answers: dict[str, tuple[Said, ...]] = {
        "none": (wrong,),
        "zero": (wrong,),
        "pause": (right,),
        "mean": (right,),
        "noise": (wrong,) * 4 + (right,) * 2,
        "nearest": (right,),
        "shuffled": (right,) * 6,
        "random": (wrong,) * 5 + (right,),
        "twin": (wrong,),
    }
    rows = [
        ControlRow(
            name,
            control.description,
            len(answers.get(name, ())),
            "" if name in answers else "no other problem with as long a chain",
            answers.get(name, ()),
            answers.get(name, ()).count(wrong),
            1 if name == "twin" else None,
            () if name not in answers else _shares(answers[name].count(right) / len(answers[name])),
        )
        for name, control in CONTROLS.items()
    ]
    return Controlled(tuple(rows), right, PLACE, _shares(0.98), complete=True)


def _shares(right: float) -> tuple[float, float]:
    return right, 0.99 - right if right < 0.99 else 0.000041


@SIZES
def test_controls(snap_both: Snap, trace: Trace, size: tuple[int, int]) -> None:
    async def drive(pilot: Pilot[None]) -> None:
        app = await with_branches(pilot, trace)
        screen = ControlsScreen(FACTS.verdict)
        app.push_screen(screen)
        await pilot.pause()
        screen.show(controlled())
        await until(pilot, lambda app: screen.controlled.complete)

    assert snap_both(opened(trace), terminal_size=size, run_before=drive)


@SIZES
def test_problems_tested_for_use(snap_both: Snap, trace: Trace, size: tuple[int, int]) -> None:
    problems = Collection([PROBLEM, replace(PROBLEM, steps=("one",)), PROBLEM, PROBLEM], None)
    problems.note({1: said(RIGHT), 3: said(WRONG)})
    problems.note_swaps({1: Swaps(6, 6), 2: Swaps(2, 6), 3: Swaps(0, 6)})

    async def drive(pilot: Pilot[None]) -> None:
        app = await with_branches(pilot, trace)
        app.push_screen(ProblemsScreen(problems, 2, lambda chosen: None, lambda chosen: None))
        await pilot.pause()

    assert snap_both(opened(trace), terminal_size=size, run_before=drive)


class StillBeside(BesideScreen):
    """With both sides as they are given, and no other model loaded."""

    def on_mount(self, event: events.Mount) -> None:  # type: ignore[override]
        """Only draw."""
        event.prevent_default()  # or Textual calls that of the class above, too
        self._show()


@SIZES
def test_beside(snap_both: Snap, trace: Trace, size: tuple[int, int]) -> None:
    first = view(trace)
    other = replace(first.steps[1], edit=None, top=first.steps[2].top)
    words = "Alex is a lempus. Every lempus is a gorpus. ### Alex is a gorpus."
    second = replace(
        first,
        steps=(first.steps[0], other, *first.steps[3:]),
        said=Said(words, "Alex is a gorpus.", "end", True),
    )

    async def drive(pilot: Pilot[None]) -> None:
        app = await with_branches(pilot, trace)
        screen = StillBeside(Side(FACTS.name, FACTS, first), app.engine, ModelChoice("runs/by-hand"), None)
        screen.second = Side(
            "runs/by-hand/step-000500", replace(FACTS, verdict="UNKNOWN: not measured"), second
        )
        screen.measured = Measured({(0, 1): 0.0, (0, 2): 1.24}, {(0, 1): 1.0, (0, 2): 0.31})
        app.push_screen(screen)
        await pilot.pause()

    assert snap_both(opened(trace), terminal_size=size, run_before=drive)


@SIZES
def test_training(
    snap_both: Snap, trace: Trace, size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [step_row(step, loss=100 / (step + 50)) for step in range(0, 80, 5)]
    path = write(Path("runs/by-hand"), [*rows[:8], evaluation_row(35, 0.4), *rows[8:], evaluation_row(75, 0.8)])
    os.utime(path, (1000, 1000))

    async def drive(pilot: Pilot[None]) -> None:
        app = await with_branches(pilot, trace)
        screen = TrainingScreen(TrainingLog.of(path.parent), clock=lambda: 1012)
        app.push_screen(screen)
        await until(pilot, lambda app: screen.drawn)

    assert snap_both(opened(trace), terminal_size=size, run_before=drive)
