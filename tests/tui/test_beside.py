"""Two models side by side on one question: both step together, and the second one is let go in the end."""

import gc
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
import torch
from rich.console import Console
from textual.pilot import Pilot

from coconut_core.coconut import CoconutModel
from coconut_core.latent.readout import Readout
from coconut_core.problems.base import Problem
from coconut_core.records.trace import TokenRecord, Trace
from coconut_tui.app import Explorer
from coconut_tui.engine.apart import apart, thoughts_of
from coconut_tui.run.beside import Measured, Side, compared, said_steps
from coconut_tui.run.branches import Said, Tree
from coconut_tui.run.state import ModelFacts, RunView
from coconut_tui.screens.beside import BesideScreen, draw_beside, draw_sides
from coconut_tui.screens.command import CommandScreen
from coconut_tui.screens.help import HelpScreen
from tests.core.tiny_models import tiny_model
from tests.core.tiny_recipes import tiny_recipe, trainer_for
from tests.tui.benches import brief_model, go_on, opened
from tests.tui.conftest import PROBLEM, WIDE, explorer, press, settled, typed, until


def beside(app: Explorer) -> BesideScreen:
    assert isinstance(app.screen, BesideScreen)
    return app.screen


def at_rest(app: Explorer) -> bool:
    """Both runs are there, and nothing is under way."""
    screen = app.screen
    if not isinstance(screen, BesideScreen) or app.engine.busy or app.activity:
        return False
    return screen.second.view is not None and not screen.second.activity and not screen.busy


def taken(count: int) -> Callable[[Explorer], bool]:
    return lambda app: at_rest(app) and {beside(app).first.steps, beside(app).second.steps} == {count}


def told(screen: BesideScreen) -> str:
    """What is on screen, as text."""
    console = Console(width=140, record=True, file=StringIO())
    console.print(draw_beside(screen.first, screen.second, screen.measured))
    return console.export_text()


async def opened_beside(pilot: Pilot[None], model: Path) -> BesideScreen:
    await typed(pilot, f"beside {model}")
    await until(pilot, at_rest)
    return beside(pilot.app)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training run with checkpoints of two steps."""
    folder = tmp_path_factory.mktemp("run")
    curriculum = {"lookup": 0, "stages": 2, "total": 4, "other_stages": 0.0}
    recipe = tiny_recipe(
        method="coconut-no-curriculum", checkpoint_every=2, evaluate_every=100, keep=2, curriculum=curriculum
    )
    trainer_for(recipe, folder).run(lambda row: None)
    return folder


@pytest.mark.drives("beside")
async def test_two_checkpoints_of_a_run_step_together(run_folder: Path) -> None:
    async with explorer(run_folder / "step-000002").run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "s")
        screen = await opened_beside(pilot, run_folder / "step-000004")
        assert taken(1)(app), "it goes as far as the run on screen has come"
        await pilot.press("s", "s")
        await until(pilot, taken(3))
        assert [step.kind for step in app.view.steps] == ["thought", "thought", "marker"]
        await until(pilot, lambda app: len(screen.measured.divergence) == 2)
        assert 0 < screen.measured.cosine[0, 2] < 1
        assert screen.measured.reason == ""
        await pilot.press("b", "b")
        await until(pilot, taken(1))
        await pilot.press("c")
        await until(pilot, lambda app: at_rest(app) and app.view.over and beside(app).second.view.over)
        await pilot.press("j", "pagedown", "question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape", "r")
        await until(pilot, taken(0))
        await pilot.press("escape")
        await settled(pilot)
        assert not isinstance(app.screen, BesideScreen)
        assert app.view.steps == ()


@pytest.mark.drives("beside")
async def test_several_models_step_together_each_compared_with_the_first(
    run_folder: Path, tmp_path: Path
) -> None:
    early, late = run_folder / "step-000002", run_folder / "step-000004"
    async with explorer(early).run_test(size=WIDE) as pilot:
        await settled(pilot)
        await press(pilot, "s")
        await typed(pilot, f"beside {late} {early} {tmp_path / 'nowhere'}")
        await until(pilot, lambda app: at_rest(app) and len(beside(app).others) == 3)
        screen = beside(pilot.app)  # type: ignore[arg-type]
        await until(pilot, lambda app: bool(screen.others[2].error) and screen.others[1].view is not None)
        await pilot.press("s")
        await until(
            pilot,
            lambda app: (
                at_rest(app) and [side.steps for side in (screen.first, *screen.others)] == [2, 2, 2, 0]
            ),
        )
        await until(pilot, lambda app: [len(each.divergence) for each in screen.apart] == [2, 2, 0])
        assert set(screen.apart[1].divergence.values()) == {0.0}, "the same model is the same"
        assert min(screen.apart[0].divergence.values()) > 0
        assert screen.second.name == str(late)
        await pilot.press("right")
        assert screen.second.name == str(early)
        await pilot.press("left", "left")
        assert "there is no folder" in told(screen)
        console = Console(width=160, record=True, file=StringIO())
        console.print(draw_sides(screen.first, screen.others, screen.apart, screen.shown))
        rows = console.export_text().splitlines()
        assert [row.strip().startswith("▸") for row in rows] == [False, False, False, False, True]
        assert "KL 2" in rows[0]
        await pilot.press("q")
        await settled(pilot)


@pytest.mark.drives("beside")
async def test_a_model_that_reasons_in_words_stands_beside_one_that_thinks(
    checkpoint: Path, tmp_path: Path
) -> None:
    wordy = CoconutModel.from_pretrained(str(checkpoint))
    wordy.config = replace(wordy.config, thoughts=0)
    wordy.save_pretrained(tmp_path)
    async with explorer(checkpoint).run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "c")
        screen = await opened_beside(pilot, tmp_path)
        await until(pilot, lambda app: at_rest(app) and screen.second.view.over)
        text = told(screen)
        assert "on one side" in text
        assert "0 thoughts, " in text
        assert "4 thoughts, " in text


@pytest.mark.drives("beside")
async def test_the_second_model_is_let_go_when_the_screen_is_left(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[weakref.ref[CoconutModel]] = []
    load = CoconutModel.from_pretrained.__func__  # type: ignore[attr-defined]

    def noted(*arguments: object, **options: object) -> CoconutModel:
        model: CoconutModel = load(*arguments, **options)
        loaded.append(weakref.ref(model))
        return model

    monkeypatch.setattr(CoconutModel, "from_pretrained", classmethod(noted))
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        await settled(pilot)
        await press(pilot, "s")
        await opened_beside(pilot, checkpoint)
        assert [reference() is not None for reference in loaded] == [True, True]
        await pilot.press("q")
        await settled(pilot)
        until_when = time.monotonic() + 30
        while loaded[1]() is not None and time.monotonic() < until_when:
            await pilot.pause(0.05)
            gc.collect()
        assert [reference() is not None for reference in loaded] == [True, False]


@pytest.mark.drives("beside")
async def test_a_model_that_is_not_there_is_said_in_its_column(checkpoint: Path, tmp_path: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await pilot.press("S")
        assert isinstance(app.screen, CommandScreen)
        await pilot.press("escape")
        await typed(pilot, f"beside {tmp_path / 'nowhere'}")
        await until(pilot, lambda app: "there is no folder" in beside(app).second.error)
        assert "there is no folder" in told(beside(app))
        await pilot.press("s")
        await until(pilot, lambda app: beside(app).first.steps == 1)
        await pilot.press("escape")
        await settled(pilot)
        assert not isinstance(app.screen, BesideScreen)


def test_how_far_thoughts_lie_apart() -> None:
    first, second = brief_model(), tiny_model("llama", seed=5, thoughts=3, max_positions=4096)
    benches = [opened(model) for model in (first, second)]
    for bench in benches:
        bench.take(lambda run: len(run.moves) == 3, go_on)
    found = apart(*map(thoughts_of, benches))
    states = [bench.run.session.steps[1].hidden for bench in benches]
    mine, other = (
        Readout(model, state).probabilities.double()
        for model, state in zip((first, second), states, strict=True)
    )
    assert found.divergence[0, 2] == pytest.approx(float((mine * (mine / other).log()).sum()), rel=1e-4)
    assert found.cosine[0, 2] == pytest.approx(
        float(torch.cosine_similarity(states[0], states[1], dim=0)), abs=1e-6
    )
    assert (sorted(found.divergence), found.reason) == ([(0, 1), (0, 2), (0, 3)], "")
    same = apart(thoughts_of(benches[0]), thoughts_of(benches[0]))
    assert set(same.divergence.values()) == {0.0}
    own = thoughts_of(benches[0])
    foreign = replace(
        thoughts_of(benches[1]), vocabulary={"word": 0}, states={place: torch.ones(5) for place in own.states}
    )
    left_out = apart(own, foreign)
    assert (left_out.divergence, left_out.cosine) == ({}, {})
    assert left_out.reason == (
        "no KL divergence, as the two models have different vocabularies; "
        "no cosine, as the states have 32 and 5 numbers"
    )


def test_a_side_tells_reasoning_from_answer() -> None:
    facts = ModelFacts("model", True, None, "###")

    def side(text: str, answer: str, finished: bool) -> Side:
        said = Said(text, answer, "end" if finished else None)
        tree = Tree.planted("question", None, None, None)
        return Side("model", facts, RunView(tree, (), 0, "finished" if finished else "speaking", said))

    going_on = side("Every a is", "Every a is", False)
    assert (going_on.reasoning, going_on.answer) == ("Every a is", "")
    done = side("Every a is b. ### x is b.", "x is b.", True)
    assert (done.reasoning, done.answer) == ("Every a is b.", "x is b.")
    unmarked = side("x is b.", "x is b.", True)
    assert (unmarked.reasoning, unmarked.answer) == ("", "x is b.")
    assert compared(going_on, done, Measured()) == ()


def wordy(text: str, hops: int, problem: Problem, trace: Trace) -> tuple[Side, Side]:
    """A side that said a text, and one that thinks."""
    tree = Tree.planted(problem.question, problem, None, None)
    said = Said(text, text.rpartition("###")[2].strip(), "end", None)
    facts = ModelFacts("model", True, None, "###", first_thought_hops=hops)
    thought = RunView(tree, trace.steps, 3, "finished", Said(trace.text, trace.text, "end", True))
    return Side("words", facts, RunView(tree, (), 0, "finished", said)), Side("thoughts", facts, thought)


@pytest.mark.parametrize(("hops", "first"), [(1, "lempus"), (0, "Alex")])
def test_a_chain_in_words_stands_beside_the_thoughts_that_should_be_as_far(
    hops: int, first: str, trace: Trace
) -> None:
    speaks, thinks = wordy("Alex lempus gorpus\n### Alex is a gorpus.", hops, PROBLEM, trace)
    steps = {place: text for place, (text, _) in said_steps(speaks, thinks).items()}
    assert steps[0, 1] == first
    assert list(steps.values())[-2:] == ["lempus", "gorpus"]
    assert steps[0, 3 - hops] == "gorpus"
    assert said_steps(thinks, speaks) == said_steps(speaks, speaks) == {}


def test_steps_without_a_graph_are_sums_lines_or_sentences(trace: Trace) -> None:
    plain = Problem("How many?", (), "5")
    for text, steps in {
        "<<1+2=3>> <<3+2=5>>\n### 5": ["<<1+2=3>>", "<<3+2=5>>"],
        "1 + 2 = 3\n3 + 2 = 5\n### 5": ["1 + 2 = 3", "3 + 2 = 5"],
        "First there are 3. Then 2 come.\n### 5": ["First there are 3.", "Then 2 come."],
        "### 5": [],
    }.items():
        assert [step for step, _ in said_steps(*wordy(text, 1, plain, trace)).values()] == steps


def test_each_step_in_words_is_drawn_in_the_row_of_its_thought(trace: Trace) -> None:
    speaks, thinks = wordy("Alex lempus gorpus\n### Alex is a gorpus.", 0, PROBLEM, trace)
    console = Console(width=120)
    with console.capture() as written:
        console.print(draw_beside(thinks, speaks, Measured()))
    rows = [line for line in written.get().splitlines() if line.startswith("≠ thought")]
    assert len(rows) == 3
    for row, words in zip(rows, ("Alex  (p .97", "lempus  (p .52", "gorpus  (p .88"), strict=True):
        assert f"» {words} there)" in row


def test_a_step_that_is_one_word_has_the_words_that_it_was_chosen_from(trace: Trace) -> None:
    speaks, thinks = wordy("Alex lempus gorpus\n### Alex is a gorpus.", 0, PROBLEM, trace)
    assert speaks.view is not None
    top = (TokenRecord("lempus", 0.75), TokenRecord("rompus", 0.25))
    said = [replace(trace.steps[-1], kind="token", token=word, top=top) for word in ("Alex", " lempus", "gor")]
    speaks = replace(speaks, view=replace(speaks.view, steps=tuple(said)))
    found = [record is not None for _, record in said_steps(speaks, thinks).values()]
    assert found == [True, True, False]
    second = compared(thinks, speaks, Measured())[1]
    assert second.second is not None
    assert second.second.top == top
    console = Console(width=120)
    with console.capture() as written:
        console.print(draw_beside(thinks, speaks, Measured()))
    line = next(
        line for line in written.get().splitlines() if ".52 " in line and "lempus" in line and "█" in line
    )
    assert ".75" in line.split("lempus")[1]
