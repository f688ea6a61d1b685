"""Do the thoughts matter? The same problems with something else in place of the thoughts.

Each problem is answered with its own thoughts, which are recorded; then every control feeds something else at
the same places. The prompt is read once for all controls of a problem, which ride side by side in one batch.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property

import torch

from coconut_core.common.errors import CoconutError
from coconut_core.evaluation.ablations import CONTROLS, Control, one_by_one
from coconut_core.evaluation.sweep import answers_by_plan
from coconut_core.evaluation.verdict import ControlResult, Controls, with_adjusted
from coconut_core.interventions.donors import DONORS, Sources, mean_thoughts
from coconut_core.interventions.text import bind, read_commands
from coconut_core.latent.feedback import feedback_text
from coconut_core.latent.model import LatentModel
from coconut_core.problems.base import Problem, hash_problems
from coconut_core.problems.twins import twin_of
from coconut_core.records.answers import conclusion, final_answer, is_right
from coconut_core.runs.generate import Answer, run
from coconut_core.runs.halting import choose_ending, endings_of
from coconut_core.runs.passes import in_passes
from coconut_core.runs.plan import Plan
from coconut_core.runs.rows import Recording

BATCH = 64  # problems that are read at a time when they are answered with their own thoughts
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Case:
    """One problem with its own thoughts, and whose thoughts it can be given instead."""

    problem: Problem
    own: Recording
    answer: Answer
    donors: dict[str, "Case"] = field(default_factory=dict)  # by the name in DONORS

    @property
    def conclusion(self) -> str:
        return conclusion(self.problem.answer)


@dataclass
class ControlStudy:
    """A model with its problems answered once: what the controls are compared with and drawn from."""

    model: LatentModel
    cases: list[Case]
    answer_only: bool
    max_new_tokens: int
    seed: int
    errors: list[str] = field(default_factory=list)  # of the runs that are left out

    @cached_property
    def mean(self) -> torch.Tensor:
        """The mean of each thought over all problems, (most thoughts, hidden)."""
        return mean_thoughts([case.own.thoughts for case in self.cases])

    def plan(self, control: Control, case: Case, draw: int = 0) -> Plan:
        """What a control does to a problem's run, the draw-th where it is drawn by chance. Raises CoconutError
        where this problem has no such thing."""
        runs = {name: donor.own for name, donor in case.donors.items()}
        runs |= {"own": case.own, "mean": Recording(self.mean)}
        sources = StudySources(self.model, case.problem.question, case.problem, draw=draw, runs=runs)
        count = sources.donor(control.donor or "own").thoughts.shape[0]
        if not control.outcomes(count):
            raise CoconutError("it takes too few thoughts")
        sources.thoughts = count
        plan = bind(read_commands(control.text), sources)
        return plan if plan.thoughts is not None else replace(plan, thoughts=count)

    def swap(self, case: Case, donor: Case) -> Plan:
        """The thoughts of another problem's run in place of a problem's own. Raises CoconutError where these
        cannot be changed."""
        return self.plan(CONTROLS["random"], replace(case, donors={"random": donor}))

    def plans(self, controls: Sequence[Control], case: Case, draw: int = 0) -> dict[str, Plan | None]:
        """What each control does to a problem's run, by name; None where this problem has no such thing."""
        plans: dict[str, Plan | None] = {}
        for control in controls:
            try:
                plans[control.name] = self.plan(control, case, draw)
            except CoconutError:
                plans[control.name] = None
        return plans


class StudySources(Sources):
    """What a control refers to, for a problem of a study: runs that are recorded, to which none is added."""

    def make_run(self, name: str) -> Recording:
        """Raises CoconutError, as the problem has no such donor."""
        raise CoconutError(DONORS[name].missing)


def run_controls(
    model: LatentModel,
    problems: Sequence[Problem],
    *,
    names: Sequence[str] = tuple(CONTROLS),
    per_thought: bool = False,
    thoughts: int | None = None,
    answer_only: bool = True,
    max_new_tokens: int = 64,
    seed: int = 0,
    weights: str = "",
    data: str = "",
    progress: Progress | None = None,
) -> Controls:
    """Answer all problems with their own thoughts and with each control.

    answer_only: as in evaluate. per_thought adds: each thought left out, each swapped for another problem's
    (the others as they were), and only the first k. weights and data name what was measured. progress is called
    with the number of runs done. Where runs are left out, as their numbers overflow, the settings say how many.
    Raises CoconutError for an unknown control and for a model that takes no thoughts.
    """
    if unknown := [name for name in names if name not in CONTROLS]:
        raise CoconutError(f"unknown control '{unknown[0]}': choose from {', '.join(CONTROLS)}")
    tell = progress or (lambda count: None)
    study = study_problems(
        model,
        problems,
        thoughts=thoughts,
        answer_only=answer_only,
        max_new_tokens=max_new_tokens,
        seed=seed,
        progress=tell,
    )
    controls = [CONTROLS[name] for name in names]
    # Each problem has a number of its own for what is drawn for it.
    plans = [study.plans(controls, case, number) for number, case in enumerate(study.cases, start=1000 * seed)]
    results = compare(study, plans, tell)
    single = []
    if per_thought:
        plans = [study.plans(one_by_one(case.own.thoughts.shape[0]), case) for case in study.cases]
        single = compare(study, plans, tell)
    right = sum(_is_right(study, case, case.answer) for case in study.cases)
    return Controls(
        model=model.name,
        weights=weights,
        data=data,
        data_hash=hash_problems(problems),
        date=datetime.now(UTC).date().isoformat(),
        count=len(study.cases),
        right=right,
        thoughts=str(choose_ending(model, thoughts)) + in_passes(model.config.passes),
        results=with_adjusted(results),
        per_thought=with_adjusted(single),
        settings={"seed": seed, "answer_only": answer_only, "max_new_tokens": max_new_tokens}
        | ({"failed": len(study.errors), "error": study.errors[0]} if study.errors else {})
        | ({} if model.config.trained else {"trained": False, "feedback": feedback_text(model.config)}),
    )


def study_problems(
    model: LatentModel,
    problems: Sequence[Problem],
    *,
    thoughts: int | None = None,
    answer_only: bool = True,
    max_new_tokens: int = 64,
    seed: int = 0,
    progress: Progress | None = None,
) -> ControlStudy:
    """Answer problems and their twins with their own thoughts, and choose donors for each problem. A problem at
    which something goes wrong, as numbers that overflow, is left out.

    Raises CoconutError where there are no problems, or none that the model thinks about.
    """
    if not problems:
        raise CoconutError("there are no problems to run controls on")
    rng = random.Random(f"controls {seed}")
    twins = [twin_of(problem, rng) for problem in problems]
    everything = [*problems, *(twin for twin in twins if twin is not None)]
    answers = run(
        model,
        everything,
        thoughts=thoughts,
        answer_only=answer_only,
        max_new_tokens=max_new_tokens,
        batch_size=BATCH,
        progress=progress,
        raising=False,
    ).results
    errors = [answer.error for answer in answers if answer.error]
    if all(answer.error for answer in answers[: len(problems)]):
        raise CoconutError(errors[0])
    cases = [
        None if answer.error else _case(problem, answer)
        for problem, answer in zip(everything, answers, strict=True)
    ]
    if not any(case is not None and case.own.thoughts.shape[0] for case in cases):
        raise CoconutError("this model takes no thoughts here, so there is nothing to put in their place")
    own = [case for case in cases[: len(problems)] if case is not None]
    of_twins = iter(cases[len(problems) :])
    for case, twin in zip(cases[: len(problems)], twins, strict=False):
        of_twin = None if twin is None else next(of_twins)
        if case is None:
            continue
        for name, donor in DONORS.items():
            if numbers := donor.among(case.problem, [candidate.problem for candidate in own]):
                case.donors[name] = own[rng.choice(numbers)]
        if of_twin is not None:
            case.donors["twin"] = of_twin
    return ControlStudy(model, own, answer_only, max_new_tokens, seed, errors)


def compare(
    study: ControlStudy, plans: Sequence[dict[str, Plan | None]], progress: Progress | None = None
) -> list[ControlResult]:
    """Answer each problem with each of its plans, by name, and count what became of the answers. A run at which
    something goes wrong counts in no way but as one of the study's errors."""
    answers: dict[str, list[tuple[Case, Answer]]] = {name: [] for by_name in plans for name in by_name}
    for case, name, answer in answers_to(study, plans, progress or (lambda count: None), raising=False):
        if answer.error:
            study.errors.append(answer.error)
        else:
            answers[name].append((case, answer))
    return [_count(study, name, pairs) for name, pairs in answers.items() if pairs]


def answers_to(
    study: ControlStudy,
    plans: Sequence[dict[str, Plan | None]],
    progress: Progress,
    *,
    raising: bool = True,
    interrupt: Callable[[], None] | None = None,
    ended: Callable[[tuple[int, str], Answer], None] | None = None,
) -> Iterator[tuple[Case, str, Answer]]:
    """Answer each problem with each of its plans, by name; its prompt is read once for all of them.
    raising, interrupt, ended: see generate; its number is that of the problem with the name of the plan."""
    questions = [case.problem.question for case in study.cases]
    answers = answers_by_plan(
        study.model,
        questions,
        plans,
        endings_of(study.model, len(questions), None),
        answer_only=study.answer_only,
        max_new_tokens=study.max_new_tokens,
        progress=progress,
        raising=raising,
        interrupt=interrupt,
        ended=ended,
    )
    for number, name, answer in answers:
        yield study.cases[number], name, answer


# -- inside ------------------------------------------------------------------------------------------------


def _case(problem: Problem, answer: Answer) -> Case:
    assert answer.recording is not None  # as it was asked for
    return Case(problem, answer.recording, answer)


def _count(study: ControlStudy, name: str, pairs: Sequence[tuple[Case, Answer]]) -> ControlResult:
    prefix = study.model.config.answer_prefix
    real = [_is_right(study, case, case.answer) for case, _ in pairs]
    right = [_is_right(study, case, answer) for case, answer in pairs]
    answers = [final_answer(answer.text, prefix) for _, answer in pairs]
    own = [final_answer(case.answer.text, prefix) for case, _ in pairs]
    donor = CONTROLS[name].donor if name in CONTROLS else ""
    donors = [case.donors.get(donor) for case, _ in pairs]
    twins = [case.donors.get("twin") for case, _ in pairs]
    return ControlResult(
        name=name,
        p_adjusted=1.0,
        count=len(pairs),
        right=sum(right),
        real_right=sum(real),
        lost=sum(was and not now for was, now in zip(real, right, strict=True)),
        won=sum(now and not was for was, now in zip(real, right, strict=True)),
        changed=sum(now != was for now, was in zip(answers, own, strict=True)),
        counterfactual=sum(
            twin is not None and conclusion(now) == twin.conclusion
            for now, twin in zip(answers, twins, strict=True)
        ),
        counterfactual_count=sum(twin is not None for twin in twins),
        donor=None
        if None in donors
        else sum(
            donor is not None and conclusion(now) == donor.conclusion
            for now, donor in zip(answers, donors, strict=True)
        ),
    )


def _is_right(study: ControlStudy, case: Case, answer: Answer) -> bool:
    return is_right(answer.text, case.problem, study.model.config.answer_prefix)
