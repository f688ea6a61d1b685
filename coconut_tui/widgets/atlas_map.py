"""Thoughts as points in two directions, a sign and a colour for each kind."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.text import Text

from coconut_core.common.text_plots import SIGNS
from coconut_tui.run.atlas import AtlasMap, MapPoint
from coconut_tui.widgets.charts import Series, legend
from coconut_tui.widgets.palettes import PINS
from coconut_tui.widgets.tokens import EDIT_STYLE, PATH_STYLE, RIGHT_STYLE, WRONG_BOLD

Cell = tuple[int, int]  # column and line
_ROOM = 24  # cells for each point from which on names are written beside them
_STYLES = (*(f"coconut.pin.{number}" for number in range(1, PINS + 1)), PATH_STYLE, EDIT_STYLE)


@dataclass(frozen=True)
class Kind:
    """What some of the points have in common, and how it is drawn."""

    sign: str
    style: str
    label: str


def outcome_of(point: MapPoint) -> object:
    """Whether its run is right."""
    return point.right


def hops_of(point: MapPoint) -> object:
    """The hops of its problem."""
    return point.hops


def thought_of(point: MapPoint) -> object:
    """Its number."""
    return point.thought


def kinds(points: Sequence[MapPoint], key: Callable[[MapPoint], object]) -> dict[object, Kind]:
    """The kinds of points by a key, in order, each with a sign and a colour of its own."""
    found = sorted({key(point) for point in points}, key=lambda each: (each is None, str(each).rjust(9)))
    if key is outcome_of:
        known = {
            True: Kind("o", RIGHT_STYLE, "right"),
            False: Kind("x", WRONG_BOLD, "wrong"),
            None: Kind("·", "dim", "not known"),
        }
        return {each: known[each] for each in (True, False, None) if each in found}
    signs = [str(each) if str(each).isdigit() and len(str(each)) == 1 else "" for each in found]
    return {
        each: Kind(
            sign or SIGNS[number % len(SIGNS)],
            "dim" if each is None else _STYLES[number % len(_STYLES)],
            "not known" if each is None else "" if sign else str(each),
        )
        for number, (each, sign) in enumerate(zip(found, signs, strict=True))
    }


def draw_map(
    drawn: AtlasMap, key: Callable[[MapPoint], object], here: tuple[int | None, int], width: int, height: int
) -> Text:
    """The points in so many cells; here: run and thought of the one in question.

    A cell with several kinds shows the one of which it holds the largest share.
    """
    if not drawn.points:
        return Text("there is nothing to draw", "dim")
    by_kind = kinds(drawn.points, key)
    name = "" if key is outcome_of else "hops: " if key is hops_of else "thought: "
    keys = legend(
        [Series((), kind.sign, kind.style, kind.label) for kind in by_kind.values()], width - len(name)
    )
    rows = max(3, height - 1 - len(keys.plain.split("\n")))
    place = _places(drawn.points, width, rows)
    whole = Counter(key(point) for point in drawn.points)
    cells: dict[Cell, Counter[object]] = {}
    for point in drawn.points:
        cells.setdefault(place(point), Counter())[key(point)] += 1
    current = next((place(point) for point in drawn.points if (point.run, point.thought) == here), None)
    written = _names(drawn.points, place, width, rows)
    for spot, counts in cells.items():
        kind = by_kind[max(counts, key=lambda each: (counts[each] / whole[each], str(each)))]
        written[spot] = ("◉", "bold reverse") if spot == current else (kind.sign, kind.style)
    lines = []
    for y in range(rows):
        line = Text()
        for x in range(width):
            line.append(*written.get((x, y), (" ", "")))
        line.rstrip()
        lines.append(line)
    first, second = drawn.explained
    number = f"{len(drawn.points)}" if len(drawn.points) == drawn.of else f"{len(drawn.points)} of {drawn.of}"
    about = f"{number} thoughts · → {first:.0%} of their variance, ↑ {second:.0%}"
    about += "" if current is None else " · ◉ the one in question"
    return Text("\n").join([*lines, Text(about, "dim"), Text(name, "dim").append_text(keys)])


def _names(
    points: Sequence[MapPoint], place: Callable[[MapPoint], Cell], width: int, height: int
) -> dict[Cell, tuple[str, str]]:
    """Which run a point is of, beside it, where points are few and there is room: letters and their style."""
    names: dict[Cell, tuple[str, str]] = {}
    if len(points) * _ROOM > width * height:
        return names
    several = len({point.thought for point in points}) > 1
    taken = {place(point) for point in points}
    for point in points:
        name = f"#{point.run}{f'.{point.thought}' if several else ''}"
        column, row = place(point)
        for left in (column + 1, column - 1 - len(name)):  # a sign may be a digit
            spots = [(left + number, row) for number in range(len(name))]
            around = {(left - 1, row), *spots, (left + len(name), row)} - {(column, row)}
            if left >= 0 and left + len(name) <= width and not around & taken:
                names |= {spot: (letter, "dim") for spot, letter in zip(spots, name, strict=True)}
                taken |= set(spots)
                break
    return names


def _places(points: Sequence[MapPoint], width: int, height: int) -> Callable[[MapPoint], Cell]:
    """In which cell a point is: each direction fills the room."""
    left, right = min(point.x for point in points), max(point.x for point in points)
    low, high = min(point.y for point in points), max(point.y for point in points)
    across = (width - 1) / (right - left) if right > left else 0.0
    up = (height - 1) / (high - low) if high > low else 0.0
    return lambda point: (round((point.x - left) * across), round((high - point.y) * up))
