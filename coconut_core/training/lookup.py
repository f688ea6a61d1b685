"""The look-up warm-up: learn to find a node's children before learning to reason over them.

Tiny graphs, each followed by several questions that are answered by a random walk. The candidates shown
are random nodes, so that naming a candidate does not pay, and every walk gives many labels: without this
phase a small model trained from scratch stays at guessing for long.
"""

import itertools
import random

from coconut_core.problems.base import Graph, Problem
from coconut_core.problems.prosqa import CONCEPTS, PERSONS, sentence
from coconut_core.training.curriculum import Stage
from coconut_core.training.encoding import Encoder, Example, Label


def lookup_example(
    encoder: Encoder,
    rng: random.Random,
    nodes: tuple[int, int] = (6, 9),
    edges: tuple[int, int] = (3, 10),
    questions: int = 6,
) -> Example:
    """One graph and its questions as one sequence without thoughts; only walks and answers are labelled."""
    graph = _tiny_graph(rng, rng.randint(*nodes), rng.randint(*edges))
    told = " ".join(sentence(graph, edge) for edge in graph.edges)
    ids: list[int] = []
    labels: list[Label] = []
    parts: list[int] = []
    halts: list[int] = []
    for number in range(questions):
        walk = _random_walk(graph, rng)
        root, end = graph.names[walk[0]], graph.names[walk[-1]]
        shown = rng.sample(graph.names, 2)
        question = f"Is {root} a {shown[0]} or {shown[1]}?"
        steps = tuple(sentence(graph, edge) for edge in itertools.pairwise(walk))
        problem = Problem(f"{told} {question}" if number == 0 else question, steps, f"{root} is a {end}.")
        example = encoder.encode(encoder.tokenize(problem), Stage(0))
        ids += example.ids
        labels += example.labels
        parts += example.parts
        halts += example.halts
    return Example(ids, labels, parts, halts, prompt_length=len(ids))


def _tiny_graph(rng: random.Random, nodes: int, edges: int) -> Graph:
    persons = rng.randint(1, 2)
    names = (*rng.sample(PERSONS, persons), *rng.sample(CONCEPTS, nodes - persons))
    possible = [(a, b) for a in range(nodes) for b in range(max(a + 1, persons), nodes)]
    chosen = rng.sample(possible, min(edges, len(possible)))
    return Graph(names, tuple(chosen), root=0, target=0, wrong=0)


def _random_walk(graph: Graph, rng: random.Random, longest: int = 4) -> list[int]:
    walk = [rng.choice(graph.edges)[0]]
    while len(walk) <= longest:
        children = [target for source, target in graph.edges if source == walk[-1]]
        if not children:
            break
        walk.append(rng.choice(children))
    return walk
