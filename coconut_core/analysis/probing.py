"""What the probes ask: is this name on the frontier, how far is the target, what value has this step?"""

import random
from collections.abc import Iterable, Mapping, Sequence
from math import copysign, isfinite, log1p, nan
from typing import Any

import torch
from torch import Tensor

from coconut_core.analysis.graphs import Map
from coconut_core.analysis.probes import (
    FEWEST,
    PERMUTATIONS,
    Probe,
    Score,
    Task,
    area_under_curve,
    by_type,
    corrected,
    explained_variance,
    run_probe,
    split,
)
from coconut_core.analysis.results import result_readouts, results_figure, results_table
from coconut_core.analysis.study import Section, Study, Table
from coconut_core.common.errors import CoconutError
from coconut_core.common.plots import Figure, Line, draw_grid, draw_lines, side_by_side
from coconut_core.problems.arithmetic import equations, evaluate_sum
from coconut_core.problems.base import Problem

ABOUT = (
    "Ridge regressions on single thoughts, trained on two thirds of the problems and tested on the rest. For "
    "graph problems: which of the graph's names are on the frontier (of the problems that have one; score: the "
    "area under the ROC curve, 0.5 is chance; `readout` is the LM head's own score), and how many hops away "
    "the target is (R², 0 is predicting the mean). For problems whose steps are sums: the value of each step, "
    "as its signed logarithm (R²), and in front of it the probability that the LM head gives its result, where "
    f"that is one token. Controls: the same probe trained on other problems' labels, {PERMUTATIONS} "
    "times (mean, 95th percentile, and p, corrected for the number of thoughts), and on labels drawn at random "
    "for each word that a thought would say (Hewitt & Liang); selectivity is the score less that one. What a "
    "probe finds is there; whether the model uses it, it does not say."
)


def read_probes(study: Study) -> Section:
    """See ABOUT. Raises CoconutError where the problems have neither graphs nor steps that are sums."""
    try:
        maps = study.maps
    except CoconutError:
        return _read_values_of_steps(study)
    return _read_graph_probes(study, maps)


# -- graphs ------------------------------------------------------------------------------------------------


def frontier_task(study: Study, maps: Sequence[Map], place: int, rows: Sequence[int]) -> Task:
    """Which names are on the frontier, for the problems of these rows at one place. A column for each name that
    any graph has; scored among a problem's own names."""
    tokens = [study.tokens(maps[row].graph) for row in rows]
    names = torch.cat(tokens).unique()
    columns = [torch.searchsorted(names, of_nodes) for of_nodes in tokens]  # of each problem's nodes, in order
    frontiers = [list(maps[row].frontier(study.hops(place))) for row in rows]
    share = sum(map(len, frontiers)) / sum(map(len, columns))  # of all names, which the control task keeps
    types = likeliest_words(study, place)
    labels, control = -torch.ones(len(rows), len(names)), -torch.ones(len(rows), len(names))
    for number, (row, of_nodes, frontier) in enumerate(zip(rows, columns, frontiers, strict=True)):
        labels[number, of_nodes[frontier]] = 1
        chances = by_type([f"{types[row]} {int(name)}" for name in of_nodes], random.Random.random)
        control[number, of_nodes] = torch.tensor([1.0 if chance < share else -1.0 for chance in chances])
    return Task(labels, control, _mean_area(labels, columns), _mean_area(control, columns))


def _mean_area(labels: Tensor, columns: Sequence[Tensor]) -> Score:
    """The area under the curve among a problem's own names, meaned over the problems that have both kinds."""

    def score(predicted: Tensor, rows: Sequence[int]) -> float:
        return _mean_of_known(
            area_under_curve(predicted[place][columns[row]], labels[row][columns[row]] > 0)
            for place, row in enumerate(rows)
        )

    return score


def readout_area(study: Study, maps: Sequence[Map], place: int, rows: Sequence[int]) -> float:
    """The same score of the LM head's logits, on the problems that the probe of these rows is tested on."""
    _, test = split(len(rows), study.seed)
    areas = []
    for row in (rows[number] for number in test):
        positive = torch.zeros(len(maps[row].graph.names), dtype=torch.bool)
        positive[list(maps[row].frontier(study.hops(place)))] = True
        logits = study.logits(study.runs.states[row, place])[study.tokens(maps[row].graph)]
        areas.append(area_under_curve(logits, positive))
    return _mean_of_known(areas)


def _mean_of_known(values: Iterable[float]) -> float:
    known = [value for value in values if isfinite(value)]
    return sum(known) / len(known) if known else nan


def number_task(study: Study, place: int, rows: Sequence[int], values: Sequence[float]) -> Task:
    """A number of each problem of these rows. The control task draws one of the numbers for each type."""
    train, _ = split(len(rows), study.seed)
    types = likeliest_words(study, place)
    control_values = by_type([types[row] for row in rows], lambda rng: rng.choice(values))
    labels, control = (
        torch.tensor(numbers, dtype=torch.float64)[:, None] for numbers in (values, control_values)
    )
    return Task(labels, control, _r_squared(labels, train), _r_squared(control, train))


def _r_squared(labels: Tensor, train: Sequence[int]) -> Score:
    baseline = float(labels[list(train)].mean())

    def score(predicted: Tensor, rows: Sequence[int]) -> float:
        return explained_variance(predicted[:, 0], labels[list(rows), 0], baseline)

    return score


def likeliest_words(study: Study, place: int) -> list[str]:
    """The type of each problem's state at a place: the token that it would say."""
    return [str(number) for number in study.logits(study.runs.states[:, place]).argmax(dim=-1).tolist()]


def _read_graph_probes(study: Study, maps: Sequence[Map]) -> Section:
    states, everything = study.runs.states, list(range(len(maps)))
    frontier, distance, readout = {}, {}, {}
    for place in range(study.thoughts + 1):
        task = number_task(study, place, everything, [known.hops for known in maps])
        distance[place] = run_probe(states[:, place], task, study.seed)
        rows = [row for row, known in enumerate(maps) if known.frontier(study.hops(place))]
        if len(rows) >= FEWEST:
            task = frontier_task(study, maps, place, rows)
            frontier[place] = run_probe(states[rows, place], task, study.seed)
            readout[place] = readout_area(study, maps, place, rows)
    frontier, distance = corrected(frontier), corrected(distance)
    tables = [
        _table("On the frontier? Area under the curve", study, frontier, readout),
        _table("Hops from the root to the target, R²", study, distance),
    ]
    figure = _figure("On the frontier?", "area under the curve", frontier, readout, (0, 1)).beside(
        _figure("Hops to the target", "R²", distance, {}, None)
    )
    record = {
        "frontier": _records(study, frontier),
        "readout": {study.thought_names[place]: score for place, score in readout.items()},
        "hops_to_target": _records(study, distance),
    }
    return Section("Probes: what a line finds in a thought", ABOUT, record, tables, {"probes": figure})


# -- sums --------------------------------------------------------------------------------------------------


def step_values(problem: Problem) -> list[float]:
    """The values of steps that are sums like <<48/2=24>>, as signed logarithms; empty where any is no sum."""
    values = [float(evaluate_sum(result)) for _, result in equations(problem.steps)]
    return [copysign(log1p(abs(value)), value) for value in values]


def _read_values_of_steps(study: Study) -> Section:
    values = [step_values(problem) for problem in study.problems]
    by_step: dict[str, dict[int, Probe]] = {}
    for step in range(max(map(len, values))):
        rows = [row for row, of_problem in enumerate(values) if len(of_problem) > step]
        if len(rows) >= FEWEST:
            labels = [values[row][step] for row in rows]
            by_step[f"step {step + 1}"] = corrected(
                {
                    place: run_probe(
                        study.runs.states[rows, place], number_task(study, place, rows, labels), study.seed
                    )
                    for place in range(study.thoughts + 1)
                }
            )
    if not by_step:
        raise CoconutError(
            f"probes need problems with graphs, or at least {FEWEST} with steps like <<48/2=24>>"
        )
    scores = [[probe.score for probe in probes.values()] for probes in by_step.values()]
    controls = [[probe.control for probe in probes.values()] for probes in by_step.values()]
    figure = side_by_side(
        draw_grid(grid, list(by_step), study.thought_names, title, "thought", "value of", top=1.0)
        for title, grid in (("Value of a step, R²", scores), ("Control task", controls))
    )
    record: dict[str, Any] = {step: _records(study, probes) for step, probes in by_step.items()}
    tables = [_table(f"Value of {step}, R²", study, probes) for step, probes in by_step.items()]
    figures = {"probes": figure}
    if readouts := result_readouts(study):
        record["said"] = [[readout.to_json() for readout in step] for step in readouts]
        tables.insert(0, results_table(study, readouts))
        figures["results"] = results_figure(study, readouts)
    return Section("Probes: what a line finds in a thought", ABOUT, record, tables, figures)


# -- tables and figures ------------------------------------------------------------------------------------


def _table(
    caption: str, study: Study, probes: Mapping[int, Probe], readout: Mapping[int, float] | None = None
) -> Table:
    rows = [
        [
            study.thought_names[place],
            f"{probe.trained_on}, {probe.tested_on}",
            f"{probe.score:.2f}",
            f"{probe.null_mean:.2f}, {probe.null_high:.2f}",
            f"{probe.p:.3f}",
            f"{probe.control:.2f}",
            f"{probe.selectivity:.2f}",
            *([] if readout is None else [f"{readout[place]:.2f}"]),
        ]
        for place, probe in probes.items()
    ]
    head = [
        "thought",
        "trained on, tested on",
        "probe",
        "null: mean, 95th",
        "p",
        "control task",
        "selectivity",
    ]
    return Table(caption, head if readout is None else [*head, "readout"], rows)


def _figure(
    title: str,
    y_label: str,
    probes: Mapping[int, Probe],
    readout: Mapping[int, float],
    y_range: tuple[float, float] | None,
) -> Figure:
    x = [place + 1 for place in probes]
    lines = [
        Line("probe", x, [probe.score for probe in probes.values()]),
        Line("control task", x, [probe.control for probe in probes.values()]),
        Line("null, 95th percentile", x, [probe.null_high for probe in probes.values()]),
    ]
    if readout:
        lines.append(Line("readout", x, list(readout.values())))
    return draw_lines(lines, title, "thought", y_label, y_range=y_range)


def _records(study: Study, probes: Mapping[int, Probe]) -> list[dict[str, Any]]:
    return [{"thought": study.thought_names[place], **probe.to_json()} for place, probe in probes.items()]
