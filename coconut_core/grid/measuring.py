"""A causal grid measured: on one question, or on many with means and intervals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from coconut_core.analysis.estimates import Estimate, estimate
from coconut_core.common.errors import CoconutError
from coconut_core.evaluation.variants import Variants
from coconut_core.grid.layouts import Kind, Layout, Place
from coconut_core.grid.setting import Choice, Setting, setting_of
from coconut_core.interventions.text import parse_plan
from coconut_core.latent.model import LatentModel
from coconut_core.problems.base import Problem
from coconut_core.records.answers import final_answer, is_right
from coconut_core.runs.generate import Answer
from coconut_core.runs.plan import Plan
from coconut_core.runs.shared import shared


@dataclass(frozen=True)
class Cell:
    """What one intervention does to one question.

    difference: logit(right) - logit(wrong) with it, nats; shift: by how much that differs from the run without.
    flip: True where a wrong answer becomes right, False where a right one becomes wrong, None where neither is
    so or known. Entries are None where they are not known.
    """

    difference: float | None = None
    shift: float | None = None
    answer: str | None = None
    changed: bool = False
    flip: bool | None = None
    error: str = ""


@dataclass(frozen=True)
class Grid:
    """The grid of one question. words: the two next words that are compared, the right one (else the run's own)
    in front, behind the words `behind`; judged: whether the first is known to be right."""

    layout: Layout
    question: str  # that was run
    own: Cell
    cells: Mapping[Place, Cell]
    words: tuple[str, ...] = ()
    behind: str = ""
    judged: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class MeanCell:
    """What one intervention does to many questions: the mean change in nats with its 95 % interval, and how
    many right answers became wrong (lost) and wrong ones right (won)."""

    shift: Estimate
    lost: int
    won: int
    errors: int = 0


@dataclass
class MeanGrid:
    """The grid of many questions."""

    layout: Layout
    cells: dict[Place, MeanCell]
    difference: Estimate  # of the runs that are changed, without any change
    count: int
    left_out: dict[str, int] = field(default_factory=dict)  # how many questions, by why


def measure(
    setting: Setting,
    changed: Callable[[Grid], None] | None = None,
    interrupt: Callable[[], None] = lambda: None,
    progress: Callable[[int, int], None] = lambda answered, cells: None,
) -> Grid:
    """Measure a grid, the prompt read once and the cells as rows of batches. changed is given what is known
    whenever there is more, which takes longer the more there is; progress only how many cells have an answer,
    and how many there are. What interrupt raises ends it."""
    layout = setting.layout()
    plans: dict[int, Plan] = {0: Plan()}
    places: dict[Place, int] = {}
    errors: dict[Place, str] = {}
    for place, text in layout.texts.items():
        interrupt()
        try:
            plan = parse_plan(text, setting.sources)
        except CoconutError as error:
            errors[place] = str(error)
            continue
        places[place] = len(plans)
        plans[len(plans)] = plan
    study = Variants(
        setting.model,
        setting.question,
        setting.problem,
        plans,
        setting.sources.thoughts,
        setting.choice.max_new_tokens,
        parting=setting.at,
    )

    def found() -> None:
        progress(len(study.answers) - (0 in study.answers), len(layout.texts))
        if changed is not None:
            changed(_grid(setting, layout, study, places, errors))

    study.find(found, interrupt)
    return _grid(setting, layout, study, places, errors)


def measure_many(
    model: LatentModel,
    problems: Sequence[Problem],
    choice: Choice,
    *,
    only_right: bool = False,
    progress: Callable[[int], None] = lambda count: None,
) -> MeanGrid:
    """The means of a grid over problems. only_right leaves out questions that the model answers wrong when
    nothing is changed. Questions without a donor, and those whose grid has other cells than the first, are left
    out and counted. progress is called with how many questions are done.

    Raises CoconutError where none is left.
    """
    grids: list[Grid] = []
    left_out: dict[str, int] = {}

    def grid_of(problem: Problem) -> tuple[Grid | None, str]:
        return _grid_or_why(model, problem, choice, only_right)

    for grid, why in shared(model, problems, grid_of):
        progress(1)
        if grid is not None and grids and grid.layout.texts.keys() != grids[0].layout.texts.keys():
            grid, why = None, "its grid has another size than the first one's"
        if grid is None:
            left_out[why] = left_out.get(why, 0) + 1
        else:
            grids.append(grid)
    if not grids:
        raise CoconutError(f"no question is left to measure: {next(iter(left_out), 'there are none')}")
    cells = {place: _mean_cell([grid.cells[place] for grid in grids]) for place in grids[0].layout.texts}
    own = estimate(grid.own.difference for grid in grids if grid.own.difference is not None)
    return MeanGrid(_aligned(grids), cells, own, len(grids), left_out)


# -- inside ------------------------------------------------------------------------------------------------


def _grid_or_why(
    model: LatentModel, problem: Problem, choice: Choice, only_right: bool
) -> tuple[Grid | None, str]:
    """The grid of a problem, or why it has none."""
    try:
        setting = setting_of(model, problem, choice)
        if only_right and not is_right(setting.own.text, problem, model.config.answer_prefix):
            return None, "its answer is wrong when nothing is changed"
        return measure(setting), ""
    except CoconutError as error:
        return None, str(error)


def _grid(
    setting: Setting, layout: Layout, study: Variants, places: Mapping[Place, int], errors: Mapping[Place, str]
) -> Grid:
    own = _cell(setting, study, 0)
    at = study.parting
    model = setting.model
    return Grid(
        layout,
        setting.question,
        own,
        {
            place: Cell(error=errors[place]) if place in errors else _cell(setting, study, places[place])
            for place in layout.texts
        },
        () if at is None else tuple(model.vocabulary.name(token) for token in at.tokens),
        "" if at is None else model.tokenizer.decode(list(at.words)).strip(),
        at is not None and at.judged,
        tuple(dict.fromkeys(note for plan in study.plans.values() for note in plan.notes)),
    )


def _cell(setting: Setting, study: Variants, number: int) -> Cell:
    words, usual = study.next_words.get(number), study.next_words.get(0)
    difference = None if words is None else words.logit_difference
    before = None if usual is None else usual.logit_difference
    shift = None if difference is None or before is None else difference - before
    answer, own = study.answers.get(number), study.answers.get(0)
    if answer is None or own is None:
        return Cell(difference, shift)
    return Cell(
        difference,
        shift,
        _said(setting, answer),
        _said(setting, answer) != _said(setting, own),
        _flip(setting, own, answer),
    )


def _said(setting: Setting, answer: Answer) -> str:
    return final_answer(answer.text, setting.model.config.answer_prefix)


def _flip(setting: Setting, own: Answer, answer: Answer) -> bool | None:
    if not setting.problem.answer:
        return None
    prefix = setting.model.config.answer_prefix
    before, after = (is_right(each.text, setting.problem, prefix) for each in (own, answer))
    return None if before is after else after


def _mean_cell(cells: Sequence[Cell]) -> MeanCell:
    return MeanCell(
        estimate(cell.shift for cell in cells if cell.shift is not None),
        sum(cell.flip is False for cell in cells),
        sum(cell.flip is True for cell in cells),
        sum(bool(cell.error) for cell in cells),
    )


def _aligned(grids: Sequence[Grid]) -> Layout:
    """The layout of the first; rows that are positions of the prompt have only their numbers in common."""
    layout = grids[0].layout
    if len(grids) == 1 or layout.kind not in (Kind.PROMPT, Kind.PATHS):
        return layout
    names = zip(*(grid.layout.rows for grid in grids), strict=True)
    rows = tuple(same[0] if len(set(same)) == 1 else f"position {same[0].split(' ')[0]}" for same in names)
    return replace(layout, rows=rows)
