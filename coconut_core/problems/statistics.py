"""The shape of a problem file in numbers, in one pass and constant memory."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from coconut_core.problems.base import Graph, Problem
from coconut_core.problems.graphs import distances

MOST_ANSWERS = 10  # with more different answers than this, they are not told one by one


@dataclass
class Tally:
    """How often each whole number came."""

    counts: Counter[int] = field(default_factory=Counter)

    def add(self, value: int) -> None:
        self.counts[value] += 1

    def to_json(self) -> dict[str, Any]:
        """n, mean, least, most, and the share of each value, by value."""
        total = self.counts.total()
        return {
            "n": total,
            "mean": sum(value * count for value, count in self.counts.items()) / total,
            "least": min(self.counts),
            "most": max(self.counts),
            "shares": {str(value): count / total for value, count in sorted(self.counts.items())},
        }


class Statistics:
    """Counts of what was seen in problems. The order of the tallies is the order in which they are shown."""

    def __init__(self, problems: Iterable[Problem] = ()) -> None:
        self.problems = 0
        self.graphs = 0
        self.tallies = {
            name: Tally()
            for name in (
                "steps", "question words", "answer words",
                "nodes", "edges", "hops", "children of an inner node", "nodes reached from the root", "persons",
                "target named first", "target in fewer edges",
            )
        }  # fmt: skip
        self.answers: Counter[str] = Counter()
        for problem in problems:
            self.add(problem)

    def add(self, problem: Problem) -> None:
        """Count one problem."""
        self.problems += 1
        self.tallies["steps"].add(len(problem.steps))
        self.tallies["question words"].add(len(problem.question.split()))
        self.tallies["answer words"].add(len(problem.answer.split()))
        if len(self.answers) <= MOST_ANSWERS:
            self.answers[problem.answer] += 1
        if problem.graph is not None:
            self._add_graph(problem.graph)
            first = target_first(problem.question, problem.graph)
            if first is not None:
                self.tallies["target named first"].add(int(first))

    def _add_graph(self, graph: Graph) -> None:
        self.graphs += 1
        reached = distances(graph.edges, graph.root)
        self.tallies["nodes"].add(len(graph.names))
        self.tallies["edges"].add(len(graph.edges))
        self.tallies["nodes reached from the root"].add(len(reached))
        self.tallies["persons"].add(sum(name[:1].isupper() for name in graph.names))
        target, wrong = (sum(node in edge for edge in graph.edges) for node in (graph.target, graph.wrong))
        if target != wrong:  # how often one would be right who chose by this alone, where it can be chosen by
            self.tallies["target in fewer edges"].add(int(target < wrong))
        if graph.target in reached:
            self.tallies["hops"].add(reached[graph.target])
        for children in Counter(source for source, _ in graph.edges).values():
            self.tallies["children of an inner node"].add(children)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data; what never came is left out."""
        record: dict[str, Any] = {"problems": self.problems, "graphs": self.graphs}
        seen = {name: tally for name, tally in self.tallies.items() if tally.counts}
        record |= {name.replace(" ", "_"): tally.to_json() for name, tally in seen.items()}
        if 0 < len(self.answers) <= MOST_ANSWERS:
            record["answers"] = {answer: count / self.problems for answer, count in self.answers.most_common()}
        return record


def target_first(question: str, graph: Graph) -> bool | None:
    """Whether the target is named before the wrong candidate in what is asked, at the question's end.

    None where the question does not end with both.
    """
    backwards = re.findall(r"\w+", question)[:-6:-1]  # from the end, because a name may come before, too
    target, wrong = graph.names[graph.target], graph.names[graph.wrong]
    if target not in backwards or wrong not in backwards:
        return None
    return backwards.index(target) > backwards.index(wrong)
