"""The expression of a problem of sums as a tree, with a thought's probability on each of its values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len
from rich.text import Text

from coconut_core.common.errors import CoconutError, visible
from coconut_core.problems.arithmetic import check_equation, numbers_in
from coconut_core.records.trace import StepRecord
from coconut_tui.views.canvas import Canvas, line_cells
from coconut_tui.views.course import draw_course
from coconut_tui.views.diagram import Form, Forms, Plan, plan
from coconut_tui.views.layered import Edge
from coconut_tui.views.view import LEAST_SHARE, Sight, last_thoughts, shade, step_name
from coconut_tui.widgets.tokens import (
    BAR_STYLE,
    EDIT_STYLE,
    FRONTIER_BOLD,
    RIGHT_BOLD,
    WRONG_BOLD,
    fitted,
    share_text,
    shortened,
)

_COLUMN = 5  # cells of a value in the table
_SHARE = 3  # cells of a number
_LONGEST = 18  # cells of a value and its sum
_LIKELY = 0.1  # from which on a thought is taken to say a value
_TABLE_LINES = 24  # of a pane that shows the table of thoughts without scrolling

Sums = Sequence[tuple[str, str]]  # of each step the sum and its result


@dataclass(frozen=True)
class _Tree:
    """Numbers and what was made of them; the results are the nodes 0, 1, …, in order, numbers of the question
    come behind them, one for each use."""

    values: tuple[str, ...]
    layers: tuple[tuple[int, ...], ...]
    edges: tuple[Edge, ...]  # from a number to what was made of it


@dataclass(frozen=True)
class _Scene:
    sums: Sums
    tree: _Tree
    wrong: Mapping[int, str]  # results that are not what their sum comes to, with the reason
    thoughts: Sequence[StepRecord]
    thought: StepRecord | None

    def share(self, node: int) -> float:
        if self.thought is None or node >= len(self.sums):
            return 0.0
        return self.thought.watched.get(self.tree.values[node], 0.0)

    def course_styles(self, level: str) -> list[tuple[str, str]]:
        """Of each thought's column, on a ground of a shade or on none."""
        return [
            (level or (EDIT_STYLE if step.edit else BAR_STYLE), "bold" if step is self.thought else "dim")
            for step in self.thoughts
        ]

    def mark(self, node: int) -> str:
        return "✗" if node in self.wrong else "✓" if node == len(self.sums) - 1 else " "


def draw(sight: Sight, thought: StepRecord | None) -> Text:
    """What each result was made of, the answer last; then each thought beside each result.

    thought is the one whose probabilities stand in the tree: the selected one, or the last in front of it.
    """
    assert sight.run is not None
    sums = sight.run.sums
    scene = _Scene(sums, _tree(sums), _wrong(sums), last_thoughts(sight.run, thought), thought)
    last = "" if thought is sight.step else ", the last one"
    title = "no thought yet" if thought is None else f"probability at thought {step_name(thought)}{last}"
    head, foot, table = (
        [Text(title, "dim", no_wrap=True)],
        _faults(scene, sight.width),
        _table(scene, sight.width),
    )
    room = sight.height - len(head) - len(foot) - (len(table) if sight.height >= _TABLE_LINES else 0)
    drawn = _drawing(scene, sight.width, room, sight.dials.graph_zoom)
    return Text("\n", no_wrap=True).join([*head, *drawn, *foot, *table])


def _tree(sums: Sums) -> _Tree:
    """A number that is the result of a step before is that result; else it was in the question."""
    values, edges = [result for _, result in sums], []
    depth = [1] * len(sums)
    for step, (total, _) in enumerate(sums):
        for number in numbers_in(total):
            source = next((before for before in range(step - 1, -1, -1) if sums[before][1] == number), None)
            if source is None:
                source = len(values)
                values.append(number)
                depth.append(0)
            elif source < len(sums):
                depth[step] = max(depth[step], depth[source] + 1)
            edges.append((source, step))
    for source, step in edges:
        if source >= len(sums):  # beside what it is used with
            depth[source] = depth[step] - 1
    layers = tuple(tuple(n for n, deep in enumerate(depth) if deep == at) for at in range(max(depth) + 1))
    return _Tree(tuple(values), layers, tuple(dict.fromkeys(edges)))


def _wrong(sums: Sums) -> dict[int, str]:
    reasons = {}
    for step, (total, result) in enumerate(sums):
        try:
            check_equation(f"{total}={result}")
        except CoconutError as error:
            reasons[step] = str(error)
    return reasons


def _forms(scene: _Scene) -> tuple[Forms, dict[int, list[str]]]:
    """The forms of nodes, from small to large, and what they say by the width that it has there."""
    values = [visible(value) for value in scene.tree.values]
    whole = [
        shortened(f"{value} = {scene.sums[node][0]}" if node < len(scene.sums) else value, _LONGEST)
        for node, value in enumerate(values)
    ]
    narrow, wide = (max(_SHARE, *map(cell_len, names)) for names in (values, whole))
    wide = max(wide, _SHARE + 5)
    cut, named = Form(narrow + 1, 2, 2, narrow), Form(wide + 1, 2, 2, wide)
    inners = (wide, wide + 6, wide + 12, wide + 18)
    boxes = [Form(inner + 3, height, 2, wide, True) for inner in inners for height in (4, 5, 7, 9)]
    forms = (
        ((cut, True), (replace(cut, gap=0), False)),
        ((named, True), (replace(named, gap=1), False)),
        tuple((form, down) for form in boxes for down in (True, False)),
    )
    return forms, {narrow: values, wide: whole}


def _drawing(scene: _Scene, width: int, height: int, zoom: int) -> list[Text]:
    forms, labels = _forms(scene)
    placed = plan(scene.tree.layers, scene.tree.edges, forms, width, max(4, height), zoom)
    if placed is None:
        return _listed(scene, width)
    canvas = Canvas(placed.width, placed.height)
    for (_, target), way in sorted(placed.ways.items(), key=lambda item: scene.share(item[0][1])):
        lit = scene.share(target) >= _LIKELY
        canvas.line(line_cells(way.dots, thick=lit), BAR_STYLE if lit else "dim")
    for node, corner in placed.corners.items():
        _draw_node(canvas, scene, placed, node, labels[placed.form.name_width][node], corner)
    return canvas.lines()


def _draw_node(
    canvas: Canvas, scene: _Scene, placed: Plan, node: int, label: str, corner: tuple[int, int]
) -> None:
    form, share, mark = placed.form, scene.share(node), scene.mark(node)
    left, row = corner
    if node >= len(scene.sums):  # a number of the question
        middle = (form.width - cell_len(label)) // 2 if placed.down else form.width - cell_len(label)
        canvas.write(left + middle, row + (form.height - 1 if placed.down else form.height // 2), label)
        return
    likely = share >= _LIKELY
    if form.boxed:
        canvas.box(corner, form.width, form.height, BAR_STYLE if likely else "dim", heavy=likely)
        left, row = left + 1, row + 1
    canvas.write(left, row, mark, WRONG_BOLD if mark == "✗" else RIGHT_BOLD)
    level, inner = shade(share), form.width - (3 if form.boxed else 1)
    rows = form.height - (3 if form.boxed else 1)  # of the course
    styles = (level, "bold") if level else ("bold" if likely else "",)
    canvas.write(left + 1, row, fitted(label, inner), *styles)
    for line in range(rows):
        canvas.write(left + 1, row + 1 + line, " " * inner, *styles)
    if share >= LEAST_SHARE:
        canvas.write(left + 1 + inner - _SHARE, row + rows, share_text(share), *styles)
    if inner > _SHARE + 1:
        course = [step.watched.get(scene.tree.values[node], 0.0) for step in scene.thoughts]
        corner, size = (left + 1, row + 1), (inner - _SHARE - 1, rows)
        draw_course(canvas, corner, size, course, scene.course_styles(level))


def _listed(scene: _Scene, width: int) -> list[Text]:
    """The results with their sums, where edges have no room."""
    lines = []
    for node, (total, result) in reversed(list(enumerate(scene.sums))):
        text = Text(no_wrap=True).append(f"{scene.mark(node)} ", "bold")
        text.append(fitted(f"{result} = {total}", max(4, width - 6)))
        share = scene.share(node)
        lines.append(text.append(f" {share_text(share)}" if share >= LEAST_SHARE else ""))
    return lines


def _faults(scene: _Scene, width: int) -> list[Text]:
    return [Text(shortened(f"✗ {reason}", width), EDIT_STYLE, no_wrap=True) for reason in scene.wrong.values()]


def _table(scene: _Scene, width: int) -> list[Text]:
    """Each thought's probability of each result, of the last ones where there is no room for all; the last
    thoughts up to the selected one."""
    if not scene.thoughts:
        return []
    results = [result for _, result in scene.sums][-max(1, (width - 4) // _COLUMN) :]
    lines = [Text(), Text(shortened("results, thought by thought", width), "dim")]
    lines.append(Text("    " + "".join(f"{result:>{_COLUMN}}" for result in results), "dim"))
    for step in scene.thoughts:
        row = "".join(f"{_share(step.watched.get(result)):>{_COLUMN}}" for result in results)
        here = step is scene.thought
        mark = "▸" if here else "✎" if step.edit else " "
        line = Text(no_wrap=True).append(mark, FRONTIER_BOLD if here else EDIT_STYLE)
        lines.append(line.append(f"{step_name(step):<3}{row}", "bold" if here else ""))
    return lines


def _share(share: float | None) -> str:
    return "" if share is None else share_text(share)
