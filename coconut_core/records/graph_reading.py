"""Where on the problem's graph is a thought? Probability mass on frontier, reachable set and optimal path."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from coconut_core.problems.base import Graph
from coconut_core.problems.graphs import distances


@dataclass(frozen=True)
class GraphMass:
    """Shares of a thought's readout, each between 0 and 1."""

    frontier: float  # nodes at exactly as many hops from the root as the search has gone by this thought
    reachable: float  # the root and all nodes that it reaches
    optimal: float  # the frontier's nodes that lie on a shortest path to the target
    target: float
    wrong: float

    def named(self) -> list[tuple[str, float]]:
        """The shares with their names in words, in the order in which they are shown."""
        names = "frontier", "reachable", "optimal path", "right candidate", "wrong candidate"
        shares = self.frontier, self.reachable, self.optimal, self.target, self.wrong
        return list(zip(names, shares, strict=True))


@dataclass(frozen=True)
class GraphLayers:
    """The graph laid out by distance from the root; layer 0 is the root."""

    layers: tuple[tuple[int, ...], ...]  # node numbers
    unreachable: tuple[int, ...]
    on_optimal_path: frozenset[int]


@lru_cache(maxsize=8)  # asked again for each thought of a run
def graph_layers(graph: Graph) -> GraphLayers:
    """Sort a graph's nodes by their distance from the root."""
    far = distances(graph.edges, graph.root)
    back = distances([(target, source) for source, target in graph.edges], graph.target)
    length = far.get(graph.target)
    layers = tuple(
        tuple(node for node in range(len(graph.names)) if far.get(node) == hops)
        for hops in range(max(far.values()) + 1)
    )
    return GraphLayers(
        layers,
        tuple(node for node in range(len(graph.names)) if node not in far),
        frozenset(node for node in far if node in back and far[node] + back[node] == length),
    )


def graph_mass(
    graph: Graph, thought: int, probabilities: Mapping[str, float], first_thought_hops: int = 1
) -> GraphMass:
    """Sum a readout over the graph. thought is its number (from 1); probabilities are by node name.

    first_thought_hops is the checkpoint's: 0 where it learned on chains that begin with the root, so that
    thought 1 is the root and thought k the nodes at k - 1 hops; 1 where thought 1 is the first hop.
    """
    hops = thought - 1 + first_thought_hops
    layers = graph_layers(graph)

    def mass(nodes: Iterable[int]) -> float:
        return sum(probabilities.get(graph.names[node], 0.0) for node in nodes)

    frontier = layers.layers[hops] if hops < len(layers.layers) else ()
    return GraphMass(
        frontier=mass(frontier),
        reachable=mass(node for layer in layers.layers for node in layer),
        optimal=mass(node for node in frontier if node in layers.on_optimal_path),
        target=mass([graph.target]),
        wrong=mass([graph.wrong]),
    )
