"""The ways through the app, and at which places of them a picture is taken."""

import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from coconut_tui.app import Explorer
from coconut_tui.config import Config
from coconut_tui.engine import ModelChoice
from coconut_tui.engine.opening import LOADING
from coconut_tui.saved.keeper import Keeper
from coconut_tui.views import VIEWS
from pictures.walking import Walker

MODEL, OTHER_MODEL, SUMS = "models/prosqa", "models/prosqa-cot", "models/sums"
THOUGHT = 3  # that is looked at and changed
Deed = Callable[[Walker, Path], Awaitable[None]]  # with a folder for files


@dataclass(frozen=True)
class Stop:
    """A place where a picture is taken, and how one gets there from the stop before, all dialogs closed."""

    name: str
    go: Deed
    # Whether a finished run is on the panes: enough of their room has to be used. A pane that was let take the
    # whole screen is no such place: its blank cells are probabilities of nothing, and room between nodes.
    finished: bool = False
    settles: bool = True  # whether one waits until nothing is under way


@dataclass(frozen=True)
class Walk:
    """An app that is started, and its stops."""

    begin: Callable[[Config], Explorer]
    stops: tuple[Stop, ...]


def _pressing(*names: str) -> Deed:
    async def go(walker: Walker, folder: Path) -> None:
        await walker.press(*names)

    return go


def _typing(line: str) -> Deed:
    async def go(walker: Walker, folder: Path) -> None:
        await walker.type(line.format(folder=folder))

    return go


async def _wait(walker: Walker, folder: Path) -> None:
    await walker.opened()


async def _run(walker: Walker, folder: Path) -> None:
    await _wait(walker, folder)
    await walker.press("continue")


def _view(name: str) -> Deed:
    async def go(walker: Walker, folder: Path) -> None:
        walker.select(THOUGHT)
        await walker.press(name)

    return go


def _zoom(pane: str) -> Deed:
    async def go(walker: Walker, folder: Path) -> None:
        walker.app.focus_pane(pane)
        if pane == "inspect":
            await walker.press("graph")
        await walker.press("zoom")

    return go


async def _zero(walker: Walker, folder: Path) -> None:
    walker.app.focus_pane("thoughts")
    walker.select(THOUGHT)
    await walker.press("zero")
    walker.app.clear_notifications()
    await walker.calm()


async def _palette(walker: Walker, folder: Path) -> None:
    await walker.press("ctrl+p", *"abla")


async def _line(walker: Walker, folder: Path) -> None:
    await walker.type("ste", enter=False)


async def _problems(walker: Walker, folder: Path) -> None:
    await walker.press("problems", "ctrl+a")


async def _breakpoints(walker: Walker, folder: Path) -> None:
    await walker.type("break thought 3")
    await walker.type("break entropy < 0.5")
    walker.app.clear_notifications()
    await walker.press("breakpoints")


async def _training(walker: Walker, folder: Path) -> None:
    from tests.core.training_rows import evaluation_row, step_row, write

    rows = [step_row(step, loss=100 / (step + 50)) for step in range(0, 80, 5)]
    write(folder / "run", [*rows[:8], evaluation_row(35, 0.4), *rows[8:], evaluation_row(75, 0.8)])
    await walker.type(f"training {folder / 'run'}")


async def _atlas(walker: Walker, folder: Path) -> None:
    from tests.tui.atlases import build_small

    if not (folder / "atlas").exists():
        build_small(folder / "atlas")
    await walker.type(f"atlas {folder / 'atlas'}")
    await walker.press("right", "right", "down")


async def _nearest(walker: Walker, folder: Path) -> None:
    await _atlas(walker, folder)
    await walker.press("n")


async def _map(walker: Walker, folder: Path) -> None:
    await _atlas(walker, folder)
    await walker.press("m", "a")


async def _replay(walker: Walker, folder: Path) -> None:
    path = folder / "run.json"
    path.unlink(missing_ok=True)
    await walker.type(f"save {path}")
    assert json.loads(path.read_text(encoding="utf-8"))
    await walker.type(f"open {path}")
    await walker.press("step", "step")
    walker.app.clear_notifications()
    await walker.calm()


async def _tour(walker: Walker, folder: Path) -> None:
    await _wait(walker, folder)
    await walker.press("step")
    await walker.toured(1)


async def _loading(walker: Walker, folder: Path) -> None:
    await walker.until(lambda: f"▸ {LOADING[0]}" in walker.text)


def _explorer(config: Config, model: str = MODEL, *, tour: bool = False) -> Explorer:
    keeper = Keeper()
    app = Explorer(ModelChoice(model, "cpu"), example=1, tour=tour, config=config, keeper=keeper)
    app.animation_level = "none"
    return app


def _held(config: Config) -> Explorer:
    """An app whose engine has something to do before it loads the model."""
    app = _explorer(config)
    app.engine._worker.start()
    app.engine._worker.send(LOADING[0], lambda job: _until_stopped(lambda: job.stopped))
    return app


def _until_stopped(stopped: Callable[[], bool]) -> None:
    while not stopped():
        threading.Event().wait(0.01)


def _sums(config: Config) -> Explorer:
    return _explorer(config, SUMS)


def _touring(config: Config) -> Explorer:
    return _explorer(config, tour=True)


def _nowhere(config: Config) -> Explorer:
    return _explorer(config, "no/such/folder")


def _nothing(config: Config) -> Explorer:
    """As without arguments."""
    app = Explorer(ModelChoice(MODEL, "cpu"), begins_with_choice=True, config=config, keeper=Keeper())
    app.animation_level = "none"
    return app


WALKS = (
    Walk(_nothing, (Stop("start", _wait),)),
    Walk(_nowhere, (Stop("start-failed", _wait),)),
    Walk(_held, (Stop("loading", _loading, settles=False),)),
    Walk(_touring, (Stop("tour", _tour),)),
    Walk(
        _explorer,
        (
            Stop("opened", _wait),
            Stop("running", _pressing("step", "step", "step")),
            Stop("finished", _pressing("continue"), finished=True),
            Stop("matrix-zoomed", _zoom("thoughts")),
            *(Stop(f"view-{view.name}", _view(view.name), finished=True) for view in VIEWS),
            Stop("zoomed", _zoom("inspect")),
            Stop("zeroed", _zero, finished=True),
            Stop("help", _pressing("help")),
            Stop("palette", _palette),
            Stop("command", _line),
            Stop("jump", _pressing("jump")),
            Stop("question", _pressing("question")),
            Stop("edit", _typing("edit steer gorpus 4@2")),
            Stop("what-if", _pressing("what-if")),
            Stop("sweep", _typing("sweep steer gorpus -8..8")),
            Stop("controls", _pressing("controls")),
            Stop("compare", _pressing("compare")),
            Stop("beside", _typing(f"beside {OTHER_MODEL}")),
            Stop("problems", _problems),
            Stop("atlas", _atlas, finished=True),
            Stop("atlas-nearest", _nearest),
            Stop("atlas-map", _map),
            Stop("training", _training),
            Stop("breakpoints", _breakpoints),
            Stop("recent", _pressing("recent")),
            Stop("models", _pressing("model")),
            Stop("export", _typing("export {folder}/run.html")),
            Stop("replay", _replay),
        ),
    ),
    Walk(_sums, (Stop("sums", _run, finished=True), Stop("sums-graph", _view("graph"), finished=True))),
)
NAMES = tuple(stop.name for walk in WALKS for stop in walk.stops)


@contextmanager
def _stopped(app: Explorer) -> Iterator[None]:
    """Whatever the engine is held with ends with the walk."""
    try:
        yield
    finally:
        app.engine.stop()


Take = Callable[[Stop, Explorer], None]


async def go(
    walk: Walk, config: Config, size: tuple[int, int], wanted: frozenset[str], folder: Path, take: Take
) -> None:
    """Go through the app, and call take at each stop that is wanted, all of it on screen."""
    last = max(place for place, stop in enumerate(walk.stops) if stop.name in wanted)
    app = walk.begin(config)
    async with app.run_test(size=size, notifications=True) as pilot:
        with _stopped(app):
            walker = Walker(pilot, app)
            for number, stop in enumerate(walk.stops[: last + 1]):
                if number:
                    await walker.close()
                await stop.go(walker, folder)
                if stop.settles:
                    await walker.calm()
                if stop.name in wanted:
                    take(stop, app)
