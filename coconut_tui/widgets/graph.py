"""The path graph: the problem's graph in layers from the root, shaded by a thought's probability mass."""

from rich.text import Text

from coconut_core.graph_reading import graph_layers, graph_mass
from coconut_core.problems.base import Graph
from coconut_core.trace import StepRecord
from coconut_tui.drawing import BAR_STYLE, bar, share_text
from coconut_tui.state import RunView

_SHOWN = 0.005  # smaller probabilities are left blank


def draw_graph(view: RunView | None, step: StepRecord | None, first_thought_hops: int) -> Text:
    """The graph of a run's problem as a step sees it."""
    if view is None or view.graph is None:
        return Text("No graph is known for this question.\nProsQA's wording is recognised.", "dim")
    graph = view.graph
    found = graph_layers(graph)
    shares = {} if step is None else step.watched
    text = Text()
    if step is not None and step.kind == "thought":
        mass = graph_mass(graph, step.index, shares, first_thought_hops)
        for name, share in (
            ("frontier", mass.frontier),
            ("reachable", mass.reachable),
            ("optimal path", mass.optimal),
            ("right candidate", mass.target),
            ("wrong candidate", mass.wrong),
        ):
            text.append(f"{name:<16}").append(bar(share, 10), BAR_STYLE).append(f" {share_text(share)}\n")
        text.append("\n")
    frontier = None if step is None or step.kind != "thought" else step.index - 1 + first_thought_hops
    for hops, layer in enumerate(found.layers):
        here = hops == frontier
        text.append(f"{'▸' if here else ' '}{hops} hop{'' if hops == 1 else 's'}\n", "bold" if here else "dim")
        for node in sorted(layer, key=lambda node: -shares.get(graph.names[node], 0.0)):
            text.append_text(_node(graph, node, shares, node in found.on_optimal_path))
    if found.unreachable:
        total = sum(shares.get(graph.names[node], 0.0) for node in found.unreachable)
        text.append(f"\n{len(found.unreachable)} nodes out of reach  {share_text(total)}\n", "dim")
    text.append("\n★ on a shortest path   ✓ right   ✗ wrong candidate", "dim")
    return text


def _node(graph: Graph, node: int, shares: dict[str, float], optimal: bool) -> Text:
    name = graph.names[node]
    share = shares.get(name, 0.0)
    mark = "✓" if node == graph.target else "✗" if node == graph.wrong else "★" if optimal else " "
    line = Text(f"   {mark} ", "bold")
    line.append(f"{name:<10}", "bold" if share >= 0.1 else "" if share >= _SHOWN else "dim")
    if share >= _SHOWN:
        line.append(bar(share, 8), BAR_STYLE).append(f" {share_text(share)}")
    return line.append("\n")
