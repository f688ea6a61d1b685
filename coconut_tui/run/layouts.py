"""Which panes are on screen and where: layouts by name, and the room that each pane of one gets."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

PANES = ("thoughts", "inspect", "branches", "prompt")
AUTO = "auto"  # as many views as the terminal has room for
NARROW = 110  # columns; below it one pane is shown at a time
_STACKED = (120, 30)  # columns and lines of a terminal from which two views stand one above the other
_WIDE = 160  # columns from which graph, lens and attention stand beside the thoughts
_HUGE = (200, 50)
_STRIP, _STRIP_FROM = 5, 14  # lines of the thoughts above a view, and of both together
_LEAST_HEIGHT = 5  # lines of a pane, where there are so many
_SPARE = 12  # lines that are worth a view more
_WEIGHTS = {"thoughts": 40, "prompt": 24, "branches": 24}  # of a column that has one of them, the first counts
_WEIGHT = 36  # of another one


class Slot(NamedTuple):
    """A pane, or a view that has a pane of its own, and its share of the column's height."""

    name: str
    share: int = 1


class Place(NamedTuple):
    """Cells on screen."""

    x: int
    y: int
    width: int
    height: int


Columns = tuple[tuple[Slot, ...], ...]  # from left to right, each from top to bottom
Needs = Callable[[str, int], int | None]  # a pane and its width → the lines that it fills; None where it grows


def _columns(*columns: Sequence[str]) -> Columns:
    return tuple(tuple(map(_slot, column)) for column in columns)


def _slot(text: str) -> Slot:
    name, _, share = text.partition(" ")
    return Slot(name, int(share)) if share else Slot(name)


_CLASSIC = _columns(("prompt", "branches"), ("thoughts",), ("inspect",))
_STACK = _columns(("prompt", "branches"), ("thoughts",), ("graph 2", "inspect"))
_SIDE_BY_SIDE = _columns(("prompt", "branches"), ("thoughts 3", "lens 2"), ("graph 3", "inspect 2"))
_ALL = _columns(
    ("prompt", "branches"), ("thoughts 3", "lens 2"), ("graph 2", "inspect"), ("attention 3", "lines 2")
)
BUILT_IN: Mapping[str, Columns] = {
    AUTO: (),  # see fitting
    "wide": _SIDE_BY_SIDE,
    "reading": _columns(("thoughts", "inspect 3")),
    "classic": _CLASSIC,
}


def fitting(width: int, height: int) -> Columns:
    """The columns of the layout that chooses by itself, for a terminal of so many cells."""
    if width >= _HUGE[0] and height >= _HUGE[1]:
        return _ALL
    if width >= _WIDE:
        return _SIDE_BY_SIDE
    if width >= _STACKED[0] and height >= _STACKED[1]:
        return _STACK
    return _CLASSIC


def first_view(columns: Columns) -> str:
    """The view that the inspect pane begins with: one that is not beside it."""
    beside = names(columns)
    wanted = ["attention"] if {"graph", "lens"} <= beside else []
    free = [name for name in (*wanted, "top", "answer", "nearest", "numbers") if name not in beside]
    return free[0] if free else "top"


def names(columns: Columns) -> set[str]:
    """All that is on screen."""
    return {slot.name for column in columns for slot in column}


def with_inspect(columns: Columns) -> Columns:
    """The same columns; the last view of a layout without the inspect pane has that pane's place."""
    if "inspect" in names(columns):
        return columns
    views = [slot.name for column in columns for slot in column if slot.name not in PANES]
    return _renamed(columns, {views[-1]: "inspect"}) if views else columns


def without(columns: Columns, view: str, others: Sequence[str]) -> Columns:
    """The same columns with the first of `others` that is not among them in the place of a view."""
    there = names(columns)
    other = next((name for name in others if name not in there), None)
    if view not in there or other is None:
        return columns
    return _renamed(columns, {view: other})


def filled(columns: Columns, width: int, height: int, needs: Needs, others: Sequence[str]) -> Columns:
    """The same columns; one whose panes leave many lines empty has the first of `others` besides."""
    room = places(columns, width, height, needs)
    found: list[tuple[Slot, ...]] = []
    for column in columns:
        there = names((*columns, *found))
        other = next((name for name in others if name not in there), None)
        lines = [needs(slot.name, room[slot.name].width) for slot in column]
        is_short = height - sum(line or height for line in lines) >= _SPARE
        found.append((*column, Slot(other)) if other is not None and is_short else column)
    return tuple(found)


def _renamed(columns: Columns, renamed: Mapping[str, str]) -> Columns:
    return tuple(
        tuple(slot._replace(name=renamed.get(slot.name, slot.name)) for slot in column) for column in columns
    )


# -- room --------------------------------------------------------------------------------------------------


def places(columns: Columns, width: int, height: int, needs: Needs) -> dict[str, Place]:
    """Where each pane stands in so many cells."""
    found: dict[str, Place] = {}
    x = 0
    weights = [
        next((weight for name, weight in _WEIGHTS.items() if name in names((column,))), _WEIGHT)
        for column in columns
    ]
    for column, cells in zip(columns, _parted(width, weights, 0), strict=True):
        y = 0
        for slot, lines in zip(column, _heights(column, cells, height, needs), strict=True):
            found[slot.name] = Place(x, y, cells, lines)
            y += lines
        x += cells
    return found


def alone(name: str, width: int, height: int) -> dict[str, Place]:
    """One pane at a time; above the inspect pane, where there is room, a strip of thoughts."""
    if name != "inspect" or height < _STRIP_FROM:
        return {name: Place(0, 0, width, height)}
    return {"thoughts": Place(0, 0, width, _STRIP), name: Place(0, _STRIP, width, height - _STRIP)}


def _heights(column: Sequence[Slot], width: int, height: int, needs: Needs) -> list[int]:
    """Panes that can fill a number of lines get no more; what is left goes to those that grow."""
    wanted = {slot.name: lines for slot in column if (lines := needs(slot.name, width)) is not None}
    growing = [slot for slot in column if slot.name not in wanted]
    if not growing:  # the prompt, where it is there, has the most to say
        growing = [next((slot for slot in column if slot.name == "prompt"), column[-1])]
    room = height - sum(min(2 * _LEAST_HEIGHT, height // len(column)) for _ in growing)
    modest = sorted((slot for slot in column if slot not in growing), key=lambda slot: wanted[slot.name])
    found: dict[str, int] = {}
    for left, slot in zip(range(len(modest), 0, -1), modest, strict=True):
        found[slot.name] = min(wanted[slot.name], max(0, room) // left)
        room -= found[slot.name]
    parts = _parted(height - sum(found.values()), [slot.share for slot in growing], _LEAST_HEIGHT)
    found |= {slot.name: lines for slot, lines in zip(growing, parts, strict=True)}
    return [found[slot.name] for slot in column]


def _parted(whole: int, weights: Sequence[int], least: int) -> list[int]:
    """A number in parts that go with weights, none below the least where there is so much."""
    least = min(least, whole // len(weights))
    free, ends, total = whole - least * len(weights), 0, sum(weights)
    parts: list[int] = []
    before = 0
    for weight in weights:
        ends += weight
        end = free * ends // total
        parts.append(least + end - before)
        before = end
    return parts


# -- own layouts -------------------------------------------------------------------------------------------


def read_layout(name: str, value: Any, views: Mapping[str, str]) -> Columns:
    """A layout as the settings have it: columns, each a list of names from top to bottom; a name can have its
    share of the height behind it. views: their names by what they may be called.

    Raises ValueError in one line for what is no layout.
    """
    if name in BUILT_IN:
        raise ValueError(f"'{name}' is a layout that comes along: choose another name")
    if not isinstance(value, list) or not value:
        raise ValueError(f'write \'{name}\' as columns: [["prompt", "branches"], ["thoughts"], ["inspect"]]')
    columns = []
    for column in value:
        entries = [column] if isinstance(column, str) else column
        if not isinstance(entries, list) or not entries or not all(isinstance(each, str) for each in entries):
            raise ValueError(f'each column of \'{name}\' is a list of names, such as ["graph", "lens 2"]')
        columns.append(tuple(_read_slot(name, entry, views) for entry in entries))
    slots = [slot.name for column in columns for slot in column]
    if twice := next((each for each in slots if slots.count(each) > 1), ""):
        raise ValueError(f"'{name}' has '{twice}' twice")
    if not set(slots) - (set(PANES) - {"inspect"}):
        raise ValueError(f"'{name}' shows no view: add inspect, or one of {', '.join(views)}")
    return tuple(columns)


def _read_slot(layout: str, text: str, views: Mapping[str, str]) -> Slot:
    name, _, share = text.strip().partition(" ")
    share = share.strip() or "1"
    if name not in PANES and name not in views:
        raise ValueError(f"'{layout}' names '{name}': known are {', '.join((*PANES, *views))}")
    if not share.isascii() or not share.isdigit() or not 1 <= int(share) <= 100:
        raise ValueError(f"the share in '{text}' is a whole number from 1 to 100")
    return Slot(views.get(name, name), int(share))
