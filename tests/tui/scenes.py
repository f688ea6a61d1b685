"""Every screen of the explorer with numbers made by hand, so that none depends on a machine's rounding."""

import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from textual import events
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from coconut_core.evaluation.ablations import CONTROLS
from coconut_core.records.trace import StepRecord, TokenRecord, Trace
from coconut_tui.engine import ModelChoice
from coconut_tui.engine.opening import LOADING
from coconut_tui.findings import Finding
from coconut_tui.run.beside import Measured, Side
from coconut_tui.run.branches import Said
from coconut_tui.run.breakpoints import Breakpoint
from coconut_tui.run.collection import Collection
from coconut_tui.run.controlled import Controlled, ControlRow, Swaps
from coconut_tui.run.drafts import Workshop
from coconut_tui.run.state import ComparedStep, Comparison, Preview, Variant, WhatIf
from coconut_tui.run.training_log import TrainingLog
from coconut_tui.screens.beside import BesideScreen
from coconut_tui.screens.breakpoints import BreakpointsScreen
from coconut_tui.screens.compare import CompareScreen
from coconut_tui.screens.controls import ControlsScreen
from coconut_tui.screens.edit import EditScreen
from coconut_tui.screens.findings import FindingsScreen
from coconut_tui.screens.note import NoteScreen
from coconut_tui.screens.problems import ProblemsScreen
from coconut_tui.screens.question import QuestionScreen
from coconut_tui.screens.recent import RecentScreen
from coconut_tui.screens.start import StartScreen
from coconut_tui.screens.training import TrainingScreen
from coconut_tui.screens.what_if import WhatIfScreen
from tests.core.training_rows import evaluation_row, step_row, write
from tests.tui.conftest import PROBLEM, shown, steps_taken, until
from tests.tui.findings_by_hand import finding
from tests.tui.screens import FACTS, LOOKED_AT, PLACE, RIGHT, WRONG, look_at, said, view, with_branches

Scene = Callable[[Pilot[None], Trace], Awaitable[object]]


async def opened(pilot: Pilot[None], trace: Trace) -> None:
    """A question, and no step yet."""
    await until(pilot, steps_taken(0))


async def running(pilot: Pilot[None], trace: Trace) -> None:
    """Two thoughts have been taken."""
    await opened(pilot, trace)
    await pilot.press("s", "s")
    await until(pilot, steps_taken(2))


def _view(name: str) -> Scene:
    async def scene(pilot: Pilot[None], trace: Trace) -> None:
        if name in LOOKED_AT:
            await look_at(pilot, trace, name)
        else:
            app = await with_branches(pilot, trace)
            app.show_view(name)
            await pilot.pause()

    return scene


async def zoomed(pilot: Pilot[None], trace: Trace) -> None:
    """A view that has the whole screen."""
    await look_at(pilot, trace, "lens")
    shown(pilot).focus_pane("inspect")
    await pilot.press("O")
    await pilot.pause()


def _pressing(*keys: str) -> Scene:
    async def scene(pilot: Pilot[None], trace: Trace) -> None:
        await with_branches(pilot, trace)
        await pilot.press(*keys)
        await pilot.pause()

    return scene


def likely(step: StepRecord, *shares: tuple[str, float]) -> StepRecord:
    """The step with other likeliest tokens."""
    return replace(step, top=tuple(TokenRecord(token, share) for token, share in shares))


async def edit(pilot: Pilot[None], trace: Trace) -> None:
    """A thought is steered, and what that would do is known."""
    before = trace.steps[:3]
    after = (
        before[0],
        likely(before[1], ("bompus", 0.61), ("lempus", 0.2)),
        likely(before[2], ("bompus", 0.9), ("gorpus", 0.04)),
    )
    app = await with_branches(pilot, trace)
    asked: list[str] = []
    screen = EditScreen(Workshop(FACTS, view(trace), before[1]), "steer lempus 4@2", asked.append)
    app.push_screen(screen)
    await until(pilot, lambda app: asked == ["steer lempus 4@2"])
    screen.show(Preview(asked[0], "", before, after, said(RIGHT), said(WRONG)))
    await pilot.pause()


async def what_if(pilot: Pilot[None], trace: Trace) -> None:
    """One ablation changes the answer, one has not been tried, one cannot be."""
    variants = (
        Variant("nothing changed", said(RIGHT), probabilities=(0.98, 0.0000412)),
        Variant("zero@2", said(WRONG), changed=True, probabilities=(0.29, 0.7083)),
        Variant("noise@2", said(RIGHT), aloud=6, probabilities=(0.55, 0.44)),
        Variant("replace twin@2", None),
        Variant("mean@2", error="this model names no problem family to draw donors from"),
    )
    app = await with_branches(pilot, trace)
    screen = WhatIfScreen("thought 2")
    app.push_screen(screen)
    await pilot.pause()
    screen.show(WhatIf("thought 2", variants, PLACE, complete=True))
    await pilot.press("j")
    await pilot.pause()


async def compare(pilot: Pilot[None], trace: Trace) -> None:
    """Two branches that part at the second thought."""
    other = likely(trace.steps[1], ("rompus", 0.5), ("bompus", 0.3), ("lempus", 0.1))
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
    app = await with_branches(pilot, trace)
    app.push_screen(CompareScreen(comparison))
    await pilot.pause()


async def breakpoints(pilot: Pilot[None], trace: Trace) -> None:
    """Three, one of them turned off."""
    listed = (
        Breakpoint(thought=3),
        Breakpoint(measure="entropy", limit=0.5, enabled=False),
        Breakpoint(token="gorpus", top=3),
    )
    app = await with_branches(pilot, trace)
    app.set_breakpoints(listed)
    app.push_screen(BreakpointsScreen(listed, app.set_breakpoints))
    await pilot.pause()


async def problems(pilot: Pilot[None], trace: Trace) -> None:
    """Some are answered, some tested for use."""
    listed = Collection([PROBLEM, replace(PROBLEM, steps=("one",)), PROBLEM, PROBLEM], None)
    listed.note({1: said(RIGHT), 3: said(WRONG)})
    listed.note_swaps({1: Swaps(6, 6), 2: Swaps(2, 6), 3: Swaps(0, 6)})
    app = await with_branches(pilot, trace)
    app.push_screen(ProblemsScreen(listed, 2, lambda chosen: None, lambda chosen: None))
    await pilot.pause()


async def question(pilot: Pilot[None], trace: Trace) -> None:
    """One that was refused stays in its editor."""
    app = await with_branches(pilot, trace)
    error = "the model's vocabulary does not have 'Mars'"
    app.push_screen(QuestionScreen("Is Mars a lempus?", [], lambda text: None, error))
    await pilot.pause()


async def recent(pilot: Pilot[None], trace: Trace) -> None:
    """Models opened lately, after one that could not be."""
    app = await with_branches(pilot, trace)
    models = ["models/by-hand", "openai-community/gpt2"]
    app.push_screen(RecentScreen("Models opened lately", models, "a folder", error="there is no folder x"))
    await pilot.pause()


async def loading(pilot: Pilot[None], trace: Trace) -> None:
    """The second stage, and a key that waits."""
    app = await with_branches(pilot, trace)
    screen = StartScreen("models/by-hand")
    app.push_screen(screen)
    await pilot.pause()
    await pilot.press("s")
    screen.show(LOADING[1])
    await pilot.pause()


def controlled() -> Controlled:
    """The controls of a question whose answer follows the thoughts."""
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


async def controls(pilot: Pilot[None], trace: Trace) -> None:
    """All controls have been run."""
    app = await with_branches(pilot, trace)
    screen = ControlsScreen(FACTS.verdict)
    app.push_screen(screen)
    await pilot.pause()
    screen.show(controlled())
    await until(pilot, lambda app: screen.controlled.complete)


class StillBeside(BesideScreen):
    """With both sides as they are given, and no other model loaded."""

    def on_mount(self, event: events.Mount) -> None:  # type: ignore[override]
        """Only draw."""
        event.prevent_default()  # or Textual calls that of the class above, too
        self._show()


async def beside(pilot: Pilot[None], trace: Trace) -> None:
    """Another model that differs from the second thought on, and speaks its chain."""
    first = view(trace)
    other = replace(first.steps[1], edit=None, top=first.steps[2].top)
    words = "Alex is a lempus. Every lempus is a gorpus. ### Alex is a gorpus."
    second = replace(
        first,
        steps=(first.steps[0], other, *first.steps[3:]),
        said=Said(words, "Alex is a gorpus.", "end", True),
    )
    app = await with_branches(pilot, trace)
    screen = StillBeside(Side(FACTS.name, FACTS, first), app.engine, ModelChoice("runs/by-hand"), None)
    unknown = replace(FACTS, verdict="UNKNOWN: not measured")
    screen.second = Side("runs/by-hand/step-000500", unknown, second)
    screen.measured = Measured({(0, 1): 0.0, (0, 2): 1.24}, {(0, 1): 1.0, (0, 2): 0.31})
    app.push_screen(screen)
    await pilot.pause()


async def training(pilot: Pilot[None], trace: Trace) -> None:
    """The log of a run in its second stage; written in the folder where one stands."""
    rows = [step_row(step, loss=100 / (step + 50)) for step in range(0, 80, 5)]
    path = write(Path("runs/by-hand"), [*rows[:8], evaluation_row(35, 0.4), *rows[8:], evaluation_row(75, 0.8)])
    os.utime(path, (1000, 1000))
    app = await with_branches(pilot, trace)
    screen = TrainingScreen(TrainingLog.of(path.parent), clock=lambda: 1012)
    app.push_screen(screen)
    await until(pilot, lambda app: screen.drawn)


async def note(pilot: Pilot[None], trace: Trace) -> None:
    """A finding is being written; the folder is no folder."""
    app = await with_branches(pilot, trace)
    screen = NoteScreen("zero@2, step 2, graph", ("frontier", "wrong"), lambda *said: None)
    app.push_screen(screen)
    await pilot.pause()
    screen.query_one("#note-title", Input).value = "Thought 2 leaves the frontier"
    screen.query_one(TextArea).text = "It *leaves* it, and the answer **follows**."
    screen.refuse("the finding cannot be written into findings: Not a directory")


async def findings(pilot: Pilot[None], trace: Trace) -> None:
    """Two findings, and a file that is damaged."""
    app = await with_branches(pilot, trace)
    second = finding(title="Another one", tags=(), date="2026-11-29T10:00:00+00:00", note="", seen=None)

    def read(say: Callable[[str], object]) -> list[tuple[Path, Finding]]:
        say("findings/bad.md: the entry 'title' must be a text, not a whole number")
        return [(Path("findings/one.md"), finding()), (Path("findings/two.md"), second)]

    app.push_screen(FindingsScreen(Path("findings"), read))
    await pilot.pause()


VIEW_NAMES = ("top", "graph", "answer", "lens", "attention", "lines", "nearest", "trajectory", "numbers")
SCENES: dict[str, Scene] = {
    "opened": opened,
    "running": running,
    "finished": with_branches,
    **{f"view-{name}": _view(name) for name in VIEW_NAMES},
    "zoomed": zoomed,
    "edit": edit,
    "what-if": what_if,
    "compare": compare,
    "controls": controls,
    "beside": beside,
    "training": training,
    "problems": problems,
    "breakpoints": breakpoints,
    "question": question,
    "note": note,
    "findings": findings,
    "recent": recent,
    "loading": loading,
    "help": _pressing("question_mark"),
    "command": _pressing("colon", "s", "t"),
    "palette": _pressing("ctrl+p"),
    "jump": _pressing("ctrl+o"),
    "error": _pressing("z"),
}
