"""The thoughts of all branches as points in two dimensions."""

from collections.abc import Iterator
from dataclasses import replace
from string import ascii_lowercase

from rich.text import Text

from coconut_tui.run.branches import THOUGHT, Decisions, Tree
from coconut_tui.run.lookups import MOST_LETTERS, Ask, Trajectory
from coconut_tui.views.canvas import Canvas, line_cells
from coconut_tui.views.guides import Guide
from coconut_tui.views.view import Sight, View, in_place_of
from coconut_tui.widgets.tokens import BAR_BOLD, BAR_STYLE, shortened

_LABEL = 4  # cells kept free on the right for the names of points
_BESIDE = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (2, 0), (-2, 0), (1, 1), (-1, -1))


def ask(sight: Sight) -> Ask | None:
    """About the thoughts of the branches, the current one in any case."""
    if sight.run is None:
        return None
    branches = tuple((branch, decisions) for branch, decisions in _with_thoughts(sight.run.tree))
    return Ask("trajectory", sight.run.question, branches=branches) if branches else None


def draw(sight: Sight) -> Text:
    """The points with lines between them, and which letter is which branch."""
    request = ask(sight)
    if sight.run is None or request is None:
        return Text("Take thoughts (s) to see where they lead.", "dim")
    trajectory = sight.answer(request)
    if not isinstance(trajectory, Trajectory):
        return in_place_of(sight, trajectory)
    tree = sight.run.tree
    height = max(8, sight.height - min(8, len(trajectory.ways)) - 4)
    text = _canvas(sight, trajectory, sight.width, height)
    first, second = trajectory.explained
    across, down = _scales(trajectory, sight.width, height)
    longer = f", → drawn ×{across / down:.1f}" if down else ""
    text.append(
        f"\n{len(trajectory.points)} thoughts; of their variance\n→ {first:.0%}, ↑ {second:.0%}{longer}\n",
        "dim",
    )
    letters = _letters(trajectory)
    for number in trajectory.ways:
        branch = tree.branch(number)
        here = number == tree.current
        text.append(f"\n{letters[number]} ", BAR_BOLD if here else "bold")
        text.append(shortened(branch.name, sight.width - 4), "bold" if here else "")
    left_out = len(tree.branches) - len(trajectory.ways)
    if left_out:
        text.append(f"\n{left_out} branch{' is' if left_out == 1 else 'es are'} not drawn", "dim")
    return text


def _with_thoughts(tree: Tree) -> Iterator[tuple[int, Decisions]]:
    thinking = [branch for branch in tree.branches if THOUGHT in branch.decisions.moves]
    branches = [b for b in thinking if b.number != tree.current][: MOST_LETTERS - 1]
    branches += [b for b in thinking if b.number == tree.current]
    for branch in sorted(branches, key=lambda branch: branch.number):
        last = branch.decisions.moves.rfind(THOUGHT) + 1
        yield branch.number, replace(branch.decisions.upto(last), thoughts=None)


def _letters(trajectory: Trajectory) -> dict[int, str]:
    return dict(zip(trajectory.ways, ascii_lowercase, strict=False))


def _canvas(sight: Sight, trajectory: Trajectory, width: int, height: int) -> Text:
    """The points in all the room there is."""
    assert sight.run is not None
    xs, ys = [point.x for point in trajectory.points], [point.y for point in trajectory.points]
    across, down = _scales(trajectory, width, height)
    left, top = min(xs), max(ys)
    dots = [(round((p.x - left) * across) + 2, round((top - p.y) * down) + 1) for p in trajectory.points]
    canvas = Canvas(width, height)
    current = sight.run.tree.current
    for number, way in sorted(trajectory.ways.items(), key=lambda item: item[0] == current):  # it lies on top
        style = BAR_STYLE if number == current else "dim"
        if len(way) > 1:
            canvas.line(line_cells(tuple(dots[place] for place in way)), style)
    here = trajectory.ways.get(current, ())
    letters, occupied = _letters(trajectory), set()
    order = [*here, *(place for place in range(len(dots)) if place not in here)]
    selected = _selected(sight, here)
    for place in order:
        point = trajectory.points[place]
        label = f"{letters[point.branch] if len(trajectory.ways) > 1 else ''}{point.name}"
        style = "reverse bold" if place == selected else BAR_BOLD if place in here else ""
        column, row = dots[place][0] // 2, dots[place][1] // 4
        for right, down in _BESIDE:
            spots = [(column + right + n, row + down) for n in range(len(label))]
            if all(spot not in occupied and 0 <= spot[0] < width and 0 <= spot[1] < height for spot in spots):
                canvas.write(*spots[0], label, style)
                occupied |= set(spots)
                break
    text = Text("\n").join(canvas.lines())
    text.rstrip()
    return text


def _scales(trajectory: Trajectory, width: int, height: int) -> tuple[float, float]:
    """Dots for a unit, across and down; a cell has two by four, and both directions fill the room."""
    xs, ys = [point.x for point in trajectory.points], [point.y for point in trajectory.points]
    spans = max(xs) - min(xs), max(ys) - min(ys)
    rooms = 2 * width - 2 * _LABEL, 4 * height - 4
    across, down = (room / span if span > 1e-9 else 0.0 for room, span in zip(rooms, spans, strict=True))
    return across or down, down or across


def _selected(sight: Sight, way: tuple[int, ...]) -> int | None:
    """Which point is the selected thought."""
    if sight.run is None or sight.number is None or sight.run.steps[sight.number].kind != "thought":
        return None
    place = sum(step.kind == "thought" for step in sight.run.steps[: sight.number])
    return way[place] if place < len(way) else None


VIEW = View(
    "trajectory",
    "Trajectory",
    draw,
    ask,
    key="8",
    description="Show all branches' thoughts in 2 dimensions",
    guide=Guide(
        "Trajectory",
        "The thoughts of all branches in the two directions in which they differ most (principal components "
        "of these very points). Numbers are thoughts, letters branches; the line is the way of a branch, "
        "bright for the current one. Each direction fills the room; × says how much longer a way across is "
        "drawn than one up.",
        "Two directions show a little of many: read the share of the variance. Points that lie together may be "
        "far apart. An edited thought, such as zeros, far from all others, makes a direction of its own. With "
        "few points two directions always explain much.",
    ),
)
