"""Nothing that stands on the surface of a question tells its answer; a linear probe says so.

The probe is a ridge regression on what can be seen without following a single edge: names and numbers of the
candidates, where in the text they and the root are told of, how far from each other; where the family promises
it, also how often, what leads to them, and how that is worded. Each half of the problems is answered by the
probe fitted on the other half. Chance is COUNT/2 right, with a standard deviation of sqrt(COUNT)/2; the probe
has to stay within four of these (45 to 55 %). The same probe has to leave the bound behind on the same
problems with a leak built in, so the bound is one that a leak cannot hide below.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from math import sqrt
from statistics import mean

import pytest
import torch
from torch import Tensor

from coconut_core.problems import FAMILIES, Graph, Problem, generate_problems
from coconut_core.problems.graphs import distances
from coconut_core.problems.statistics import target_first

WITH_GRAPHS = ("prosqa", "prontoqa", "symbolic")  # of sums see test_sums
COUNT = 1600
BOUND = 4 * sqrt(COUNT) / 2

# Target and wrong candidate of these are drawn alike, so that not even the shape around them tells. In ProsQA
# the target is the farthest from its root and the wrong candidate any leaf: see "ProsQA" in docs/DATA.md.
DRAWN_ALIKE = ("prontoqa", "symbolic")


@cache
def drawn(family: str) -> list[Problem]:
    return generate_problems(family, COUNT, seed=17)


def graph_of(problem: Problem) -> Graph:
    assert problem.graph is not None
    return problem.graph


# -- the probe ---------------------------------------------------------------------------------------------


def probe(family: str, problems: list[Problem], shape: bool = False) -> int:
    """How many answers it gets right: whether the target is the first candidate, or the asked statement."""
    features = torch.tensor([surface(family, problem, shape) for problem in problems], dtype=torch.float64)
    labels = torch.tensor([1.0 if first_is_target(problem) else -1.0 for problem in problems]).double()
    features = (features - features.mean(0)) / features.std(0).clamp(min=1e-6)
    half = len(problems) // 2
    right = 0
    for fitted, asked in ((slice(half), slice(half, None)), (slice(half, None), slice(half))):
        weights, constant = ridge(features[fitted], labels[fitted])
        right += int(((features[asked] @ weights + constant) * labels[asked] > 0).sum())
    return right


def ridge(features: Tensor, labels: Tensor, penalty: float = 30.0) -> tuple[Tensor, Tensor]:
    constant = labels.mean()
    gram = features.T @ features + penalty * torch.eye(features.shape[1], dtype=features.dtype)
    return torch.linalg.solve(gram, features.T @ (labels - constant)), constant


def first_is_target(problem: Problem) -> bool:
    if problem.answer in ("True", "False"):
        return problem.answer == "True"
    first = target_first(problem.question, graph_of(problem))
    assert first is not None
    return first


def surface(family: str, problem: Problem, shape: bool) -> list[float]:
    """What the probe sees of a problem; shape: also what leads to the candidates, and how often.

    Node numbers, mean places in the text, distances in the text to the root, and names. The mean of places says
    nothing of how many there are, as their extremes do.
    """
    graph = graph_of(problem)
    pair = (graph.target, graph.wrong) if first_is_target(problem) else (graph.wrong, graph.target)
    rng = random.Random(problem.question)
    before = [rng.choice([edge for edge in graph.edges if edge[1] == node]) for node in pair]
    sources = [source for source, _ in before] if shape else []
    told = [
        [at for at, edge in enumerate(graph.edges) if node in edge] for node in (*pair, graph.root, *sources)
    ]
    row = [node / len(graph.names) for node in (*pair, graph.root, *sources)]
    row += [mean(places) / len(graph.edges) for places in told]
    row += [mean(abs(at - root) for at in places for root in told[2]) / len(graph.edges) for places in told[:2]]
    vocabulary = [*FAMILIES[family].wording.names, *(f"not {name}" for name in FAMILIES[family].wording.names)]
    for first, second in (pair, sources) if shape else (pair,):
        row += [float(name == graph.names[first]) - float(name == graph.names[second]) for name in vocabulary]
    if shape:
        row += wording(problem, before)
        row += [float(len(told[0]) - len(told[1])), float(len(told[3]) - len(told[4]))]
        row += [extreme(places) / len(graph.edges) for places in told for extreme in (min, max)]
    return row


def wording(problem: Problem, before: list[tuple[int, int]]) -> list[float]:
    """How the sentences about both candidates begin, for families that put it in several ways."""
    graph = graph_of(problem)
    row: list[float] = []
    for source, target in before:
        names = graph.names[source].lower(), graph.names[target]
        told = [part for part in problem.question.split(". ") if names[0] in part.lower() and names[1] in part]
        start = told[0].split()[0] if told else ""
        row += [float(start == "Every"), float(start == "Each"), float(start.endswith("es"))]
    return row


# -- leaks, built into sound problems -----------------------------------------------------------------------


def candidates_in_order(problem: Problem) -> Problem:
    """The target is always named first, or what is asked always true."""
    graph = graph_of(problem)
    if first_is_target(problem):
        return problem
    if problem.answer == "False":
        told, _, _ = problem.question.rpartition("True or false: ")
        query = f"True or false: {graph.names[graph.root]} is {graph.names[graph.target]}."
        return replace(problem, question=told + query, answer="True")
    target, wrong = graph.names[graph.target], graph.names[graph.wrong]
    start, middle, end = problem.question.rpartition(f"{wrong} ")
    return replace(problem, question=start + f"{target} " + end.replace(target, wrong) if middle else "")


def reached_edges_early(problem: Problem) -> Problem:
    """Edges of the root's side are told before the others, as if they were told as they are drawn."""
    graph = graph_of(problem)
    reached = distances(graph.edges, graph.root)
    edges = sorted(graph.edges, key=lambda edge: edge[0] not in reached)
    return replace(problem, graph=replace(graph, edges=tuple(edges)))


def reached_nodes_numbered_low(problem: Problem) -> Problem:
    """Node numbers in the order in which the nodes are reached, as in the public symbolic data."""
    graph = graph_of(problem)
    reached = distances(graph.edges, graph.root)
    order = sorted(range(len(graph.names)), key=lambda node: reached.get(node, len(graph.names)))
    place = {old: new for new, old in enumerate(order)}
    edges = tuple((place[source], place[target]) for source, target in graph.edges)
    names = tuple(graph.names[old] for old in order)
    special = (place[node] for node in (graph.root, graph.target, graph.wrong))
    return replace(problem, graph=Graph(names, edges, *special))


def telling_names(problem: Problem) -> Problem:
    """The target's name comes before that of the wrong candidate in the alphabet; so do what leads to them."""
    graph = graph_of(problem)
    names = list(graph.names)
    sources = [next(s for s, end in graph.edges if end == node) for node in (graph.target, graph.wrong)]
    for one, other in ((graph.target, graph.wrong), sources):
        if names[one] > names[other]:
            names[one], names[other] = names[other], names[one]
    return replace(problem, graph=replace(graph, names=tuple(names)))


LEAKS = (candidates_in_order, reached_edges_early, reached_nodes_numbered_low, telling_names)


@pytest.mark.parametrize("family", WITH_GRAPHS)
def test_the_surface_tells_nothing(family: str) -> None:
    right = probe(family, drawn(family), shape=family in DRAWN_ALIKE)
    assert abs(right - COUNT / 2) <= BOUND


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("family", WITH_GRAPHS)
def test_the_probe_finds_a_leak(family: str, leak: Callable[[Problem], Problem]) -> None:
    leaky = [leak(problem) for problem in drawn(family)]
    assert all(first_is_target(problem) for problem in leaky) or leak is not candidates_in_order
    assert probe(family, leaky, shape=family in DRAWN_ALIKE) > COUNT / 2 + 1.5 * BOUND


def test_a_lone_decoy_would_tell() -> None:
    """ProntoQA as in the original, where the contradicting kind stands in one sentence only."""
    leaky: list[Problem] = []
    for problem in drawn("prontoqa"):
        graph = graph_of(problem)
        decoy = next(source for source, end in graph.edges if end == graph.wrong)
        edges = tuple(edge for edge in graph.edges if decoy not in edge or edge[1] == graph.wrong)
        leaky.append(replace(problem, graph=replace(graph, edges=edges)))
    assert probe("prontoqa", leaky, shape=True) > COUNT / 2 + 1.5 * BOUND


@pytest.mark.parametrize("family", WITH_GRAPHS)
def test_the_edges_are_told_in_the_order_that_the_probe_sees(family: str) -> None:
    """The probe reads places in the text off the graph's edges; of ProntoQA the person's come last."""
    for problem in drawn(family)[:50]:
        graph = graph_of(problem)
        edges = list(graph.edges)
        if family == "prontoqa":
            edges.sort(key=lambda edge: edge[0] == graph.root)
        found = FAMILIES[family].parse_question(problem.question)
        assert found is not None
        told = [
            (graph_of(found).names[source], graph_of(found).names[end]) for source, end in graph_of(found).edges
        ]
        assert told == [(graph.names[source], graph.names[end]) for source, end in edges]
