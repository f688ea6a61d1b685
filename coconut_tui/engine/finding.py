"""What can be found out with a model besides the run on screen. All return at once; `show` gets the results, in
the interface's thread. The engine's forget(KIND) ends what is under way."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from coconut_core.model_choice import ModelChoice
from coconut_core.problems.base import Problem
from coconut_tui.engine.engine import Engine
from coconut_tui.engine.worker import Job
from coconut_tui.run.atlas import AtlasPlan
from coconut_tui.run.beside import Measured
from coconut_tui.run.branches import Said
from coconut_tui.run.controlled import Controlled, Swaps
from coconut_tui.run.grid import GridChoice, GridTable
from coconut_tui.run.state import Comparison, Preview, WhatIf

if TYPE_CHECKING:
    from coconut_tui.engine.workbench import Workbench
    from coconut_tui.run.across import Across

# Kinds of jobs of which only the newest counts.
PREVIEW, WHAT_IF, CONTROLS, SWAPS, MEASURE = "preview", "what if", "controls", "swaps", "measure"
ATLAS, ACROSS = "atlas", "across"
ATLAS_PART = 64  # runs of an atlas between two looks at whether it is to stop


def preview(engine: Engine, text: str, segment: int, show: Callable[[Preview], object]) -> None:
    """What an intervention would lead to."""

    def find(bench: "Workbench", job: Job) -> None:
        from coconut_tui.engine.readings import preview

        outcome = preview(bench, text, segment, lambda: job.stopped)
        if outcome is not None and not job.stopped:
            engine.tell(show, outcome)

    engine.find_out("looking ahead", find, PREVIEW)


def what_if(engine: Engine, title: str, texts: Sequence[str], show: Callable[[WhatIf], object]) -> None:
    """Interventions side by side."""

    def find(bench: "Workbench", job: Job) -> None:
        from coconut_tui.engine.readings import what_if

        def tell(table: WhatIf) -> None:
            job.progress(sum(variant.said is not None for variant in table.variants), len(table.variants))
            engine.tell(show, table)

        what_if(bench, title, texts, lambda: job.stopped, tell)

    engine.find_out("trying", find, WHAT_IF)


def grid(engine: Engine, choice: GridChoice, show: Callable[[GridTable], object]) -> None:
    """A causal grid of the run."""

    def find(bench: "Workbench", job: Job) -> None:
        from coconut_tui.engine.gridding import measure_grid

        def tell(found: GridTable) -> None:
            variants = found.table.variants
            job.progress(sum(variant.said is not None for variant in variants), len(variants))
            engine.tell(show, found)

        measure_grid(bench, choice, lambda: job.stopped, tell)

    engine.find_out("measuring", find, WHAT_IF)


def compare(engine: Engine, first: int, second: int, show: Callable[[Comparison], object]) -> None:
    """Two branches side by side."""

    def find(bench: "Workbench", job: Job) -> None:
        from coconut_tui.engine.readings import compare

        engine.tell(show, compare(bench, first, second))

    engine.find_out("comparing", find)


def answer_all(
    engine: Engine, problems: Mapping[int, Problem], show: Callable[[Mapping[int, Said]], object]
) -> None:
    """Answer problems, by number, and judge the answers."""

    def find(bench: "Workbench", job: Job) -> None:
        from coconut_tui.engine.readings import answer_all

        done = 0

        def tell(answers: Mapping[int, Said]) -> None:
            nonlocal done
            done += len(answers)
            job.progress(done, len(problems))
            engine.tell(show, answers)

        answer_all(bench, problems, lambda: job.stopped, tell)

    engine.find_out("answering", find)


def control(engine: Engine, others: Sequence[Problem], show: Callable[[Controlled], object]) -> None:
    """Run all controls on the question that is open; others: problems to take thoughts from."""

    def find(bench: "Workbench", job: Job) -> None:
        from coconut_tui.engine.controlling import control_question

        def tell(table: Controlled) -> None:
            job.progress(sum(bool(row.probabilities) for row in table.rows), len(table.rows))
            engine.tell(show, table)

        control_question(bench, others, lambda: job.stopped, tell)

    engine.find_out("running the controls", find, CONTROLS)


def swap(
    engine: Engine,
    problems: Mapping[int, Problem],
    others: Sequence[Problem],
    show: Callable[[Mapping[int, Swaps]], object],
) -> None:
    """Answer problems, by number, with several others' thoughts; others: to take thoughts from."""

    def find(bench: "Workbench", job: Job) -> None:
        from coconut_tui.engine.controlling import swap_thoughts

        done = 0

        def tell(swaps: Mapping[int, Swaps]) -> None:
            nonlocal done
            done += len(swaps)
            job.progress(done, len(problems))
            engine.tell(show, swaps)

        swap_thoughts(bench.model, problems, others, lambda: job.stopped, tell)

    engine.find_out("swapping thoughts", find, SWAPS)


def build_atlas(
    engine: Engine, problems: Sequence[Problem], plan: AtlasPlan, show: Callable[[int, bool], object]
) -> None:
    """Run problems and write what comes of them into an atlas; show gets how many runs are in it, and whether
    all are. What was stopped goes on where it was when it is asked for again."""

    def find(bench: "Workbench", job: Job) -> None:
        from coconut_core.atlas.building import build
        from coconut_core.atlas.folder import Settings
        from coconut_tui.engine.live import Interrupted, stopping

        done = 0

        def tell(count: int, planned: int) -> None:
            nonlocal done
            done = count
            job.progress(count, planned)

        settings = Settings(thoughts=plan.thoughts)
        try:
            build(
                bench.model,
                problems,
                plan.folder,
                source=plan.source,
                data=plan.data,
                settings=settings,
                part_rows=ATLAS_PART,
                progress=tell,
                interrupt=stopping(lambda: job.stopped),
            )
        except Interrupted:
            engine.tell(lambda count: show(count, False), done)
        else:
            engine.tell(lambda count: show(count, True), done)

    engine.find_out("building the atlas", find, ATLAS)


def ask_across(
    engine: Engine,
    run: Path,
    problem: Problem,
    thoughts: int | None,
    choice: ModelChoice,
    show: "Callable[[Across], object]",
) -> None:
    """Ask the checkpoints of a run a question, one after the other; choice: how each is opened."""

    def find(bench: "Workbench", job: Job) -> None:
        from coconut_tui.engine.crossing import ask_checkpoints

        def tell(across: "Across") -> None:
            job.progress(len(across.course.points), across.total)
            engine.tell(show, across)

        ask_checkpoints(run, problem, thoughts, choice, lambda: job.stopped, tell)

    engine.find_out("asking the checkpoints", find, ACROSS)


def measure(first: Engine, second: Engine, show: Callable[[Measured], object], kind: str = MEASURE) -> None:
    """How far the thoughts of two engines' runs lie apart, as far as the two models can be compared. Of a kind
    only the newest counts."""

    def look(bench: "Workbench", job: Job) -> None:
        from coconut_tui.engine.apart import apart, thoughts_of

        mine = thoughts_of(bench)

        def compare(second_bench: "Workbench", later: Job) -> None:
            if not later.stopped:
                second.tell(show, apart(mine, thoughts_of(second_bench)))

        if not job.stopped:
            second.find_out("measuring", compare, kind)

    first.find_out("measuring", look, kind)
