"""A layered graph in a pane: how large its nodes can be, which way it runs, and where everything stands.

A plan depends on the graph, the room and the zoom alone, so it is kept, and nothing moves from thought to
thought.

Layers are those of a search, by hops, which no library that draws graphs in terminals takes as given: netext
0.5 lays out 24 nodes and 37 edges by longest paths, in 190 ms, 240 cells wide whatever room there is, and edges
that share a column cannot be told apart; grandalf 0.8 (GPL) makes layers of its own as well, and networkx has
no order with few crossings. textual-hires-canvas and textual-plot draw in widgets, and a view is a text.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from coconut_tui.views.canvas import Cell, Dot
from coconut_tui.views.layered import Edge, Layered, layered, spread

LEAST_LINES, LEAST_COLUMNS = 1, 4  # between layers, for edges
_SCROLLED_LINES, _SCROLLED_COLUMNS = 3, 8  # the same where the graph is larger than its room in any case
AIRY_LINES, AIRY_COLUMNS = 4, 9  # the same, for nodes that are larger than they need be
_MOST_LINES, _MOST_COLUMNS = 12, 40
WIDE_MARGIN, MARGIN = 8, 4  # cells in front of layers that lie below each other
_HEADING = 1  # lines over layers that stand side by side


@dataclass(frozen=True)
class Form:
    """How large a node is drawn."""

    width: int  # cells
    height: int  # lines
    gap: int  # cells, or lines, to its neighbour in the layer
    name_width: int  # cells
    boxed: bool = False


@dataclass(frozen=True)
class Way:
    """Where an edge goes."""

    dots: tuple[Dot, ...]
    onward: bool = True  # to a later layer; else it leads back, or to the side
    arrow: Cell | None = None  # of one that is not onward: where it arrives


@dataclass(frozen=True)
class Plan:
    """Where everything stands, in cells; the canvas is width × height, at least as large as the room."""

    form: Form
    down: bool  # layers below each other, each with a margin in front; else side by side, with a line above
    width: int
    height: int
    margin: int
    corners: dict[int, Cell] = field(default_factory=dict)  # left upper corner of each node
    starts: tuple[int, ...] = ()  # line, or column, at which each layer begins
    ways: dict[Edge, Way] = field(default_factory=dict)

    @cached_property
    def leads(self) -> frozenset[int]:
        """The nodes from which an edge goes on to a later layer."""
        return frozenset(edge[0] for edge, way in self.ways.items() if way.onward)


Forms = tuple[tuple[tuple[Form, bool], ...], ...]  # from small to large: choices, and whether each runs down


@lru_cache(maxsize=32)
def plan(
    layers: tuple[tuple[int, ...], ...],
    edges: tuple[Edge, ...],
    forms: Forms,
    width: int,
    height: int,
    zoom: int = 0,
) -> Plan | None:
    """The largest form that fits, the way in which edges have more room; zoom takes so many forms up or down.

    Where a form fits in width alone, the plan is higher than the room. None where the smallest is too wide,
    unless it is zoomed.
    """
    graph = layered(layers, edges)
    sizes = [[_Sizes(graph, form, down, width, height) for form, down in level] for level in forms]
    level = _level(sizes)
    if level is None and not zoom:
        return None
    chosen = min(len(forms) - 1, max(0, (level or 0) + zoom))
    fitting = [size for size in sizes[chosen] if size.fits] or [
        size for size in sizes[chosen] if size.overflow[0] == 0
    ]
    if not fitting:
        return min(sizes[chosen], key=lambda size: sum(size.overflow)).plan()
    return max(fitting, key=_Sizes.preference).plan()


def _level(sizes: Sequence[Sequence["_Sizes"]]) -> int | None:
    levels = range(len(sizes) - 1, -1, -1)
    whole = (level for level in levels if any(size.fits and (size.airy or level < 2) for size in sizes[level]))
    wide = (level for level in (1, 0) if any(size.overflow[0] == 0 and size.down for size in sizes[level]))
    return next(whole, next(wide, None))


class _Sizes:
    """A graph in a form, one of the two ways: what it needs, and its plan."""

    def __init__(self, graph: Layered, form: Form, down: bool, width: int, height: int) -> None:
        self.graph, self.form, self.down = graph, form, down
        self.margin = 0 if not down else WIDE_MARGIN if width >= 56 else MARGIN
        self.room = (width - self.margin, height) if down else (height - _HEADING, width)  # across, along
        self.across, self.along = (form.width, form.height) if down else (form.height, form.width)
        least = LEAST_LINES if down else LEAST_COLUMNS
        last = set(graph.layers[-1]) if graph.layers else set()
        self.tail = least + 1 if any(a in last for a, _ in graph.beside) else 0  # behind the last layer
        count = len(graph.layers)
        self.needed = (
            max((self._across(layer) for layer in graph.layers), default=0),
            count * self.along + (count - 1) * least + self.tail,
        )
        free = (self.room[1] - count * self.along - self.tail) // max(1, count - 1)
        self.between = max(least, min(free, _MOST_LINES if down else _MOST_COLUMNS))
        if self.needed[1] > self.room[1]:
            self.between = _SCROLLED_LINES if down else _SCROLLED_COLUMNS

    def _across(self, layer: Sequence[int]) -> int:
        return sum(self.across if slot < self.graph.nodes else 1 for slot in layer) + self.form.gap * (
            len(layer) - 1
        )

    @property
    def overflow(self) -> tuple[int, int]:
        """How many cells it is too wide, and lines too high."""
        across, along = (max(0, need - room) for need, room in zip(self.needed, self.room, strict=True))
        return (across, along) if self.down else (along, across)

    @property
    def fits(self) -> bool:
        return self.overflow == (0, 0)

    @property
    def airy(self) -> bool:
        """Whether edges have so much room that they are easy to follow."""
        return self.between >= (AIRY_LINES if self.down else AIRY_COLUMNS)

    def preference(self) -> tuple[bool, int, int, float]:
        """Of two that fit the one with the larger is drawn."""
        area = self.form.width * self.form.height if self.form.boxed and self.airy else 0
        return self.airy, self.form.name_width, area, self.score()

    def score(self) -> float:
        """How much room edges have along the layers, and nodes across them, in what is least of either."""
        lines = self.between * (2 if self.down else 1) / 10  # a cell is about twice as high as wide
        return min(lines, self.room[0] / max(1, self.needed[0]))

    def plan(self) -> Plan:
        across = max(self.room[0], self.needed[0])
        middles = spread(self.graph, self.across, self.form.gap, across)
        first = 0 if self.down else _HEADING
        starts = tuple(number * (self.along + self.between) for number in range(len(self.graph.layers)))
        tops = {
            slot: round(middles[slot] - (self.across if slot < self.graph.nodes else 1) / 2)
            for layer in self.graph.layers
            for slot in layer
        }
        layer_of = {slot: number for number, layer in enumerate(self.graph.layers) for slot in layer}
        corners = {
            slot: (self.margin + top, starts[layer_of[slot]])
            if self.down
            else (starts[layer_of[slot]], first + top)
            for slot, top in tops.items()
        }
        along = starts[-1] + self.along + self.tail if starts else 0
        size = (self.margin + across, along) if self.down else (along, first + across)
        ways = _Ways(self, corners)
        return Plan(
            self.form,
            self.down,
            *size,
            self.margin,
            {slot: corner for slot, corner in corners.items() if slot < self.graph.nodes},
            starts,
            dict(ways.all()),
        )


class _Ways:
    """Lines from node to node."""

    def __init__(self, sizes: _Sizes, corners: dict[int, Cell]) -> None:
        self.sizes, self.graph, self.form, self.down = sizes, sizes.graph, sizes.form, sizes.down
        self.corners = corners

    def all(self) -> Iterable[tuple[Edge, Way]]:
        """Each edge that is drawn, and its way."""
        for edge, chain in self.graph.chains.items():
            back = edge[0] != chain[0]
            dots: list[Dot] = [self._port(chain[0], behind=True, back=back)]
            for slot in chain[1:-1]:
                dots += [self._port(slot, behind=False), self._port(slot, behind=True)]
            dots.append(self._port(chain[-1], behind=False, back=back))
            yield edge, Way(tuple(dots), not back, _cell(dots[0]) if back else None)
        for edge in self.graph.beside:
            yield edge, self._beside(*edge)

    def _beside(self, source: int, target: int) -> Way:
        """An arc behind the layer, the deeper the farther it goes."""
        start, end = self._port(source, behind=True), self._port(target, behind=True, back=True)
        across, along = (0, 1) if self.down else (1, 0)  # which number of a dot
        far = end[across] - start[across]
        last = source in self.graph.layers[-1]
        room = (self.sizes.tail if last else self.sizes.between) * (4 if self.down else 2)
        depth = min(room - 2, 6 + abs(far) // 4)
        lean = min(depth // 2, abs(far) // 3) * (1 if far > 0 else -1)
        turn = []
        for dot, by in ((start, lean), (end, -lean)):
            corner = [0, 0]
            corner[across], corner[along] = dot[across] + by, dot[along] + depth
            turn.append((corner[0], corner[1]))
        return Way((start, *turn, end), False, _cell(end))

    def _port(self, slot: int, *, behind: bool, back: bool = False) -> Dot:
        """The dot beside a place where a line begins or ends: before its layer, or behind it."""
        column, row = self.corners[slot]
        node = slot < self.graph.nodes
        if self.down:
            shift = (self.form.width // 4 or 1) if back else 0
            x = 2 * column + (self.form.width - 2 * shift if node else 1)
            return x, 4 * (row + self.form.height) if behind else 4 * row - 1
        middle = 4 * row + (2 * self.form.height if node and self.form.boxed else 2) + (1 if back else 0)
        return 2 * (column + self.form.width) if behind else 2 * column - 1, middle


def _cell(dot: Dot) -> Cell:
    return dot[0] // 2, dot[1] // 4


def short_names(names: Sequence[str], least: int) -> list[str]:
    """The names' beginnings, at least so many letters, as many as tell them all apart; of words in front of the
    last one letter each."""
    packed = [
        "".join(f"{word[0]}." for word in name.split()[:-1]) + (name.split() or [name])[-1] for name in names
    ]
    for length in range(least, max(map(len, packed), default=0)):
        short = [name[:length] for name in packed]
        if len(set(short)) == len(set(names)):
            return short
    return packed if len(set(packed)) == len(set(names)) else list(names)
