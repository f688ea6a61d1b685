"""The thoughts of a run as a matrix, plain data: tokens by thoughts, with the probability of each in each."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Generic, TypeVar

from coconut_core.common.token_names import SPACE
from coconut_core.problems.base import Graph
from coconut_core.records.answers import conclusion
from coconut_core.records.graph_reading import graph_layers
from coconut_core.records.trace import StepRecord, TokenRecord
from coconut_tui.run.state import RunView, marker_name, thought_name

Value = TypeVar("Value")
SPARE = 3  # rows kept free for what a thought says besides the nodes of a graph
_LIKELY = 0.1  # least probability of a token that gets such a row


class _Same(Generic[Value]):
    """A value by its identity: it never changes, and telling whether two are equal takes long."""

    def __init__(self, value: Value) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value


@dataclass(frozen=True)
class Column:
    """A thought, the marker behind them, or the word that decides the answer; its step is None until taken."""

    label: str
    number: int | None = None  # of the step in the run
    step: StepRecord | None = None
    kind: str = "thought"  # or "marker", or "answer"


@dataclass(frozen=True)
class TokenRow:
    """A token. group is what is written in front where it changes: hops from the root, or the step of a sum."""

    name: str
    group: str = ""
    role: str = ""  # "right", "wrong", "path" or "pin.1", a name of a colour
    typed: str = ""  # how it is looked up, where that is not its name
    hops: int | None = None


@dataclass(frozen=True)
class Matrix:
    """Rows by columns. hidden: nodes out of reach that have no row."""

    rows: tuple[TokenRow, ...]
    columns: tuple[Column, ...]  # those around the cursor, where there are more
    first_thought_hops: int = 1
    hidden: tuple[str, ...] = ()
    expected_rows: int = 0  # room to keep, so that nothing moves when a step adds a row
    more: tuple[bool, bool] = (False, False)  # whether there are columns to the left, and to the right

    @cached_property
    def shares(self) -> tuple[tuple[float | None, ...], ...]:
        """By row and column: the probability, None where it is not recorded."""
        said = [_said(column.step) for column in self.columns]
        return tuple(tuple(shares.get(row.typed or row.name) for shares in said) for row in self.rows)

    @cached_property
    def ranks(self) -> tuple[tuple[int | None, ...], ...]:
        """By row and column: the place among the likeliest tokens, from 1; None behind those recorded."""
        places = [
            {} if column.step is None else _by_alias(column.step.top, range(1, len(column.step.top) + 1))
            for column in self.columns
        ]
        return tuple(tuple(place.get(row.typed or row.name) for place in places) for row in self.rows)

    def is_frontier(self, row: TokenRow, column: Column) -> bool:
        """Whether a search in breadth would stand on this node at this thought."""
        step = column.step
        if row.hops is None or step is None or step.kind != "thought":
            return False
        return row.hops == step.index - 1 + self.first_thought_hops

    def hidden_share(self, column: Column) -> float | None:
        """What lies on the nodes that have no row."""
        step = column.step
        if step is None or not step.readable:
            return None
        return sum(step.watched.get(name, 0.0) for name in self.hidden)

    def column_of(self, number: int | None, kind: str) -> int | None:
        """The column of a step, by its number and kind; all words have that of the answer."""
        places = (
            place
            for place, column in enumerate(self.columns)
            if number is not None and (column.number == number or (kind, column.kind) == ("token", "answer"))
        )
        return next(places, None)


@dataclass(frozen=True)
class Window:
    """Which columns are made: so many around the selected step. Runs can have thousands."""

    selected: int | None = None
    most: int = 64


def matrix_of(
    run: RunView, pins: Mapping[str, int], first_thought_hops: int, room: int, window: Window = Window()
) -> Matrix:
    """The matrix of a run. room: rows that can be shown, for tokens that nobody has named."""
    columns, more = _columns(run, window)
    steps = [column.step for column in columns if column.step is not None]
    graph = run.graph
    named, hidden = _nodes(graph) if graph is not None else (_results(run), ())
    pinned = [
        TokenRow(_known_name(pin, steps), role=f"pin.{number}", typed=pin)
        for pin, number in pins.items()
        if not any(pin in (row.name, row.typed) for row in named)
    ]
    named = [_pinned(row, pins) for row in named] + pinned
    known = {alias for row in named for alias in (row.name, row.typed)} | set(hidden)
    if graph is not None:
        likely = _likeliest(steps, known, each=1, least=_LIKELY)
        expected = len(named) + max(SPARE, len(likely)) + bool(hidden)
    else:
        free = max(4, room - len(named))
        planned = max(1, sum(column.kind == "thought" for column in columns))
        likely = _likeliest(steps, known, each=max(1, free // planned), least=0.01)[:free]
        expected = max(len(named) + len(likely), min(room, len(named) + planned))
    rows = (*named, *(TokenRow(item.name) for item in likely))
    return Matrix(rows, columns, first_thought_hops, hidden, expected, more)


def window_of(run: RunView, window: Window) -> range:
    """The places of the columns that are made, among all that the run has and will have."""
    every = _every(_Same(run))
    if window.selected is None:
        place = 0
    elif run.steps[window.selected].kind == "token":
        place = every.total - 1
    else:
        place = bisect_left(every.taken, window.selected)
    first = max(0, min(place - window.most // 2, every.total - window.most))
    return range(first, min(every.total, first + window.most))


@dataclass(frozen=True)
class _Every:
    """All that has or will have a column."""

    taken: list[int]  # numbers of steps
    coming: range  # numbers of thoughts
    total: int


@lru_cache(maxsize=4)  # asked several times in a draw, and a run can have thousands of steps
def _every(same: _Same[RunView]) -> _Every:
    run = same.value
    taken = [number for number, step in enumerate(run.steps) if step.kind != "token"]
    thinking, coming = run.mode == "thinking", range(0)
    if thinking:
        segment = run.segment
        count = sum(step.kind == "thought" and step.segment == segment for step in run.steps)
        coming = range(count + 1, run.thoughts + 1)
    behind = (thinking and bool(run.around[1])) + bool(run.expected)
    return _Every(taken, coming, len(taken) + len(coming) + behind)


def _columns(run: RunView, window: Window) -> tuple[tuple[Column, ...], tuple[bool, bool]]:
    every, places = _every(_Same(run)), window_of(run, window)
    columns = []
    for place in places:
        later = place - len(every.taken)
        if later < 0:
            step = run.steps[every.taken[place]]
            label = marker_name(step) if step.kind == "marker" else thought_name(step.segment, step.index)
            columns.append(Column(label, every.taken[place], step, step.kind))
        elif later < len(every.coming):
            index, segment = every.coming[later], run.segment
            columns.append(Column(thought_name(segment, index)))
        elif later == len(every.coming) and run.mode == "thinking" and run.around[1]:
            columns.append(Column(run.around[1], kind="marker"))
        else:
            number = _deciding(run)
            columns.append(Column("»", number, None if number is None else run.steps[number], "answer"))
    return tuple(columns), (places.start > 0, places.stop < every.total)


def _deciding(run: RunView) -> int | None:
    """The word at which the right answer was likeliest, or at which it was said."""
    right = conclusion(run.expected or "")
    chances = {
        number: _said(step).get(right, 0.0)
        for number, step in enumerate(run.steps)
        if step.kind == "token" and step.readable
    }
    said = [number for number in chances if run.steps[number].name.strip(SPACE) == right]
    place = said[-1] if said else max(chances, key=lambda number: chances[number], default=None)
    return place if place is not None and chances[place] >= 0.001 else None


def _nodes(graph: Graph) -> tuple[list[TokenRow], tuple[str, ...]]:
    """The nodes that can be reached, by hops and then by name, and the candidates that cannot; the others."""
    layering = graph_layers(graph)
    rows = [
        _node(graph, node, str(hops), hops, node in layering.on_optimal_path)
        for hops, layer in enumerate(layering.layers)
        for node in sorted(layer, key=lambda node: graph.names[node])
    ]
    outside = [node for node in (graph.target, graph.wrong) if node in layering.unreachable]
    rows += [_node(graph, node, "–", None, optimal=False) for node in dict.fromkeys(outside)]
    hidden = (graph.names[node] for node in layering.unreachable if node not in outside)
    return rows, tuple(hidden)


def _node(graph: Graph, node: int, group: str, hops: int | None, optimal: bool) -> TokenRow:
    role = "right" if node == graph.target else "wrong" if node == graph.wrong else "path" if optimal else ""
    return TokenRow(graph.names[node], group, role, hops=hops)


def _results(run: RunView) -> list[TokenRow]:
    """What a problem's sums come to, the last one being the answer."""
    results = [result for _, result in run.sums]
    names = dict.fromkeys(results)
    return [
        TokenRow(name, str(results.index(name) + 1), "right" if name == results[-1] else "path")
        for name in names
    ]


def _pinned(row: TokenRow, pins: Mapping[str, int]) -> TokenRow:
    """A pin's colour goes to a row that has none of its own."""
    if row.role in ("", "path") and row.name in pins:
        return TokenRow(row.name, row.group, f"pin.{pins[row.name]}", row.typed, row.hops)
    return row


def _likeliest(steps: Sequence[StepRecord], known: set[str], each: int, least: float) -> list[TokenRecord]:
    """The likeliest tokens of each step that are not known yet, in the order in which they come up."""
    found: dict[int | str, TokenRecord] = {}
    for step in steps:
        if step.kind != "token":
            for item in step.top[:each]:
                if item.probability >= least and known.isdisjoint(_aliases(item)):
                    found.setdefault(item.key, item)
    return list(found.values())


def _known_name(pin: str, steps: Iterable[StepRecord]) -> str:
    return next((item.name for step in steps for item in step.top if item.means(pin)), pin)


def _said(step: StepRecord | None) -> Mapping[str, float]:
    """All probabilities that a step's record has, by all names that a token goes by."""
    return {} if step is None or not step.readable else _recorded(_Same(step))


@lru_cache(maxsize=512)  # more than are ever in sight
def _recorded(same: _Same[StepRecord]) -> Mapping[str, float]:
    top = same.value.top
    return {**_by_alias(top, [item.probability for item in top]), **same.value.watched}


def _by_alias(top: Sequence[TokenRecord], values: Sequence[Value]) -> dict[str, Value]:
    """What belongs to each token, by its exact name first; a name without spaces is the likeliest one's."""
    exact = {item.name: value for item, value in zip(top, values, strict=True)}
    others: dict[str, Value] = {}
    for item, value in zip(top, values, strict=True):
        for alias in _aliases(item):
            others.setdefault(alias, value)
    return {**others, **exact}


def _aliases(item: TokenRecord) -> tuple[str, ...]:
    return item.name, item.name.strip(SPACE), item.token.strip(" ")
