"""Graphs of problems."""

from coconut_core.problems import Graph, Problem, recognise

#        Alex -> b -> d -> f (target)        Bob -> g (wrong)
#        Alex -> c -> d;  c -> e             nobody reaches h
GRAPH = Graph(
    names=("b", "Alex", "c", "d", "e", "f", "Bob", "g", "h"),
    edges=((1, 0), (1, 2), (0, 3), (2, 3), (2, 4), (3, 5), (6, 7), (8, 7)),
    root=1,
    target=5,
    wrong=7,
)


def graph_of(problem: Problem) -> Graph:
    assert problem.graph is not None
    return problem.graph


def known_problem(question: str) -> Problem:
    problem = recognise(question)
    assert problem is not None
    return problem
