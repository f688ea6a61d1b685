"""What can be found out about a run without changing it: what would be said, what if, and what differs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING

from torch.nn.functional import cosine_similarity

from coconut_core.analysis.lens import divergence
from coconut_core.common.errors import CoconutError
from coconut_core.evaluation.variants import Variants
from coconut_core.interventions import Intervention, Plan
from coconut_core.latent.readout import Readout
from coconut_core.problems.base import Problem
from coconut_core.records.trace import StepRecord
from coconut_core.runs.generate import generate
from coconut_core.runs.steps import Step
from coconut_tui.engine.deciding import deciding_place
from coconut_tui.engine.live import Interrupted, LiveRun, Stop, ThoughtPlace, stopping
from coconut_tui.run.branches import THOUGHT, Said
from coconut_tui.run.state import ComparedStep, Comparison, Preview, Variant, WhatIf

if TYPE_CHECKING:
    from coconut_tui.engine.workbench import Workbench

MOST_PEEKS = 50
FEW, BETWEEN = 64, 0.1  # variants of which each is shown at once; of more seconds between two tables
ANSWERED_TOGETHER = 16  # problems in one batch; it can be stopped between two


def peek(bench: "Workbench", position: int, stop: Stop) -> None:
    """Find out what the current run would say after so many steps, thinking ended there."""
    run = bench.run.copy()
    run.rewind(min(position, len(run.session.steps)))
    key = replace(bench.decisions.upto(len(run.session.steps)), thoughts=None)
    if run.thinking:
        run.end_thinking()
    run.go_to_the_end(stop)
    if not stop():
        bench.peeks.pop(key, None)
        bench.peeks[key] = bench.said(run)
        for oldest in list(bench.peeks)[:-MOST_PEEKS]:
            del bench.peeks[oldest]


def preview(bench: "Workbench", text: str, segment: int, stop: Stop) -> Preview | None:
    """What an intervention would make of the current run, thought on and spoken to the end; None if stopped."""
    try:
        after = bench.derived(bench.plans.edited(bench.decisions, text, segment), stop, to_the_end=True)
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
        notes=bench.plans.plan(text, bench.decisions.thoughts).notes,
    )


def _thoughts(run: LiveRun) -> tuple[StepRecord, ...]:
    return tuple(record for record in run.records() if record.kind == "thought")


# -- what if -----------------------------------------------------------------------------------------------


def what_if(
    bench: "Workbench", title: str, texts: Sequence[str], stop: Stop, show: Callable[[WhatIf], None]
) -> None:
    """Answers of the current run with interventions, one at a time, in batches that share the prompt; and how
    likely the next words are where the answers to the question part.

    show gets the table whenever there is more of it. All are about the first latent segment.
    """
    planned, edits = planned_run(bench)
    table = WhatIf(title, (Variant("nothing changed"), *map(Variant, texts)))
    show(table)
    plans: dict[int, Plan] = {0: Plan(edits)}
    errors: dict[int, str] = {}
    for number, text in enumerate(texts, start=1):
        if stop():
            return
        try:
            plan = bench.plans.plan(text, planned)
            plans[number] = Plan({**edits, **plan.edits}, plan.thoughts)
        except CoconutError as error:
            errors[number] = str(error)
    study = Variants(bench.model, bench.tree.question, bench.tree.problem, plans, planned)
    show_variants(bench, table, study, errors, stop, show)


def show_variants(
    bench: "Workbench",
    table: WhatIf,
    study: Variants,
    errors: Mapping[int, str],
    stop: Stop,
    show: Callable[[WhatIf], None],
) -> None:
    """Find out what variants do, and show the table whenever there is more of it, though not more often than
    anybody can see. errors: of those that cannot be tried, by number."""
    shown = monotonic()

    def rows(complete: bool = False) -> WhatIf:
        place = None if study.parting is None else deciding_place(bench.model, study.parting)
        known = (
            replace(_known(bench, study, number, variant), error=errors.get(number, ""))
            for number, variant in enumerate(table.variants)
        )
        return WhatIf(table.title, tuple(known), place, complete)

    def changed() -> None:
        nonlocal shown
        if len(table.variants) <= FEW or monotonic() - shown > BETWEEN:
            shown = monotonic()
            show(rows())

    try:
        study.find(changed, stopping(stop))
    except Interrupted:
        return
    show(rows(complete=True))


def _known(bench: "Workbench", study: Variants, number: int, variant: Variant) -> Variant:
    """A row with what is known of it, beside what is said where nothing is changed."""
    if (words := study.next_words.get(number)) is not None:
        variant = replace(variant, probabilities=words.probabilities, logit_difference=words.logit_difference)
    if number not in study.answers or 0 not in study.answers:
        return variant
    answer, usual = study.answers[number], study.answers[0]
    judged, prefix = bench.judged(answer.text, answer.stopped_by), bench.model.config.answer_prefix
    aloud = len(answer.text.rsplit(prefix, 1)[0].split()) if prefix and prefix in answer.text else 0
    changed = judged.answer != bench.judged(usual.text, usual.stopped_by).answer
    return replace(variant, said=judged, changed=changed, aloud=aloud)


def planned_run(bench: "Workbench") -> tuple[int | None, Mapping[int, Intervention]]:
    """How many thoughts the current run takes, None where its rule says, and what is done to them."""
    moves, decisions = bench.run.moves, bench.decisions
    first = len(moves) - len(moves.lstrip(THOUGHT))
    edits = bench.plans.edits_of(decisions).items()
    in_first_segment = {thought: edit for (segment, thought), edit in edits if segment == 0}
    return first if bench.ended_by_hand else decisions.thoughts, in_first_segment


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


def _by_place(run: LiveRun) -> dict[ThoughtPlace, tuple[Step, StepRecord]]:
    steps = zip(run.session.steps, run.records(), strict=True)
    return {(step.segment, step.index): (step, record) for step, record in steps if step.kind == "thought"}


def _compared(
    bench: "Workbench",
    place: ThoughtPlace,
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
    show: Callable[[Mapping[int, Said]], None],
) -> None:
    """Answer problems as the checkpoint says, a batch at a time; show gets each batch's answers, judged."""
    numbers = [number for number, problem in problems.items() if problem.answer]
    for start in range(0, len(numbers), ANSWERED_TOGETHER):
        if stop():
            return
        batch = numbers[start : start + ANSWERED_TOGETHER]
        answers = generate(bench.model, [problems[number].question for number in batch])
        prefix = bench.model.config.answer_prefix
        show(
            {
                number: Said.judged(answer.text, prefix, problems[number], answer.stopped_by)
                for number, answer in zip(batch, answers, strict=True)
            }
        )
