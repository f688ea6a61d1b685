"""The causal grid of the run on screen."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from coconut_core.common.errors import CoconutError
from coconut_core.evaluation.variants import Variants
from coconut_core.grid.layouts import Direction, Size
from coconut_core.grid.setting import Choice, setting_of
from coconut_core.interventions import Plan
from coconut_core.interventions.donors import Sources
from coconut_core.interventions.text import parse_plan
from coconut_core.problems.base import Problem
from coconut_tui.engine.live import Interrupted, Stop, stopping
from coconut_tui.engine.readings import planned_run, show_variants, what_if
from coconut_tui.run.grid import GridChoice, GridTable
from coconut_tui.run.state import Variant, WhatIf

if TYPE_CHECKING:
    from coconut_tui.engine.workbench import Workbench


def measure_grid(bench: "Workbench", choice: GridChoice, stop: Stop, show: Callable[[GridTable], None]) -> None:
    """Measure a grid; show gets it whenever there is more of it, or with the reason why there is none."""
    try:
        if choice.direction is Direction.DENOISING:
            _repair(bench, choice, stop, show)
            return
        asked = Choice(choice.kind, choice.direction, choice.donor, choice.thought)
        layout = asked.layout_over(bench.model, bench.tree.question, choice.thoughts)
        found = GridTable(choice, layout, WhatIf(layout.title, ()))
        texts = [*layout.texts.values()]
        what_if(bench, layout.title, texts, stop, lambda table: show(replace(found, table=table)))
    except CoconutError as error:
        show(GridTable(choice, None, WhatIf("", ()), error=str(error)))


def _repair(bench: "Workbench", choice: GridChoice, stop: Stop, show: Callable[[GridTable], None]) -> None:
    """Denoising: the donor's run with what this question's run put out."""
    Choice(choice.kind, choice.direction, choice.donor).layout(Size(1, 1, 1))  # refused at once
    planned, _ = planned_run(bench)
    problem = bench.tree.problem or Problem(bench.tree.question, (), "")
    asked = Choice(choice.kind, choice.direction, choice.donor, choice.thought, bench.others, planned)
    try:
        setting = setting_of(bench.model, problem, asked, stopping(stop))
    except Interrupted:
        return
    layout = setting.layout()
    plans = {0: Plan()}
    errors: dict[int, str] = {}
    for number, text in enumerate(layout.texts.values(), start=1):
        if stop():
            return
        try:
            plans[number] = parse_plan(text, setting.sources)
        except CoconutError as error:
            errors[number] = str(error)
    study = Variants(bench.model, setting.question, problem, plans, planned, parting=setting.at)
    typed = choice.donor == "twin" and _is_twin(setting.sources, problem)
    found = GridTable(choice, layout, WhatIf(layout.title, ()), setting.sources.problem, typed)
    table = WhatIf(layout.title, (Variant("nothing changed"), *map(Variant, layout.texts.values())))
    show(replace(found, table=table))
    show_variants(bench, table, study, errors, stop, lambda table: show(replace(found, table=table)))


def _is_twin(sources: Sources, problem: Problem) -> bool:
    """Whether the repaired run's own twin is the problem, so that texts mean there what they mean here."""
    try:
        return sources.donor_problem("twin").question == problem.question
    except CoconutError:  # it has none
        return False
