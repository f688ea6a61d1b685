"""Where problems come from: a problem file, a table of another shape, or a data set of the hub.

What is no JSON is read by the library `datasets`.
"""

import hashlib
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from coconut_core.common.errors import CoconutError, one_line
from coconut_core.common.paths import place_of, user_path
from coconut_core.common.records import read_record
from coconut_core.problems.base import Problem, stream_file
from coconut_core.problems.columns import Columns
from coconut_core.problems.files import read_records

HUB = "hub:"
FORMATS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".arrow": "arrow",
}  # by a file's end
OPTIONS = ("config", "split", "revision")
COLUMN_OPTIONS = ("question", "steps", "answer", "steps_as")
BATCH = 1000  # rows that are read at once


@dataclass(frozen=True)
class DataSource:
    """The problems that a name stands for.

    name: a problem file (JSON), a file of FORMATS, a folder that `datasets` reads (of save_to_disk, or of data
    files), or "hub:owner/name"; behind the last two perhaps "?config=main&split=train[:500]&revision=main", and
    behind each "?question=…&steps=…&answer=…&steps_as=…" for what `columns` says otherwise.
    split: the one that is read where the name says none.
    """

    name: str
    columns: Columns = field(default_factory=Columns)
    split: str = "train"

    @property
    def is_there(self) -> bool:
        """Whether it can be looked at without a network: never a data set of the hub."""
        return not self.name.startswith(HUB) and os.path.exists(self._place)

    def problems(self) -> Iterator[Problem]:
        """Its problems, one at a time. Raises CoconutError, naming the place, where it cannot be read, or a
        column is not there."""
        self._check_place()
        columns = self._columns_named
        if self._is_table:
            yield from self._of_table(columns)
        elif columns == Columns():
            yield from stream_file(self._place)
        else:
            for where, record in read_records(self._place):
                if not isinstance(record, dict):
                    raise CoconutError(f"{where}: no JSON object")
                columns.check(list(record), where)
                yield _problem(columns, record, where)

    def content(self) -> str:
        """A hash of its problems, whatever its place and time. Raises CoconutError where it cannot be read."""
        self._check_place()
        if self._is_table:
            digest = hashlib.sha256()
            for problem in self.problems():
                record = [problem.question, problem.steps, problem.answer]
                digest.update(json.dumps(record).encode())
            return digest.hexdigest()
        try:
            with self._place.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256")
        except OSError as error:
            raise CoconutError(f"cannot read problems from {self._place}: {error}") from error
        if (columns := self._columns_named) != Columns():
            digest.update(repr(columns).encode())
        return digest.hexdigest()

    def first(self, count: int) -> list[Problem]:
        """The first problems, at most count. Raises CoconutError where there are none, and as `problems`."""
        problems = [problem for _, problem in zip(range(count), self.problems(), strict=False)]
        if not problems:
            raise CoconutError(f"{self.name} holds no problems")
        return problems

    @property
    def _place(self) -> Path:
        """The file or folder."""
        return place_of(self.name)

    @property
    def _is_table(self) -> bool:
        return self.name.startswith(HUB) or self._place.is_dir() or self._place.suffix in FORMATS

    def _check_place(self) -> None:
        """Raise CoconutError where there is no such file or folder; a data set of the hub has none."""
        if self.name.startswith(HUB):
            return
        try:
            self._place.stat()
        except FileNotFoundError as error:
            raise CoconutError(
                f"cannot read problems from {self.name}: there is no such file or folder (a data set of the "
                f"hub is named {HUB}owner/name)"
            ) from error
        except (OSError, ValueError) as error:  # a name with a zero byte, or one too long
            raise CoconutError(f"cannot read problems from {self.name}: {error}") from error

    def _options(self) -> dict[str, str]:
        """What stands behind the name. Raises CoconutError for what cannot be said there."""
        if not self.name.startswith(HUB) and os.path.exists(user_path(self.name)):
            return {}
        options, known = {}, (*OPTIONS, *COLUMN_OPTIONS) if self._is_table else COLUMN_OPTIONS
        for part in filter(None, self.name.partition("?")[2].split("&")):
            option, equals, value = part.partition("=")
            if option not in known or not equals or not (value or option == "steps"):
                raise CoconutError(
                    f"{self.name}: '{part}' is none of {', '.join(f'{each}=…' for each in known)}"
                )
            options[option] = value
        return options

    @property
    def _columns_named(self) -> Columns:
        """The columns, those that the name says before the others."""
        named = {option: value for option, value in self._options().items() if option in COLUMN_OPTIONS}
        return read_record(Columns, {**asdict(self.columns), **named}, self.name)

    def _of_table(self, columns: Columns) -> Iterator[Problem]:
        with _errors_in_a_line(self.name):
            table = self._table()
            columns.check(table.column_names, self.name)
            used = dict.fromkeys(filter(None, (columns.question, columns.steps, columns.answer)))
            rows = table.select_columns(list(used))
            number = 0
            for batch in rows.iter(batch_size=BATCH):
                for values in zip(*(batch[name] for name in used), strict=True):
                    number += 1
                    row = dict(zip(used, values, strict=True))
                    yield _problem(columns, row, f"{self.name}, problem {number}")

    def _table(self) -> Any:
        """The rows as a datasets.Dataset."""
        datasets = _library(self.name)
        options = self._options()
        split, config, revision = (options.get(name) for name in ("split", "config", "revision"))
        if self.name.startswith(HUB):
            place = self.name.removeprefix(HUB).partition("?")[0]
            if place.count("/") > 1 or not place:
                raise CoconutError(f"{self.name}: a data set of the hub is named hub:owner/name")
            read = datasets.load_dataset(place, config, split=split, revision=revision)
        elif self._place.is_file():
            kind = FORMATS[self._place.suffix]
            more = {"sep": "\t"} if self._place.suffix == ".tsv" else {}
            read = datasets.load_dataset(kind, data_files=str(self._place), split=split, **more)
        elif any((self._place / name).is_file() for name in ("dataset_dict.json", "state.json")):
            read = datasets.load_from_disk(str(self._place))
            if split is not None and not isinstance(read, dict):
                raise CoconutError(f"{self.name}: this folder is one table, without splits: leave out ?split")
        else:
            read = datasets.load_dataset(str(self._place), config, split=split)
        return self._chosen(read, split) if isinstance(read, dict) else read

    def _chosen(self, splits: dict[str, Any], named: str | None) -> Any:
        """One of several splits: that which is named, else that of its kind, else the only one."""
        if (split := named or self.split) in splits:
            return splits[split]
        if named is None and len(splits) == 1:
            return next(iter(splits.values()))
        raise CoconutError(
            f"{self.name} has no split '{split}' but {', '.join(splits)}: name one, as in "
            f"{self.name.partition('?')[0]}?split={next(iter(splits), 'train')}"
        )


def absolute_name(name: str | Path) -> str:
    """The same name for any working folder: a file or folder by its absolute path; a data set of the hub, or
    nothing, as it is."""
    return str(name) if str(name).startswith(HUB) or name == "" else str(user_path(name).absolute())


def read_problems(source: str | Path) -> list[Problem]:
    """All problems of a source at once; see stream_problems."""
    return list(stream_problems(source))


def stream_problems(source: str | Path) -> Iterator[Problem]:
    """The problems of whatever DataSource reads, one at a time; of a data set in splits those of "test".

    source: its name. Raises CoconutError, naming the line or the number of the problem, where it cannot be read
    or is not in the official layout; the problems in front of the damage come first. A file of JSON is read
    once, with one problem in memory: it may be a pipe.
    """
    return DataSource(str(source), split="test").problems()


def read_some_problems(
    source: str | Path, count: int | None = None, *, answered: bool = False
) -> list[Problem]:
    """The first count problems of a source, or all. Raises CoconutError where there are none, where one that
    has to be answered has no answer, and as stream_problems does."""
    problems = read_problems(source)[:count]
    if not problems:
        raise CoconutError(f"{source} holds no problems")
    for number, problem in enumerate(problems, start=1):
        if answered and not problem.answer.strip():
            raise CoconutError(f"{source}, problem {number}: there is no 'answer' to compare with: give it one")
    return problems


def _problem(columns: Columns, row: dict[str, Any], where: str) -> Problem:
    try:
        return columns.problem(row)
    except CoconutError as error:
        raise CoconutError(f"{where}: {error}") from error


def _library(name: str) -> Any:
    """The library `datasets`, quiet where nobody looks."""
    try:
        import datasets
    except ImportError as error:
        raise CoconutError(f"{name} is read by datasets: pip install 'coconut-tui[datasets]'") from error
    datasets.logging.set_verbosity(logging.CRITICAL)  # what it raises says it as well
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    return datasets


@contextmanager
def _errors_in_a_line(name: str) -> Iterator[None]:
    """Whatever the library raises as a CoconutError that begins with the name."""
    try:
        yield
    except CoconutError:
        raise
    except ConnectionError as error:
        raise CoconutError(
            f"{name}: the hub cannot be reached, and the cache has no copy: go online (HF_HUB_OFFLINE=0), or "
            "name a file or folder"
        ) from error
    except Exception as error:  # builders raise what they like
        if type(error).__name__ == "DatasetNotFoundError":
            raise CoconutError(
                f"{name}: the hub has no such data set, or not for you: mend the name or log in (hf auth login)"
            ) from error
        raise CoconutError(f"cannot read problems from {name}: {one_line(error)}") from error
