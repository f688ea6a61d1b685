"""An atlas on disk: a manifest, and parts of the table and of the vectors that are whole or not there.

Parts are written beside the folders that hold them and renamed into place, the vectors first, the manifest
last: what the manifest counts is complete, whatever stopped the writing.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from coconut_core.common.errors import CoconutError
from coconut_core.common.paths import user_path
from coconut_core.common.records import AtLeast0, AtLeast1, read_json_object, read_record
from coconut_core.common.whole_files import file_written_aside, refusals_as_errors, written_aside

FORMAT, VERSION = "coconut-atlas", 1
MANIFEST = "atlas.json"
LOCK = ".lock"  # held by who builds; pandas and pyarrow pass over names that begin with a point
RUNS, VECTORS = "runs", "vectors"  # folders of the parts
VECTORS_KEY = "thoughts"  # the tensor of a part of the vectors, (rows, thoughts, hidden)


@dataclass(frozen=True)
class ModelMark:
    """Which model's runs these are."""

    source: str  # as it was opened
    weights: str  # hash of the weights and the configuration
    hidden: AtLeast1  # size of a thought
    feedback: str = ""  # what is fed back at a thought
    prompt: str = ""  # what stands around question and thoughts, where that was chosen: chat, system, markers


@dataclass(frozen=True)
class DataMark:
    """Which problems were run: those of a file, or the first of them."""

    source: str
    hash: str  # of the questions and answers, in order
    count: AtLeast1


@dataclass(frozen=True)
class Settings:
    """How the runs were made. What is added later is made the same way."""

    thoughts: int | None = None  # None: as the checkpoint says
    answer_only: bool = True
    max_new_tokens: AtLeast1 = 64
    top: AtLeast1 = 5  # tokens of a readout that are kept
    swaps: AtLeast0 = 1  # with other problems' thoughts, of each run


@dataclass(frozen=True)
class Part:
    """Some rows: a file of the table and one of vectors, by the same name."""

    rows: AtLeast1
    bytes: tuple[int, int]  # sizes of the two files
    hashes: tuple[str, str]  # SHA-256 of them
    graphs: AtLeast0 = 0  # rows whose problem has a graph
    most_thoughts: AtLeast0 = 0


@dataclass(frozen=True)
class Manifest:
    """What an atlas says of itself."""

    model: ModelMark
    settings: Settings
    data: tuple[DataMark, ...]
    parts: tuple[Part, ...] = ()
    format: str = FORMAT
    version: int = VERSION
    made: str = field(default="", kw_only=True)  # date

    @property
    def rows(self) -> int:
        """How many runs are there."""
        return sum(part.rows for part in self.parts)

    @property
    def planned(self) -> int:
        """How many there are to be."""
        return sum(mark.count for mark in self.data)

    @property
    def complete(self) -> bool:
        """Whether all that are to be are there."""
        return self.rows == self.planned

    @property
    def graphs(self) -> int:
        """Runs whose problem has a graph."""
        return sum(part.graphs for part in self.parts)

    @property
    def most_thoughts(self) -> int:
        """The most thoughts of a run."""
        return max((part.most_thoughts for part in self.parts), default=0)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        begun: dict[str, Any] = {"format": self.format, "version": self.version}
        return begun | {"rows": self.rows, "planned": self.planned} | asdict(self)


def file_names(number: int) -> tuple[str, str]:
    """The two files of a part, within the atlas."""
    return f"{RUNS}/part-{number:06}.parquet", f"{VECTORS}/part-{number:06}.safetensors"


def read_manifest(folder: str | Path) -> Manifest:
    """The manifest of an atlas. Raises CoconutError where the folder is none, or of a newer format."""
    path = user_path(folder) / MANIFEST
    if path.parent.is_file():
        raise CoconutError(f"{folder} is a file and no atlas, which is a folder that coconut atlas build makes")
    try:
        record = read_json_object(path)
    except FileNotFoundError:
        raise CoconutError(
            f"{folder} is no atlas: it has no {MANIFEST} (make one with coconut atlas build --out {folder})"
        ) from None
    if record.get("format") != FORMAT:
        raise CoconutError(f"{folder} is no atlas: its {MANIFEST} does not say {FORMAT}")
    version = record.get("version")
    if version != VERSION:
        raise CoconutError(
            f"{folder} has version {version} of the format, this coconut reads {VERSION}: upgrade it"
        )
    return read_record(Manifest, record, path)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest aside and rename it into place. Raises CoconutError where that is refused."""
    with refusals_as_errors(f"write {folder / MANIFEST}"), written_aside(folder / MANIFEST) as file:
        file.write(json.dumps(manifest.to_json(), ensure_ascii=False, indent=1) + "\n")


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other builders out of a folder, which is made where there is none; the system lets go of it when the
    process ends, however that ends. Raises CoconutError where another process holds it."""
    from filelock import FileLock, Timeout

    with refusals_as_errors(f"make {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise CoconutError(f"another process builds {folder}: wait until it is done") from None
    try:
        yield
    finally:
        lock.release()


def check_parts(folder: Path, manifest: Manifest) -> None:
    """Raise CoconutError where a file of a part is missing or has another size than it was written with."""
    for number, part in enumerate(manifest.parts):
        for name, size in zip(file_names(number), part.bytes, strict=True):
            path = folder / name
            if not path.is_file():
                raise CoconutError(f"{folder} is damaged: {name} is missing; build the atlas again")
            if (found := path.stat().st_size) != size:
                raise CoconutError(
                    f"{folder} is damaged: {name} has {found} bytes of {size}; build the atlas again"
                )


def check_hashes(folder: Path, manifest: Manifest) -> None:
    """Read all parts. Raises CoconutError where one is not as it was written."""
    check_parts(folder, manifest)
    for number, part in enumerate(manifest.parts):
        for name, known in zip(file_names(number), part.hashes, strict=True):
            if hash_file(folder / name) != known:
                raise CoconutError(
                    f"{folder} is damaged: {name} is not as it was written; build the atlas again"
                )


def write_part(
    folder: Path, manifest: Manifest, writers: tuple[Callable[[Path], None], Callable[[Path], None]], part: Part
) -> Manifest:
    """Add a part, whose files the writers make, and say so in the manifest; returns that.

    Raises CoconutError where the disk refuses.
    """
    sizes, hashes = [], []
    names = file_names(len(manifest.parts))
    for name, write in sorted(zip(names, writers, strict=True), reverse=True):  # the vectors first
        place = folder / name
        with refusals_as_errors(f"write {place}", "; what was complete stays: run it again to go on"):
            place.parent.mkdir(parents=True, exist_ok=True)
            whole = folder / place.name
            with file_written_aside(whole) as aside:
                write(aside)
            sizes.append(whole.stat().st_size)
            hashes.append(hash_file(whole))
            os.replace(whole, place)
    done = replace(part, bytes=(sizes[1], sizes[0]), hashes=(hashes[1], hashes[0]))
    manifest = replace(manifest, parts=(*manifest.parts, done))
    write_manifest(folder, manifest)
    return manifest


def hash_file(path: Path) -> str:
    """SHA-256 of a file's content."""
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
