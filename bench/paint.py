"""python -m bench.paint: how soon the explorer paints, and whether its memory stays where it is."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Annotated

import coconut_tui  # isort: skip  # noqa: F401  # before Textual, which it tells how often to paint

import psutil
import typer
from textual.pilot import Pilot

from bench.first_paint import Size, Start, first_paint, floor, kept_bytecode
from bench.measure import Comparison
from bench.shapes import Shape
from coconut_core.terminal.guard import run_guarded

if TYPE_CHECKING:
    from bench.watching import Watched
    from coconut_tui.app import Explorer

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)
KEYS = ("j", "k", "2", "full_stop", "1", "comma", "l", "h")  # moving about, other views, other panes
POSITIONS = 20_000  # that the model can read
PAUSE = 0.01  # seconds from a paint to the next key
RESIZED = 0.5  # seconds from a resize to the first key, as nobody presses one with the other hand
PATIENCE = 120.0  # seconds
KEY_LIMIT, START_LIMIT = 0.05, 0.5  # seconds that a key and the first paint may take
CHECKPOINT = "models/prosqa-labelled"
MIDDLE, LARGE = (120, 40), (200, 60)  # columns and lines; on the larger one several views stand side by side


def compare(shape: Shape, repetitions: int) -> list[Comparison]:
    """The slowest of a hundred keys on either screen, and each start, beside what they may take, and the two
    screens beside each other; with the prosqa shape only."""
    if shape.name != "prosqa":
        return []
    keys = measure_keys(200, 50_000, 100)
    comparisons = [
        Comparison("paint", shape.name, f"slowest key, {_text(size)}", note, [worst], [KEY_LIMIT], 1, cost=True)
        for size, note, worst in ((size, each.note, max(each.waits)) for size, each in keys.items())
    ]
    large, middle = (median(keys[size].spent) for size in (LARGE, MIDDLE))
    note = f"keys: {len(keys[LARGE].waits)} on each screen"
    comparisons.append(
        Comparison("paint", shape.name, "200×60 : 120×40, p50", note, [large], [middle], cost=True)
    )
    with kept_bytecode() as environment:
        first_paint(CHECKPOINT, MIDDLE, environment)
        for size in (MIDDLE, LARGE):
            starts = [first_paint(CHECKPOINT, size, environment).clock for _ in range(repetitions)]
            limits, note = [START_LIMIT] * repetitions, f"program: {repetitions} starts"
            name = f"first paint, {_text(size)}"
            comparisons.append(Comparison("paint", shape.name, name, note, starts, limits, 1, cost=True))
    return comparisons


@dataclass
class Keys:
    """Seconds from each key that changed something to the paint that shows it, by the clock, and by the
    processor in the thread that paints; and how many were pressed while the model was busy."""

    waits: list[float] = field(default_factory=list)
    spent: list[float] = field(default_factory=list)
    busy: int = 0

    @property
    def within(self) -> int:
        """How many took less than they may."""
        return sum(wait < KEY_LIMIT for wait in self.waits)

    @property
    def note(self) -> str:
        """Both counts in words."""
        return f"keys: {self.within} of {len(self.waits)} under 50 ms, {self.busy} while the model was busy"


def random_checkpoint(folder: Path, vocabulary: int, hidden: int, layers: int) -> None:
    """A random GPT-2 that reads ProsQA's words and has so many rows in its vocabulary."""
    from dataclasses import replace

    from transformers import GPT2Config, GPT2LMHeadModel

    from coconut_core.coconut import CoconutModel
    from coconut_core.training.recipe import load_recipe
    from coconut_core.training.start import build_model

    words = build_model(load_recipe("prosqa-labelled"))
    end = words.tokenizer.eos_token_id
    shape = GPT2Config(
        vocab_size=vocabulary,
        n_embd=hidden,
        n_layer=layers,
        n_head=hidden // 32,
        n_positions=POSITIONS,
        bos_token_id=end,
        eos_token_id=end,
    )
    model = CoconutModel(GPT2LMHeadModel(shape), words.tokenizer, replace(words.config, trained=True))
    model.save_pretrained(folder)


@app.command()
def keys(
    thoughts: Annotated[
        int, typer.Option(min=1, help="Thoughts on screen when the first key is pressed.")
    ] = 200,
    vocabulary: Annotated[int, typer.Option(min=100, help="Rows of the model's vocabulary.")] = 50_000,
    presses: Annotated[int, typer.Option(min=8, help="Keys to press.")] = 200,
) -> None:
    """From a key to the paint that shows what it did, while the model is busy thinking.

    Wall-clock time: what a person waits. The key is handed to the app as the terminal's driver would, and the
    paint is made up to the bytes for the terminal. A key that changes nothing does not count.
    """
    keys = measure_keys(thoughts, vocabulary, presses)
    for size, each in keys.items():
        typer.echo(f"{_text(size)}  {each.note}")
        for name, times in (("clock", each.waits), ("processor", each.spent)):
            cuts = [1000 * cut for cut in _cuts(times)]
            typer.echo(f"  {name:9} ms: p50 {cuts[0]:.1f}  p90 {cuts[1]:.1f}  p99 {cuts[2]:.1f}")
    cuts = [
        large / middle for large, middle in zip(*(_cuts(keys[s].spent) for s in (LARGE, MIDDLE)), strict=True)
    ]
    typer.echo(
        f"{_text(LARGE)} : {_text(MIDDLE)}, processor: p50 {cuts[0]:.2f}  p90 {cuts[1]:.2f}  p99 {cuts[2]:.2f}"
    )


def measure_keys(thoughts: int, vocabulary: int, presses: int) -> dict[Size, Keys]:
    """So many keys on each of two screens, which take turns."""
    with tempfile.TemporaryDirectory() as folder:
        random_checkpoint(Path(folder), vocabulary, 256, 4)
        return asyncio.run(_press_keys(folder, thoughts, presses))


async def _press_keys(folder: str, thoughts: int, presses: int) -> dict[Size, Keys]:
    from bench.watching import Watched
    from coconut_tui.app import Explorer
    from coconut_tui.engine import ModelChoice

    explorer = Explorer(ModelChoice(folder, "cpu"), example=1, thoughts=POSITIONS // 2)  # busy to the end
    explorer.animation_level = "none"
    measured: dict[Size, Keys] = {MIDDLE: Keys(), LARGE: Keys()}
    async with explorer.run_test(size=MIDDLE) as pilot:
        await _until(pilot, lambda: explorer.view is not None and not explorer.activity)
        await pilot.press("t")
        await _until(pilot, lambda: explorer.view is not None and len(explorer.view.steps) >= thoughts)
        with Watched(explorer) as watched:
            for size in cycle(measured):
                if all(len(each.waits) >= presses for each in measured.values()):
                    break
                await pilot.resize_terminal(*size)
                await _until(pilot, partial(_is_drawn, explorer, size))
                await pilot.pause(RESIZED)
                for key in KEYS:
                    await _press_key(explorer, watched, key, measured[size])
        await pilot.press("escape")
    return measured


def _is_drawn(explorer: "Explorer", size: Size) -> bool:
    """Whether all panes are drawn for a screen of this size; a run that goes on is a step ahead of them."""
    return explorer.size == size and not explorer.rest_waits


async def _press_key(explorer: "Explorer", watched: "Watched", key: str, measured: Keys) -> None:
    from textual import events
    from textual.keys import _character_to_key, key_to_character

    from bench.watching import Moment

    await asyncio.sleep(PAUSE)
    watched.expect(key)
    was_busy = explorer.player.busy
    began = Moment.now()
    name = _character_to_key(key) if len(key) == 1 else key
    explorer.post_message(events.Key(name, key_to_character(key)))
    painted = await asyncio.wait_for(watched.shown(), PATIENCE)
    if painted is not None:
        measured.waits.append(painted.clock - began.clock)
        measured.spent.append(painted.processor - began.processor)
        measured.busy += was_busy


async def _until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError("the explorer did not come so far")
        await pilot.pause(0.02)


@app.command()
def start(
    repetitions: Annotated[int, typer.Option(min=1, help="How often it is started.")] = 5,
    model: Annotated[str, typer.Option(help="What it opens.")] = CHECKPOINT,
) -> None:
    """From starting the process to its first paint, beside a Python that imports Textual and ends.

    By the clock, and in seconds of the processor, which other programs lengthen less. A start that compiles all
    modules comes first and does not count.
    """
    ours: dict[Size, list[Start]] = {MIDDLE: [], LARGE: []}
    floors = []
    with kept_bytecode() as environment:
        first_paint(model, MIDDLE, environment)
        floor(environment)
        for _ in range(repetitions):
            for size, starts in ours.items():
                starts.append(first_paint(model, size, environment))
            floors.append(floor(environment))
    for size, starts in ours.items():
        typer.echo(f"first paint, {_text(size)}, s: {_listed(starts)}")
    typer.echo(f"python with textual, s: {_listed(floors)}")
    large, middle = (median(start.processor for start in ours[size]) for size in (LARGE, MIDDLE))
    typer.echo(f"{_text(LARGE)} : {_text(MIDDLE)}, processor, x: {large / middle:.2f}")


def _listed(starts: Sequence[Start]) -> str:
    texts = []
    for name in ("clock", "processor"):
        seconds = [getattr(start, name) for start in starts]
        texts.append(f"{name} {min(seconds):.2f} to {max(seconds):.2f}, median {median(seconds):.2f}")
    return f"{'; '.join(texts)} (n={len(starts)})"


def _cuts(times: Sequence[float]) -> list[float]:
    """Median, 90th and 99th percentile."""
    cuts = quantiles(times, n=100, method="inclusive")
    return [cuts[part - 1] for part in (50, 90, 99)]


def _text(size: Size) -> str:
    return f"{size[0]}×{size[1]}"


@app.command()
def memory(
    changes: Annotated[int, typer.Option(min=200, help="Steps, forks, edits and undoings.")] = 2000,
) -> None:
    """Resident memory after a quarter and after all of so many changes to one question's runs."""
    from bench.shapes import SHAPES
    from coconut_core.problems import example_problem
    from coconut_tui.engine.workbench import Workbench

    model = SHAPES["prosqa"].build()
    problem = example_problem("prosqa", 1)
    bench = Workbench(model, cache_limit=32 * 2**20)
    bench.ask(problem.question, problem, 1, 6)
    process = psutil.Process()
    early = 0
    for number in range(changes):
        _change(bench, number)
        if number == changes // 4:
            early = process.memory_info().rss
    late = process.memory_info().rss
    typer.echo(
        f"{changes} changes, {len(bench.tree.branches)} branches: {early / 2**20:.0f} MiB after a quarter, "
        f"{late / 2**20:.0f} MiB at the end ({late / early:.2f} x); caches {bench.live.used / 2**20:.0f} MiB"
    )


def _change(bench: "Workbench", number: int) -> None:  # type: ignore[name-defined]  # noqa: F821
    kind = number % 4
    if kind == 0:
        bench.take(lambda run: not run.thinking, lambda: False)
    elif kind == 1:
        bench.edit(f"noise {number}@{1 + number % 6}", 0, lambda: False)
    elif kind == 2:
        bench.fork(number % 5)
    else:
        bench.move(bench.tree.branches[number % len(bench.tree.branches)].number)


if __name__ == "__main__":
    run_guarded(app)
