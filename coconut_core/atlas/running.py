"""The runs of a batch of problems, each with its swaps: a prompt is read once for all that is done with it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch

from coconut_core.atlas.folder import Settings
from coconut_core.common.errors import CoconutError
from coconut_core.evaluation.controls import Case, ControlStudy
from coconut_core.evaluation.deciding import Parting, parting
from coconut_core.evaluation.sweep import ROWS
from coconut_core.interventions.donors import DONORS
from coconut_core.latent.cache.contexts import Context
from coconut_core.latent.model import LatentModel
from coconut_core.latent.prompt import encode_text
from coconut_core.problems.base import Problem
from coconut_core.records.answers import final_answer, wrong_answer
from coconut_core.runs.generate import Answer, answer_of
from coconut_core.runs.halting import choose_ending
from coconut_core.runs.machine import Move
from coconut_core.runs.plan import Plan
from coconut_core.runs.rows import Decision, Row, new_row, read_prompts, repeated, run_rows


@dataclass
class RunOf:
    """What became of one problem."""

    answer: Answer  # with a recording of the thoughts
    changed: list[bool] = field(default_factory=list)  # by swap, whether the answer became another
    logit_difference: float | None = None  # right - wrong where the two answers part, nats


@dataclass(frozen=True)
class Runner:
    """Runs problems always in the same way. pool: whose thoughts are fed to others."""

    model: LatentModel
    settings: Settings
    pool: tuple[Case, ...] = ()

    def with_pool(self, problems: Sequence[Problem]) -> "Runner":
        """The same with swaps that feed the thoughts of these problems."""
        prompts = {}
        for number, problem in enumerate(problems if self.settings.swaps else ()):
            try:
                prompts[number] = self.model.encode_prompt(problem.question)
            except CoconutError:  # it is told where it has its row
                continue
        some = [problems[number] for number in prompts]
        runs = self.run(some, [*prompts.values()]) if some else []
        cases = (
            Case(problem, run.answer.recording, run.answer)
            for problem, run in zip(some, runs, strict=True)
            if run.answer.recording is not None and not run.answer.error
        )
        return replace(self, pool=tuple(case for case in cases if len(case.own.thoughts)))

    @torch.inference_mode()
    def run(self, problems: Sequence[Problem], prompts: Sequence[list[int]]) -> list[RunOf]:
        """One batch of problems, whose prompts are given as token ids."""
        base = read_prompts(self.model, prompts, shortcut=True)
        rows = [self._row(prompt) for prompt in prompts]
        places = [self._parting(problem) for problem in problems]
        differences: dict[int, float] = {}
        numbers = {id(row): number for number, row in enumerate(rows)}

        def look(going: Sequence[Row], decision: Decision) -> None:
            for row, move, readout in zip(going, decision.moves, decision.readouts, strict=False):
                number = numbers[id(row)]
                place, words = places[number], tuple(row.token_ids[:-1])
                if move is Move.SPEAK and place is not None and words == place.words:
                    first, second = readout.logits[list(place.tokens)].double().tolist()
                    differences[number] = first - second

        context = repeated(base, range(len(rows))) if self.pool else base
        run_rows(self.model, context, rows, keep="thoughts", look=look)
        runs = [
            RunOf(answer_of(self.model, row, "thoughts"), logit_difference=differences.get(number))
            for number, row in enumerate(rows)
        ]
        if self.pool:
            self._swap(base, problems, prompts, runs)
        return runs

    def _row(self, prompt: Sequence[int], plan: Plan | None = None) -> Row:
        prefix = self.model.config.answer_prefix if self.settings.answer_only else ""
        return new_row(
            self.model,
            len(prompt),
            choose_ending(self.model, self.settings.thoughts),
            plan=plan,
            forced=encode_text(self.model.tokenizer, prefix),
            max_new_tokens=self.settings.max_new_tokens,
        )

    def _parting(self, problem: Problem) -> Parting | None:
        """Where the right answer and the wrong candidate's part; None where one of them is not known."""
        if wrong_answer(problem) is None:
            return None
        return parting(self.model, problem, Answer(text=problem.answer), (), len)

    def _swap(
        self, base: Context, problems: Sequence[Problem], prompts: Sequence[list[int]], runs: Sequence[RunOf]
    ) -> None:
        """Run each problem with the thoughts of others, and note in its run whether that changed the answer."""
        prefix = self.model.config.answer_prefix
        plans = [
            (place, plan)
            for place, problem in enumerate(problems)
            for plan in self._plans(problem, runs[place].answer)
        ]
        for start in range(0, len(plans), ROWS):
            some = plans[start : start + ROWS]
            rows = [self._row(prompts[place], plan) for place, plan in some]
            run_rows(self.model, repeated(base, [place for place, _ in some]), rows)
            for (place, _), row in zip(some, rows, strict=True):
                if row.error is None:
                    own = final_answer(runs[place].answer.text, prefix)
                    swapped = final_answer(answer_of(self.model, row).text, prefix)
                    runs[place].changed.append(swapped != own)

    def _plans(self, problem: Problem, answer: Answer) -> list[Plan]:
        """Thoughts of others in place of a problem's own, the same ones each time."""
        if answer.error or answer.recording is None or not len(answer.recording.thoughts):
            return []
        case = Case(problem, answer.recording, answer)
        study = ControlStudy(
            self.model, [case], self.settings.answer_only, self.settings.max_new_tokens, seed=0
        )
        numbers = DONORS["random"].among(problem, [donor.problem for donor in self.pool])
        rng = random.Random(f"swaps {problem.question}")
        plans: list[Plan] = []
        for number in rng.sample(numbers, min(self.settings.swaps, len(numbers))):
            try:
                plans.append(study.swap(case, self.pool[number]))
            except CoconutError:  # a model whose thoughts cannot be edited
                continue
        return plans
