"""The thoughts' vectors of an atlas, read from its parts block by block; needs no torch."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coconut_core.atlas.folder import VECTORS_KEY, Manifest, file_names
from coconut_core.common.errors import CoconutError, one_line

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    Block = NDArray[float32]

BLOCK = 1 << 23  # numbers that are held at once


def vector_blocks(folder: Path, manifest: Manifest) -> "Iterator[tuple[int, Block]]":
    """All vectors as (rows, thoughts, hidden), zeros behind a run's last thought, each block with the number of
    its first run. Raises CoconutError for a damaged part."""
    first = 0
    for number, part in enumerate(manifest.parts):
        with _opened(folder, number) as stored:
            rows, thoughts, hidden = stored.get_shape()
            size = max(1, BLOCK // max(1, thoughts * hidden))
            for start in range(0, rows, size):
                yield first + start, stored[start : min(start + size, rows)]
        first += part.rows


def vector_of(folder: Path, manifest: Manifest, run: int, thought: int) -> "NDArray[float32]":
    """One thought (hidden,), its number from 1. Raises CoconutError for none, and a damaged part."""
    first = 0
    for number, part in enumerate(manifest.parts):
        if first <= run < first + part.rows:
            with _opened(folder, number) as stored:
                rows: Block = stored[run - first : run - first + 1]
            if 1 <= thought <= rows.shape[1] and rows[0, thought - 1].any():
                found: NDArray[float32] = rows[0, thought - 1]
                return found
            raise CoconutError(f"run {run} has no thought {thought}")
        first += part.rows
    raise CoconutError(f"there is no run {run}: the atlas has {manifest.rows}, numbered from 0")


@contextmanager
def _opened(folder: Path, number: int) -> Iterator[Any]:
    """The tensor of a part, which is mapped into memory and read where it is cut."""
    from safetensors import SafetensorError, safe_open

    name = file_names(number)[1]
    try:
        with safe_open(folder / name, framework="numpy") as file:
            yield file.get_slice(VECTORS_KEY)
    except (OSError, SafetensorError) as error:
        raise CoconutError(f"{folder} is damaged: {name} cannot be read: {one_line(error)}") from error
