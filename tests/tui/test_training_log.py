"""A training run's log is followed as it grows, whatever happens to it; nothing of this needs torch."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from textual.widgets import Input, Static

from coconut_core.common.errors import CoconutError
from coconut_core.training.metrics import read_metrics
from coconut_tui.app import Explorer
from coconut_tui.run.training_log import TrainingLog
from coconut_tui.screens import training
from coconut_tui.screens.command import CommandScreen
from coconut_tui.screens.help import HelpScreen
from coconut_tui.screens.training import TrainingScreen
from coconut_tui.widgets.curves import STYLES, draw_training
from tests.core.training_rows import NO_ROWS, evaluation_row, step_row, write
from tests.tui.conftest import explorer, settled, shown, typed, until


def opened(path: Path) -> TrainingLog:
    log = TrainingLog.of(path.parent)
    assert log.poll()
    return log


def test_only_what_was_appended_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, [step_row(1), step_row(25)])
    log = opened(path)
    assert not log.poll()
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"x" * (len(first) - 1) + b"\n" + second)  # nobody should look there again
    with path.open("a") as file:
        file.write(json.dumps(step_row(50)) + "\n")
    assert log.poll()
    assert (log.rows, log.unreadable) == ([step_row(1), step_row(25), step_row(50)], 0)


def test_a_line_that_is_being_written_waits_for_its_end(tmp_path: Path) -> None:
    path = write(tmp_path, [step_row(1)])
    log = opened(path)
    line = json.dumps(step_row(25)) + "\n"
    with path.open("a") as file:
        file.write(line[:40])
        file.flush()
        assert log.poll()
        assert log.rows == read_metrics(path) == [step_row(1)]
        file.write(line[40:])
        file.flush()
        assert log.poll()
    assert log.rows == [step_row(1), step_row(25)]


@pytest.mark.parametrize("more", [0, 5])  # the log is shorter than before, or has outgrown it when looked at
def test_a_log_cut_back_by_a_resumed_run_is_read_anew(tmp_path: Path, more: int) -> None:
    path = write(tmp_path, [step_row(1), step_row(25), step_row(50), step_row(75)])
    log = opened(path)
    write(tmp_path, [step_row(26 + number, loss=9.0) for number in range(more)], at=25)
    assert log.poll()
    assert log.rows == read_metrics(path)
    assert [row["step"] for row in log.rows] == [1, 25, *range(26, 26 + more)]
    assert log.state.newest == log.rows[-1]


def test_another_log_in_its_place_is_read_from_the_start(tmp_path: Path) -> None:
    path = write(tmp_path, [step_row(1), step_row(25)])
    log = opened(path)
    other = write(tmp_path / "other", [step_row(step, loss=0.5) for step in (1, 25, 50, 75)])
    os.replace(other, path)
    assert log.poll()
    assert log.rows == read_metrics(path)
    path.unlink()
    assert log.poll()
    assert (log.rows, log.standing(0)) == ([], "0 rows · the log is gone")
    assert not log.poll()
    write(tmp_path, [step_row(1)])
    assert log.poll()
    assert log.rows == [step_row(1)]


def test_lines_that_are_no_rows_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path, [step_row(1)])
    with path.open("ab") as file:
        file.write(b'[1]\n\xff\n{"step": "two"}\n')
    write(tmp_path / "other", [step_row(25)])
    with path.open("ab") as file:
        file.write((tmp_path / "other" / "metrics.jsonl").read_bytes())
    log = opened(path)
    assert (log.rows, log.unreadable) == ([step_row(1), step_row(25)], 3)
    assert "2 rows · 3 lines that are no row" in log.standing(0)


def test_how_a_run_stands(tmp_path: Path) -> None:
    path = write(tmp_path, [step_row(75)])
    os.utime(path, (1000, 1000))
    assert opened(path).standing(1130) == "1 row · last written 2 min 10 s ago"
    write(tmp_path, [step_row(100), evaluation_row(100, 0.9)], at=75)
    assert opened(path).standing(1130) == "3 rows · finished"


def test_a_folder_without_a_log_is_named_and_a_checkpoint_leads_to_its_run(tmp_path: Path) -> None:
    with pytest.raises(CoconutError, match="name the folder of a run that has begun"):
        TrainingLog.of(tmp_path / "nowhere")
    path = write(tmp_path, [step_row(1)])
    (tmp_path / "checkpoint").mkdir()
    assert TrainingLog.of(tmp_path / "checkpoint").path == path


@pytest.mark.parametrize(("width", "across"), [(76, 1), (110, 2), (190, 3)])
def test_plots_stand_side_by_side_where_there_is_room(width: int, across: int) -> None:
    rows = [*(step_row(step) for step in range(0, 100, 25)), evaluation_row(100, 0.5)]
    drawn = draw_training(rows, width, 30)
    lines = drawn.plain.splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) >= 29, "all the room that there is"
    assert {str(span.style) for span in drawn.spans} >= set(STYLES[:2]), "a colour for each curve"
    titles = [line for line in lines if "loss by part" in line]
    assert len(titles) == 1
    assert ("held-out accuracy" in titles[0], "learning rate" in titles[0]) == (across > 1, across > 2)
    assert "│ 25 1 thought" in "\n".join(lines), "a mark where the stage begins"


def test_an_older_log_without_learning_rates_is_drawn(tmp_path: Path) -> None:
    rows = [{name: value for name, value in step_row(1).items() if name != "learning_rate"}]
    assert "learning rate" not in draw_training(rows, 100, 30).plain


@pytest.mark.parametrize(("steps", "width"), [((0, 25, 50), 60), (tuple(range(0, 5000, 37)), 190), ((7,), 60)])
def test_steps_are_whole_numbers(steps: tuple[int, ...], width: int) -> None:
    drawn = draw_training([step_row(step) for step in steps], width, 40).plain
    ticks = [line for line in drawn.splitlines() if re.fullmatch(r"[\s\d.]*\d[\s\d.]*", line)]
    assert ticks
    assert all(number.isdigit() for line in ticks for number in line.split())


@pytest.mark.drives("training")
async def test_the_screen_follows_a_run_that_goes_on(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "POLL_EVERY", 0.05)
    write(tmp_path, [step_row(1), step_row(25), evaluation_row(25, 0.25)])

    def seen(app: Explorer) -> str:
        return str(app.screen.query_one("#training", Static).render())

    async with explorer(checkpoint).run_test(size=(120, 40)) as pilot:
        app = await settled(pilot)
        await typed(pilot, f"training {tmp_path}")
        await until(pilot, lambda app: isinstance(app.screen, TrainingScreen) and "25.0 % (n=50" in seen(app))
        assert "step 25/100" in seen(app)
        assert "coconut controls" in seen(app)
        write(tmp_path, [step_row(50), step_row(100), evaluation_row(100, 0.75)], at=26)
        await until(pilot, lambda app: "75.0 % (n=50" in seen(app))
        assert "step 100/100  stage 3 of 2" in seen(app)
        assert "finished" in str(app.screen.query_one("#training-standing", Static).render())
        await pilot.resize_terminal(80, 24)
        await pilot.press("j", "pagedown", "question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape", "escape")
        assert not isinstance(app.screen, TrainingScreen)
        await typed(pilot, f"training {tmp_path / 'nowhere'}")
        assert "has begun" in str(app.screen.query_one("#command-error").render())


@pytest.mark.drives("training")
async def test_the_key_opens_the_run_that_the_model_is_from(checkpoint: Path, tmp_path: Path) -> None:
    async with explorer(checkpoint).run_test(size=(120, 40)) as pilot:
        app = await settled(pilot)
        await pilot.press("L")
        assert isinstance(app.screen, CommandScreen)
        assert app.screen.query_one(Input).value == "training "
    write(tmp_path, [step_row(1)])
    (tmp_path / "checkpoint").symlink_to(checkpoint)
    async with explorer(tmp_path / "checkpoint").run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await pilot.press("L")
        assert isinstance(shown(pilot).screen, TrainingScreen)


def test_following_a_run_needs_no_torch(tmp_path: Path) -> None:
    write(tmp_path, [step_row(1), evaluation_row(1, 0.5)])
    program = f"""
import asyncio, sys
from pathlib import Path
from textual.widgets import Static
from coconut_tui.app import Explorer
from coconut_tui.screens.training import TrainingScreen
from coconut_tui.run.training_log import TrainingLog

async def look():
    app = Explorer()
    async with app.run_test(size=(120, 40)) as pilot:
        app.push_screen(TrainingScreen(TrainingLog.of(Path({str(tmp_path)!r}))))
        for _ in range(600):
            await pilot.pause(0.05)
            if "50.0 %" in str(app.screen.query_one("#training", Static).render()):
                break
        else:
            raise SystemExit("nothing was shown")

asyncio.run(look())
assert not {{"torch", "transformers"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)


def test_lines_that_are_no_row_are_counted_and_the_rest_is_drawn(tmp_path: Path) -> None:
    path = write(tmp_path, [step_row(1)])
    with path.open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in NO_ROWS)
    log = opened(path)
    assert (log.rows, log.unreadable) == ([step_row(1)], len(NO_ROWS))
    assert draw_training(log.rows, 100, 30)
