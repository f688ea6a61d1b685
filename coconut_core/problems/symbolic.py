"""Symbolic ProsQA: which of two nodes can be reached from a root? As in arXiv 2505.12514, without English.

A question is `<eos> 3 7 | 7 12 | … [Q] 3 12 9`: the edges, then root and candidates; the answer is `12`.
The graph grows like ProsQA's. Target and wrong candidate are drawn alike, at the same number of hops from
their roots, and a coin decides which of the two is asked for: nothing but the way from the root tells them
apart. Names are drawn afresh, edges shuffled, candidates in random order.
"""

import itertools
import random
import re
from dataclasses import dataclass

from coconut_core.problems.base import Graph, Problem
from coconut_core.problems.graphs import distances, problem_as_told, random_shortest_path, shuffled
from coconut_core.problems.prosqa import FIRST, SECOND, ProsqaSize, draw_hops, grow
from coconut_core.problems.size import Range, check_range, draw_until_found

NAMES = [str(number) for number in range(30)]

# [A] may stand in front of the answer in place of ###.
PHRASES = ("<eos>", " |", " [Q]", "[A]", "###", "\n")


@dataclass(frozen=True)
class SymbolicSize(ProsqaSize):
    """The knobs of the generator; the defaults are a size that a small model learns on a CPU."""

    nodes: Range = (12, 18)
    hops: Range = (2, 4)
    hop_weights: tuple[tuple[int, float], ...] = ()  # each number of hops comes equally often
    edges: Range = (0, 24)
    extra_person: float = 0.0
    parents: float = 1.2  # fewer ways and deeper ones than ProsQA's, for four hops in so few nodes
    deepening: float = 6.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("nodes", self.nodes, 4, len(NAMES))


def generate(rng: random.Random, size: SymbolicSize | None = None) -> Problem:
    """Draw one problem. Raises CoconutError where the sizes do not go together."""
    size = size or SymbolicSize()
    hops = rng.randint(*draw_hops(rng, size))
    graph = draw_until_found(lambda: _draw_graph(rng, size, hops), size)
    return retell(graph, rng)


def retell(graph: Graph, rng: random.Random) -> Problem:
    """Tell the same graph with fresh names, shuffled edges, candidates in random order, and a random one of
    the shortest paths as its steps."""
    graph = shuffled(graph, rng.sample(NAMES, len(graph.names)), rng)
    candidates = [graph.names[graph.target], graph.names[graph.wrong]]
    rng.shuffle(candidates)
    path = random_shortest_path(graph, graph.root, graph.target, rng)
    edges = " | ".join(_tell_edge(graph, edge) for edge in graph.edges)
    return Problem(
        question=f"<eos> {edges} [Q] {graph.names[graph.root]} {candidates[0]} {candidates[1]}",
        steps=tuple(_tell_steps(graph, path)),
        answer=graph.names[graph.target],
        graph=graph,
    )


_QUESTION = re.compile(r"<eos> (\w+ \w+(?: \| \w+ \w+)*) \[Q\] (\w+) (\w+) (\w+)\s*\Z")


def parse_question(question: str) -> Problem | None:
    """Read the graph back from a question; None where it is worded otherwise."""
    match = _QUESTION.match(question)
    if match is None:
        return None
    edges, *query = match.groups()
    pairs = [edge.split(" ") for edge in edges.split(" | ")]
    return problem_as_told(question, pairs, query, _tell_steps, lambda graph: graph.names[graph.target])


def _draw_graph(rng: random.Random, size: SymbolicSize, hops: int) -> Graph | None:
    grown = grow(rng, size)
    if grown is None:
        return None
    edges, side = grown
    ends: list[int] = []
    for root, own_side in ((0, FIRST), (1, SECOND)):
        far = distances(edges, root)
        candidates = [node for node in far if far[node] == hops and side[node] == own_side]
        if not candidates:
            return None
        ends.append(rng.choice(candidates))
    root = rng.randrange(2)
    return Graph(tuple(map(str, range(len(side)))), tuple(edges), root, ends[root], ends[1 - root])


def _tell_edge(graph: Graph, edge: tuple[int, int]) -> str:
    return " ".join(graph.names[node] for node in edge)


def _tell_steps(graph: Graph, path: list[int]) -> list[str]:
    return [_tell_edge(graph, edge) for edge in itertools.pairwise(path)]
