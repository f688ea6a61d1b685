"""What a run's training log says beside its checkpoints. Needs no torch."""

from collections.abc import Callable, Sequence
from pathlib import Path

from coconut_core.across.course import Logged
from coconut_core.common.errors import CoconutError
from coconut_core.training.metrics import FILE_NAME, Row, is_of_own_stage, read_metrics, stage_name


def read_log(run: Path, note: Callable[[str], None]) -> list[Row]:
    """The rows of a run's log; none, with a note, where it cannot be read."""
    try:
        return read_metrics(run / FILE_NAME)
    except CoconutError as error:
        note(f"no loss curves: {error}")
        return []


def logged_at(run: Path, steps: Sequence[int], note: Callable[[str], None]) -> dict[int, Logged]:
    """By step what the log says there: the newest row up to it of each kind."""
    rows = read_log(run, note)
    return {step: _at(rows, step) for step in steps}


def _at(rows: Sequence[Row], step: int) -> Logged:
    before = [row for row in rows if row["step"] <= step]
    losses = [row for row in before if "loss" in row and is_of_own_stage(row)]
    evaluations = [row["evaluation"] for row in before if "evaluation" in row]
    stages = [name for row in losses if (name := stage_name(row)) is not None]
    newest = evaluations[-1] if evaluations else {}
    return Logged(
        stages[-1] if stages else None,
        losses[-1]["loss"] if losses else None,
        newest.get("loss"),
        newest.get("accuracy"),
    )
