"""What one checkpoint does with a question, or with problems."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from coconut_core.across.course import Measurement, Swapped, ThoughtReading
from coconut_core.analysis.estimates import Estimate, estimate
from coconut_core.analysis.graphs import controls, relabelled, searched_graph
from coconut_core.evaluation.ablations import CONTROLS, Kind
from coconut_core.evaluation.controls import Case, ControlStudy, answers_to, compare, study_problems
from coconut_core.evaluation.deciding import next_words, parting
from coconut_core.evaluation.verdict import with_adjusted
from coconut_core.latent.model import LatentModel
from coconut_core.latent.readout import Readout, readouts
from coconut_core.problems.base import Graph, Problem
from coconut_core.records.answers import final_answer, is_right
from coconut_core.records.graph_reading import graph_layers, graph_mass
from coconut_core.runs.generate import Answer, run
from coconut_core.runs.halting import choose_ending
from coconut_core.runs.passes import in_passes
from coconut_core.runs.plan import Plan
from coconut_core.runs.recording import named_tokens

TOKENS = 5  # of a thought
SWAPS_OF_A_QUESTION = 8
DEALS = 100  # of a question's names, for the control of its frontier
DECIDING = [control for control in CONTROLS.values() if control.kind is not Kind.REPORTED]
Progress = Callable[[int], None]


def measure_problems(
    model: LatentModel,
    problems: Sequence[Problem],
    *,
    thoughts: int | None = None,
    answer_only: bool = False,
    max_new_tokens: int = 128,
    seed: int = 0,
    progress: Progress = lambda count: None,
) -> Measurement:
    """Accuracy, thoughts and the controls that a verdict is made of. progress is called with the number of runs
    done; what it raises ends everything. Raises CoconutError where no problem can be answered."""
    options: dict[str, Any] = {
        "answer_only": answer_only,
        "max_new_tokens": max_new_tokens,
        "progress": progress,
    }
    ending = choose_ending(model, thoughts)
    thinking = f"{ending}{in_passes(model.config.passes)}"
    if not ending.thoughts:
        runs = run(model, problems, thoughts=thoughts, raising=False, **options)
        failed = sum(bool(answer.error) for answer in runs.results)
        return Measurement(thinking, len(runs), sum(map(bool, runs.right)), (), failed=failed)
    study = study_problems(model, problems, thoughts=thoughts, seed=seed, **options)
    plans = [study.plans(DECIDING, case, number) for number, case in enumerate(study.cases, start=1000 * seed)]
    results = compare(study, plans, progress)
    return Measurement(
        thinking,
        len(study.cases),
        sum(_is_right(model, case.problem, case.answer) for case in study.cases),
        _over_problems(model, study.cases, seed),
        with_adjusted(results),
        failed=len(problems) - len(study.cases),
    )


def measure_question(
    model: LatentModel,
    problem: Problem,
    others: Sequence[Problem],
    *,
    thoughts: int | None = None,
    answer_only: bool = False,
    max_new_tokens: int = 128,
    seed: int = 0,
    interrupt: Callable[[], None] = lambda: None,
) -> Measurement:
    """The thoughts over one question, what is said, and whether other problems' thoughts change it."""
    donors = [other for other in others if other.question != problem.question][:SWAPS_OF_A_QUESTION]
    runs = run(
        model,
        [problem, *donors],
        thoughts=thoughts,
        answer_only=answer_only,
        max_new_tokens=max_new_tokens,
        interrupt=interrupt,
    )
    cases = [
        Case(asked, answer.recording, answer)
        for asked, answer in zip(runs.problems, runs.results, strict=True)
        if answer.recording is not None
    ]
    own, ending = cases[0], choose_ending(model, thoughts)
    swapped: Swapped | None = None
    prefix = model.config.answer_prefix
    if len(own.own.thoughts) and len(cases) > 1:
        study = ControlStudy(model, [own], answer_only, max_new_tokens, seed)
        plans: dict[str, Plan | None] = {
            f"swap {number}": study.swap(own, donor) for number, donor in enumerate(cases[1:])
        }
        answers = [
            answer for _, _, answer in answers_to(study, [plans], lambda count: None, interrupt=interrupt)
        ]
        said = final_answer(own.answer.text, prefix)
        swapped = Swapped(sum(final_answer(answer.text, prefix) != said for answer in answers), len(answers))
    return Measurement(
        f"{ending}{in_passes(model.config.passes)}",
        1,
        int(_is_right(model, problem, own.answer)) if problem.answer else None,
        _of_question(model, own, seed),
        swapped=swapped,
        said=final_answer(own.answer.text, prefix),
        logit_difference=_logit_difference(model, problem, own.answer, thoughts),
    )


def _is_right(model: LatentModel, problem: Problem, answer: Answer) -> bool:
    return not answer.error and is_right(answer.text, problem, model.config.answer_prefix)


def _logit_difference(model: LatentModel, problem: Problem, own: Answer, thoughts: int | None) -> float | None:
    """log p(right) - log p(wrong) where the two part, behind the thoughts; None where they are not known."""
    at = parting(model, problem, own, [], lambda words: 0)
    if at is None or not at.judged or len(at.tokens) < 2:
        return None
    (found,) = next_words(model, problem.question, [Plan()], at, thoughts=thoughts)
    return found.logit_difference


# -- thoughts ------------------------------------------------------------------------------------------------


def _over_problems(model: LatentModel, cases: Sequence[Case], seed: int) -> tuple[ThoughtReading, ...]:
    """Each thought over the problems that took it."""
    graphs = {
        number: graph
        for number, case in enumerate(cases)
        if (graph := searched_graph(case.problem, model.config.family)) is not None
    }
    dealt = dict(zip(graphs, controls(list(graphs.values()), seed), strict=True))
    likeliest: dict[int, Counter[str]] = {}
    entropies: dict[int, list[float]] = {}
    masses: dict[int, tuple[list[float], list[float]]] = {}
    for number, case in enumerate(cases):
        names = _names(model, case.problem, graphs.get(number))
        for thought, readout in enumerate(readouts(model, case.own.thoughts), start=1):
            likeliest.setdefault(thought, Counter())[readout.top(1)[0].name] += 1
            entropies.setdefault(thought, []).append(readout.entropy)
            mine, chance = masses.setdefault(thought, ([], []))
            if names and _has_frontier(model, graphs[number], thought):
                shares = {name: readout.probability(token) for name, token in names.items()}
                mine.append(_frontier(model, graphs[number], thought, shares))
                chance.append(_frontier(model, dealt[number], thought, shares))
    return tuple(
        ThoughtReading(
            thought,
            counts.total(),
            tuple((name, count / counts.total()) for name, count in counts.most_common(TOKENS)),
            fmean(entropies[thought]),
            estimate(masses[thought][0]) if masses[thought][0] else None,
            estimate(masses[thought][1]) if masses[thought][1] else None,
        )
        for thought, counts in sorted(likeliest.items())
    )


def _of_question(model: LatentModel, case: Case, seed: int) -> tuple[ThoughtReading, ...]:
    graph = searched_graph(case.problem, model.config.family)
    names = _names(model, case.problem, graph)
    rng = random.Random(f"deals {seed}")
    deals = [] if graph is None else [relabelled(graph, rng) for _ in range(DEALS)]
    readings = []
    for thought, readout in enumerate(readouts(model, case.own.thoughts), start=1):
        mass, chance = _of_one(model, graph, deals, names, thought, readout)
        tokens = tuple((item.name, item.probability) for item in readout.top(TOKENS))
        readings.append(ThoughtReading(thought, 1, tokens, readout.entropy, mass, chance))
    return tuple(readings)


def _names(model: LatentModel, problem: Problem, graph: Graph | None) -> dict[str, int]:
    return {} if graph is None else named_tokens(model, model.encode_prompt(problem.question), graph.names)


def _of_one(
    model: LatentModel,
    graph: Graph | None,
    deals: Sequence[Graph],
    names: dict[str, int],
    thought: int,
    readout: Readout,
) -> tuple[Estimate | None, Estimate | None]:
    """A thought's mass on the frontier, a number, and the mean of what it is with names dealt out anew."""
    if graph is None or not names or not _has_frontier(model, graph, thought):
        return None, None
    shares = {name: readout.probability(token) for name, token in names.items()}
    mine = _frontier(model, graph, thought, shares)
    chance = [_frontier(model, deal, thought, shares) for deal in deals]
    return Estimate(mine, mine, mine, 1), estimate(chance)


def _has_frontier(model: LatentModel, graph: Graph, thought: int) -> bool:
    """Whether there are nodes at as many hops as the thought stands for."""
    hops = thought - 1 + model.config.first_thought_hops
    return hops < len(graph_layers(graph).layers)


def _frontier(model: LatentModel, graph: Graph, thought: int, shares: dict[str, float]) -> float:
    return graph_mass(graph, thought, shares, model.config.first_thought_hops).frontier
