"""Pictures of the views, from numbers made by hand, so that no picture depends on a machine's rounding."""

from dataclasses import replace

import pytest
from textual.pilot import Pilot

from coconut_core.records.trace import StepRecord, TokenRecord, Trace
from coconut_tui.app import Explorer
from coconut_tui.config import Config
from coconut_tui.run.breakpoints import Breakpoint
from coconut_tui.run.collection import Collection
from coconut_tui.run.drafts import Workshop
from coconut_tui.run.state import (
    ComparedStep,
    Comparison,
    Preview,
    Variant,
    WhatIf,
)
from coconut_tui.screens.breakpoints import BreakpointsScreen
from coconut_tui.screens.compare import CompareScreen
from coconut_tui.screens.edit import EditScreen
from coconut_tui.screens.problems import ProblemsScreen
from coconut_tui.screens.what_if import WhatIfScreen
from tests.tui.conftest import PROBLEM, Snap, shown, steps_taken, until
from tests.tui.screens import (
    FACTS,
    LOOKED_AT,
    MIDDLE,
    PLACE,
    RIGHT,
    SIZES,
    SMALL,
    WRONG,
    look_at,
    opened,
    said,
    view,
    with_branches,
)


@SIZES
@pytest.mark.parametrize(
    ("keys", "steps"),
    [
        pytest.param([], 0, id="opened"),
        pytest.param(["s", "s", "2"], 2, id="graph"),
        pytest.param(["c", "3"], 10, id="answer"),
    ],
)
def test_replay(snap_both: Snap, trace: Trace, size: tuple[int, int], keys: list[str], steps: int) -> None:
    async def drive(pilot: Pilot[None]) -> None:
        await until(pilot, steps_taken(0))
        await pilot.press(*keys)
        await until(pilot, steps_taken(steps))

    assert snap_both(opened(trace), terminal_size=size, run_before=drive)


@SIZES
def test_branches(snap_both: Snap, trace: Trace, size: tuple[int, int]) -> None:
    async def drive(pilot: Pilot[None]) -> None:
        app = await with_branches(pilot, trace)
        app.focus_pane("branches")
        await pilot.pause()

    assert snap_both(opened(trace), terminal_size=size, run_before=drive)


def _likely(step: StepRecord, *shares: tuple[str, float]) -> StepRecord:
    return replace(step, top=tuple(TokenRecord(token, share) for token, share in shares))


@SIZES
def test_edit(snap_both: Snap, trace: Trace, size: tuple[int, int]) -> None:
    before = trace.steps[:3]
    after = (
        before[0],
        _likely(before[1], ("bompus", 0.61), ("lempus", 0.2)),
        _likely(before[2], ("bompus", 0.9), ("gorpus", 0.04)),
    )

    async def drive(pilot: Pilot[None]) -> None:
        app = await with_branches(pilot, trace)
        asked: list[str] = []
        screen = EditScreen(Workshop(FACTS, view(trace), before[1]), "steer lempus 4@2", asked.append)
        app.push_screen(screen)
        await until(pilot, lambda app: asked == ["steer lempus 4@2"])
        screen.show(Preview(asked[0], "", before, after, said(RIGHT), said(WRONG)))
        await pilot.pause()

    assert snap_both(opened(trace), terminal_size=size, run_before=drive)


@SIZES
def test_what_if(snap_both: Snap, trace: Trace, size: tuple[int, int]) -> None:
    variants = (
        Variant("nothing changed", said(RIGHT), probabilities=(0.98, 0.0000412)),
        Variant("zero@2", said(WRONG), changed=True, probabilities=(0.29, 0.7083)),
        Variant("noise@2", said(RIGHT), aloud=6, probabilities=(0.55, 0.44)),
        Variant("replace twin@2", None),
        Variant("mean@2", error="this model names no problem family to draw donors from"),
    )

    async def drive(pilot: Pilot[None]) -> None:
        app = await with_branches(pilot, trace)
        screen = WhatIfScreen("thought 2")
        app.push_screen(screen)
        await pilot.pause()
        screen.show(WhatIf("thought 2", variants, PLACE, complete=True))
        await pilot.press("j")
        await pilot.pause()

    assert snap_both(opened(trace), terminal_size=size, run_before=drive)


@SIZES
def test_compare(snap_both: Snap, trace: Trace, size: tuple[int, int]) -> None:
    other = _likely(trace.steps[1], ("rompus", 0.5), ("bompus", 0.3), ("lempus", 0.1))
    comparison = Comparison(
        "main",
        "zero@2",
        1,
        (
            ComparedStep(0, 1, trace.steps[0], trace.steps[0], 0.0, 1.0),
            ComparedStep(0, 2, trace.steps[1], replace(other, edit="zero"), 1.24, 0.31),
            ComparedStep(0, 3, trace.steps[2], None),
        ),
        said(RIGHT),
        said(WRONG),
    )

    async def drive(pilot: Pilot[None]) -> None:
        app = await with_branches(pilot, trace)
        app.push_screen(CompareScreen(comparison))
        await pilot.pause()

    assert snap_both(opened(trace), terminal_size=size, run_before=drive)


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(["question_mark"], id="help"),
        pytest.param(["colon", "s", "t"], id="command"),
        pytest.param(["ctrl+o"], id="jump"),
        pytest.param(["z"], id="error"),
    ],
)
def test_small_screens(snap_both: Snap, trace: Trace, keys: list[str]) -> None:
    async def drive(pilot: Pilot[None]) -> None:
        await with_branches(pilot, trace)
        await pilot.press(*keys)
        await pilot.pause()

    assert snap_both(opened(trace), terminal_size=SMALL, run_before=drive)


def test_breakpoints(snap_both: Snap, trace: Trace) -> None:
    listed = (
        Breakpoint(thought=3),
        Breakpoint(measure="entropy", limit=0.5, enabled=False),
        Breakpoint(token="gorpus", top=3),
    )

    async def drive(pilot: Pilot[None]) -> None:
        app = await with_branches(pilot, trace)
        app.set_breakpoints(listed)
        app.push_screen(BreakpointsScreen(listed, app.set_breakpoints))
        await pilot.pause()

    assert snap_both(opened(trace), terminal_size=SMALL, run_before=drive)


@SIZES
def test_problems(snap_both: Snap, trace: Trace, size: tuple[int, int]) -> None:
    problems = Collection([PROBLEM, replace(PROBLEM, steps=("one",)), PROBLEM], None)
    problems.note({1: said(RIGHT), 3: said(WRONG)})

    async def drive(pilot: Pilot[None]) -> None:
        app = await with_branches(pilot, trace)
        app.push_screen(ProblemsScreen(problems, 2, lambda chosen: None, lambda chosen: None))
        await pilot.pause()

    assert snap_both(opened(trace), terminal_size=size, run_before=drive)


@SIZES
@pytest.mark.parametrize("name", LOOKED_AT)
def test_views(snap_both: Snap, trace: Trace, size: tuple[int, int], name: str) -> None:
    assert snap_both(opened(trace), terminal_size=size, run_before=lambda pilot: look_at(pilot, trace, name))


def test_begun_in_the_light(snap_compare: Snap, trace: Trace) -> None:
    app = Explorer(trace=trace, config=Config(theme="textual-light"))
    app.animation_level = "none"
    assert snap_compare(app, terminal_size=MIDDLE, run_before=lambda pilot: look_at(pilot, trace, "lens"))


def test_a_zoomed_pane(snap_both: Snap, trace: Trace) -> None:
    async def drive(pilot: Pilot[None]) -> None:
        await look_at(pilot, trace, "lens")
        shown(pilot).focus_pane("inspect")
        await pilot.press("O")
        await pilot.pause()

    assert snap_both(opened(trace), terminal_size=MIDDLE, run_before=drive)
