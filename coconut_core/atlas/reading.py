"""Runs of a model over some problems, as rows of an atlas: what was said, whether the thoughts were used, what
each thought would say. The readouts of all thoughts of a batch are products of a few.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from coconut_core.atlas.running import Runner, RunOf
from coconut_core.common.errors import CoconutError, describe_error
from coconut_core.latent.model import LatentModel
from coconut_core.problems.base import Problem
from coconut_core.records.answers import final_answer, is_right
from coconut_core.records.graph_reading import graph_layers, graph_mass
from coconut_core.runs.generate import Answer
from coconut_core.runs.rows import in_batches
from coconut_core.runs.shared import shared

LOGITS = 1 << 24  # as many numbers as are held at once
MASSES = {"frontier": "frontier", "reachable": "reachable", "optimal": "optimal", "target": "target"} | {
    "wrong_candidate": "wrong"  # as GraphMass has them
}
Cells = dict[str, Any]


def read_rows(runner: Runner, problems: Sequence[Problem], batch_size: int) -> tuple[list[Cells], Tensor]:
    """A row for each problem, without its number, and their thoughts (rows, most thoughts, hidden), zeros
    behind those of a run that took fewer. What goes wrong with a problem stands in its row."""
    model = runner.model
    cells: list[Cells] = [{} for _ in problems]
    thoughts: list[Tensor] = [torch.zeros(0, model.shape.hidden_size) for _ in problems]
    prompts: dict[int, list[int]] = {}
    for number, problem in enumerate(problems):
        try:
            prompts[number] = model.encode_prompt(problem.question)
        except CoconutError as error:
            cells[number] = _answer_cells(model, problem, Answer(error=describe_error(error)))
    order = list(prompts)

    def read(batch: list[int]) -> list[tuple[int, Cells, Tensor]]:
        numbers = [order[index] for index in batch]
        some = [problems[number] for number in numbers]
        runs = runner.run(some, [prompts[number] for number in numbers])
        seen = _readouts(
            runner,
            [
                _Thinking(model, problems[number], run, prompts[number])
                for number, run in zip(numbers, runs, strict=True)
            ],
        )
        return [
            (
                number,
                _answer_cells(model, problems[number], run.answer) | _swap_cells(run) | readings,
                _vectors(model, run),
            )
            for number, run, readings in zip(numbers, runs, seen, strict=True)
        ]

    for rows in shared(model, in_batches([*prompts.values()], batch_size), read):
        for number, row, vectors in rows:
            cells[number], thoughts[number] = row, vectors
    most = max((len(vectors) for vectors in thoughts), default=0)
    padded = torch.zeros(len(problems), most, model.shape.hidden_size)
    for place, vectors in zip(padded, thoughts, strict=True):
        place[: len(vectors)] = vectors
    return cells, padded


def _answer_cells(model: LatentModel, problem: Problem, answer: Answer) -> Cells:
    prefix, whole = model.config.answer_prefix, not answer.error
    return {
        "question": problem.question,
        "expected": problem.answer or None,
        "said": final_answer(answer.text, prefix) if whole else None,
        "text": answer.text if whole else None,
        "right": is_right(answer.text, problem, prefix) if problem.answer and whole else None,
        "hops": len(problem.steps) or None,
        "thoughts": 0 if answer.recording is None or not whole else len(answer.recording.thoughts),
        "ended": ", ".join(answer.ended) or None,
        "stopped_by": answer.stopped_by,
        "error": answer.error or None,
    }


def _swap_cells(run: RunOf) -> Cells:
    count = sum(run.changed)
    tested = {"used": 2 * count > len(run.changed), "changed": count} if run.changed else {}
    return {"logit_difference": run.logit_difference, **tested}


def _vectors(model: LatentModel, run: RunOf) -> Tensor:
    """The thoughts of a run, (thoughts, hidden), float32 on the CPU; none of a run that broke off."""
    recording = run.answer.recording
    if run.answer.error or recording is None or not len(recording.thoughts):
        return torch.zeros(0, model.shape.hidden_size)
    return recording.thoughts.float().cpu()


# -- readouts ------------------------------------------------------------------------------------------------


@dataclass
class _Thinking:
    """The thoughts of one run, and what is seen of them."""

    model: LatentModel
    problem: Problem
    run: RunOf
    prompt: Sequence[int]

    def __post_init__(self) -> None:
        self.vectors = _vectors(self.model, self.run)
        self.node_ids = self._node_ids()
        self.cells: Cells = {name: [] for name in ("entropy", "norm", "token", "probability", "tokens")}
        if self.node_ids is not None:
            self.cells |= {name: [] for name in (*MASSES, "distances")}

    def _node_ids(self) -> dict[str, int] | None:
        """The tokens of the graph's nodes; None without a graph, and where a node's name is no single token."""
        if self.problem.graph is None:
            return None
        find = self.model.vocabulary.find
        try:
            return {name: find(name, self.prompt) for name in self.problem.graph.names}
        except CoconutError:
            return None

    def add_masses(self, probabilities: Tensor) -> None:
        """Take down what a readout (vocabulary,) gives to the nodes of the graph, where there is one."""
        graph = self.problem.graph
        if graph is None or self.node_ids is None:
            return
        shares = probabilities[list(self.node_ids.values())].tolist()
        by_name = dict(zip(self.node_ids, shares, strict=True))
        thought, first = len(self.cells["frontier"]) + 1, self.model.config.first_thought_hops
        mass = graph_mass(graph, thought, by_name, first)
        for name, entry in MASSES.items():
            self.cells[name].append(getattr(mass, entry))
        layers = graph_layers(graph).layers
        self.cells["distances"].append([sum(by_name[graph.names[node]] for node in layer) for layer in layers])


@torch.inference_mode()
def _readouts(runner: Runner, thinking: Sequence[_Thinking]) -> list[Cells]:
    """What is seen of the thoughts of each run."""
    model, top = runner.model, runner.settings.top
    states = torch.cat([run.vectors for run in thinking])
    owners = [run for run in thinking for _ in range(len(run.vectors))]
    size = max(1, LOGITS // model.shape.vocab_size)
    for start in range(0, len(states), size):
        some = states[start : start + size].to(model.device)
        logs = torch.log_softmax(model.logits(some.to(model.dtype)).float(), dim=-1)
        probabilities = logs.exp().cpu()
        entropies = -(logs.exp() * logs.clamp(min=-1e4)).sum(dim=-1)
        values, ids = probabilities.topk(min(top, probabilities.shape[-1]), dim=-1)
        numbers = zip(
            entropies.tolist(), some.float().norm(dim=-1).tolist(), values[:, 0].tolist(), strict=True
        )
        for run, (entropy, norm, likeliest), tokens, row in zip(
            owners[start : start + size], numbers, ids.tolist(), probabilities, strict=True
        ):
            names = model.vocabulary.names(tokens)
            seen = {
                "entropy": entropy,
                "norm": norm,
                "probability": likeliest,
                "token": names[0],
                "tokens": names,
            }
            for name, value in seen.items():
                run.cells[name].append(value)
            run.add_masses(row)
    return [run.cells for run in thinking]
