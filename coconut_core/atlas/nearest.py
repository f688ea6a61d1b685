"""Which thoughts of the data set are most like one: by cosine, over all runs, a block of vectors at a time."""

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from coconut_core.atlas.folder import Manifest
from coconut_core.atlas.vectors import vector_blocks, vector_of
from coconut_core.common.errors import CoconutError


@dataclass(frozen=True)
class Neighbour:
    """A thought that lies near another."""

    run: int
    thought: int  # from 1
    cosine: float


def nearest_thoughts(
    folder: Path, manifest: Manifest, run: int, thought: int, count: int, among: Set[int] | None = None
) -> list[Neighbour]:
    """The thoughts with the largest cosine to one, itself aside, most alike first. among: runs that are looked
    through, None for all. Raises CoconutError where there is no such thought, or a part is damaged."""
    import numpy

    if count < 1:
        raise CoconutError(f"count must be 1 or more, not {count}")
    own = vector_of(folder, manifest, run, thought)
    own = own / numpy.linalg.norm(own)
    best: list[Neighbour] = []
    for first, block in vector_blocks(folder, manifest):
        norms = numpy.linalg.norm(block, axis=-1)  # (rows, thoughts)
        cosines = (block @ own) / numpy.where(norms > 0, norms, 1)
        cosines[norms == 0] = -numpy.inf
        if among is not None:
            cosines[[first + row not in among for row in range(len(block))]] = -numpy.inf
        if first <= run < first + len(block):
            cosines[run - first, thought - 1] = -numpy.inf
        flat = cosines.ravel()
        kept = numpy.argsort(-flat, kind="stable")[:count]
        rows, places = numpy.unravel_index(kept[numpy.isfinite(flat[kept])], cosines.shape)
        found = zip(rows.tolist(), places.tolist(), cosines[rows, places].tolist(), strict=True)
        best += [Neighbour(first + row, place + 1, cosine) for row, place, cosine in found]
        best = sorted(best, key=lambda neighbour: -neighbour.cosine)[:count]
    return best
