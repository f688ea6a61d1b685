"""A graph as a thought may see it: which nodes belong to a step of the search, and the control of all of it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from coconut_core.evaluation.outcomes import has_classes
from coconut_core.problems.base import Graph, Problem
from coconut_core.problems.families import family_named, is_family
from coconut_core.problems.graphs import distances, walk_ends
from coconut_core.records.graph_reading import GraphLayers, graph_layers

NodeClasses = dict[str, list[int]]

# The classes of arXiv 2505.12514 at h hops. They lie within each other, optimal in frontier in reachable.
CLASSES = ("not reachable", "reachable", "frontier", "optimal")


@dataclass(frozen=True)
class Map:
    """A graph with what is asked of it again and again."""

    graph: Graph

    @cached_property
    def layers(self) -> GraphLayers:
        """Nodes by their distance from the root."""
        return graph_layers(self.graph)

    @property
    def hops(self) -> int:
        """Number of hops from the root to the target; 0 where it is not reached."""
        return self.far.get(self.graph.target, 0)

    @cached_property
    def far(self) -> dict[int, int]:
        """Distance from the root of each node that it reaches."""
        return distances(self.graph.edges, self.graph.root)

    @cached_property
    def walks(self) -> list[list[int]]:
        """Nodes at which walks of 0, 1, 2, … hops can end, which may have been reached before."""
        return walk_ends(self.graph)

    @cached_property
    def leads_to_target(self) -> frozenset[int]:
        """Nodes from which the target can be reached, itself included."""
        back = [(target, source) for source, target in self.graph.edges]
        return frozenset(distances(back, self.graph.target))

    @cached_property
    def heights(self) -> dict[int, int]:
        """Each node's distance to the nearest leaf, 0 for a leaf (arXiv 2412.06769, section 5)."""
        inner = {source for source, _ in self.graph.edges}
        above = -1  # a node that stands over all leaves
        back = [(target, source) for source, target in self.graph.edges]
        back += [(above, node) for node in range(len(self.graph.names)) if node not in inner]
        return {node: steps - 1 for node, steps in distances(back, above).items() if node != above}

    def frontier(self, hops: int) -> tuple[int, ...]:
        """The nodes at exactly so many hops from the root."""
        return self.layers.layers[hops] if 0 <= hops < len(self.layers.layers) else ()

    def classes(self, hops: int) -> NodeClasses:
        """The nodes of each of CLASSES once the search has gone so many hops."""
        frontier = self.frontier(hops)
        reachable = [node for node, steps in self.far.items() if steps <= hops]
        return {
            "not reachable": [node for node in range(len(self.graph.names)) if node not in reachable],
            "reachable": reachable,
            "frontier": list(frontier),
            "optimal": [node for node in frontier if node in self.layers.on_optimal_path],
        }


def searched_graph(problem: Problem, family: str | None) -> Graph | None:
    """The part of a problem's graph that is searched for its answer: all of it where the answer names a node,
    else what the family of that name says. None where no part is searched."""
    if has_classes(problem) or problem.graph is None or not is_family(family):
        return problem.graph if has_classes(problem) else None
    return family_named(family).searched(problem.graph)


def relabelled(graph: Graph, rng: random.Random) -> Graph:
    """The control of every reading of a graph: the same graph with its names dealt out anew among its nodes.

    Nodes without parents (ProsQA's persons) and the others each exchange names among themselves. So the names
    are still those that the question tells of, and as many as before are in each class; only their places on
    the graph mean nothing any more.
    """
    has_parent = {target for _, target in graph.edges}
    names = list(graph.names)
    for kind in (True, False):
        nodes = [node for node in range(len(names)) if (node in has_parent) is kind]
        dealt = [graph.names[node] for node in nodes]
        rng.shuffle(dealt)
        for node, name in zip(nodes, dealt, strict=True):
            names[node] = name
    return replace(graph, names=tuple(names))


def controls(graphs: Sequence[Graph], seed: int) -> list[Graph]:
    """Each graph relabelled, the same for the same seed."""
    rng = random.Random(f"relabelled {seed}")
    return [relabelled(graph, rng) for graph in graphs]
