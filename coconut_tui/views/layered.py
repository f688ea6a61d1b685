"""A graph in layers: which node stands where in its layer, so that few edges cross, and how wide apart.

Nodes are numbers; an edge that goes over layers between passes them at places of their own, numbered from the
nodes on. Nothing here knows of cells or colours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

_SWEEPS = 6  # through all layers, there and back

Edge = tuple[int, int]


@dataclass(frozen=True)
class Layered:
    """The places of a graph in layers, in order."""

    nodes: int  # smaller numbers are nodes, all others are places that an edge passes
    layers: tuple[tuple[int, ...], ...]
    chains: Mapping[Edge, tuple[int, ...]]  # of each edge between layers its places, the first layer's first
    beside: tuple[Edge, ...]  # edges within a layer


@lru_cache(maxsize=8)
def layered(layers: tuple[tuple[int, ...], ...], edges: tuple[Edge, ...]) -> Layered:
    """Put the nodes of each layer in an order in which few edges cross: barycentres, then neighbours that are
    better the other way round. Edges from and to what is in no layer, and to itself, are left out."""
    layer_of = {node: number for number, layer in enumerate(layers) for node in layer}
    nodes = max(layer_of, default=-1) + 1
    kept = [(a, b) for a, b in dict.fromkeys(edges) if a != b and a in layer_of and b in layer_of]
    rows, chains, next_place = [list(layer) for layer in layers], {}, nodes
    for edge in kept:
        first, last = sorted(edge, key=lambda node: layer_of[node])
        between = range(layer_of[first] + 1, layer_of[last])
        if layer_of[first] != layer_of[last]:
            passed = list(range(next_place, next_place + len(between)))
            for layer, place in zip(between, passed, strict=True):
                rows[layer].append(place)
            next_place += len(passed)
            chains[edge] = (first, *passed, last)
    beside = tuple((a, b) for a, b in kept if layer_of[a] == layer_of[b])
    best = _ordered(rows, [link for chain in chains.values() for link in pairwise(chain)], beside)
    return Layered(nodes, tuple(map(tuple, best)), chains, beside)


def crossings(layers: Sequence[Sequence[int]], links: Sequence[Edge]) -> int:
    """How often links between neighbouring layers cross."""
    return sum(_crossings(upper, lower, links) for upper, lower in pairwise(layers))


def _crossings(upper: Sequence[int], lower: Sequence[int], links: Sequence[Edge]) -> int:
    above, below = _places(upper), _places(lower)
    ends = sorted((above[a], below[b]) for a, b in links if a in above and b in below)
    return sum(
        left[0] < right[0] and left[1] > right[1]
        for number, left in enumerate(ends)
        for right in ends[number + 1 :]
    )


def _places(layer: Sequence[int]) -> dict[int, int]:
    return {slot: place for place, slot in enumerate(layer)}


def _ordered(rows: list[list[int]], links: list[Edge], beside: Sequence[Edge]) -> list[list[int]]:
    best, least = [list(row) for row in rows], crossings(rows, links)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        numbers = range(1, len(rows)) if down else range(len(rows) - 2, -1, -1)
        for number in numbers:
            fixed = _places(rows[number - 1 if down else number + 1])
            rows[number] = _by_barycentre(rows[number], fixed, links)
        count = crossings(rows, links)
        if count < least:
            best, least = [list(row) for row in rows], count
    for _ in range(2):
        for number in range(len(best)):
            _swap_neighbours(best, number, links, beside)
    return best


def _by_barycentre(row: list[int], fixed: dict[int, int], links: list[Edge]) -> list[int]:
    """A layer by the mean place of those that each is linked to; what is linked to none stays about there."""
    linked: dict[int, list[int]] = {slot: [] for slot in row}
    for first, second in links:
        if first in fixed and second in linked:
            linked[second].append(fixed[first])
        elif second in fixed and first in linked:
            linked[first].append(fixed[second])
    stretch = max(1, len(fixed)) / max(1, len(row))
    means = {
        slot: sum(places) / len(places) if places else place * stretch
        for place, (slot, places) in enumerate(linked.items())
    }
    return sorted(row, key=lambda slot: means[slot])


def _swap_neighbours(rows: list[list[int]], number: int, links: list[Edge], beside: Sequence[Edge]) -> None:
    near = [rows[other] for other in (number - 1, number + 1) if 0 <= other < len(rows)]
    row = rows[number]

    def cost() -> float:
        place = _places(row)
        apart = sum(abs(place[a] - place[b]) for a, b in beside if a in place and b in place)
        both = [(a, b) for pair in links for a, b in (pair, pair[::-1]) if a in place]
        return sum(_crossings(row, other, both) for other in near) + 0.3 * apart

    least = cost()
    for place in range(len(row) - 1):
        row[place], row[place + 1] = row[place + 1], row[place]
        swapped = cost()
        if swapped < least:
            least = swapped
        else:
            row[place], row[place + 1] = row[place + 1], row[place]


def spread(graph: Layered, size: float, gap: float, room: float) -> dict[int, float]:
    """Where the middle of each place lies across its layer: near those that it is linked to, all within the
    room, neighbours at least so far apart. size is a node's, what an edge passes is 1 wide."""
    links: dict[int, list[int]] = {}
    for chain in graph.chains.values():
        for first, second in pairwise(chain):
            links.setdefault(first, []).append(second)
            links.setdefault(second, []).append(first)

    def wide(slot: int) -> float:
        return size if slot < graph.nodes else 1

    middles: dict[int, float] = {}
    even: dict[int, float] = {}
    for layer in graph.layers:
        free = room - sum(map(wide, layer))
        start = free / (2 * (len(layer) + 1) if len(layer) > 1 else 2)  # the ends are nearer than neighbours
        step = (free - 2 * start) / max(1, len(layer) - 1)
        for slot in layer:
            even[slot] = middles[slot] = start + wide(slot) / 2
            start += wide(slot) + step
    for _ in range(3):
        for layer in (*graph.layers, *graph.layers[::-1]):
            wanted = [_wanted(slot, links.get(slot, ()), middles, even) for slot in layer]
            apart = [(wide(a) + wide(b)) / 2 + gap for a, b in pairwise(layer)]
            ends = (wide(layer[0]) / 2, room - wide(layer[-1]) / 2) if layer else (0.0, room)
            middles |= zip(layer, _apart(wanted, apart, *ends), strict=True)
    return middles


def _wanted(slot: int, links: Sequence[int], middles: dict[int, float], even: dict[int, float]) -> float:
    if not links:
        return even[slot]
    return (2 * even[slot] + sum(middles[other] for other in links) / len(links)) / 3


def _apart(wanted: Sequence[float], apart: Sequence[float], low: float, high: float) -> list[float]:
    """The places nearest to those wanted (least squares) that keep their distances, within the ends."""
    offsets = [0.0]
    for distance in apart:
        offsets.append(offsets[-1] + distance)
    groups: list[tuple[float, int]] = []  # mean and number; pooled where they are in the wrong order
    for place, offset in zip(wanted, offsets, strict=False):
        mean, count = place - offset, 1
        while groups and groups[-1][0] > mean:
            before, number = groups.pop()
            mean, count = (mean * count + before * number) / (count + number), count + number
        groups.append((mean, count))
    top = max(low, high - offsets[-1])
    flat = [min(top, max(low, mean)) for mean, count in groups for _ in range(count)]
    return [place + offset for place, offset in zip(flat, offsets, strict=False)]
