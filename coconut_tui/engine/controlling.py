"""Something else in place of the thoughts: all controls on one question, and swaps on many."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.evaluation.ablations import CONTROLS, Control
from coconut_core.evaluation.controls import Case, ControlStudy, answers_to
from coconut_core.evaluation.deciding import NextWords, least_sure, next_words, parting
from coconut_core.interventions import Plan
from coconut_core.interventions.donors import DONORS
from coconut_core.problems.base import Problem
from coconut_core.problems.twins import twin_of
from coconut_core.records.answers import conclusion, final_answer
from coconut_core.runs.generate import Answer, run
from coconut_tui.engine.deciding import deciding_place
from coconut_tui.engine.live import Interrupted, Stop, stopping
from coconut_tui.engine.readings import ANSWERED_TOGETHER
from coconut_tui.run.controlled import Controlled, ControlRow, Swaps

if TYPE_CHECKING:
    from coconut_tui.engine.workbench import Workbench

DRAWS = 6  # of a control that is drawn by chance, and swaps of one problem
OTHERS = 16  # problems whose thoughts are drawn from
_MOST_WORDS = 64
_Draw = tuple[Case, Plan]


def _pool(model: CoconutModel, problems: Sequence[Problem]) -> list[Case]:
    """Some problems whose thoughts can be drawn, always the same of the same."""
    sample = random.Random("others").sample(list(problems), min(OTHERS, len(problems)))
    return [case for case in _cases(model, sample) if case.own.thoughts.shape[0]]


def _donors(problem: Problem, pool: Sequence[Case], donor: str) -> list[Case]:
    """Other problems of the pool whose thoughts a donor gives to one problem, always the same."""
    numbers = DONORS[donor].among(problem, [case.problem for case in pool])
    sample = random.Random(f"swaps {problem.question}").sample(numbers, min(DRAWS, len(numbers)))
    return [pool[number] for number in sample]


# -- one question ------------------------------------------------------------------------------------------


def control_question(
    bench: "Workbench", others: Sequence[Problem], stop: Stop, show: Callable[[Controlled], None]
) -> None:
    """Run every control on the question of the tree; show gets the table whenever there is more of it.

    The thoughts are those that the model thinks by itself, as many as the current branch plans, without its
    edits; the answer follows them at once, as in coconut controls.
    """
    tree = bench.tree
    try:
        case, study = _studied(bench, tree.problem or Problem(tree.question, (), ""), others)
    except CoconutError as error:
        show(Controlled(error=str(error)))
        return
    draws: dict[str, list[_Draw]] = {}
    rows: list[ControlRow] = []
    for name, control in CONTROLS.items():
        try:
            draws[name], missing = _draws(study, case, control), ""
        except CoconutError as error:
            draws[name], missing = [], str(error)
        rows.append(ControlRow(name, control.description, len(draws[name]), missing))
    table = Controlled(tuple(rows), own=bench.judged(case.answer.text, case.answer.stopped_by))
    show(table)
    if stop():
        return

    def tell(answers: Mapping[str, Sequence[Answer]]) -> None:
        nonlocal table
        rows = (
            _counted(bench, row, case, draws, answers) if row.name in answers and not row.said else row
            for row in table.rows
        )
        table = replace(table, rows=tuple(rows))
        show(table)

    try:
        answers = _answered_with(study, case, draws, stop, tell)
    except Interrupted:
        return
    tell(answers)
    _add_probabilities(bench.model, case, draws, answers, table, stop, show)


def _studied(bench: "Workbench", problem: Problem, others: Sequence[Problem]) -> tuple[Case, ControlStudy]:
    """The question with what donors it can have, in front of other problems."""
    twin = twin_of(problem, random.Random(f"twin {problem.question}")) if problem.answer else None
    thoughts = bench.decisions.thoughts
    case, *of_twin = _cases(bench.model, [problem, *([] if twin is None else [twin])], thoughts)
    if not case.own.thoughts.shape[0]:
        raise CoconutError(
            "this model takes no thoughts here, so there is nothing to put in their place: ] plans one"
        )
    case = replace(case, donors=dict(zip(("twin",), of_twin, strict=False)))
    pool = [donor for donor in _pool(bench.model, others) if donor.problem.question != problem.question]
    return case, ControlStudy(bench.model, [case, *pool], answer_only=True, max_new_tokens=_MOST_WORDS, seed=0)


def _cases(model: CoconutModel, problems: Sequence[Problem], thoughts: int | None = None) -> list[Case]:
    """Problems answered with their own thoughts."""
    runs = run(model, problems, thoughts=thoughts, answer_only=True, max_new_tokens=_MOST_WORDS)
    return [
        Case(problem, answer.recording, answer)
        for problem, answer in zip(problems, runs.results, strict=True)
        if answer.recording is not None
    ]


def _draws(study: ControlStudy, case: Case, control: Control) -> list[_Draw]:
    """What a control feeds, as often as it is drawn, with the case that it was drawn for. Raises CoconutError
    where this question has no such control."""
    pool = study.cases[1:]
    if control.name == "mean" and not pool:
        raise CoconutError(DONORS["mean"].missing)
    times = min(DRAWS, control.outcomes(case.own.thoughts.shape[0]))
    cases = [case] * max(1, int(times))
    if control.donor and (donors := _donors(case.problem, pool, control.donor)):
        cases = [replace(case, donors={control.donor: donor}) for donor in donors]
    return [(with_donor, study.plan(control, with_donor, number)) for number, with_donor in enumerate(cases)]


def _answered_with(
    study: ControlStudy,
    case: Case,
    draws: Mapping[str, Sequence[_Draw]],
    stop: Stop,
    tell: Callable[[Mapping[str, Sequence[Answer]]], None],
) -> dict[str, list[Answer]]:
    """The answers of each control, a draw each, all in one batch; tell gets those of a control once all its
    draws have ended. Raises Interrupted."""
    by_key: dict[str, Answer] = {}

    def ended(ending: tuple[int, str], answer: Answer) -> None:
        by_key[ending[1]] = answer
        name = ending[1].rpartition(" ")[0]
        keys = [f"{name} {number}" for number in range(len(draws[name]))]
        if all(key in by_key for key in keys):
            tell({name: [by_key[key] for key in keys]})

    plans: dict[str, Plan | None] = {
        f"{name} {number}": plan for name, row in draws.items() for number, (_, plan) in enumerate(row)
    }
    alone = replace(study, cases=[case])
    for _ in answers_to(alone, [plans], lambda count: None, interrupt=stopping(stop), ended=ended):
        pass
    return {name: [by_key[f"{name} {number}"] for number in range(len(row))] for name, row in draws.items()}


def _counted(
    bench: "Workbench",
    row: ControlRow,
    case: Case,
    draws: Mapping[str, Sequence[_Draw]],
    answers: Mapping[str, Sequence[Answer]],
) -> ControlRow:
    prefix = bench.model.config.answer_prefix
    own = final_answer(case.answer.text, prefix)
    texts = [final_answer(answer.text, prefix) for answer in answers[row.name]]
    donors = [with_donor.donors.get(CONTROLS[row.name].donor) for with_donor, _ in draws[row.name]]
    return replace(
        row,
        said=tuple(bench.judged(answer.text, answer.stopped_by) for answer in answers[row.name]),
        changed=sum(text != own for text in texts),
        donors=None
        if not donors or None in donors
        else sum(
            donor is not None and bool(donor.problem.answer) and conclusion(text) == donor.conclusion
            for text, donor in zip(texts, donors, strict=True)
        ),
    )


def _add_probabilities(
    model: CoconutModel,
    case: Case,
    draws: Mapping[str, Sequence[_Draw]],
    answers: Mapping[str, Sequence[Answer]],
    table: Controlled,
    stop: Stop,
    show: Callable[[Controlled], None],
) -> None:
    """How likely the next words are where the answers to the question part, row by row."""
    question, own, interrupt = case.problem.question, Plan.feeding(case.own.thoughts), stopping(stop)
    others = [answer for row in answers.values() for answer in row]

    def find_unsure(answer: tuple[int, ...]) -> int:
        return least_sure(model, question, own, answer, interrupt=interrupt)

    try:
        at = parting(model, case.problem, case.answer, others, find_unsure)
        if at is not None:
            drawn = [(name, plan) for name, row in draws.items() for _, plan in row]
            plans = [own, *(plan for _, plan in drawn)]
            read = next_words(model, question, plans, at, interrupt=interrupt)
            mine = next(read)
            table = replace(
                table,
                place=deciding_place(model, at),
                probabilities=mine.probabilities,
                logit_difference=mine.logit_difference,
            )
            found: dict[str, list[NextWords]] = {name: [] for name in draws}
            for (name, _), words in zip(drawn, read, strict=True):
                found[name].append(words)
                if len(found[name]) == len(draws[name]):
                    table = table.with_row(_averaged(table, name, found[name]))
                    show(table)
    except Interrupted:
        return
    show(replace(table, complete=True))


def _averaged(table: Controlled, name: str, found: Sequence[NextWords]) -> ControlRow:
    """A row with the means over its draws."""
    row = next(row for row in table.rows if row.name == name)
    differences = [each.logit_difference for each in found if each.logit_difference is not None]
    return replace(
        row,
        probabilities=tuple(map(fmean, zip(*(each.probabilities for each in found), strict=True))),
        logit_difference=fmean(differences) if len(differences) == len(found) else None,
    )


# -- many problems -----------------------------------------------------------------------------------------


def swap_thoughts(
    model: CoconutModel,
    problems: Mapping[int, Problem],
    others: Sequence[Problem],
    stop: Stop,
    show: Callable[[Mapping[int, Swaps]], None],
) -> None:
    """Answer problems with other problems' thoughts, a batch at a time; show gets what became of each batch.

    Raises CoconutError where the model takes no thoughts.
    """
    pool = _pool(model, others)
    if not pool:
        raise CoconutError("this model takes no thoughts here, so there is nothing to put in their place")
    prefix, numbers = model.config.answer_prefix, list(problems)
    for start in range(0, len(numbers), ANSWERED_TOGETHER):
        if stop():
            return
        batch = numbers[start : start + ANSWERED_TOGETHER]
        cases = _cases(model, [problems[number] for number in batch])
        study = ControlStudy(model, cases, answer_only=True, max_new_tokens=_MOST_WORDS, seed=0)
        plans = [_swaps(study, case, pool) for case in cases]
        if stop():
            return
        changed = {id(case): 0 for case in cases}
        for case, _, answer in answers_to(study, plans, lambda count: None):
            changed[id(case)] += final_answer(answer.text, prefix) != final_answer(case.answer.text, prefix)
        show(
            {
                number: Swaps(changed[id(case)], len(swaps))
                for number, case, swaps in zip(batch, cases, plans, strict=True)
                if swaps
            }
        )


def _swaps(study: ControlStudy, case: Case, pool: Sequence[Case]) -> dict[str, Plan | None]:
    """The thoughts of some other problems; none for a problem that the model does not think about."""
    if not case.own.thoughts.shape[0]:
        return {}
    return {
        f"swap {number}": study.swap(case, donor)
        for number, donor in enumerate(_donors(case.problem, pool, "random"))
    }
