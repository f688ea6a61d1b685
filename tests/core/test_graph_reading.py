"""Probability mass on a problem's graph, worked out by hand."""

import pytest

from coconut_core.problems import Graph, generate_problems
from coconut_core.records.graph_reading import graph_layers, graph_mass
from tests.core.graphs import GRAPH

PROBABILITIES = {"b": 0.3, "c": 0.2, "d": 0.1, "e": 0.05, "f": 0.15, "g": 0.08, "Alex": 0.02, "other": 0.1}


def test_layers_by_distance() -> None:
    found = graph_layers(GRAPH)
    assert found.layers == ((1,), (0, 2), (3, 4), (5,))
    assert found.unreachable == (6, 7, 8)
    assert found.on_optimal_path == {1, 0, 2, 3, 5}


@pytest.mark.parametrize(
    ("thought", "frontier", "optimal"),
    [(1, 0.5, 0.5), (2, 0.15, 0.1), (3, 0.15, 0.15), (4, 0.0, 0.0), (9, 0.0, 0.0)],
)
def test_mass_of_each_thought(thought: int, frontier: float, optimal: float) -> None:
    mass = graph_mass(GRAPH, thought, PROBABILITIES)
    assert mass.frontier == pytest.approx(frontier)
    assert mass.optimal == pytest.approx(optimal)
    assert mass.reachable == pytest.approx(0.82)  # Alex b c d e f
    assert mass.target == pytest.approx(0.15)
    assert mass.wrong == pytest.approx(0.08)


@pytest.mark.parametrize(("thought", "frontier"), [(1, 0.02), (2, 0.5), (3, 0.15), (4, 0.15), (5, 0.0)])
def test_chains_that_begin_with_the_root(thought: int, frontier: float) -> None:
    mass = graph_mass(GRAPH, thought, PROBABILITIES, first_thought_hops=0)
    assert mass.frontier == pytest.approx(frontier)


def test_a_target_out_of_reach() -> None:
    graph = Graph(GRAPH.names, GRAPH.edges, root=6, target=5, wrong=7)
    found = graph_layers(graph)
    assert found.layers == ((6,), (7,))
    assert found.on_optimal_path == frozenset()
    assert graph_mass(graph, 1, PROBABILITIES).optimal == 0


def test_generated_graphs_are_laid_out_whole() -> None:
    for problem in generate_problems("prosqa", 50, seed=1):
        graph = problem.graph
        assert graph is not None
        found = graph_layers(graph)
        nodes = [node for layer in found.layers for node in layer] + list(found.unreachable)
        assert sorted(nodes) == list(range(len(graph.names)))
        assert graph.target in found.layers[len(problem.steps)]
        assert graph.wrong in found.unreachable
        told = {graph.names[graph.root], *(step.rstrip(".").rsplit(" ", 1)[1] for step in problem.steps)}
        assert told <= {graph.names[node] for node in found.on_optimal_path}
        everything = dict.fromkeys(graph.names, 1 / len(graph.names))
        mass = graph_mass(graph, 1, everything)
        assert 0 < mass.optimal <= mass.frontier <= mass.reachable < 1
