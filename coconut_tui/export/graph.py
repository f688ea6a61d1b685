"""The problem's graph as inline SVG: a column for each number of hops from the root, out of reach below.

The drawing is of the graph alone; the page's script fills in a step's probabilities.
"""

from dataclasses import dataclass
from html import escape

from coconut_core.problems.base import Graph
from coconut_core.records.graph_reading import GraphLayers, graph_layers
from coconut_tui.export.reading import visible

NODE_WIDTH, NODE_HEIGHT = 132, 34  # in the drawing's own units, as are all below
COLUMN, ROW, MARGIN, HEADING = 192, 44, 12, 28
NAME_LENGTH = 9  # characters of a node's name that fit


@dataclass(frozen=True)
class _Layout:
    layering: GraphLayers
    places: dict[int, tuple[float, float]]  # left upper corner of each node
    width: float
    height: float
    strip: float  # where the nodes out of reach begin, from above


def draw_graph(graph: Graph) -> str:
    """The <svg> element. Its groups `data-node` carry the node's number, `data-hops` that of a column."""
    layout = _lay_out(graph)
    size = f'width="{NODE_WIDTH + 2 * MARGIN}" height="{layout.strip - MARGIN}" rx="8"'
    columns = "".join(
        f'<g class="column" data-hops="{hops}"><rect x="{hops * COLUMN}" y="0" {size}/>'
        f'<text x="{hops * COLUMN + MARGIN}" y="18">{hops} hop{"" if hops == 1 else "s"}</text></g>'
        for hops in range(len(layout.layering.layers))
    )
    edges = "".join(_edge(layout, edge) for edge in dict.fromkeys(graph.edges))
    nodes = "".join(_node(graph, layout, node) for node in layout.places)
    below = (
        f'<text class="heading" x="{MARGIN}" y="{layout.strip + 14}">out of reach</text>'
        if layout.layering.unreachable
        else ""
    )
    label = f"Graph of the problem: {len(graph.names)} nodes, from {visible(graph.names[graph.root])}"
    return (
        f'<svg class="graph" viewBox="0 0 {layout.width} {layout.height}" role="img" '
        f'aria-label="{escape(label)}">'
        f"{columns}{below}{edges}{nodes}</svg>"
    )


def _lay_out(graph: Graph) -> _Layout:
    layering = graph_layers(graph)
    places: dict[int, tuple[float, float]] = {}
    for hops, layer in enumerate(layering.layers):
        for row, node in enumerate(_ordered(graph, layer, places)):
            places[node] = (hops * COLUMN + MARGIN, HEADING + row * ROW)
    strip = HEADING + ROW * max(len(layer) for layer in layering.layers) + MARGIN
    # Never narrower than four columns, so that a short graph's strip is not a tower.
    columns = max(4, len(layering.layers))
    for number, node in enumerate(layering.unreachable):
        row, column = divmod(number, columns)
        places[node] = (column * COLUMN + MARGIN, strip + HEADING + row * ROW)
    rows = -(-len(layering.unreachable) // columns)
    below = HEADING + rows * ROW if rows else 0
    return _Layout(layering, places, (columns - 1) * COLUMN + NODE_WIDTH + 2 * MARGIN, strip + below, strip)


def _ordered(graph: Graph, layer: tuple[int, ...], places: dict[int, tuple[float, float]]) -> list[int]:
    """A column's nodes from above: each near the mean height of those that lead to it, so few edges cross."""

    def height(node: int) -> float:
        above = [places[source][1] for source, target in graph.edges if target == node and source in places]
        return sum(above) / len(above) if above else 0.0

    return sorted(layer, key=height)


def _edge(layout: _Layout, edge: tuple[int, int]) -> str:
    (left, top), (right, bottom) = layout.places[edge[0]], layout.places[edge[1]]
    half = NODE_HEIGHT / 2
    start, end = left + NODE_WIDTH, right
    bend = max(30.0, (end - start) / 2)
    kind = "edge"
    if edge[0] in layout.layering.unreachable:
        kind = "edge far"
    elif {edge[0], edge[1]} <= layout.layering.on_optimal_path and end > start:
        kind = "edge optimal"
    return (
        f'<path class="{kind}" d="M{start} {top + half}'
        f'C{start + bend} {top + half} {end - bend} {bottom + half} {end} {bottom + half}"/>'
    )


def _node(graph: Graph, layout: _Layout, node: int) -> str:
    x, y = layout.places[node]
    mark, kind = _mark(graph, layout.layering, node)
    name = visible(graph.names[node])
    label = name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + "…"
    size = f'width="{NODE_WIDTH}" height="{NODE_HEIGHT}" rx="6"'
    return (
        f'<g class="node {kind}" data-node="{node}" transform="translate({x} {y})">'
        f'<title>{escape(name)}</title><rect class="box" {size}/>'
        f'<rect class="mass" x="1" y="{NODE_HEIGHT - 7}" width="0" height="6" rx="2"/>'
        f'<text x="8" y="18">{mark}{escape(label)}</text>'
        f'<text class="share" x="{NODE_WIDTH - 8}" y="18" text-anchor="end"></text></g>'
    )


def _mark(graph: Graph, layering: GraphLayers, node: int) -> tuple[str, str]:
    """What stands in front of a node's name, and its class."""
    if node == graph.target:
        return "✓ ", "right"
    if node == graph.wrong:
        return "✗ ", "wrong"
    return ("★ ", "optimal") if node in layering.on_optimal_path else ("", "other")
