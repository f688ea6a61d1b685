"""Thoughts of a data set as points in their two main directions."""

from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from coconut_core.atlas.folder import Manifest
from coconut_core.atlas.vectors import vector_blocks
from coconut_core.common.errors import CoconutError

if TYPE_CHECKING:
    from numpy import bool_, float32
    from numpy.typing import NDArray

    from coconut_core.atlas.vectors import Block


@dataclass(frozen=True)
class Point:
    """One thought, by its first two principal components."""

    run: int
    thought: int  # from 1
    x: float
    y: float


@dataclass(frozen=True)
class Projection:
    """Thoughts in the plane in which they differ most."""

    points: tuple[Point, ...]
    explained: tuple[float, float]  # shares of the variance along x and y
    of: int  # thoughts that there are, of which the points are a part


def project(
    folder: Path, manifest: Manifest, most: int, among: Set[int] | None = None, thought: int | None = None
) -> Projection:
    """The thoughts of all runs, or of those among, or the thought of one number: every so-manieth where there
    are more than most. Raises CoconutError where there are fewer than two."""
    import numpy
    import torch

    from coconut_core.analysis.pca import Pca

    if most < 2:
        raise CoconutError(f"a map needs two thoughts or more, not {most}")
    there = 0
    for _, _, mask in _masked(folder, manifest, among, thought):
        there += int(mask.sum())
    step, seen = max(1, -(-there // most)), 0
    vectors: list[NDArray[float32]] = []
    owners: list[tuple[int, int]] = []
    for first, block, mask in _masked(folder, manifest, among, thought):
        rows, places = numpy.nonzero(mask)
        taken = numpy.arange(-seen % step, len(rows), step)
        seen += len(rows)
        vectors.append(block[rows[taken], places[taken]])
        owners += zip((first + rows[taken]).tolist(), (1 + places[taken]).tolist(), strict=True)
    points = torch.from_numpy(numpy.concatenate(vectors)) if owners else torch.zeros(0, 1)
    pca = Pca.fit(points, components=2)
    x, *y = pca.project(points).T.tolist()
    shares = [*pca.explained.tolist(), 0.0][:2]
    return Projection(
        tuple(
            Point(run, number, across, up)
            for (run, number), across, up in zip(owners, x, y[0] if y else [0.0] * len(x), strict=True)
        ),
        (shares[0], shares[1]),
        there,
    )


def _masked(
    folder: Path, manifest: Manifest, among: Set[int] | None, thought: int | None
) -> "Iterator[tuple[int, Block, NDArray[bool_]]]":
    """Blocks with what of them is meant, (rows, thoughts)."""
    import numpy

    for first, block in vector_blocks(folder, manifest):
        mask: NDArray[bool_] = numpy.asarray(block.any(axis=-1))
        if among is not None:
            mask &= numpy.array([first + row in among for row in range(len(block))])[:, None]
        if thought is not None:
            mask &= (numpy.arange(block.shape[1]) == thought - 1)[None]
        yield first, block, mask
