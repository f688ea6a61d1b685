"""ProsQA: is Alex a lempus or a rompus? A generator of the problem family of arXiv 2412.06769.

A problem is a directed acyclic graph told as sentences. Two persons are its first two nodes; the asked
person reaches the target and not the wrong candidate, the other person the reverse. Nothing can be had
from names (drawn afresh), from the order of the sentences (shuffled) or of the candidates (even odds).
"""

import itertools
import random
import re
from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp

from coconut_core.problems.base import Graph, Problem
from coconut_core.problems.graphs import distances, problem_as_told, random_shortest_path, random_walk, shuffled
from coconut_core.problems.size import Range, Size, check_range, draw_until_found

PERSONS = [
    "Alex",
    "Bob",
    "Carol",
    "Davis",
    "Eva",
    "Fae",
    "Gabriel",
    "Jack",
    "Max",
    "Oliver",
    "Polly",
    "Rex",
    "Sally",
    "Sam",
    "Stella",
    "Tom",
    "Wren",
]
CONCEPTS = [
    "bompus",
    "boompus",
    "brimpus",
    "chorpus",
    "dumpus",
    "felpus",
    "fompus",
    "gerpus",
    "gorpus",
    "grimpus",
    "gwompus",
    "hilpus",
    "impus",
    "jelpus",
    "jompus",
    "kerpus",
    "lempus",
    "lorpus",
    "numpus",
    "quimpus",
    "rempus",
    "rompus",
    "rorpus",
    "scrompus",
    "shumpus",
    "sterpus",
    "storpus",
    "terpus",
    "timpus",
    "tumpus",
    "vumpus",
    "worpus",
    "wumpus",
    "yerpus",
    "yimpus",
    "yumpus",
    "zhorpus",
    "zumpus",
]

# The fixed phrases of the wording, longest first: the tokenizer takes the first that fits.
PHRASES = (". Every", ". Is", " Every", " is a", " Is", " or", " a", "###", ".", "?", "\n")


LOOKUPS = 6  # questions about one tiny graph, see training.lookup


@dataclass(frozen=True)
class ProsqaSize(Size):
    """The knobs of the generator; the defaults give the shape of the official sets."""

    nodes: Range = (18, 28)  # drawn from a triangular distribution
    hops: Range = (3, 6)  # shortest path from the asked person to the target
    edges: Range = (0, 53)
    parents: float = 1.5  # a new node's number of parents: Poisson of this mean, zero drawn again
    mixed: float = 0.15  # chance that a new node may have parents on both persons' sides
    extra_person: float = 0.02  # chance that a new node is one more person
    deepening: float = 1.5  # how much likelier a parent is for each hop it is deep, so that paths grow long
    # How often each number of hops is wanted, as in the official sets. The first stands for fewer too, the last
    # for more: which of them comes is left to the graphs, and so is all where there are no weights.
    hop_weights: tuple[tuple[int, float], ...] = ((3, 40), (4, 43), (5, 14), (6, 2))

    def __post_init__(self) -> None:
        check_range("nodes", self.nodes, 4, len(CONCEPTS) + 2)  # two persons; each other node may be a concept
        check_range("edges", self.edges, 0, 1000)
        check_range("hops", self.hops, 1, len(CONCEPTS) - 1)


def lookup_problems(rng: random.Random) -> list[Problem]:
    """Some questions about one tiny graph, which the first one tells, each answered by a random walk.

    The candidates shown are random nodes, so that naming a candidate does not pay.
    """
    nodes, edges, persons = rng.randint(6, 9), rng.randint(3, 10), rng.randint(1, 2)
    names = (*rng.sample(PERSONS, persons), *rng.sample(CONCEPTS, nodes - persons))
    possible = [(a, b) for a in range(nodes) for b in range(max(a + 1, persons), nodes)]
    graph = Graph(names, tuple(rng.sample(possible, min(edges, len(possible)))), root=0, target=0, wrong=0)
    statements = " ".join(sentence(graph, edge) for edge in graph.edges)
    problems = []
    for number in range(LOOKUPS):
        walk = random_walk(graph.edges, rng.choice(graph.edges)[0], rng)
        root, end = graph.names[walk[0]], graph.names[walk[-1]]
        candidates = rng.sample(graph.names, 2)
        question = f"Is {root} a {candidates[0]} or {candidates[1]}?"
        steps = tuple(sentence(graph, edge) for edge in itertools.pairwise(walk))
        problems.append(
            Problem(f"{statements} {question}" if number == 0 else question, steps, f"{root} is a {end}.")
        )
    return problems


# The side of a node: which of the two persons, nodes 0 and 1, it descends from, as a bit set.
FIRST, SECOND = 1, 2

GRAPHS_OF_A_NUMBER = 500  # graphs grown in search of one number of hops, before another number is drawn


def generate(rng: random.Random, size: ProsqaSize | None = None) -> Problem:
    """Draw one problem: a number of hops, then graphs until one holds a question of that many.

    Raises CoconutError where the sizes do not go together.
    """
    size = size or ProsqaSize()
    graph = draw_until_found(lambda: _draw_graph(rng, size), size, GRAPHS_OF_A_NUMBER)
    return retell(graph, rng)


def retell(graph: Graph, rng: random.Random) -> Problem:
    """Tell the same graph with fresh names, shuffled sentences, candidates in random order, and a random
    one of the shortest paths as its steps."""
    graph = shuffled(graph, _fresh_names(graph, rng), rng)
    candidates = [graph.names[graph.target], graph.names[graph.wrong]]
    rng.shuffle(candidates)
    path = random_shortest_path(graph, graph.root, graph.target, rng)
    return Problem(
        question=" ".join(sentence(graph, edge) for edge in graph.edges)
        + f" Is {graph.names[graph.root]} a {candidates[0]} or {candidates[1]}?",
        steps=tuple(_tell_steps(graph, path)),
        answer=_tell_answer(graph),
        graph=graph,
    )


def sentence(graph: Graph, edge: tuple[int, int]) -> str:
    """The official wording of one edge: "Every lempus is a rompus." or "Alex is a rompus."."""
    source, target = (graph.names[node] for node in edge)
    return f"{source} is a {target}." if source[0].isupper() else f"Every {source} is a {target}."


def grow(rng: random.Random, size: ProsqaSize) -> tuple[list[tuple[int, int]], list[int]] | None:
    """Edges of a graph grown node by node, and each node's side; None where the edges are too many or few."""
    low, high = size.nodes
    count = round(rng.triangular(low, high))
    edges: list[tuple[int, int]] = []
    side, depth = [FIRST, SECOND], [0, 0]
    # By side, the nodes that may be a parent on it, and how likely each is.
    pools: dict[int, tuple[list[int], list[float]]] = {
        FIRST: ([0], [1.0]),
        SECOND: ([1], [1.0]),
        FIRST | SECOND: ([0, 1], [1.0, 1.0]),
    }
    for node in range(2, count):
        parents = [] if rng.random() < size.extra_person else _draw_parents(rng, size, pools)
        edges += [(parent, node) for parent in parents]
        side.append(0)
        for parent in parents:
            side[node] |= side[parent]
        depth.append(1 + min((depth[parent] for parent in parents), default=-1))
        for allowed, (nodes, weights) in pools.items():
            if side[node] | allowed == allowed:
                nodes.append(node)
                weights.append(1 + size.deepening * depth[node])
    return (edges, side) if size.edges[0] <= len(edges) <= size.edges[1] else None


def draw_hops(rng: random.Random, size: ProsqaSize) -> Range:
    """The number of hops to look for, drawn by the size's weights; a range where several are as good."""
    low, high = size.hops
    parts, weights = [], []
    for index, (number, weight) in enumerate(size.hop_weights):
        fewest = number if index else low
        most = number if index + 1 < len(size.hop_weights) else high
        if max(low, fewest) <= min(high, most):
            parts.append((max(low, fewest), min(high, most)))
            weights.append(weight)
    if len(parts) < 2:
        return size.hops
    return rng.choices(parts, weights)[0]


def _draw_graph(rng: random.Random, size: ProsqaSize) -> Graph | None:
    hops = draw_hops(rng, size)
    for _ in range(GRAPHS_OF_A_NUMBER):
        grown = grow(rng, size)
        graph = _draw_question(rng, hops, *grown) if grown is not None else None
        if graph is not None:
            return graph
    return None  # small graphs hardly ever have the longest paths


def _draw_parents(
    rng: random.Random, size: ProsqaSize, pools: Mapping[int, tuple[list[int], list[float]]]
) -> list[int]:
    is_mixed = rng.random() < size.mixed
    nodes, weights = pools[FIRST | SECOND if is_mixed else rng.choice((FIRST, SECOND))]
    count = min(_poisson_at_least_one(rng, size.parents), len(nodes))
    nodes, weights = nodes.copy(), weights.copy()
    parents: list[int] = []
    for _ in range(count):
        place = _weighted(rng, weights)
        parents.append(nodes.pop(place))
        weights.pop(place)
    return parents


def _weighted(rng: random.Random, weights: Sequence[float]) -> int:
    """A place, as often as its weight says: what rng.choices draws, in half the time."""
    sums = list(itertools.accumulate(weights))
    return bisect(sums, rng.random() * sums[-1], 0, len(sums) - 1)


def _draw_question(
    rng: random.Random, hop_range: Range, edges: list[tuple[int, int]], side: list[int]
) -> Graph | None:
    root, count = rng.randrange(2), len(side)
    own_side, other_side = (FIRST, SECOND) if root == 0 else (SECOND, FIRST)
    inner = {source for source, _ in edges}
    leaves = [node for node in range(2, count) if node not in inner]
    wrong = [node for node in leaves if side[node] == other_side]
    far = distances(edges, root)
    hops = max((far[node] for node in leaves if side[node] == own_side), default=0)
    if not wrong or not hop_range[0] <= hops <= hop_range[1]:
        return None
    target = rng.choice([node for node in leaves if side[node] == own_side and far[node] == hops])
    return Graph(tuple(map(str, range(count))), tuple(edges), root, target, rng.choice(wrong))


def _fresh_names(graph: Graph, rng: random.Random) -> list[str]:
    has_parent = {target for _, target in graph.edges}
    nodes = range(len(graph.names))
    persons = iter(rng.sample(PERSONS, sum(node not in has_parent for node in nodes)))
    concepts = iter(rng.sample(CONCEPTS, len(has_parent)))
    return [next(concepts) if node in has_parent else next(persons) for node in nodes]


def _poisson_at_least_one(rng: random.Random, mean: float) -> int:
    while True:
        threshold, product, count = exp(-mean), rng.random(), 0
        while product > threshold:
            product *= rng.random()
            count += 1
        if count:
            return count


_EDGE = re.compile(r"(?:Every )?(\w+) is a (\w+)\Z")
_QUESTION = re.compile(r"Is (\w+) an? (\w+) or (?:an? )?(\w+)\?\Z")


def parse_question(question: str) -> Problem | None:
    """Read the graph back from a question in the official wording; None where it is worded otherwise.

    The answer is known only where exactly one candidate can be reached from the asked node.
    """
    *statements, last = question.strip().split(". ")
    query = _QUESTION.match(last)
    matches = [_EDGE.match(part) for part in statements]
    if query is None or not statements or not all(matches):
        return None
    pairs = [match.groups() for match in matches if match is not None]
    return problem_as_told(question, pairs, query.groups(), _tell_steps, _tell_answer)


def _tell_steps(graph: Graph, path: list[int]) -> list[str]:
    return [sentence(graph, edge) for edge in itertools.pairwise(path)]


def _tell_answer(graph: Graph) -> str:
    return f"{graph.names[graph.root]} is a {graph.names[graph.target]}."
