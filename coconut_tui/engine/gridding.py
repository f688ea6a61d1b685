"""The causal grid of the run on screen."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from coconut_core.common.errors import CoconutError
from coconut_core.evaluation.variants import Variants
from coconut_core.grid.layouts import Direction, Kind, Layout, Size, layout_of
from coconut_core.grid.setting import Choice, position_names, setting_of
from coconut_core.interventions import Plan
from coconut_core.interventions.text import parse_plan
from coconut_core.latent.layers import head_count
from coconut_core.problems.base import Problem
from coconut_core.problems.twins import twin_of
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
        layout = _layout(bench, choice, bench.tree.question)
        found = GridTable(choice, layout, WhatIf(layout.title, ()))
        texts = [*layout.texts.values()]
        what_if(bench, layout.title, texts, stop, lambda table: show(replace(found, table=table)))
    except CoconutError as error:
        show(GridTable(choice, None, WhatIf("", ()), error=str(error)))


def _layout(bench: "Workbench", choice: GridChoice, question: str) -> Layout:
    model = bench.model
    by_position = choice.kind in (Kind.PROMPT, Kind.PATHS)
    names = position_names(model, question) if by_position else ()
    size = Size(choice.thoughts, model.shape.num_hidden_layers, head_count(model), names)
    return layout_of(choice.kind, size, donor=choice.donor, direction=choice.direction, thought=choice.thought)


def _repair(bench: "Workbench", choice: GridChoice, stop: Stop, show: Callable[[GridTable], None]) -> None:
    """Denoising: the donor's run with what this question's run put out."""
    layout_of(choice.kind, Size(1, 1, 1), donor=choice.donor, direction=choice.direction)  # refused at once
    planned, _ = planned_run(bench)
    problem = bench.tree.problem or Problem(bench.tree.question, (), "")
    asked = Choice(choice.kind, choice.direction, choice.donor, choice.thought, bench.others, planned)
    try:
        setting = setting_of(bench.model, problem, asked, stopping(stop))
    except Interrupted:
        return
    layout = _layout(bench, replace(choice, thoughts=setting.thoughts), setting.question)
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
    run = setting.sources.problem
    found = GridTable(choice, layout, WhatIf(layout.title, ()), run, _is_twin_of(problem, run, choice.donor))
    table = WhatIf(layout.title, (Variant("nothing changed"), *map(Variant, layout.texts.values())))
    show(replace(found, table=table))
    show_variants(bench, table, study, errors, stop, lambda table: show(replace(found, table=table)))


def _is_twin_of(problem: Problem, run: Problem | None, donor: str) -> bool:
    """Whether the donor's own donor is the problem, so that texts mean there what they mean here."""
    if run is None or donor != "twin":
        return False
    twin = twin_of(run, random.Random(f"twin 0 {run.question}"))
    return twin is not None and twin.question == problem.question
