"""The question on screen over the checkpoints of a run: a column each, asked in the engine's thread."""

import shutil
from pathlib import Path

import pytest
from textual.pilot import Pilot

from coconut_core.across.course import Course, Logged, Measurement, Point, Swapped, ThoughtReading
from coconut_core.analysis.estimates import Estimate
from coconut_tui.app import Explorer
from coconut_tui.run.across import Across
from coconut_tui.screens.across import AcrossScreen
from coconut_tui.screens.command import CommandScreen
from coconut_tui.widgets.across_strip import draw_strip
from tests.core.tiny_recipes import run_logged, tiny_recipe
from tests.tui.conftest import WIDE, explorer, settled, typed, until


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with models of steps 0, 3, 6 and 9, of which the last two take thoughts."""
    folder = tmp_path_factory.mktemp("run") / "tiny"
    run_logged(tiny_recipe(keep_every=3), folder)
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def across(app: Explorer) -> AcrossScreen:
    assert isinstance(app.screen, AcrossScreen)
    return app.screen


def complete(app: Explorer) -> bool:
    return isinstance(app.screen, AcrossScreen) and app.screen.across.complete


def said(screen: AcrossScreen, width: int = 100) -> str:
    return draw_strip(screen.across, screen.cursor, width, 40).plain


async def asked(pilot: Pilot[None], line: str) -> AcrossScreen:
    await typed(pilot, line)
    await until(pilot, complete)
    return across(pilot.app)  # type: ignore[arg-type]


@pytest.mark.drives("across")
async def test_a_run_is_asked_and_one_of_its_checkpoints_opened(run: Path) -> None:
    async with explorer(run / "checkpoint").run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        question = app.view.question
        screen = await asked(pilot, "across")  # the run that the model is from
        steps = [point.step for point in screen.across.course.points]
        assert steps == [0, 3, 6, 9]
        assert screen.across.course.about["question"][0] == question
        assert "\nstep 9  " in said(screen), "the cursor is at the newest"
        await pilot.press("left")
        assert "\nstep 6  " in said(screen)
        await pilot.press("home", "right", "right", "enter")
        await until(pilot, lambda app: app.choice.source.endswith("step-000006") and not app.engine.busy)
        app = await settled(pilot)
        assert app.view.question == question


@pytest.mark.drives("across")
async def test_a_checkpoint_that_is_damaged_is_a_gap(run: Path) -> None:
    (run / "kept" / "step-000003" / "model.safetensors").write_bytes(b"nothing")
    async with explorer(run / "checkpoint").run_test(size=WIDE) as pilot:
        await settled(pilot)
        screen = await asked(pilot, f"across {run}")
        assert [point.measurement is None for point in screen.across.course.points] == [
            False,
            True,
            False,
            False,
        ]
        assert "step 3 is left out: " in said(screen)
        await pilot.press("home", "right", "enter")
        await pilot.pause()
        assert isinstance(pilot.app.screen, AcrossScreen), "it cannot be opened"


@pytest.mark.drives("across")
async def test_escape_stops_what_has_not_been_asked(run: Path) -> None:
    async with explorer(run / "checkpoint").run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await typed(pilot, f"across {run}")
        await until(pilot, lambda app: isinstance(app.screen, AcrossScreen) and app.screen.across.total > 0)
        await pilot.press("escape")
        await until(pilot, lambda app: not app.engine.busy)
        assert not isinstance(app.screen, AcrossScreen)
        assert len(list((run / "across").glob("*.json"))) <= 4
        screen = await asked(pilot, f"across {run}")
        assert len(screen.across.course.points) == 4


@pytest.mark.drives("across")
async def test_what_is_no_run_is_said(checkpoint: Path, tmp_path: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await pilot.press("f6")
        assert isinstance(app.screen, CommandScreen), "the model is from no run, so one has to be named"
        await pilot.press("escape")
        screen = await asked(pilot, f"across {tmp_path}")
        assert "holds no checkpoint" in said(screen)
        await pilot.press("left", "enter", "escape")
        await settled(pilot)


# -- what is drawn -------------------------------------------------------------------------------------------


def many(count: int, thoughts: int, graph: bool = True) -> Across:
    """Checkpoints whose thoughts come up one by one."""
    number = Estimate(0.9, 0.9, 0.9, 1), Estimate(0.2, 0.1, 0.3, 100)
    frontier, control = number if graph else (None, None)
    points = [
        Point(
            100 * place,
            f"step-{place}",
            measurement=Measurement(
                "",
                1,
                place % 2,
                tuple(
                    ThoughtReading(
                        k,
                        1,
                        (("lempus", 0.7), ("a very long token of many cells", 0.1)),
                        1.0,
                        frontier,
                        control,
                    )
                    for k in range(1, min(place, thoughts) + 1)
                ),
                swapped=Swapped(8, 8) if place else None,
                said="Alex is a lempus.",
                logit_difference=1.5,
            ),
            logged=Logged("1 thought", 1.0 / (place + 1), 0.5, 0.8),
        )
        for place in range(count)
    ]
    return Across(Course("runs/x", {}, tuple(points)), count, True)


@pytest.mark.parametrize(("width", "height"), [(74, 20), (114, 36), (194, 56)])
@pytest.mark.parametrize("graph", [True, False])
@pytest.mark.parametrize("count", [1, 16, 200])
def test_the_columns_fit_and_that_of_the_cursor_is_among_them(
    width: int, height: int, graph: bool, count: int
) -> None:
    across = many(count, 7, graph)
    for cursor in {0, count // 2, count - 1}:
        text = draw_strip(across, cursor, width, height)
        strip = text.plain.split("\n\n")[0].splitlines()
        assert max(map(len, strip)) <= width + 6  # the number of those to the right
        steps = next(line for line in text.split("\n") if line.plain.startswith("step"))
        chosen = [steps.plain[span.start : span.end] for span in steps.spans if span.style == "reverse"]
        assert chosen == [str(100 * cursor)]
        assert f"step {100 * cursor}  1 thought" in text.plain


def test_a_run_without_a_log_has_no_chart() -> None:
    across = many(3, 2)
    bare = [Point(point.step, point.folder, measurement=point.measurement) for point in across.course.points]
    text = draw_strip(Across(Course("runs/x", {}, tuple(bare)), 3, True), 0, 100, 40).plain
    assert text.startswith("step")
    assert "nats" not in text.split("\n\n")[0]
