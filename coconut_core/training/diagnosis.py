"""Which circuit is missing? What held-out problems say of it, whatever a recipe asks of its thoughts.

Nothing of this is trained on. See docs/TRAINING.md for how to read it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, log
from typing import Any

import torch
from torch import Tensor

from coconut_core.analysis.graphs import controls, searched_graph
from coconut_core.coconut import CoconutModel
from coconut_core.evaluation.outcomes import has_classes
from coconut_core.problems import Graph, Problem
from coconut_core.problems.graphs import walk_ends
from coconut_core.training.curriculum import Stage
from coconut_core.training.encoding import Encoder, TokenizedProblem

Numbers = dict[str, float]
CONTROL_SEED = 0  # the same names are dealt anew at every evaluation


@dataclass(frozen=True)
class Frontier:
    """How far a search may have come after some hops: tokens of all nodes at which such walks from the root can
    end, and of the names that stand there once the graph's are dealt out anew (analysis.graphs.relabelled)."""

    tokens: tuple[int, ...] = ()
    control: tuple[int, ...] = ()


@dataclass(frozen=True)
class Reading:
    """What one problem says at a stage."""

    hops: int  # its number of reasoning steps
    next_step: Numbers  # by name, see Diagnosis.read; empty where no step is left in words
    thoughts: tuple[Numbers, ...]  # of each thought, "share" and "chance"; empty where it has no frontier


class Diagnosis:
    """Reads the states of held-out problems: the next step in each, and where each thought is on the graph."""

    def __init__(
        self, problems: Sequence[Problem], tokenized: Sequence[TokenizedProblem], encoder: Encoder
    ) -> None:
        self._problems, self._tokenized, self._encoder = problems, tokenized, encoder
        found = [searched_graph(problem, encoder.config.family) for problem in problems]
        graphs = {number: graph for number, graph in enumerate(found) if graph is not None}
        dealt = controls(list(graphs.values()), CONTROL_SEED)
        self._frontiers = {
            number: [self._known_frontier(ends, graph, control) for ends in walk_ends(graph)]
            for (number, graph), control in zip(graphs.items(), dealt, strict=True)
        }

    @torch.no_grad()
    def read(self, model: CoconutModel, hidden: Tensor, numbers: Sequence[int], stage: Stage) -> list[Reading]:
        """What the problems of these numbers say at a stage; hidden (problems, places, hidden) begins with the
        state that is fed as the first thought.

        Of the next step's first token, at the last thought's own position ("at_thought", where there is no
        thought the prompt's last) and behind what ends thinking ("at_eot", where something does):
        "loss_at_…" in nats, and where steps name nodes of a graph "frontier_at_…", the probability of all
        nodes at which walks of as many hops can end. Beside them what a reader without thoughts would lose
        ("shortcut", see shortcut_loss), and one who names each of those nodes alike ("search").
        Of thought k, whose readout is that of the state in front of it, "share" is the probability of the
        nodes at which walks can end that are as long as that thought stands for, and "chance" the same with
        the graph's names dealt out anew.
        """
        return [
            self._read(model, states, number, stage) for states, number in zip(hidden, numbers, strict=True)
        ]

    def _read(self, model: CoconutModel, states: Tensor, number: int, stage: Stage) -> Reading:
        encoder, problem = self._encoder, self._tokenized[number]
        thoughts, behind = encoder.thoughts(problem, stage), len(encoder.config.fed_behind)
        scores = model.logits(states[: thoughts + behind + 1].to(model.dtype)).float()
        told = torch.log_softmax(scores, dim=-1).cpu()  # (places, vocabulary)
        at_places = {"at_thought": told[thoughts]} | ({"at_eot": told[-1]} if behind else {})
        steps = range(thoughts)
        return Reading(
            len(self._problems[number].steps),
            self._next_step(number, stage, at_places),
            tuple(self._share(number, place // encoder.thoughts_per_step, told[place]) for place in steps),
        )

    def _next_step(self, number: int, stage: Stage, at_places: Mapping[str, Tensor]) -> Numbers:
        problem, graph = self._tokenized[number], self._problems[number].graph
        remaining = self._encoder.in_words(problem, stage)
        if not remaining:
            return {}
        right, gone = remaining[0][0], len(problem.steps) - len(remaining)
        numbers = {f"loss_{place}": -float(told[right]) for place, told in at_places.items()}
        tokens = self._frontier(number, gone).tokens
        if graph is None or self._encoder.step_style == "sentence" or right not in tokens:
            return numbers
        numbers |= {f"frontier_{place}": _mass(told, tokens) for place, told in at_places.items()}
        if has_classes(self._problems[number]):
            hops = gone + self._encoder.config.first_thought_hops
            numbers["shortcut"] = shortcut_loss(graph, hops, last=len(remaining) == 1)
        return numbers | {"search": log(len(tokens))}

    def _share(self, number: int, step: int, told: Tensor) -> Numbers:
        frontier = self._frontier(number, step)
        if not frontier.tokens:
            return {}
        return {"share": _mass(told, frontier.tokens), "chance": _mass(told, frontier.control)}

    def _frontier(self, number: int, step: int) -> Frontier:
        """That of the step which follows on so many."""
        frontiers = self._frontiers.get(number, [])
        hops = step + self._encoder.config.first_thought_hops
        return frontiers[hops] if hops < len(frontiers) else Frontier()

    def _known_frontier(self, nodes: Sequence[int], graph: Graph, control: Graph) -> Frontier:
        """That of some nodes; an empty one where a name has several tokens."""
        found = [[self._token(each.names[node]) for node in nodes] for each in (graph, control)]
        tokens, others = (tuple(token for token in each if token is not None) for each in found)
        return Frontier(tokens, others) if len(tokens) == len(others) == len(nodes) else Frontier()

    def _token(self, name: str) -> int | None:
        """The token of a node's name as it stands within a text; None where there are several."""
        ids = self._encoder.ids(f" {name}")
        return ids[0] if len(ids) == 1 else None


def shortcut_loss(graph: Graph, hops: int, *, last: bool) -> float:
    """The loss in nats of a reader who knows a question's names, but not which of them stand in one sentence.

    hops says how far from the root the next step's node is, and last whether it is the target. The root is in
    the question (loss 0); the target is one of the two candidates (ln 2); any other node of the chain is one of
    those that have a parent and a child and are no candidate (ln of their number).
    """
    if hops == 0:
        return 0.0
    if last:
        return log(2)
    inner = {source for source, _ in graph.edges} & {target for _, target in graph.edges}
    return log(max(1, len(inner - {graph.target, graph.wrong})))


def summary(readings: Iterable[Reading]) -> dict[str, Any]:
    """What a log says of the readings of one evaluation: means over problems; {} where there are none.

    "n" problems have a next step in words; their means stand under the names of Diagnosis.read, in all and
    "by_hops", where each of the problems has such a number. "frontier" has "share", "chance" and "n" of each
    thought. What is not finite is left out.
    """
    every = list(readings)
    asked = [each for each in every if each.next_step]
    record: dict[str, Any] = {}
    if means := _means([each.next_step for each in asked]):
        record = {"n": len(asked), **means, "by_hops": {}}
        for hops in sorted({each.hops for each in asked}):
            record["by_hops"][str(hops)] = _means([each.next_step for each in asked if each.hops == hops])
    frontier: dict[str, Any] = {}
    for place in range(max((len(each.thoughts) for each in every), default=0)):
        known = [each.thoughts[place] for each in every if any(each.thoughts[place : place + 1])]
        if means := _means(known):
            frontier[str(place + 1)] = {**means, "n": len(known)}
    return record | ({"frontier": frontier} if frontier else {})


def _means(numbers: Sequence[Numbers]) -> Numbers:
    """The mean of each number that all of them have."""
    names = [name for name in (numbers[0] if numbers else {}) if all(name in each for each in numbers)]
    means = {name: sum(each[name] for each in numbers) / len(numbers) for name in names}
    return {name: round(mean, 4) for name, mean in means.items() if isfinite(mean)}


def _mass(told: Tensor, tokens: Sequence[int]) -> float:
    """The probability of some tokens together; told (vocabulary,) are logarithms."""
    return float(told[list(tokens)].exp().sum())
