"""The path graph as a list by hops, for panes in which edges have no room."""

from collections.abc import Mapping

from rich.text import Text

from coconut_core.common.cells import padded
from coconut_core.problems.base import Graph
from coconut_core.records.graph_reading import graph_layers
from coconut_tui.views.view import LEAST_SHARE
from coconut_tui.widgets.tokens import FRONTIER_BOLD, share_bar, shortened

_NAME, _MOST_BAR = 10, 20  # cells


def lines(graph: Graph, shares: Mapping[str, float], frontier: int | None, width: int) -> list[Text]:
    """A line for each number of hops and for each node that can be reached, in order of names."""
    layering = graph_layers(graph)
    drawn = []
    for hops, layer in enumerate(layering.layers):
        here = hops == frontier
        hop = f"{'▸' if here else ' '}{hops} hop{'' if hops == 1 else 's'}"
        drawn.append(Text(hop, FRONTIER_BOLD if here else "dim", no_wrap=True))
        for node in sorted(layer, key=lambda node: graph.names[node]):
            share = shares.get(graph.names[node], 0.0)
            drawn.append(_line(graph, node, share, node in layering.on_optimal_path, width - _NAME - 7))
    return drawn


def _line(graph: Graph, node: int, share: float, optimal: bool, room: int) -> Text:
    mark = "✓" if node == graph.target else "✗" if node == graph.wrong else "★" if optimal else " "
    line = Text(no_wrap=True).append(f" {mark} ", "bold")
    name = padded(shortened(graph.names[node], _NAME), _NAME)
    line.append(name, "bold" if share >= 0.1 else "" if share >= LEAST_SHARE else "dim")
    if share >= LEAST_SHARE:
        line.append_text(share_bar(share, min(_MOST_BAR, room)))
    return line
