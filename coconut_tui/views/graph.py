"""The path graph: the problem's graph in layers from the root, with a thought's probability on its nodes."""

from rich.text import Text

from coconut_core.common.cells import padded
from coconut_core.problems.base import Graph
from coconut_core.records.graph_reading import GraphMass, graph_layers, graph_mass
from coconut_core.records.trace import StepRecord
from coconut_tui.views import expression
from coconut_tui.views.guides import Guide
from coconut_tui.views.view import LEAST_SHARE, Sight, View, last_thoughts, step_name
from coconut_tui.widgets.tokens import share_bar, share_text

_LEGEND = ("★ on a shortest path", "✓ right", "✗ wrong candidate")


def draw(sight: Sight) -> Text:
    """The graph as the selected thought sees it, and how much of each thought lies on its frontier.

    Nodes keep their places whatever the thought says. At a word or a marker it is the last thought before it.
    """
    if sight.run is not None and sight.run.graph is None and sight.run.sums:
        return expression.draw(sight, _thought(sight))
    if sight.run is None or sight.run.graph is None:
        return Text("No graph is known for this question.\nProsQA's wording is recognised.", "dim")
    graph, thought = sight.run.graph, _thought(sight)
    layering = graph_layers(graph)
    shares = {} if thought is None else thought.watched
    text, frontier = Text(), None
    if thought is not None:
        if thought is not sight.step:
            text.append(f"as of thought {step_name(thought)}, the last one\n", "dim")
        frontier = thought.index - 1 + sight.first_thought_hops
        text.append_text(_masses(_mass(sight, graph, thought))).append_text(_totals(sight, graph, thought))
    for hops, layer in enumerate(layering.layers):
        here = hops == frontier
        text.append(f"{'▸' if here else ' '}{hops} hop{'' if hops == 1 else 's'}\n", "bold" if here else "dim")
        for node in sorted(layer, key=lambda node: graph.names[node]):
            text.append_text(_node(graph, node, shares, node in layering.on_optimal_path))
    if layering.unreachable:
        total = sum(shares.get(graph.names[node], 0.0) for node in layering.unreachable)
        count = len(layering.unreachable)
        text.append(f"\n{count} node{'' if count == 1 else 's'} out of reach  {share_text(total)}\n", "dim")
        for node in (graph.target, graph.wrong):
            if node in layering.unreachable:
                text.append_text(_node(graph, node, shares, optimal=False))
    gap = "   " if sum(map(len, _LEGEND)) + 6 <= sight.width else "\n"
    return text.append("\n" + gap.join(_LEGEND), "dim")


def _thought(sight: Sight) -> StepRecord | None:
    """The selected thought, or the last one in front of the selected step."""
    steps = () if sight.run is None or sight.number is None else sight.run.steps[: sight.number + 1]
    return next((step for step in reversed(steps) if step.kind == "thought"), None)


def _mass(sight: Sight, graph: Graph, step: StepRecord) -> GraphMass:
    return graph_mass(graph, step.index, step.watched, sight.first_thought_hops)


def _masses(mass: GraphMass) -> Text:
    text = Text()
    for name, share in mass.named():
        text.append(f"{name:<16}").append_text(share_bar(share, 10)).append("\n")
    return text


def _totals(sight: Sight, graph: Graph, selected: StepRecord) -> Text:
    """Each thought's mass on the frontier that it should stand on, the last ones up to the selected."""
    assert sight.run is not None
    text = Text().append("frontier, thought by thought\n", "dim")
    cells = 0
    for step in last_thoughts(sight.run, selected):
        share = share_text(_mass(sight, graph, step).frontier)
        word = f"{'▸' if step is selected else ' '}{step_name(step)} {share}"
        if cells + len(word) + 1 > sight.width:
            text.append("\n")
            cells = 0
        text.append(f"{word} ", "bold" if step is selected else "")
        cells += len(word) + 1
    return text.append("\n\n")


def _node(graph: Graph, node: int, shares: dict[str, float], optimal: bool) -> Text:
    name = graph.names[node]
    share = shares.get(name, 0.0)
    mark = "✓" if node == graph.target else "✗" if node == graph.wrong else "★" if optimal else " "
    line = Text(f"   {mark} ", "bold")
    line.append(padded(name, 10), "bold" if share >= 0.1 else "" if share >= LEAST_SHARE else "dim")
    if share >= LEAST_SHARE:
        line.append_text(share_bar(share, 8))
    return line.append("\n")


VIEW = View(
    "graph",
    "Graph",
    draw,
    key="2",
    description="Show the selected thought on the problem's graph",
    actions=("play",),
    reads_one=True,
    guide=Guide(
        "Path graph",
        "The problem's graph in layers from the asked name, each node with the thought's probability on it."
        " ▸ marks the layer where a breadth-first search would stand; the bars on top are the mass on that "
        "frontier, on all that can be reached, on shortest paths, and on the candidates. Below them each "
        "thought's mass on the frontier where it should stand; A plays the thoughts one after the other. Nodes "
        "stand by hops, then by name, and keep their places; at a word it is the last thought that is shown. "
        "Of a problem of sums it is the tree of the expression, the answer on top, and each result's "
        "probability in every thought.",
        "Mass on the frontier fits a search, it does not prove one: frontier names may be likely for being "
        "frequent in the question. Compare with a random model, and with edits.",
    ),
)
