"""The log of a run: whole lines, no row twice after resuming, and a figure that says what happened."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from matplotlib.figure import Figure as CanvasFigure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

from coconut_core.common.errors import CoconutError
from coconut_core.common.plots import LinePanel
from coconut_core.training.metrics import MetricsLog, Row, draw_run, plot_run, read_metrics, scalars
from tests.core.training_rows import NO_ROWS


def step_row(step: int, stage: int = 0, **more: object) -> Row:
    losses = {"first_step": 2.0 / step, "answer": 1.0 / step}
    row = {"step": step, "of": 100, "stage": stage, "batch_stage": stage, "thoughts": stage}
    return {**row, "loss": 1.5 / step, "loss_by_part": losses, "tokens_per_second": 9, "padding": 0.1, **more}


def evaluation_row(step: int, accuracy: float) -> Row:
    by_hops = {"3": accuracy, "4": accuracy}
    return {
        "step": step,
        "evaluation": {"thoughts": 1, "accuracy": accuracy, "n": 10, "by_hops": by_hops},
        "samples": [{"question": "Is Alex a lempus?", "thoughts": [" Alex"], "said": "", "right": False}],
    }


ROWS = [step_row(1), step_row(25), evaluation_row(25, 0.2), step_row(50, 1), evaluation_row(50, 0.7)]


def write(folder: Path, rows: list[Row]) -> Path:
    folder.mkdir(exist_ok=True)
    with MetricsLog(folder, step=0) as log:
        for row in rows:
            log.append(row)
    return folder / "metrics.jsonl"


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    assert read_metrics(write(tmp_path, ROWS)) == ROWS


@pytest.mark.parametrize("killed_after", range(1, len(ROWS) + 1))
@pytest.mark.parametrize("torn", [b"", b'{"step": 7', b"\xff"])
def test_a_resumed_log_is_that_of_an_uninterrupted_run(tmp_path: Path, killed_after: int, torn: bytes) -> None:
    whole = write(tmp_path / "whole", ROWS).read_bytes()
    path = write(tmp_path / "parts", ROWS[:killed_after])
    with path.open("ab") as file:
        file.write(torn)
    with MetricsLog(tmp_path / "parts", step=1) as log:  # the last checkpoint was that of step 1
        for row in ROWS[1:]:
            log.append(row)
    assert path.read_bytes() == whole


def test_a_run_that_begins_again_begins_its_log_again(tmp_path: Path) -> None:
    write(tmp_path, ROWS)
    assert read_metrics(write(tmp_path, ROWS[:1])) == ROWS[:1]


def test_a_killed_writer_leaves_whole_lines(tmp_path: Path) -> None:
    code = (
        "import itertools, pathlib, sys\n"
        "sys.modules['torch.utils.tensorboard'] = None\n"  # quicker to start
        "from coconut_core.training.metrics import MetricsLog\n"
        "log = MetricsLog(pathlib.Path(sys.argv[1]), step=0)\n"
        "for step in itertools.count(1): log.append({'step': step, 'text': 'x' * 5000})\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    path = tmp_path / "metrics.jsonl"
    deadline = time.monotonic() + 240
    while (not path.exists() or path.stat().st_size < 50_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    # The kernel may cut the last write at the end of a page; who goes on with the run drops what is left of it.
    whole = path.read_bytes().count(b"\n")
    with MetricsLog(tmp_path, step=whole):
        pass
    assert path.read_bytes().endswith(b"\n")
    rows = read_metrics(path)
    assert [row["step"] for row in rows] == list(range(1, whole + 1))
    assert whole >= 10


def test_a_full_disk_is_one_line_and_leaves_the_log_as_it_was(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # or the kernel ends the process
    path = tmp_path / "metrics.jsonl"
    with MetricsLog(tmp_path, step=0) as log:
        log.append(ROWS[0])
        before = path.read_bytes()
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, limits[1]))
            with pytest.raises(CoconutError, match="cannot write") as caught:
                log.append(ROWS[1])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, handler)
        assert "\n" not in str(caught.value)
        assert path.read_bytes() == before
        log.append(ROWS[1])
    assert read_metrics(path) == ROWS[:2]


def test_tensorboard_gets_the_scalars_and_nothing_beyond_the_resumed_step(tmp_path: Path) -> None:
    write(tmp_path, ROWS)
    with MetricsLog(tmp_path, step=25) as log:
        log.append(step_row(50, 1, loss=0.125))
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [
        (1, 1.5),
        (25, pytest.approx(0.06)),
        (50, 0.125),
    ]
    assert [event.step for event in events.Scalars("evaluation/accuracy")] == [25]
    assert {"loss_by_part/answer", "evaluation/by_hops/3", "padding"} <= set(events.Tags()["scalars"])


def test_without_tensorboard_the_log_is_written_all_the_same(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys\n"
        "sys.modules['tensorboard'] = None\n"  # as where the package is not installed
        "from coconut_core.training.metrics import MetricsLog\n"
        "with MetricsLog(pathlib.Path(sys.argv[1]), step=0) as log: log.append({'step': 1})\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=300)
    assert os.listdir(tmp_path) == ["metrics.jsonl"]
    assert read_metrics(tmp_path / "metrics.jsonl") == [{"step": 1}]


def test_scalars_are_the_numbers_of_a_row() -> None:
    assert scalars(evaluation_row(25, 0.5)) == {
        "evaluation/thoughts": 1,
        "evaluation/accuracy": 0.5,
        "evaluation/by_hops/3": 0.5,
        "evaluation/by_hops/4": 0.5,
    }
    assert scalars(step_row(1, stage_name="words", stages=3)).keys() == scalars(step_row(1)).keys()


@pytest.mark.parametrize("line", ["not json", "[1]", '{"loss": 1}', '{"step": "one"}', ""])
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps(ROWS[0]) + "\n" + line + "\n" + json.dumps(ROWS[1]) + "\n")
    for opening in (lambda: read_metrics(path), lambda: MetricsLog(tmp_path, step=25)):
        with pytest.raises(CoconutError, match=r"metrics\.jsonl, line 2, is not a row"):
            opening()
    assert len(path.read_text().splitlines()) == 3, "nothing was cut off"


def test_no_log(tmp_path: Path) -> None:
    with pytest.raises(CoconutError, match="name the folder of a run"):
        plot_run(tmp_path, None, 80)
    with pytest.raises(CoconutError, match="cannot read"):
        read_metrics(tmp_path)
    with pytest.raises(CoconutError, match="cannot write"):
        MetricsLog(tmp_path / "missing", step=0)


def test_the_figure_has_curves_marks_and_only_losses_of_its_stage() -> None:
    other = step_row(75, 1, batch_stage=0, loss_by_part={"answer": 99.0})
    losses, accuracy = draw_run([*ROWS, other]).panels
    assert isinstance(losses, LinePanel)
    assert isinstance(accuracy, LinePanel)
    assert [(line.label, list(line.x)) for line in losses.lines] == [
        ("first step", [1, 25, 50]),
        ("answer", [1, 25, 50]),
    ]
    assert list(losses.lines[1].y) == [1.0, 1 / 25, 1 / 50]
    assert (list(accuracy.lines[0].x), list(accuracy.lines[0].y)) == ([25, 50], [20.0, 70.0])
    assert losses.marks == accuracy.marks == ((0, "0 thoughts"), (25, "1 thought"))


def diagnosis_row(step: int, **shares: tuple[float, float]) -> Row:
    """An evaluation that has measured the shares of thoughts, and those by chance."""
    frontier = {
        name.removeprefix("thought_"): {"share": share, "chance": chance, "n": 10}
        for name, (share, chance) in shares.items()
    }
    row = evaluation_row(step, 0.5)
    diagnosis = {
        "n": 10,
        "loss_at_thought": 0.84,
        "frontier_at_thought": 0.5,
        "shortcut": 1.9,
        "by_hops": {"3": {"shortcut": 1.9}},
    }
    row["evaluation"]["diagnosis"] = {**diagnosis, "frontier": frontier}
    return row


def test_the_search_appears_as_a_panel_of_its_own() -> None:
    rows = [
        *ROWS,
        diagnosis_row(75, thought_1=(0.25, 0.125)),
        diagnosis_row(100, thought_1=(0.75, 0.125), thought_2=(0.5, 0.375)),
    ]
    losses, _, search = draw_run(rows).panels
    assert isinstance(losses, LinePanel)
    assert isinstance(search, LinePanel)
    assert [(line.label, list(line.x), list(line.y)) for line in search.lines] == [
        ("thought 1", [75, 100], [0.25, 0.75]),
        ("thought 2", [100], [0.5]),
        ("behind the last: the next step", [75, 100], [0.5, 0.5]),
        ("by chance, mean", [75, 100], [0.125, 0.25]),
    ]
    assert search.marks == losses.marks
    assert search.y_range == (0, 1)


def test_seven_thoughts_and_what_stands_beside_them_have_signs_of_their_own(tmp_path: Path) -> None:
    row = diagnosis_row(75, **{f"thought_{number}": (number / 10, 0.1) for number in range(1, 8)})
    search = draw_run([row]).panels[2]
    assert isinstance(search, LinePanel)
    legend = " ".join(search.to_text(200, 12).splitlines()[-1:]).split("   ")
    signs = [entry.strip().split(" ", 1)[0] for entry in legend if entry.strip()]
    assert len(set(signs)) == len(signs) == len(search.lines) == 9
    axes = CanvasFigure().add_subplot()
    search.draw(axes)
    assert len({(line.get_color(), line.get_marker()) for line in axes.get_lines()}) == 9


def test_an_old_log_is_drawn_as_it_was(tmp_path: Path) -> None:
    assert len(draw_run(ROWS).panels) == 2
    write(tmp_path, [*ROWS, diagnosis_row(75, thought_1=(0.25, 0.125))])
    text = plot_run(tmp_path, tmp_path / "run.svg", 70)
    assert "search: thoughts on the frontier\nprobability against step" in text
    assert "o thought 1   x behind the last: the next step   + by chance, mean" in text
    assert "search: thoughts on the frontier" in (tmp_path / "run.svg").read_text()


def test_scalars_have_a_diagnosis_but_not_how_many_it_is_over() -> None:
    seen = scalars(diagnosis_row(75, thought_1=(0.25, 0.125)))
    assert {name: value for name, value in seen.items() if "diagnosis" in name} == {
        "evaluation/diagnosis/loss_at_thought": 0.84,
        "evaluation/diagnosis/frontier_at_thought": 0.5,
        "evaluation/diagnosis/shortcut": 1.9,
        "evaluation/diagnosis/by_hops/3/shortcut": 1.9,
        "evaluation/diagnosis/frontier/1/share": 0.25,
        "evaluation/diagnosis/frontier/1/chance": 0.125,
    }


def test_a_stage_is_called_what_the_trainer_calls_it() -> None:
    named = draw_run([step_row(1, stage_name="look-up"), step_row(25, 1, batch_stage=0)]).panels[0]
    assert isinstance(named, LinePanel)
    assert named.marks == ((0, "look-up"), (1, "stage 2"))


def test_plot_run(tmp_path: Path) -> None:
    write(tmp_path, ROWS)
    text = plot_run(tmp_path, tmp_path / "figures" / "run.svg", 70)
    assert (tmp_path / "figures" / "run.svg").read_text().startswith("<?xml")
    assert text.startswith("loss by part\n")
    assert "held-out accuracy\nper cent right against step" in text
    assert max(map(len, text.splitlines())) <= 70
    assert "│ 25 1 thought" in text
    assert "nothing to draw yet" in plot_run(write(tmp_path / "new", []).parent, None, 70)


@pytest.mark.parametrize("row", NO_ROWS, ids=lambda row: repr(row)[:60])
def test_a_line_that_is_no_row_is_named(tmp_path: Path, row: Row) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": 2.0}\n' + json.dumps(row) + "\n")
    with pytest.raises(CoconutError, match="line 2, is not a row of a training log"):
        plot_run(tmp_path, None, 80)


def test_what_a_row_says_but_nobody_knows_is_left_alone(tmp_path: Path) -> None:
    rows = [
        {"step": 1},
        {"step": 2, "stage": 0, "evaluation": {}, "by_a_plugin": [None]},
        {"step": 3, "evaluation": {"diagnosis": {"frontier": {"1": {"n": 1}, "2": {}}, "later": "x"}}},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_metrics(tmp_path / "metrics.jsonl") == rows
    assert plot_run(tmp_path, None, 80)
