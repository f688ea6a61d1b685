"""Directed graphs that problems are told of: distances, paths, walks, and a graph read back from its edges."""

import random
from collections import deque
from collections.abc import Callable, Sequence

from coconut_core.problems.base import Graph, Problem


def distances(edges: Sequence[tuple[int, int]], root: int) -> dict[int, int]:
    """Number of hops from root to each node that it reaches, by breadth-first search."""
    children: dict[int, list[int]] = {}
    for source, target in edges:
        children.setdefault(source, []).append(target)
    hops, queue = {root: 0}, deque([root])
    while queue:
        node = queue.popleft()
        for child in children.get(node, ()):
            if child not in hops:
                hops[child] = hops[node] + 1
                queue.append(child)
    return hops


def walk_ends(graph: Graph) -> list[list[int]]:
    """Where walks of 0, 1, 2, … hops from the root can end, as long as there are any."""
    ends = [[graph.root]]
    while ends[-1]:
        ends.append(sorted({target for source, target in graph.edges if source in ends[-1]}))
    return ends[:-1]


def random_shortest_path(graph: Graph, root: int, target: int, rng: random.Random) -> list[int]:
    """One of the shortest paths from root to target, walked back from the target over random parents."""
    far = distances(graph.edges, root)
    path = [target]
    while path[-1] != root:
        node = path[-1]
        path.append(
            rng.choice(
                [source for source, child in graph.edges if child == node and far.get(source) == far[node] - 1]
            )
        )
    return path[::-1]


def random_walk(
    edges: Sequence[tuple[int, int]], start: int, rng: random.Random, longest: int = 4
) -> list[int]:
    """The nodes of a walk from one node, each step along a random edge, of at most so many edges."""
    walk = [start]
    while len(walk) <= longest:
        children = [target for source, target in edges if source == walk[-1]]
        if not children:
            break
        walk.append(rng.choice(children))
    return walk


def shuffled(graph: Graph, names: Sequence[str], rng: random.Random) -> Graph:
    """The same graph under other names, its nodes numbered and its edges ordered at random.

    Node numbers carry nothing then either: roots and nodes that came late get any number.
    """
    order = list(range(len(names)))
    rng.shuffle(order)
    place = {old: new for new, old in enumerate(order)}
    edges = [(place[source], place[target]) for source, target in graph.edges]
    rng.shuffle(edges)
    return Graph(
        tuple(names[old] for old in order),
        tuple(edges),
        place[graph.root],
        place[graph.target],
        place[graph.wrong],
    )


def problem_as_told(
    question: str,
    pairs: Sequence[Sequence[str]],
    query: Sequence[str],
    tell_steps: Callable[[Graph, list[int]], Sequence[str]],
    tell_answer: Callable[[Graph], str],
) -> Problem:
    """The problem behind edges as pairs of names and the query: the names of the root and both candidates.

    Node numbers follow the order in which the names come. Without an answer and steps where not exactly one
    candidate is reached; then the first one stands as the target.
    """
    names = tuple(dict.fromkeys(name for pair in [*pairs, query] for name in pair))
    number = {name: index for index, name in enumerate(names)}
    edges = tuple((number[source], number[target]) for source, target in pairs)
    root, first, second = (number[name] for name in query)
    far = distances(edges, root)
    reached = [node for node in (first, second) if node in far]
    target = reached[0] if len(reached) == 1 else first
    graph = Graph(names, edges, root, target, second if target == first else first)
    if len(reached) != 1:
        return Problem(question, (), "", graph)
    path = random_shortest_path(graph, root, target, random.Random(0))
    return Problem(question, tuple(tell_steps(graph, path)), tell_answer(graph), graph)
