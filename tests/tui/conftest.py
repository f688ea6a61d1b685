"""A tiny random checkpoint, a hand-made trace, and waiting for the engine's thread without sleeping blindly."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from coconut_core.problems.base import Graph, Problem
from coconut_core.records.trace import StepRecord, TokenRecord, Trace
from coconut_tui.app import Explorer
from coconut_tui.engine import ModelChoice
from coconut_tui.run.action import Action

WIDE = (140, 45)
Snap = Callable[..., bool]


@pytest.fixture(autouse=True)
def _notes_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said in passing can still be read on a machine that is slow."""
    monkeypatch.setattr(Explorer, "NOTE_SECONDS", 600.0)
    monkeypatch.setattr(Explorer, "ERROR_SECONDS", 600.0)


@pytest.fixture(autouse=True)
def _actions_named_are_done(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test marked drives("zero") fails unless it did the action "zero"."""
    named = [name for mark in request.node.iter_markers("drives") for name in mark.args]
    done: set[str] = set()
    act = Action.act

    def noted(action: Action[Explorer], app: Explorer, argument: str = "") -> None:
        act(action, app, argument)
        done.add(action.name)  # not where it raised: it has been done then only in name

    monkeypatch.setattr(Action, "act", noted)
    yield
    assert set(named) <= done, f"not done: {set(named) - done}"


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model of the ProsQA shape with four thoughts."""
    from coconut_core.training.recipe import load_recipe
    from coconut_core.training.start import build_model

    shape = {"hidden_size": 32, "heads": 2, "intermediate_size": 32, "max_positions": 100_000}
    settings = [f"model.{name}={value}" for name, value in shape.items()]
    model = build_model(load_recipe("prosqa-labelled", settings))
    model.config = replace(model.config, thoughts=4)
    folder = tmp_path_factory.mktemp("checkpoint")
    model.save_pretrained(folder)
    return folder


GRAPH = Graph(
    names=("Alex", "Tom", "lempus", "rompus", "gorpus", "sterpus", "bompus"),
    edges=((0, 2), (0, 3), (2, 4), (3, 4), (1, 5), (5, 6)),
    root=0,
    target=4,
    wrong=6,
)
PROBLEM = Problem(
    question="Alex is a lempus. Every lempus is a gorpus. Tom is a sterpus. Alex is a rompus. Every rompus "
    "is a gorpus. Every sterpus is a bompus. Is Alex a bompus or gorpus?",
    steps=("Alex is a lempus.", "Every lempus is a gorpus."),
    answer="Alex is a gorpus.",
    graph=GRAPH,
)


def _record(kind: str, index: int, token: str, shares: dict[str, float], **more: object) -> StepRecord:
    top = tuple(TokenRecord(name, share) for name, share in sorted(shares.items(), key=lambda item: -item[1]))
    watched = {name: shares.get(name, 0.001) for name in GRAPH.names}
    return StepRecord(kind, index, 0, token, top, 1.25, 16.0, watched=watched, **more)  # type: ignore[arg-type]


@pytest.fixture
def trace() -> Trace:
    """A run with numbers made by hand, so that a picture of it never changes."""
    words = ["###", "Alex", "is a", "gorpus", ".", "<|endoftext|>"]
    return Trace(
        model="models/by-hand",
        question=PROBLEM.question,
        prompt=("Alex", "is a", "…"),
        steps=(
            _record("thought", 1, "", {"Alex": 0.97, "Tom": 0.02}),
            _record("thought", 2, "", {"lempus": 0.52, "rompus": 0.41, "sterpus": 0.03}, cosine=0.12),
            _record("thought", 3, "", {"gorpus": 0.88, "bompus": 0.06}, cosine=0.3, edit="zero"),
            _record("marker", 0, "<|end-latent|>", {"###": 0.9, "gorpus": 0.05}),
            *(_record("token", n + 1, word, {word: 0.98, "Tom": 0.01}) for n, word in enumerate(words)),
        ),
        text="### Alex is a gorpus.",
        stopped_by="end",
        settings={"thoughts": 3, "trained": True, "first_thought_hops": 0, "answer_prefix": "###"},
        problem=PROBLEM,
    )


def shown(pilot: Pilot[None]) -> Explorer:
    """The app that a pilot drives."""
    assert isinstance(pilot.app, Explorer)
    return pilot.app


async def until(
    pilot: Pilot[None], condition: Callable[[Explorer], bool], seconds: float = 240, *, drawn: bool = True
) -> None:
    """Let the app run until a condition holds; fail with what is on screen if it does not come true. drawn: and
    until the newest state is on screen, which while a run goes on it hardly ever is."""
    app = shown(pilot)
    for _ in range(int(seconds / 0.02)):
        await pilot.pause()
        if (app.up_to_date or not drawn) and condition(app):
            await pilot.pause()
            return
        await asyncio.sleep(0.02)
    said, threads = notes(app), [thread.name for thread in threading.enumerate()]
    pytest.fail(
        f"waited {seconds} s in vain; all drawn: {app.up_to_date}, busy: {app.player.busy}, "
        f"activity {app.activity!r}, view {app.view}, "
        f"said {said!r}, threads {threads}"
    )


def steps_taken(count: int) -> Callable[[Explorer], bool]:
    """The run has this many steps."""
    return lambda app: app.view is not None and len(app.view.steps) == count


def ready(app: Explorer) -> bool:
    """There is a run, and nothing is under way."""
    return app.view is not None and not app.player.busy and not app.activity


async def settled(pilot: Pilot[None]) -> Explorer:
    """The app once nothing is under way any more."""
    await until(pilot, ready)
    return shown(pilot)


async def typed(pilot: Pilot[None], text: str) -> None:
    """Write a line behind ":" and enter it."""
    await pilot.press("colon")
    shown(pilot).screen.query_one(Input).value = text
    await pilot.press("enter")


def explorer(checkpoint: Path, **options: object) -> Explorer:
    app = Explorer(ModelChoice(str(checkpoint), "cpu"), **options)  # type: ignore[arg-type]
    app.animation_level = "none"
    return app


def notes(app: Explorer) -> str:
    """Everything said in passing."""
    return "\n".join(note.message for note in app._notifications)


async def press(pilot: Pilot[None], *keys: str) -> Explorer:
    """Press keys and wait until all that they asked for is done."""
    await pilot.press(*keys)
    return await settled(pilot)
