"""The path graph: the problem's graph in layers from the root, with a thought's probability on its nodes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len
from rich.text import Text

from coconut_core.common.cells import padded
from coconut_core.common.errors import visible
from coconut_core.problems.base import Graph
from coconut_core.records.graph_reading import GraphLayers, graph_layers
from coconut_core.records.trace import StepRecord
from coconut_tui.views import expression, graph_list
from coconut_tui.views.canvas import Canvas, line_cells
from coconut_tui.views.course import draw_course
from coconut_tui.views.diagram import WIDE_MARGIN, Form, Forms, Plan, plan, short_names
from coconut_tui.views.graph_masses import LOW, figures
from coconut_tui.views.guides import Guide
from coconut_tui.views.view import LEAST_SHARE, Sight, View, last_thoughts, shade
from coconut_tui.widgets.tokens import (
    BAR_STYLE,
    EDIT_STYLE,
    FRONTIER_BOLD,
    FRONTIER_STYLE,
    PATH_BOLD,
    PATH_STYLE,
    RIGHT_BOLD,
    WRONG_BOLD,
    bar,
    fitted,
    share_text,
    shortened,
)

_LONGEST_NAME = 14  # cells
_SHARE = 3  # cells of a number
_LEAST_INNER = 14  # cells within a box that shows a bar
_TIGHT = 5  # cells of a name that needs no gap to the next, as a mark stands between
_MANY_LINES = 34  # of the pane; with so many all that is out of reach is shown
_WIDE = 64  # cells of a pane in which signs are explained in whole
_LEGEND = (
    ("★", "path", "on a shortest path"),
    ("✓", "right", "right"),
    ("✗", "wrong", "wrong candidate"),
    ("▸", "frontier", "frontier, its edges thick"),
    ("┈", "back", "back or to the side"),
)
_MARKS = {"✓": RIGHT_BOLD, "✗": WRONG_BOLD, "★": PATH_BOLD}


@dataclass(frozen=True)
class _Scene:
    """What is drawn: the graph, and the thought that is laid over it."""

    graph: Graph
    layering: GraphLayers
    shares: Mapping[str, float]
    frontier: int | None  # number of the layer in which a search should stand
    edited: frozenset[int]  # layers whose thought was edited
    thought: StepRecord | None
    thoughts: Sequence[StepRecord]  # all that there is room for

    def share(self, node: int) -> float:
        return self.shares.get(self.graph.names[node], 0.0)

    def course_styles(self, level: str) -> list[tuple[str, str]]:
        """Of each thought's column, on a ground of a shade or on none."""
        return [
            (level or (EDIT_STYLE if step.edit else BAR_STYLE), "bold" if step is self.thought else "dim")
            for step in self.thoughts
        ]

    def mark(self, node: int) -> str:
        if node == self.graph.target:
            return "✓"
        return "✗" if node == self.graph.wrong else "★" if node in self.layering.on_optimal_path else " "


def draw(sight: Sight) -> Text:
    """The graph as the selected thought sees it, and how much of each thought lies on its frontier.

    Nodes keep their places whatever the thought says. At a word or a marker it is the last thought before it.
    """
    thought = sight.thought
    if sight.run is not None and sight.run.graph is None and sight.run.sums:
        return expression.draw(sight, thought)
    if sight.run is None or sight.run.graph is None:
        return Text("No graph is known for this question.\nProsQA's wording is recognised.", "dim")
    scene = _scene(sight, sight.run.graph, thought)
    head = figures(sight, scene.graph, thought)
    beyond = _beyond(scene, sight.width, whole=sight.height >= _MANY_LINES)
    legend = _legend(sight.width, sight.height)
    room = sight.height - sum(len(part) for part in (head, beyond, legend))
    drawn = _drawing(scene, sight.width, max(4, room), sight.dials.graph_zoom)
    if drawn is None:
        drawn = graph_list.lines(scene.graph, scene.shares, scene.frontier, sight.width)
        legend = _legend(sight.width, sight.height, edges=False)
    return Text("\n", no_wrap=True).join([*head, *drawn, *beyond, *legend])


def _scene(sight: Sight, graph: Graph, thought: StepRecord | None) -> _Scene:
    assert sight.run is not None
    edited = {
        step.index - 1 + sight.first_thought_hops
        for step in sight.run.steps
        if step.kind == "thought" and step.edit
    }
    frontier = None if thought is None else thought.index - 1 + sight.first_thought_hops
    shares = {} if thought is None else thought.watched
    thoughts = last_thoughts(sight.run, thought)
    return _Scene(graph, graph_layers(graph), shares, frontier, frozenset(edited), thought, thoughts)


# -- the drawing -------------------------------------------------------------------------------------------


def _drawing(scene: _Scene, width: int, height: int, zoom: int) -> list[Text] | None:
    """The graph with its edges; None where they have no room."""
    forms, names = _forms(scene)
    placed = plan(scene.layering.layers, scene.graph.edges, forms, width, height, zoom)
    if placed is None:
        return None
    canvas = Canvas(placed.width, placed.height)
    _draw_edges(canvas, scene, placed)
    _draw_headings(canvas, scene, placed)
    labels = names[placed.form.name_width]
    for node, corner in placed.corners.items():
        _draw_node(canvas, scene, placed, node, labels[node], corner)
    return canvas.lines()


def _forms(scene: _Scene) -> tuple[Forms, dict[int, dict[int, str]]]:
    """The forms of nodes, from small to large, and the names by the width that they have there."""
    nodes = [node for layer in scene.layering.layers for node in layer]
    names = [visible(scene.graph.names[node]) for node in nodes]
    whole = [shortened(name, _LONGEST_NAME) for name in names]
    wide = max(_SHARE, *map(cell_len, whole))
    cut = {width: short_names(names, width) for width in range(_SHARE, wide)}
    fitting = {width: short for width, short in cut.items() if max(map(cell_len, short)) <= width}
    labels = {width: dict(zip(nodes, short, strict=True)) for width, short in (fitting | {wide: whole}).items()}
    levels = [
        tuple(choice for width in list(labels)[:-1] for choice in _plain_forms(width)),
        _plain_forms(wide),
        ((Form(wide + 3, 4, 1, wide, True), True), (Form(wide + _SHARE + 4, 3, 0, wide, True), False)),
    ]
    inner = max(_LEAST_INNER, wide + _SHARE + 2)
    large = [Form(inner + more + 2, height, 2, wide, True) for more in (0, 6, 12, 20) for height in (5, 7, 9)]
    levels.append(tuple((form, down) for form in large for down in (True, False)))
    return tuple(level for level in levels if level), labels


def _plain_forms(width: int) -> tuple[tuple[Form, bool], ...]:
    """Names of a width, with their numbers below or beside them."""
    below, beside = Form(width + 1, 2, 1, width), Form(width + _SHARE + 2, 1, 1, width)
    if width <= _TIGHT:
        below = Form(width + 1, 2, 0, width)
    return (below, True), (beside, True), (replace(beside, gap=0), False), (replace(below, gap=0), False)


def _draw_edges(canvas: Canvas, scene: _Scene, placed: Plan) -> None:
    """What matters most is drawn last, and lies on top."""
    layer_of = {node: hops for hops, layer in enumerate(scene.layering.layers) for node in layer}
    ranked = []
    for edge, way in placed.ways.items():
        lit = layer_of[edge[0]] == scene.frontier and way.onward
        path = way.onward and set(edge) <= scene.layering.on_optimal_path
        style = (PATH_BOLD if path else FRONTIER_BOLD) if lit else PATH_STYLE if path else "dim"
        ranked.append(((lit, path, way.onward), way, style))
    for (lit, _, onward), way, style in sorted(ranked, key=lambda item: item[0]):
        canvas.line(line_cells(way.dots, thick=lit, dashed=not onward), style)
        if way.arrow is not None:
            canvas.write(*way.arrow, "▴" if placed.down else "◂", "dim")


def _draw_headings(canvas: Canvas, scene: _Scene, placed: Plan) -> None:
    """How many hops a layer is away, whether the search should stand there, and the thought's mass on it."""
    for hops, (layer, start) in enumerate(zip(scene.layering.layers, placed.starts, strict=True)):
        here, edited = hops == scene.frontier, hops in scene.edited
        style = FRONTIER_BOLD if here else "dim"
        name = f"{'▸' if here else ' '}{hops}"
        if placed.margin == WIDE_MARGIN or (not placed.down and placed.form.width >= 12):
            name += f" hop{' ' if hops == 1 else 's'}"
        total = sum(map(scene.share, layer))
        mass = share_text(total) if here or total >= LEAST_SHARE else ""
        name += "✎" if edited else ""
        if placed.down:
            canvas.write(0, start, name, style)
            canvas.write(1, start + 1, mass, style)
        else:
            canvas.write(start, 0, f"{name} {mass}", style)


def _draw_node(
    canvas: Canvas, scene: _Scene, placed: Plan, node: int, name: str, corner: tuple[int, int]
) -> None:
    form, share, mark = placed.form, scene.share(node), scene.mark(node)
    here = scene.frontier is not None and node in _layer(scene, scene.frontier)
    number = share_text(share) if share >= LEAST_SHARE else " " * _SHARE
    level = shade(share)
    plain = "bold" if here or share >= 0.1 else "" if share >= LEAST_SHARE else "dim"
    styles = (level, "bold") if level else (plain,)
    column, row = corner
    if form.boxed:
        frame = FRONTIER_STYLE if here else _MARKS.get(mark, "dim")
        canvas.box(corner, form.width, form.height, frame, heavy=here)
        column, row = column + 1, row + 1
    inner = form.width - (3 if form.boxed else 1)
    canvas.write(column, row, mark, _MARKS.get(mark, ""))
    below = form.height in (2, 4)
    if below:
        canvas.write(column + 1, row, fitted(name, inner), *styles)
        canvas.write(column + 1, row + 1, number.rjust(inner), *styles)
    else:
        canvas.write(column + 1, row, f"{fitted(name, inner - _SHARE)}{number}", *styles)
    if form.height > 4:
        canvas.write(column + 1, row + 1, bar(share, inner), *(styles if level else (BAR_STYLE,)))
        for line in range(2, form.height - 2):
            canvas.write(column + 1, row + line, " " * inner, *styles)
        course = [step.watched.get(scene.graph.names[node], 0.0) for step in scene.thoughts]
        draw_course(canvas, (column + 1, row + 2), (inner, form.height - 4), course, scene.course_styles(level))
    if share < LEAST_SHARE and not form.boxed and node in placed.leads:  # its lines begin at the name
        start = cell_len(name) + 2
        if not placed.down:
            canvas.write(column + start, row, "⠤" * (form.width - start), "dim")
        elif below:
            canvas.write(column + form.width // 2, row + 1, "⢸" if form.width % 2 else "⡇", "dim")


def _layer(scene: _Scene, hops: int) -> tuple[int, ...]:
    return scene.layering.layers[hops] if hops < len(scene.layering.layers) else ()


# -- below it ----------------------------------------------------------------------------------------------


def _beyond(scene: _Scene, width: int, whole: bool) -> list[Text]:
    """What no way leads to: how many nodes, their mass, the candidates among them; with `whole` all."""
    nodes = scene.layering.unreachable
    if not nodes:
        return []
    total = share_text(sum(map(scene.share, nodes)))
    candidates = [node for node in (scene.graph.target, scene.graph.wrong) if node in nodes]
    others = [node for node in nodes if node not in candidates] if whole else []
    names = {node: shortened(scene.graph.names[node], _LONGEST_NAME) for node in (*candidates, *others)}
    size = max(map(cell_len, names.values()), default=0)
    chips = [
        _chip(scene, node, names[node], size) for node in (*candidates, *sorted(others, key=names.__getitem__))
    ]
    count = f"{len(nodes)} node{'' if len(nodes) == 1 else 's'} out of reach {total}"
    if cell_len(count) + sum(2 + chip.cell_len for chip in chips) > width:
        count = f"{len(nodes)} out of reach {total}"
    lines = [Text(count, no_wrap=True)]
    lines[0].stylize("dim")
    for place, chip in enumerate(chips):
        if lines[-1].cell_len + 2 + chip.cell_len > width or place == len(candidates):
            lines.append(chip)
        else:
            lines[-1].append("  ").append_text(chip)
    return lines


def _chip(scene: _Scene, node: int, name: str, size: int) -> Text:
    mark, share = scene.mark(node), scene.share(node)
    chip = Text(no_wrap=True).append(f"{mark} ", _MARKS.get(mark, ""))
    number = share_text(share) if share >= LEAST_SHARE else " " * _SHARE
    chip.append(f"{padded(name, size)} {number}", "" if share >= LEAST_SHARE else "dim")
    if shade(share):
        chip.stylize(shade(share), 2)
    return chip


def _legend(width: int, height: int, edges: bool = True) -> list[Text]:
    """What the signs mean; in a low pane of as many as one line has room for."""
    lines, low = [Text(no_wrap=True)], height < LOW
    for sign, short, whole in _LEGEND if edges else _LEGEND[:3]:
        meaning, gap = (whole, "  ") if width >= _WIDE and not low else (short, " " if low else "  ")
        part = Text(sign, _MARKS.get(sign, FRONTIER_BOLD if sign == "▸" else "dim"))
        part = Text(no_wrap=True).append_text(part).append(f"{'' if low else ' '}{meaning}", "dim")
        if lines[-1] and lines[-1].cell_len + len(gap) + part.cell_len > width:
            if low:
                break
            lines.append(Text(no_wrap=True))
        lines[-1].append(gap if lines[-1] else "").append_text(part)
    return lines


VIEW = View(
    "graph",
    "Graph",
    draw,
    key="2",
    description="Show the selected thought on the problem's graph",
    actions=("play", "more-tokens", "fewer-tokens"),
    reads_one=True,
    guide=Guide(
        "Path graph",
        "The problem's graph with its edges, in layers from the asked name: below each other or side by side, "
        "as there is more room. Each node has the thought's probability, as a shade and as a number; beside "
        "each layer stands its mass. ▸ marks the layer where a breadth-first search would stand, and the edges "
        "out of it are thick; dotted lines lead back or to the side, and arrive at an arrowhead. The bars on "
        "top are the mass on that frontier, on all that can be reached, on shortest paths, and on the "
        "candidates; then each thought's mass on the frontier where it should stand, ✎ where it was edited. "
        "Nodes keep their places; at a word it is the last thought that is shown. A plays the thoughts one "
        "after the other, + and - draw nodes larger and smaller, and what is larger than the pane can be "
        "scrolled. Of a problem of sums it is the tree of the expression, with each result's probability in "
        "every thought.",
        "Mass on the frontier fits a search, it does not prove one: frontier names may be likely for being "
        "frequent in the question. Compare with a random model, and with edits.",
    ),
)
