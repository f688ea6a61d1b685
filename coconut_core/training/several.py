"""Several questions about one graph in one sequence: a graph is long to read, a question short.

Every question of a batch has the same number of tokens, so the thoughts of all rows stand in the same columns.
"""

import random
from dataclasses import replace

from coconut_core.problems.base import Graph, Problem
from coconut_core.problems.prosqa import distances, sentence
from coconut_core.training.curriculum import ALL, Stage
from coconut_core.training.encoding import Encoder, Example
from coconut_core.training.lookup import tiny_graph


def several_questions(encoder: Encoder, graph: Graph, thoughts: int, count: int, rng: random.Random) -> Example:
    """The graph's own question, then others about its two persons; each with thoughts and answer, no words."""
    graphs = [graph, *(_another_question(graph, rng) for _ in range(count - 1))]
    return _in_one_sequence(encoder, graphs, thoughts, rng, answered=True)


def frontier_batch(
    encoder: Encoder, rng: random.Random, size: int, thoughts: int = 4, count: int = 6
) -> list[Example]:
    """A batch of graphs of one size, each asked from several nodes; only the thoughts are labelled.

    What a search needs, by itself: from a set of nodes in superposition to the set of their children.
    """
    nodes = rng.randint(8, 24)
    edges = rng.randint(nodes - 3, 40)
    return [_frontier_example(encoder, rng, nodes, edges, thoughts, count) for _ in range(size)]


def _frontier_example(
    encoder: Encoder, rng: random.Random, nodes: int, edges: int, thoughts: int, count: int
) -> Example:
    graph = tiny_graph(rng, nodes, edges)
    graphs = []
    for _ in range(count):
        target, wrong = rng.sample(range(1, nodes), 2)
        graphs.append(replace(graph, root=rng.choice(graph.edges)[0], target=target, wrong=wrong))
    return _in_one_sequence(encoder, graphs, thoughts, rng, answered=False)


def _in_one_sequence(
    encoder: Encoder, graphs: list[Graph], thoughts: int, rng: random.Random, answered: bool
) -> Example:
    told = " ".join(sentence(graphs[0], edge) for edge in graphs[0].edges)
    whole: Example | None = None
    for graph in graphs:
        root, target, wrong = (graph.names[node] for node in (graph.root, graph.target, graph.wrong))
        shown = [target, wrong]
        rng.shuffle(shown)
        question = f"Is {root} a {shown[0]} or {shown[1]}?"
        text = question if whole else f"{told} {question}"
        problem = Problem(text, (), f"{root} is a {target}.", graph)
        example = encoder.encode(encoder.tokenize(problem), Stage(0, removed=ALL, thoughts=thoughts))
        if not answered:
            example = _up_to_the_thoughts(example, encoder)
        whole = example if whole is None else _joined(whole, example)
    assert whole is not None
    return whole


def _up_to_the_thoughts(example: Example, encoder: Encoder) -> Example:
    """Without the answer, and with <eot> only as the place where the last thought is asked."""
    end = example.ids.index(encoder.config.eot_id) + 1
    return Example(
        example.ids[:end], example.labels[:end], example.parts[:end], example.halts[:end], example.prompt_length
    )


def _joined(first: Example, second: Example) -> Example:
    return Example(
        first.ids + second.ids,
        first.labels + second.labels,
        first.parts + second.parts,
        first.halts + second.halts,
        first.prompt_length,
    )


def _another_question(graph: Graph, rng: random.Random) -> Graph:
    """About one of the two persons: a leaf that only this one reaches, beside one that only the other does."""
    inner = {source for source, _ in graph.edges}
    has_parent = {target for _, target in graph.edges}
    persons = [node for node in inner if node not in has_parent]
    other = next((node for node in persons if graph.wrong in distances(graph.edges, node)), None)
    if other is None:
        return graph
    root, rival = rng.sample([graph.root, other], 2)
    mine, theirs = set(distances(graph.edges, root)), set(distances(graph.edges, rival))
    targets = sorted(mine - theirs - inner)
    wrong = sorted(theirs - mine - inner)
    if not targets or not wrong:
        return graph
    return replace(graph, root=root, target=rng.choice(targets), wrong=rng.choice(wrong))


