"""An atlas is made: problems are read part by part, and what is complete survives a kill."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coconut_core.atlas.columns import COLUMNS, Column, Kind
from coconut_core.atlas.folder import (
    VECTORS_KEY,
    DataMark,
    Manifest,
    Part,
    Settings,
    held,
    write_manifest,
    write_part,
)
from coconut_core.atlas.planning import check_place, mark_model, plan_atlas
from coconut_core.atlas.query import Table
from coconut_core.atlas.reading import Cells, read_rows
from coconut_core.atlas.running import Runner
from coconut_core.common.errors import CoconutError
from coconut_core.common.paths import user_path
from coconut_core.common.processes import current
from coconut_core.latent.model import LatentModel
from coconut_core.problems.base import Problem, hash_problems
from coconut_core.problems.sources import stream_problems

if TYPE_CHECKING:
    import pyarrow
    from torch import Tensor

    from coconut_core.latent.config import CoconutConfig

POOL = 128  # problems whose thoughts are fed to others
PART_ROWS = 512  # runs; so many are made again at most after a kill
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ProblemFile:
    """The problems of a file, or the first of them, read again each time they are gone through."""

    path: Path
    count: int | None = None

    def __iter__(self) -> Iterator[Problem]:
        return islice(stream_problems(self.path), self.count)

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class DrawnProblems:
    """Problems of the family that a model was trained on, test split, drawn again each time they are gone
    through; they begin with those of `coconut controls`."""

    config: "CoconutConfig"
    count: int

    def __iter__(self) -> Iterator[Problem]:
        from coconut_core.problems import draw_problems, is_family, trained_size

        family = self.config.family
        if not is_family(family):
            raise CoconutError(
                "this model names no problem family to draw problems from: give a file with --data"
            )
        return draw_problems(family, self.count, 5, "test", trained_size(family, self.config.recipe))

    def __str__(self) -> str:
        return f"{self.count} drawn from {self.config.family}, test split"


def build(
    model: LatentModel,
    problems: Iterable[Problem],
    folder: str | Path,
    *,
    source: str,
    data: str = "",
    settings: Settings | None = None,
    append: bool = False,
    batch_size: int = 64,
    part_rows: int = PART_ROWS,
    progress: Progress = lambda done, planned: None,
    interrupt: Callable[[], None] = lambda: None,
) -> Manifest:
    """Run all problems and write what was thought and said into a folder; of one that was begun the rest.
    Returns the manifest.

    problems are gone through twice: a list, or a ProblemFile, of which no more than a part is held. source is
    what the model was opened from, whose weights are hashed, data where the problems come from. progress is
    told how many runs are done and planned; interrupt is called before each part: what it raises ends it.
    Raises CoconutError where the folder holds runs of another model, or of other problems without append.
    """
    folder = user_path(folder)
    settings = settings or Settings()
    processes = current()
    if processes.is_main:
        check_place(folder)
    mark = processes.from_main("the problems", lambda: _mark(problems, data))

    def begin() -> tuple[Manifest, list[Problem]]:
        plan = plan_atlas(folder, mark_model(model, source), settings, mark, append=append)
        if plan.rows and plan.complete:
            return plan, []
        pool = _pool(folder, plan, problems)
        write_manifest(folder, plan)
        return plan, pool

    with held(folder) if processes.is_main else nullcontext():
        manifest, pool = processes.from_main("the plan", begin)
        progress(manifest.rows, manifest.planned)
        if not pool:
            return manifest
        runner = Runner(model, settings).with_pool(pool)
        left = islice(problems, manifest.rows - (manifest.planned - mark.count), None)
        while some := [*islice(left, part_rows)]:
            interrupt()
            read = read_rows(runner, some, batch_size)
            manifest = processes.from_main("a part", partial(_add_part, folder, manifest, read))
            progress(manifest.rows, manifest.planned)
    return manifest


def _mark(problems: Iterable[Problem], source: str) -> DataMark:
    """What tells these problems from others. Raises CoconutError where there are none."""
    number = 0

    def counted() -> Iterator[Problem]:
        nonlocal number
        for problem in problems:
            number += 1
            yield problem

    digest = hash_problems(counted())
    if not number:
        raise CoconutError(f"{source or 'the data set'} holds no problems")
    return DataMark(source, digest, number)


def _pool(folder: Path, manifest: Manifest, problems: Iterable[Problem]) -> list[Problem]:
    """The first problems of the atlas, whose thoughts are fed to others: the same when it is gone on with."""
    count = min(POOL, manifest.data[0].count)
    if len(manifest.data) == 1:
        return [*islice(problems, count)]
    first = Table(folder).rows(limit=count, columns=["question", "expected"])
    return [Problem(row["question"], (), row["expected"] or "") for row in first]


def _add_part(folder: Path, manifest: Manifest, read: "tuple[list[Cells], Tensor]") -> Manifest:
    cells, thoughts = read
    rows = [{"run": manifest.rows + number, **row} for number, row in enumerate(cells)]
    part = Part(
        rows=len(rows),
        bytes=(0, 0),
        hashes=("", ""),
        graphs=sum(row.get("frontier") is not None for row in rows),
        most_thoughts=thoughts.shape[1],
    )

    def write_vectors(path: Path) -> None:
        from safetensors.torch import save_file

        save_file({VECTORS_KEY: thoughts}, path)

    return write_part(folder, manifest, (partial(_write_table, rows), write_vectors), part)


def _write_table(rows: Sequence[Cells], path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    columns = {name: [_storable(row.get(name)) for row in rows] for name in COLUMNS}
    pyarrow.parquet.write_table(pyarrow.table(columns, schema=schema()), path, compression="zstd")


def _storable(value: Any) -> Any:
    """A value whose texts can be written: of half a character, as JSON can hold one, a question mark."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    return [*map(_storable, value)] if isinstance(value, list | tuple) else value


def schema() -> "pyarrow.Schema":
    """The table's types."""
    import pyarrow

    kinds = {
        Kind.NUMBER: pyarrow.float32(),
        Kind.COUNT: pyarrow.int64(),
        Kind.TEXT: pyarrow.string(),
        Kind.TRUTH: pyarrow.bool_(),
    }

    def type_of(column: Column) -> Any:
        inner = pyarrow.list_(kinds[column.kind]) if column.several else kinds[column.kind]
        return pyarrow.list_(inner) if column.per_thought else inner

    return pyarrow.schema([(column.name, type_of(column)) for column in COLUMNS.values()])
