"""The log of a run: metrics.jsonl, the same numbers for trackers, and the figure drawn from them."""

import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from coconut_core.common.errors import CoconutError
from coconut_core.common.plots import Figure, Line, draw_lines
from coconut_core.training.curriculum import counted
from coconut_core.training.trackers import Reporting, Trackers

FILE_NAME = "metrics.jsonl"
NEXT_STEP = (
    *("loss_at_thought", "loss_at_eot", "frontier_at_thought", "frontier_at_eot"),
    *("shortcut", "search"),
)
Row = dict[str, Any]


class MetricsLog:
    """Appends rows to RUN/metrics.jsonl, a line each, and reports their numbers to trackers.

    A full disk leaves no part of a line; a kill may, and it is dropped when the run goes on. The log belongs
    to the step that the run stands at: what a killed run wrote beyond it is cut off, so that after resuming the
    log is that of an uninterrupted run. A run that begins stands at step 0.
    """

    def __init__(
        self,
        folder: Path,
        *,
        step: int,
        owes_evaluation: bool = False,
        reporting: Reporting | None = None,
    ) -> None:
        """Open or begin the log of a run folder. Raises CoconutError for a log that is damaged, and for a
        service that does not start.

        owes_evaluation: whether the evaluation of that step is yet to come, even if it has a row. reporting: to
        which trackers; None: to TensorBoard where it is installed.
        """
        self.path = Path(folder) / FILE_NAME
        size = _size_up_to(self.path, step, owes_evaluation)
        with self._write_errors():
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                os.ftruncate(self._file, size)
                self._trackers = Trackers(Path(folder), step, reporting or Reporting())
            except (OSError, CoconutError):
                os.close(self._file)
                raise

    def append(self, row: Row) -> None:
        """Write a row. Raises CoconutError, with the log as it was, where the disk refuses."""
        line = (json.dumps(row) + "\n").encode()
        before = os.fstat(self._file).st_size
        with self._write_errors():
            try:
                if os.write(self._file, line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(self._file)  # the log is then never behind the resume state
                self._trackers.log(row["step"], scalars(row))
            except OSError:
                os.ftruncate(self._file, before)
                raise

    def close(self) -> None:
        """Finish the file and all trackers."""
        os.close(self._file)
        self._trackers.close()

    @contextmanager
    def _write_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CoconutError(f"cannot write {self.path}: {error.strerror or error}") from error

    def __enter__(self) -> "MetricsLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()


def scalars(row: Row) -> dict[str, float]:
    """The numbers of a row by name, nested ones as "loss_by_part/answer"."""
    numbers: dict[str, float] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            numbers |= {f"{name}/{inner}": number for inner, number in scalars(value).items()}
        elif isinstance(value, int | float) and name not in ("step", "of", "stages", "n"):
            numbers[name] = value
    return numbers


def read_metrics(path: str | Path) -> list[Row]:
    """The rows of a metrics.jsonl; a last line that is not whole is left out. Raises CoconutError."""
    return [row for row, _ in _read(Path(path))]


def _read(path: Path) -> list[tuple[Row, int]]:
    """Each whole row, and the byte behind it."""
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        raise CoconutError(f"there is no {path}: name the folder of a run that has begun") from None
    except OSError as error:
        raise CoconutError(f"cannot read {path}: {error.strerror or error}") from error
    rows: list[tuple[Row, int]] = []
    end = 0
    for number, line in enumerate(lines, start=1):
        end += len(line)
        if not line.endswith(b"\n"):
            break  # the last one, cut off by a kill or not yet written in full
        if (row := row_of(line)) is None:
            raise CoconutError(f"{path}, line {number}, is not a row of a training log: remove that line")
        rows.append((row, end))
    return rows


def row_of(line: bytes) -> Row | None:
    """A line as a row; None where it is no row of a log, as one is written or drawn."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if _fits(row, ROW) and "step" in row else None


def _is_whole(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 10**15


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= 1e100  # NaN is not


def _are_numbers(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_number, value.values()))


def _are_rows_of_numbers(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_are_numbers, value.values()))


def _fits(record: Any, checks: Mapping[str, Callable[[Any], bool]]) -> bool:
    """Whether a record is an object whose known entries are what they should be."""
    return isinstance(record, dict) and all(
        checks[name](value) for name, value in record.items() if name in checks
    )


SAMPLE: Mapping[str, Callable[[Any], bool]] = {
    "question": lambda value: isinstance(value, str),
    "thoughts": lambda value: isinstance(value, list) and all(isinstance(thought, str) for thought in value),
    "said": lambda value: isinstance(value, str),
    "expected": lambda value: isinstance(value, str),
    "right": lambda value: isinstance(value, bool),
}
DIAGNOSIS: Mapping[str, Callable[[Any], bool]] = {
    "n": _is_whole,
    **dict.fromkeys(NEXT_STEP, _is_number),
    "by_hops": _are_rows_of_numbers,
    "frontier": lambda value: _are_rows_of_numbers(value) and all(map(str.isdecimal, value)),
}
EVALUATION: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("thoughts", "n"), _is_whole),
    **dict.fromkeys(("accuracy", "loss", "chain_exact"), _is_number),
    **dict.fromkeys(("by_hops", "loss_by_part"), _are_numbers),
    "diagnosis": lambda value: _fits(value, DIAGNOSIS),
    "stage_learned": lambda value: isinstance(value, bool),
}
ROW: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("step", "of", "stage", "stages", "batch_stage", "thoughts"), _is_whole),
    **dict.fromkeys(("loss", "learning_rate", "tokens_per_second", "padding", "seconds_left"), _is_number),
    "stage_name": lambda value: isinstance(value, str),
    **dict.fromkeys(("loss_by_part", "terms", "sampled"), _are_numbers),
    "evaluation": lambda value: _fits(value, EVALUATION),
    "samples": lambda value: isinstance(value, list) and all(_fits(sample, SAMPLE) for sample in value),
}


def _size_up_to(path: Path, step: int, owes_evaluation: bool) -> int:
    """Bytes of a log in front of the first row beyond a step, or of what is not a whole line."""
    if step == 0 or not path.exists():
        return 0
    size = 0
    for row, end in _read(path):
        if row["step"] > step or (row["step"] == step and owes_evaluation and "evaluation" in row):
            break
        size = end
    return size


# -- the figure ----------------------------------------------------------------------------------------------


def plot_run(folder: Path, svg: Path | None, width: int) -> str:
    """A run's figure as text of this width; with svg it is written there, too. Raises CoconutError."""
    figure = draw_run(read_metrics(Path(folder) / FILE_NAME))
    if svg is not None:
        figure.save_svg(svg)
    return figure.to_text(width)


def draw_run(rows: Sequence[Row]) -> Figure:
    """Loss by part, held-out accuracy and, where it was measured, each thought's share of the frontier over
    steps, with a mark where each stage begins."""
    marks = _stage_starts(rows)
    lines = [*_loss_lines(rows), *_held_out(rows, "loss", "held out, all parts")]
    losses = draw_lines(lines, "loss by part", "step", "loss (nats a token)", marks)
    shares = _held_out(rows, "accuracy", "held-out problems", 100)
    shares += _held_out(rows, "chain_exact", "chains word for word", 100)
    figure = losses.beside(
        draw_lines(
            shares or [Line("held-out problems", [], [])],
            *("held-out accuracy", "step", "per cent right", marks),
            y_range=(0, 100),
        )
    )
    if not (thoughts := _frontier_lines(rows)):
        return figure
    title = "search: thoughts on the frontier"
    return figure.beside(draw_lines(thoughts, title, "step", "probability", marks, y_range=(0, 1)))


def _frontier_lines(rows: Sequence[Row]) -> list[Line]:
    """The share of the frontier that each thought holds, and the state behind the last one of the next step's;
    the mean of what thoughts hold by chance. No lines where no evaluation says anything of it."""
    shares: dict[str, tuple[list[float], list[float]]] = {}
    behind: tuple[list[float], list[float]] = ([], [])
    chance: tuple[list[float], list[float]] = ([], [])
    for row in rows:
        diagnosis = row.get("evaluation", {}).get("diagnosis", {})
        frontier = diagnosis.get("frontier", {})
        points = [
            (shares.setdefault(f"thought {name}", ([], [])), [thought["share"]])
            for name, thought in frontier.items()
            if "share" in thought
        ]
        points.append((behind, [diagnosis[name] for name in ("frontier_at_thought",) if name in diagnosis]))
        points.append((chance, [thought["chance"] for thought in frontier.values() if "chance" in thought]))
        for (steps, means), values in points:
            if values:
                steps.append(row["step"])
                means.append(sum(values) / len(values))
    shares |= {"behind the last: the next step": behind, "by chance, mean": chance}
    return [Line(label, *points) for label, points in shares.items() if points[0]]


def _held_out(rows: Sequence[Row], name: str, label: str, factor: float = 1) -> list[Line]:
    """The line of one number of the evaluations; none where no row has it."""
    evaluations = [(row["step"], row["evaluation"]) for row in rows if name in row.get("evaluation", {})]
    points = [step for step, _ in evaluations], [factor * result[name] for _, result in evaluations]
    return [Line(label, *points)] if evaluations else []


def _loss_lines(rows: Sequence[Row]) -> list[Line]:
    by_part: dict[str, tuple[list[float], list[float]]] = {}
    for row in filter(is_of_own_stage, rows):
        for part, loss in row.get("loss_by_part", {}).items():
            steps, losses = by_part.setdefault(part, ([], []))
            steps.append(row["step"])
            losses.append(loss)
    return [Line(part.replace("_", " "), *points) for part, points in by_part.items()]


def _stage_starts(rows: Sequence[Row]) -> list[tuple[float, str]]:
    """The last step before each stage, as far as was logged, and what the stage is called."""
    starts: dict[int, float] = {}
    names: dict[int, str] = {}
    before = 0
    for row in rows:
        if "stage" in row:
            stage = row["stage"]
            starts.setdefault(stage, before)
            if (name := stage_name(row)) is not None:
                names.setdefault(stage, name)
        before = row["step"]
    return [(start, names.get(stage, f"stage {stage + 1}")) for stage, start in starts.items()]


def is_of_own_stage(row: Row) -> bool:
    """Whether the batch was of the stage that the run is in: the losses of another one belong to no curve."""
    return bool(row.get("batch_stage", row.get("stage")) == row.get("stage"))


def stage_name(row: Row) -> str | None:
    """What a row's stage does, where the row says it."""
    if "stage_name" in row:
        return str(row["stage_name"])
    if "thoughts" not in row or not is_of_own_stage(row):
        return None
    return counted(row["thoughts"], "thought")
