"""Runs of a model over some problems, as rows of an atlas: what was said, whether the thoughts were used, what
each thought would say.

A prompt is read once for the run and its swaps; the readouts of all thoughts of a batch are products of a few.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from coconut_core.atlas.folder import Settings
from coconut_core.common.errors import CoconutError, describe_error
from coconut_core.evaluation.ablations import CONTROLS
from coconut_core.evaluation.controls import Case, ControlStudy
from coconut_core.interventions.donors import DONORS
from coconut_core.latent.model import LatentModel
from coconut_core.latent.prompt import encode_text
from coconut_core.problems.base import Problem
from coconut_core.records.answers import final_answer, is_right
from coconut_core.records.graph_reading import graph_mass
from coconut_core.runs.generate import Answer, answer_of
from coconut_core.runs.halting import choose_ending
from coconut_core.runs.plan import Plan
from coconut_core.runs.rows import Row, in_batches, new_row, read_prompts, repeated, run_rows

POOL = 16  # problems whose thoughts are fed to others
LOGITS = 1 << 24  # of a product, as many numbers as are held at once
GRAPH_COLUMNS = {"frontier": "frontier", "reachable": "reachable", "optimal": "optimal", "target": "target"} | {
    "wrong_candidate": "wrong"  # as GraphMass has them
}
Cells = dict[str, Any]


@dataclass
class Reader:
    """Reads problems with one model, always in the same way. pool: whose thoughts are fed to others."""

    model: LatentModel
    settings: Settings
    pool: Sequence[Case] = ()
    batch_size: int = 64

    @classmethod
    def over(
        cls, model: LatentModel, settings: Settings, problems: Sequence[Problem], batch_size: int
    ) -> "Reader":
        """A reader whose swaps feed the thoughts of the first of these problems."""
        alone = cls(model, replace(settings, swaps=0), batch_size=batch_size)
        some = problems[:POOL] if settings.swaps else []
        cases = [
            Case(problem, answer.recording, answer)
            for problem, answer in zip(some, alone._answers(some), strict=True)
            if answer.recording is not None and len(answer.recording.thoughts)
        ]
        return cls(model, settings, cases, batch_size)

    def read(self, problems: Sequence[Problem]) -> tuple[list[Cells], Tensor]:
        """A row for each problem, without its number, and their thoughts (rows, most thoughts, hidden), zeros
        behind those of a run that took fewer. What goes wrong with a problem stands in its row."""
        cells: list[Cells] = [{} for _ in problems]
        thoughts: list[Tensor] = [torch.zeros(0, self.model.shape.hidden_size) for _ in problems]
        prompts: dict[int, list[int]] = {}
        for number, problem in enumerate(problems):
            try:
                prompts[number] = self.model.encode_prompt(problem.question)
            except CoconutError as error:
                cells[number] = self._cells(problem, Answer(error=describe_error(error)))
        order = list(prompts)
        for batch in in_batches([*prompts.values()], self.batch_size):
            numbers = [order[index] for index in batch]
            some = [problems[number] for number in numbers]
            answers, changed = self._run(some, [prompts[number] for number in numbers])
            seen = self._readouts(some, answers, [prompts[number] for number in numbers])
            for place, number in enumerate(numbers):
                cells[number] = self._cells(some[place], answers[place]) | seen[place]
                cells[number] |= self._used(changed[place])
                thoughts[number] = _thoughts(answers[place], self.model)
        most = max((len(vectors) for vectors in thoughts), default=0)
        padded = torch.zeros(len(problems), most, self.model.shape.hidden_size)
        for row, vectors in zip(padded, thoughts, strict=True):
            row[: len(vectors)] = vectors
        return cells, padded

    # -- runs ------------------------------------------------------------------------------------------------

    def _answers(self, problems: Sequence[Problem]) -> list[Answer]:
        """What problems lead to, without swaps."""
        return (
            self._run(problems, [self.model.encode_prompt(problem.question) for problem in problems])[0]
            if problems
            else []
        )

    @torch.inference_mode()
    def _run(
        self, problems: Sequence[Problem], prompts: Sequence[list[int]]
    ) -> tuple[list[Answer], list[list[bool]]]:
        """The answers of one batch with recordings, and of each one's swaps whether they changed the answer."""
        base = read_prompts(self.model, prompts, shortcut=True)
        rows = [self._row(prompt) for prompt in prompts]
        swapping = bool(self.settings.swaps and self.pool)
        run_rows(self.model, repeated(base, range(len(rows))) if swapping else base, rows, keep="thoughts")
        answers = [answer_of(self.model, row, "thoughts") for row in rows]
        changed: list[list[bool]] = [[] for _ in rows]
        plans = [(place, plan) for place, plan in self._swaps(problems, answers)] if swapping else []
        if plans:
            swapped = [self._row(prompts[place], plan) for place, plan in plans]
            run_rows(self.model, repeated(base, [place for place, _ in plans]), swapped)
            prefix = self.model.config.answer_prefix
            for (place, _), row in zip(plans, swapped, strict=True):
                if row.error is None:
                    own = final_answer(answers[place].text, prefix)
                    changed[place].append(final_answer(answer_of(self.model, row).text, prefix) != own)
        return answers, changed

    def _row(self, prompt: Sequence[int], plan: Plan | None = None) -> Row:
        forced = (
            encode_text(self.model.tokenizer, self.model.config.answer_prefix)
            if self.settings.answer_only
            else []
        )
        ending = choose_ending(self.model, self.settings.thoughts)
        most = self.settings.max_new_tokens
        return new_row(self.model, len(prompt), ending, plan=plan, forced=forced, max_new_tokens=most)

    def _swaps(self, problems: Sequence[Problem], answers: Sequence[Answer]) -> list[tuple[int, Plan]]:
        """Thoughts of others in place of a problem's own, by the problem's place: the same ones each time."""
        known = [case.problem for case in self.pool]
        plans: list[tuple[int, Plan]] = []
        for place, (problem, answer) in enumerate(zip(problems, answers, strict=True)):
            if answer.error or answer.recording is None or not len(answer.recording.thoughts):
                continue
            case = Case(problem, answer.recording, answer)
            study = ControlStudy(
                self.model, [case], self.settings.answer_only, self.settings.max_new_tokens, seed=0
            )
            numbers = DONORS["random"].among(problem, known)
            drawn = random.Random(f"swaps {problem.question}").sample(
                numbers, min(self.settings.swaps, len(numbers))
            )
            for number in drawn:
                try:
                    plan = study.plan(CONTROLS["random"], replace(case, donors={"random": self.pool[number]}))
                except CoconutError:  # a model whose thoughts cannot be edited
                    continue
                plans.append((place, plan))
        return plans

    # -- cells -----------------------------------------------------------------------------------------------

    def _cells(self, problem: Problem, answer: Answer) -> Cells:
        prefix, whole = self.model.config.answer_prefix, not answer.error
        return {
            "question": problem.question,
            "expected": problem.answer or None,
            "said": final_answer(answer.text, prefix) if whole else None,
            "text": answer.text if whole else None,
            "right": is_right(answer.text, problem, prefix) if problem.answer and whole else None,
            "hops": len(problem.steps) or None,
            "thoughts": 0 if answer.recording is None else len(answer.recording.thoughts),
            "ended": ", ".join(answer.ended) or None,
            "stopped_by": answer.stopped_by,
            "error": answer.error or None,
        }

    def _used(self, changed: Sequence[bool]) -> Cells:
        if not changed:
            return {"used": None, "changed": None}
        return {"used": 2 * sum(changed) > len(changed), "changed": sum(changed)}

    @torch.inference_mode()
    def _readouts(
        self, problems: Sequence[Problem], answers: Sequence[Answer], prompts: Sequence[list[int]]
    ) -> list[Cells]:
        """What is seen of the thoughts of each run."""
        counts = [len(_thoughts(answer, self.model)) for answer in answers]
        states = torch.cat([_thoughts(answer, self.model) for answer in answers])
        node_ids = [self._node_ids(problem, prompt) for problem, prompt in zip(problems, prompts, strict=True)]
        owners = [place for place, count in enumerate(counts) for _ in range(count)]
        seen: list[Cells] = [
            {name: [] for name in ("entropy", "norm", "token", "probability", "tokens")}
            | {name: None if ids is None else [] for name in GRAPH_COLUMNS}
            for ids in node_ids
        ]
        size = max(1, LOGITS // self.model.shape.vocab_size)
        for start in range(0, len(states), size):
            some = states[start : start + size].to(self.model.device)
            logs = torch.log_softmax(self.model.logits(some.to(self.model.dtype)).float(), dim=-1)
            probabilities = logs.exp()
            entropies = -(probabilities * logs.clamp(min=-1e4)).sum(dim=-1)
            values, ids = probabilities.topk(min(self.settings.top, probabilities.shape[-1]), dim=-1)
            columns = (
                entropies.tolist(),
                some.float().norm(dim=-1).tolist(),
                ids.tolist(),
                values[:, 0].tolist(),
            )
            for place, entropy, norm, tokens, likeliest, row in zip(
                owners[start : start + size], *columns, probabilities, strict=True
            ):
                names = [self.model.vocabulary.name(number) for number in tokens]
                cells = seen[place]
                for name, value in zip(cells, (entropy, norm, names[0], likeliest, names), strict=False):
                    cells[name].append(value)
                self._add_masses(cells, problems[place], node_ids[place], row)
        return seen

    def _node_ids(self, problem: Problem, prompt: Sequence[int]) -> dict[str, int] | None:
        """The tokens of a graph's nodes; None where there is no graph, or a node's name is no single token."""
        if problem.graph is None:
            return None
        try:
            return {name: self.model.vocabulary.find(name, prompt) for name in problem.graph.names}
        except CoconutError:
            return None

    def _add_masses(
        self, cells: Cells, problem: Problem, node_ids: dict[str, int] | None, probabilities: Tensor
    ) -> None:
        if node_ids is None or problem.graph is None:
            return
        shares = probabilities[list(node_ids.values())].tolist()
        thought = len(cells["entropy"])
        mass = graph_mass(
            problem.graph,
            thought,
            dict(zip(node_ids, shares, strict=True)),
            self.model.config.first_thought_hops,
        )
        for name, entry in GRAPH_COLUMNS.items():
            cells[name].append(getattr(mass, entry))


def _thoughts(answer: Answer, model: LatentModel) -> Tensor:
    """The thoughts of a run, (thoughts, hidden), float32 on the CPU; none of a run that broke off."""
    if answer.error or answer.recording is None or not len(answer.recording.thoughts):
        return torch.zeros(0, model.shape.hidden_size)
    return answer.recording.thoughts.float().cpu()
