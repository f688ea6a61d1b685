"""Which circuit is missing? What held-out problems say of it, whatever a recipe asks of its thoughts.

Nothing of this is trained on. See docs/TRAINING.md for how to read it.
"""

from collections.abc import Mapping, Sequence
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
        graphs = {
            number: graph
            for number, problem in enumerate(problems)
            if (graph := searched_graph(problem, encoder.config.family)) is not None
        }
        control_graphs = controls(list(graphs.values()), CONTROL_SEED)
        self._frontiers = {
            number: [self._frontier_at(ends, graph, control) for ends in walk_ends(graph)]
            for (number, graph), control in zip(graphs.items(), control_graphs, strict=True)
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
        first = encoder.gone(problem, stage).start  # the step that the first thought stands for
        scores = model.logits(states[: thoughts + behind + 1].to(model.dtype)).float()
        log_probabilities = torch.log_softmax(scores, dim=-1).cpu()  # (places, vocabulary)
        at_places = {"at_thought": log_probabilities[thoughts]}
        at_places |= {"at_eot": log_probabilities[-1]} if behind else {}
        return Reading(
            len(self._problems[number].steps),
            self._next_step(number, stage, at_places),
            tuple(
                self._share(number, first + place // encoder.thoughts_per_step, log_probabilities[place])
                for place in range(thoughts)
            ),
        )

    def _next_step(self, number: int, stage: Stage, at_places: Mapping[str, Tensor]) -> Numbers:
        problem, graph = self._tokenized[number], self._problems[number].graph
        remaining = self._encoder.in_words(problem, stage)
        if not remaining:
            return {}
        right, steps = remaining[0][0], len(problem.steps)
        removed = 0 if stage.from_end else steps - len(remaining)  # in front of the next step
        numbers = {f"loss_{place}": -float(row[right]) for place, row in at_places.items()}
        tokens = self._frontier(number, removed).tokens
        if graph is None or self._encoder.step_style == "sentence" or right not in tokens:
            return numbers
        numbers |= {f"frontier_{place}": _mass(row, tokens) for place, row in at_places.items()}
        if has_classes(self._problems[number]):
            hops = removed + self._encoder.config.first_thought_hops
            numbers["shortcut"] = shortcut_loss(graph, hops, last=removed == steps - 1)
        return numbers | {"search": log(len(tokens))}

    def _share(self, number: int, step: int, log_probabilities: Tensor) -> Numbers:
        frontier = self._frontier(number, step)
        if not frontier.tokens:
            return {}
        return {
            "share": _mass(log_probabilities, frontier.tokens),
            "chance": _mass(log_probabilities, frontier.control),
        }

    def _frontier(self, number: int, step: int) -> Frontier:
        """The frontier of the step which follows on so many."""
        frontiers = self._frontiers.get(number, [])
        hops = step + self._encoder.config.first_thought_hops
        return frontiers[hops] if hops < len(frontiers) else Frontier()

    def _frontier_at(self, nodes: Sequence[int], graph: Graph, control: Graph) -> Frontier:
        """The frontier of these nodes; an empty one where a name has several tokens."""
        tokens, control_tokens = self._tokens(graph, nodes), self._tokens(control, nodes)
        is_whole = len(tokens) == len(control_tokens) == len(nodes)
        return Frontier(tokens, control_tokens) if is_whole else Frontier()

    def _tokens(self, graph: Graph, nodes: Sequence[int]) -> tuple[int, ...]:
        """The tokens of nodes' names as they stand within a text, without names of several tokens."""
        names = [self._encoder.ids(f" {graph.names[node]}") for node in nodes]
        return tuple(ids[0] for ids in names if len(ids) == 1)


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


def summary(readings: Sequence[Reading]) -> dict[str, Any]:
    """What a log says of the readings of one evaluation: means over problems; {} where there are none.

    "n" problems have a next step in words; their means stand under the names of Diagnosis.read, in all and
    "by_hops", where each of the problems has such a number. "frontier" has "share", "chance" and "n" of each
    thought. What is not finite is left out.
    """
    with_step = [reading for reading in readings if reading.next_step]
    record: dict[str, Any] = {}
    if means := _means([reading.next_step for reading in with_step]):
        record = {"n": len(with_step), **means, "by_hops": {}}
        for hops in sorted({reading.hops for reading in with_step}):
            of_hops = [reading.next_step for reading in with_step if reading.hops == hops]
            record["by_hops"][str(hops)] = _means(of_hops)
    frontier: dict[str, Any] = {}
    for place in range(max((len(reading.thoughts) for reading in readings), default=0)):
        shares = [reading.thoughts[place] for reading in readings if any(reading.thoughts[place : place + 1])]
        if means := _means(shares):
            frontier[str(place + 1)] = {**means, "n": len(shares)}
    return record | ({"frontier": frontier} if frontier else {})


def _means(records: Sequence[Numbers]) -> Numbers:
    """The mean of each number that all records have."""
    names = [name for name in (records[0] if records else {}) if all(name in record for record in records)]
    means = {name: sum(record[name] for record in records) / len(records) for name in names}
    return {name: round(mean, 4) for name, mean in means.items() if isfinite(mean)}


def _mass(log_probabilities: Tensor, tokens: Sequence[int]) -> float:
    """The probability of some tokens together; log_probabilities is (vocabulary,)."""
    return float(log_probabilities[list(tokens)].exp().sum())
