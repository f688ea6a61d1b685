"""Do the thoughts matter? The same problems with something else in place of the thoughts.

Each problem is answered with its own thoughts, which are recorded; then every control feeds something else at
the same places. The prompt is read once for all controls of a problem, which ride side by side in one batch.
"""

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

import torch

from coconut_core.answers import conclusion, final_answer, is_right
from coconut_core.errors import CoconutError
from coconut_core.feedback import feedback_text
from coconut_core.generate import Answer, answer_of, run, telling
from coconut_core.halting import choose_ending
from coconut_core.interventions.donors import Sources, mean_thoughts
from coconut_core.interventions.edits import Nearest, Noise
from coconut_core.interventions.plan import Plan, shuffled, without
from coconut_core.model import CoconutModel
from coconut_core.passes import in_passes
from coconut_core.problems.base import Problem
from coconut_core.problems.twins import twin_of
from coconut_core.prompt import encode_text
from coconut_core.rows import Recording, in_batches, new_row, read_prompts, repeated, run_rows
from coconut_core.verdict import ControlResult, Controls, with_adjusted

BATCH = 64  # problems that are read at a time when they are answered with their own thoughts
ROWS = 128  # runs side by side with something else in place of the thoughts
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Case:
    """One problem with its own thoughts, and whose thoughts it can be given instead."""

    problem: Problem
    own: Recording
    answer: Answer
    donors: dict[str, "Case"] = field(default_factory=dict)  # by the control's name

    @property
    def conclusion(self) -> str:
        return conclusion(self.problem.answer)


@dataclass(frozen=True)
class Control:
    """What is fed in place of a problem's thoughts; None where this problem has no such thing."""

    description: str
    plan: "Callable[[Study, Case, int], Plan | None]"


CONTROLS = {
    "none": Control("no thought at all", lambda study, case, number: Plan(thoughts=0)),
    "zero": Control(
        "zero vectors",
        lambda study, case, number: Plan.feeding(torch.zeros_like(case.own.thoughts)),
    ),
    "pause": Control(
        "the latent marker's embedding, a token that says nothing",
        lambda study, case, number: study.pause(case),
    ),
    "mean": Control(
        "the mean of each thought over all problems",
        lambda study, case, number: Plan.feeding(study.mean[: case.own.thoughts.shape[0]]),
    ),
    "noise": Control(
        "random directions with the thoughts' norms",
        lambda study, case, number: Plan.feeding(
            torch.stack([Noise(number, place)(each) for place, each in enumerate(case.own.thoughts, start=1)])
        ),
    ),
    "nearest": Control(
        "of each thought only the nearest token's embedding", lambda study, case, number: study.nearest(case)
    ),
    "shuffled": Control(
        "its own thoughts in another order",
        lambda study, case, number: (
            Plan.feeding(shuffled(case.own.thoughts, number)) if case.own.thoughts.shape[0] > 1 else None
        ),
    ),
    "random": Control("the thoughts of another problem", lambda study, case, number: _donated(case, "random")),
    "same-hop": Control(
        "the thoughts of a problem with as long a chain", lambda study, case, number: _donated(case, "same-hop")
    ),
    "twin": Control(
        "the thoughts of the minimal twin, whose answer is the other one",
        lambda study, case, number: _donated(case, "twin"),
    ),
}


@dataclass
class Study:
    """A model with its problems answered once: what the controls are compared with and drawn from."""

    model: CoconutModel
    cases: list[Case]
    answer_only: bool
    max_new_tokens: int
    seed: int
    errors: list[str] = field(default_factory=list)  # of the runs that are left out

    @cached_property
    def mean(self) -> torch.Tensor:
        """The mean of each thought over all problems, (most thoughts, hidden)."""
        return mean_thoughts([case.own.thoughts for case in self.cases])

    @cached_property
    def _sources(self) -> Sources:
        return Sources(self.model, self.cases[0].problem.question)

    def pause(self, case: Case) -> Plan | None:
        """The latent marker at each thought; None where an embedding cannot stand for a thought."""
        if self.model.config.feedback != "hidden":
            return None
        vector = self._sources.embedding(self.model.config.latent_id)
        return Plan.feeding(vector.expand(case.own.thoughts.shape[0], -1))

    def nearest(self, case: Case) -> Plan | None:
        """The nearest token's embedding at each thought, the next one thought from there."""
        if self.model.config.feedback != "hidden":
            return None
        embeddings = self.model.embedding_table()
        count = case.own.thoughts.shape[0]
        return Plan(dict.fromkeys(range(1, count + 1), Nearest(embeddings)), count)


def run_controls(
    model: CoconutModel,
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
    plans = [
        {name: CONTROLS[name].plan(study, case, number) for name in names} for number, case in _numbered(study)
    ]
    results = compare(study, plans, tell)
    single = compare(study, [_single_plans(case) for case in study.cases], tell) if per_thought else []
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
    model: CoconutModel,
    problems: Sequence[Problem],
    *,
    thoughts: int | None = None,
    answer_only: bool = True,
    max_new_tokens: int = 64,
    seed: int = 0,
    progress: Progress | None = None,
) -> Study:
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
        others = [other for other in own if other.problem.question != case.problem.question]
        same = [other for other in others if len(other.problem.steps) == len(case.problem.steps)]
        for name, pool in (("random", others), ("same-hop", same if case.problem.steps else [])):
            if pool:
                case.donors[name] = rng.choice(pool)
        if of_twin is not None:
            case.donors["twin"] = of_twin
    return Study(model, own, answer_only, max_new_tokens, seed, errors)


def compare(
    study: Study, plans: Sequence[dict[str, Plan | None]], progress: Progress | None = None
) -> list[ControlResult]:
    """Answer each problem with each of its plans, by name, and count what became of the answers. A run at which
    something goes wrong counts in no way but as one of the study's errors."""
    told: dict[str, list[tuple[Case, Answer]]] = {name: [] for each in plans for name in each}
    for case, name, answer in answers_to(study, plans, progress or (lambda count: None), raising=False):
        if answer.error:
            study.errors.append(answer.error)
        else:
            told[name].append((case, answer))
    return [_count(study, name, pairs) for name, pairs in told.items() if pairs]


def answers_to(
    study: Study,
    plans: Sequence[dict[str, Plan | None]],
    progress: Progress,
    *,
    raising: bool = True,
    interrupt: Callable[[], None] | None = None,
    ended: Callable[[tuple[int, str], Answer], None] | None = None,
) -> Iterator[tuple[Case, str, Answer]]:
    """Answer each problem with each of its plans, by name; its prompt is read once for all of them.
    raising, interrupt, ended: see generate; its number is that of the problem with the name of the plan."""
    model = study.model
    ending = choose_ending(model)
    forced = encode_text(model.tokenizer, model.config.answer_prefix) if study.answer_only else []
    prompts = [model.encode_prompt(case.problem.question) for case in study.cases]
    most = max((sum(plan is not None for plan in each.values()) for each in plans), default=1)
    for chosen in in_batches(prompts, max(1, ROWS // max(1, most))):
        base = read_prompts(model, [prompts[index] for index in chosen], shortcut=True)
        named = [
            (place, index, name, plan)
            for place, index in enumerate(chosen)
            for name, plan in plans[index].items()
            if plan is not None
        ]
        rows = [
            new_row(
                model,
                len(prompts[index]),
                ending,
                plan=plan,
                forced=forced,
                max_new_tokens=study.max_new_tokens,
            )
            for _, index, _, plan in named
        ]
        context = repeated(base, [place for place, *_ in named])
        look = interrupt
        if ended is not None:
            names = [(index, name) for _, index, name, _ in named]
            look = telling(model, dict(zip(names, rows, strict=True)), ended, interrupt)
        run_rows(model, context, rows, interrupt=look)
        if ended is not None and look is not None:
            look()
        for (_, index, name, _), row in zip(named, rows, strict=True):
            if raising and row.error is not None:
                raise row.error
            yield study.cases[index], name, answer_of(model, row)
        progress(len(rows))


def hash_problems(problems: Sequence[Problem]) -> str:
    """SHA-256 of the questions and answers, in order."""
    digest = hashlib.sha256()
    for problem in problems:
        digest.update(f"{problem.question}\0{problem.answer}\0".encode())
    return digest.hexdigest()


# -- inside ------------------------------------------------------------------------------------------------


def _case(problem: Problem, answer: Answer) -> Case:
    assert answer.recording is not None  # as it was asked for
    return Case(problem, answer.recording, answer)


def _numbered(study: Study) -> Iterator[tuple[int, Case]]:
    """Each problem with a number of its own for what is drawn for it."""
    return enumerate(study.cases, start=1000 * study.seed)


def _donated(case: Case, name: str) -> Plan | None:
    donor = case.donors.get(name)
    return None if donor is None else Plan.feeding(donor.own.thoughts)


def _single_plans(case: Case) -> dict[str, Plan | None]:
    """One thought at a time: left out, swapped for another problem's; and only the first k."""
    own, donor = case.own.thoughts, case.donors.get("random")
    plans: dict[str, Plan | None] = {}
    count = own.shape[0]
    for place in range(1, count + 1):
        plans[f"without {place}"] = Plan.feeding(without(own, [place]))
    for place in range(1, count + 1):
        swapped = None
        if donor is not None and donor.own.thoughts.shape[0] >= place:
            mixed = own.clone()
            mixed[place - 1] = donor.own.thoughts[place - 1]
            swapped = Plan.feeding(mixed)
        plans[f"swapped {place}"] = swapped
    for place in range(1, count):
        plans[f"first {place}"] = Plan(thoughts=place)
    return plans


def _count(study: Study, name: str, pairs: Sequence[tuple[Case, Answer]]) -> ControlResult:
    prefix = study.model.config.answer_prefix
    real = [_is_right(study, case, case.answer) for case, _ in pairs]
    right = [_is_right(study, case, answer) for case, answer in pairs]
    said = [final_answer(answer.text, prefix) for _, answer in pairs]
    own = [final_answer(case.answer.text, prefix) for case, _ in pairs]
    donors = [case.donors.get(name) for case, _ in pairs]
    twins = [case.donors.get("twin") for case, _ in pairs]
    return ControlResult(
        name=name,
        p_adjusted=1.0,
        count=len(pairs),
        right=sum(right),
        real_right=sum(real),
        lost=sum(was and not now for was, now in zip(real, right, strict=True)),
        won=sum(now and not was for was, now in zip(real, right, strict=True)),
        changed=sum(now != was for now, was in zip(said, own, strict=True)),
        counterfactual=sum(
            twin is not None and conclusion(now) == twin.conclusion
            for now, twin in zip(said, twins, strict=True)
        ),
        counterfactual_count=sum(twin is not None for twin in twins),
        donor=None
        if None in donors
        else sum(
            donor is not None and conclusion(now) == donor.conclusion
            for now, donor in zip(said, donors, strict=True)
        ),
    )


def _is_right(study: Study, case: Case, answer: Answer) -> bool:
    return is_right(answer.text, case.problem, study.model.config.answer_prefix)
