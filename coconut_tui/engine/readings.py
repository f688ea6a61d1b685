"""What can be found out about a run without changing it: what would be said, what if, and what differs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from torch.nn.functional import cosine_similarity

from coconut_core.analysis.lens import divergence
from coconut_core.answers import is_right
from coconut_core.errors import CoconutError
from coconut_core.generate import generate
from coconut_core.interventions import Intervention, Plan
from coconut_core.problems.base import Problem
from coconut_core.readout import Readout
from coconut_core.session import Step
from coconut_core.trace import StepRecord
from coconut_tui.branches import MARKER, THOUGHT, Decisions
from coconut_tui.engine.live import LiveRun, Place, Stop
from coconut_tui.state import ComparedStep, Comparison, Preview, Variant, WhatIf

if TYPE_CHECKING:
    from coconut_tui.engine.workbench import Workbench

MOST_PEEKS = 50
ANSWERED_TOGETHER = 16  # problems in one batch; it can be stopped between two


def peek(bench: "Workbench", position: int, stop: Stop) -> None:
    """Find out what the current run would say after so many steps, thinking ended there."""
    run = bench.run.copy()
    run.rewind(min(position, len(run.session.steps)))
    key = replace(bench.decisions.upto(len(run.session.steps)), thoughts=None)
    if run.thinking:
        run.take(MARKER)
    run.go_to_the_end(stop)
    if not stop():
        bench.peeks.pop(key, None)
        bench.peeks[key] = bench.said(run)
        for oldest in list(bench.peeks)[:-MOST_PEEKS]:
            del bench.peeks[oldest]


def preview(bench: "Workbench", text: str, segment: int, stop: Stop) -> Preview | None:
    """What an intervention would make of the current run, thought on and spoken to the end; None if stopped."""
    try:
        after = bench.derived(bench.edited(text, segment), stop, to_the_end=True)
    except CoconutError as error:
        return Preview(text, str(error))
    before = bench.run.copy()
    before.go_to_the_end(stop)
    if stop():
        return None
    return Preview(
        text,
        before=_thoughts(before),
        after=_thoughts(after),
        said_before=bench.said(before),
        said_after=bench.said(after),
    )


def _thoughts(run: LiveRun) -> tuple[StepRecord, ...]:
    return tuple(record for record in run.records() if record.kind == "thought")


# -- what if -----------------------------------------------------------------------------------------------


def what_if(
    bench: "Workbench", title: str, texts: Sequence[str], stop: Stop, show: Callable[[WhatIf], None]
) -> None:
    """Answers of the current run with interventions, one at a time, all in one batch.

    Then, run by run, the probability of what is said where answers first differ. show gets the table whenever
    there is more of it. All are about the first latent segment.
    """
    planned, edits = _planned(bench)
    plain = Plan(edits)
    plans: list[Plan | None] = [plain]
    variants = [Variant("nothing changed")]
    for text in texts:
        try:
            plan = bench.plan(text, planned)
        except CoconutError as error:
            plans.append(None)
            variants.append(Variant(text, error=str(error)))
        else:
            plans.append(Plan({**edits, **plan.edits}, plan.thoughts))
            variants.append(Variant(text))
    show(WhatIf(title, tuple(variants)))
    rows = [number for number, plan in enumerate(plans) if plan is not None]
    answers = dict(
        zip(
            rows,
            generate(
                bench.model,
                [bench.tree.question] * len(rows),
                thoughts=planned,
                plans=[plans[number] for number in rows],
            ),
            strict=True,
        )
    )
    usual = answers[0].token_ids
    for number, answer in answers.items():
        variants[number] = replace(
            variants[number],
            said=bench.judged(answer.text, finished=True),
            changed=answer.token_ids != usual,
        )
    show(WhatIf(title, tuple(variants)))
    common = min(first_difference(usual, answer.token_ids) for answer in answers.values())
    if common == len(usual):
        common = _least_sure(_run_with(bench, plain, planned), stop)
    for number, answer in answers.items():
        plan = plans[number] or plain
        place = first_difference(usual, answer.token_ids) if variants[number].changed else common
        if stop():
            return
        if place < len(answer.token_ids):
            token = answer.token_ids[place]
            variants[number] = replace(
                variants[number],
                word=bench.model.token_text(token),
                probability=_probability(_run_with(bench, plan, planned), place, token),
            )
            show(WhatIf(title, tuple(variants)))
    show(WhatIf(title, tuple(variants), complete=True))


def _planned(bench: "Workbench") -> tuple[int | None, Mapping[int, Intervention]]:
    """How many thoughts the current run takes, None where its rule says, and what is done to them."""
    moves, decisions = bench.run.moves, bench.decisions
    first = moves.partition(MARKER)[0]
    by_hand = bench.ended_by_hand and set(first) <= {THOUGHT}
    edits = {thought: edit for (segment, thought), edit in bench.edits_of(decisions).items() if segment == 0}
    return len(first) if by_hand else decisions.thoughts, edits


def first_difference(first: Sequence[int], second: Sequence[int]) -> int:
    """The first place at which two answers differ; their length where they do not."""
    for place, (mine, other) in enumerate(zip(first, second, strict=False)):
        if mine != other:
            return place
    return min(len(first), len(second))


def _run_with(bench: "Workbench", plan: Plan, planned: int | None) -> LiveRun:
    """A new run of the question, with what a plan does to its thoughts."""
    thoughts = planned if plan.thoughts is None else plan.thoughts
    edits: dict[Place, Intervention] = {(0, number): edit for number, edit in plan.edits.items()}
    run = bench.new_run(thoughts)
    run.reach(Decisions(thoughts), edits)
    return run


def _least_sure(run: LiveRun, stop: Stop) -> int:
    """Which word of its answer a run gives the least probability."""
    probabilities = []
    while not stop():
        readout = run.session.next_readout
        if not run.step():
            break
        last = run.session.steps[-1]
        if last.kind == "token" and last.token_id is not None:
            probabilities.append(readout.probability(last.token_id))
    return probabilities.index(min(probabilities)) if probabilities else 0


def _probability(run: LiveRun, place: int, token: int) -> float | None:
    """Probability of a word of a new run's answer, `place` words into it; None where the run ends before."""
    said = 0
    while (said < place or run.thinking) and run.step():
        said += run.session.steps[-1].kind == "token"
    return run.session.next_readout.probability(token) if said == place else None


# -- comparing ---------------------------------------------------------------------------------------------


def compare(bench: "Workbench", first: int, second: int) -> Comparison:
    """Two branches side by side, thought by thought."""
    branches = bench.tree.branch(first), bench.tree.branch(second)
    runs = bench.run_of(first), bench.run_of(second)
    sides = [_by_place(run) for run in runs]
    return Comparison(
        first=branches[0].name,
        second=branches[1].name,
        shared=branches[0].decisions.shared(branches[1].decisions),
        steps=tuple(
            _compared(bench, place, sides[0].get(place), sides[1].get(place))
            for place in sorted({*sides[0], *sides[1]})
        ),
        first_said=bench.said(runs[0]),
        second_said=bench.said(runs[1]),
    )


def _by_place(run: LiveRun) -> dict[Place, tuple[Step, StepRecord]]:
    steps = zip(run.session.steps, run.records(), strict=True)
    return {(step.segment, step.index): (step, record) for step, record in steps if step.kind == "thought"}


def _compared(
    bench: "Workbench",
    place: Place,
    first: tuple[Step, StepRecord] | None,
    second: tuple[Step, StepRecord] | None,
) -> ComparedStep:
    if first is None or second is None:
        return ComparedStep(*place, first and first[1], second and second[1])
    logits = [Readout(bench.model, step.hidden).logits.double() for step, _ in (first, second)]
    return ComparedStep(
        *place,
        first[1],
        second[1],
        divergence=max(0.0, float(divergence(logits[1], logits[0]))),
        cosine=float(cosine_similarity(first[0].hidden.float(), second[0].hidden.float(), dim=0)),
    )


# -- many problems -----------------------------------------------------------------------------------------


def answer_all(
    bench: "Workbench",
    problems: Mapping[int, Problem],
    stop: Stop,
    show: Callable[[Mapping[int, bool]], None],
) -> None:
    """Answer problems as the checkpoint says, a batch at a time; show gets each batch's verdicts."""
    numbers = [number for number, problem in problems.items() if problem.answer]
    for start in range(0, len(numbers), ANSWERED_TOGETHER):
        if stop():
            return
        chosen = numbers[start : start + ANSWERED_TOGETHER]
        answers = generate(bench.model, [problems[number].question for number in chosen])
        prefix = bench.model.config.answer_prefix
        show(
            {
                number: is_right(answer.text, problems[number], prefix)
                for number, answer in zip(chosen, answers, strict=True)
            }
        )
