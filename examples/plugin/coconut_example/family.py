"""A problem family: two rows of people by height; which of two is shorter than a third?

A question is `Ann is taller than Bob. Eve is taller than Dan. … Who is shorter than Ann, Cid or Dan?`; the
answer is `Cid`. Only one of the two stands in the row of the one asked about.
"""

import random
import re
from dataclasses import dataclass
from itertools import pairwise

from coconut_core.problems import Family, Graph, Problem, Size
from coconut_core.problems.families import Wording
from coconut_core.problems.graphs import problem_as_told, random_shortest_path, shuffled
from coconut_core.problems.size import Range, check_range

PEOPLE = ("Ann", "Bob", "Cid", "Dan", "Eve", "Fay", "Gus", "Hal", "Ida", "Jim", "Kay", "Leo")
LEAST_OTHERS = 3  # the first of the row, and two of the other row


@dataclass(frozen=True)
class HeightsSize(Size):
    """The knobs: how many people there are, and how many steps lie between the first and the last of a row."""

    nodes: Range = (7, 10)
    hops: Range = (2, 4)

    def __post_init__(self) -> None:
        check_range("hops", self.hops, 1, len(PEOPLE) - LEAST_OTHERS)
        check_range("nodes", self.nodes, self.hops[1] + LEAST_OTHERS, len(PEOPLE))


def generate(rng: random.Random, size: HeightsSize | None = None) -> Problem:
    """Draw one problem: a row from the root to the target, and the rest of the people in another."""
    chosen = size or HeightsSize()
    row, people = rng.randint(*chosen.hops) + 1, rng.randint(*chosen.nodes)
    edges = (*pairwise(range(row)), *pairwise(range(row, people)))
    graph = Graph(tuple(map(str, range(people))), edges, root=0, target=row - 1, wrong=people - 1)
    return retell(graph, rng)


def retell(graph: Graph, rng: random.Random) -> Problem:
    """Tell the same graph with fresh names and in another order."""
    told = shuffled(graph, rng.sample(PEOPLE, len(graph.names)), rng)
    both = [told.names[told.target], told.names[told.wrong]]
    rng.shuffle(both)
    sentences = " ".join(_sentence(told, edge) for edge in told.edges)
    return Problem(
        question=f"{sentences} Who is shorter than {told.names[told.root]}, {both[0]} or {both[1]}?",
        steps=tuple(_steps(told, random_shortest_path(told, told.root, told.target, rng))),
        answer=told.names[told.target],
        graph=told,
    )


def parse_question(question: str) -> Problem | None:
    """Read the graph back from a question; None where it is worded otherwise."""
    *told, last = question.strip().split(". ")
    asked = re.fullmatch(r"Who is shorter than (\w+), (\w+) or (\w+)\?", last)
    pairs = [re.fullmatch(r"(\w+) is taller than (\w+)", sentence) for sentence in told]
    if asked is None or not pairs or not all(pairs):
        return None
    edges = [pair.groups() for pair in pairs if pair is not None]
    return problem_as_told(question, edges, asked.groups(), _steps, lambda graph: graph.names[graph.target])


def _sentence(graph: Graph, edge: tuple[int, int]) -> str:
    return f"{graph.names[edge[0]]} is taller than {graph.names[edge[1]]}."


def _steps(graph: Graph, path: list[int]) -> list[str]:
    return [_sentence(graph, edge) for edge in pairwise(path)]


HEIGHTS = Family(
    HeightsSize(),
    generate,
    retell,
    parse_question,
    # A phrase that stands behind others carries the space before it, as names do.
    Wording((" is taller than", " Who is shorter than", " or", "###", ",", ".", "?", "\n"), PEOPLE),
)
