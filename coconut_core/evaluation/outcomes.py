"""What kind of answer was that? The six classes of arXiv 2412.06769, section 4, for problems with a graph.

The reasoning that was said in words decides, not the answer behind it, wherever a path was said at all:
a correct path may be followed by a wrong answer. Accuracy, which looks at the answer only, stands beside.
"""

import itertools
import re
from enum import StrEnum

from coconut_core.problems.base import Graph, Problem
from coconut_core.problems.graphs import distances


class Outcome(StrEnum):
    """The class of one answer to a graph problem; each answer is of exactly one.

    A path that follows thoughts is partial: the thoughts may have gone the part from the root to where it
    begins. Its length is that of the whole, with the shortest such part in front.
    """

    CORRECT_PATH = "Correct Path"  # a shortest path from the root to the target
    LONGER_PATH = "Longer Path"  # a path from the root to the target that is not a shortest one
    CORRECT_LABEL = "Correct Label"  # no path was said, and the answer is right
    INCORRECT_LABEL = "Incorrect Label"  # no path was said, and the answer is wrong or there is none
    WRONG_TARGET = "Wrong Target"  # a path from the root that ends anywhere but at the target
    HALLUCINATION = "Hallucination"  # an edge that is not there, a gap, or a start that cannot be reached


def has_classes(problem: Problem) -> bool:
    """Whether the classes apply: the answer names a node of the graph (ProntoQA's says True or False)."""
    graph = problem.graph
    return graph is not None and graph.names[graph.target] in re.findall(r"\w+", problem.answer)


def classify(text: str, graph: Graph, answer_prefix: str, *, right: bool, partial: bool) -> Outcome:
    """The class of a model's text.

    right says whether its answer is right; partial whether thoughts were taken, so that a path may begin
    at any node that the root reaches, not at the root alone. A chain of bare names need not name the root.
    """
    reasoning = said_reasoning(text, answer_prefix, right)
    path = said_path(reasoning)
    if path is None:
        return Outcome.HALLUCINATION
    if not path:
        return Outcome.CORRECT_LABEL if right else Outcome.INCORRECT_LABEL
    number = {name: node for node, name in enumerate(graph.names)}
    nodes = [number[name] for name in path if name in number]
    if len(nodes) < len(path) or not set(itertools.pairwise(nodes)) <= set(graph.edges):
        return Outcome.HALLUCINATION
    far = distances(graph.edges, graph.root)
    unnamed = far.get(nodes[0]) == 1 and len(path) == len(reasoning.split())
    if nodes[0] not in far or not (partial or unnamed or nodes[0] == graph.root):
        return Outcome.HALLUCINATION
    if nodes[-1] != graph.target:
        return Outcome.WRONG_TARGET
    length = far[nodes[0]] + len(nodes) - 1
    return Outcome.CORRECT_PATH if length == far[graph.target] else Outcome.LONGER_PATH


def said_reasoning(text: str, answer_prefix: str, right: bool) -> str:
    """What a text says in front of its answer.

    That is all that stands before the last answer prefix (before the last line where a model has none).
    A text that never comes to the prefix is reasoning as a whole, unless it is the right answer itself.
    """
    reasoning, mark, _ = text.rpartition(answer_prefix or "\n")
    return reasoning if mark or right or not answer_prefix else text


_SENTENCE = re.compile(r"(?:Every )?(\w+) is an? (\w+)\Z")


def said_path(reasoning: str) -> list[str] | None:
    """The names of the nodes on the path that a reasoning tells, in order.

    It reads sentences ("Alex is a lempus. Every lempus is a rompus.", in lines or not), a chain of names
    ("Alex lempus rompus"), and symbolic edges ("3 7", one a line). Empty where nothing is said; None where a
    step does not go on from the node that the one before it ended at. Other words are taken for names, so
    that they end as nodes that no graph has.
    """
    path: list[str] = []
    for step in filter(None, map(str.strip, re.split(r"[.\n]", reasoning))):
        match = _SENTENCE.match(step)
        names = list(match.groups()) if match else step.split()
        if path and (names[0] != path[-1] or len(names) == 1):
            return None
        path += names[1:] if path else names
    return path
