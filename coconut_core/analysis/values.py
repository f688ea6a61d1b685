"""The paper's figures on values: one node or several at once, and where good nodes are told from bad ones."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from coconut_core.analysis.estimates import Estimate, estimate, line_of
from coconut_core.analysis.graphs import Map
from coconut_core.analysis.speaking import node_values, step_hops
from coconut_core.analysis.study import Section, Study, Table
from coconut_core.common.plots import Figure, Line, draw_lines, side_by_side

ABOUT = (
    "The model is made to speak after k thoughts. Value: the product of the probabilities of a name's tokens "
    "where the next step names a node (see docs/ANALYSIS.md for what is asked of the model there). "
    "Parallelism: the best node's value, and the best two's and three's together, each sorted over the "
    "problems; gaps between the lines mean that several nodes are held at once. Height: a node's distance to "
    "the nearest leaf; good nodes lead to the target. Answer: the candidates' probabilities where the answer "
    "names one, which is another question. Only problems that go on for so many hops count, and for "
    "parallelism frontiers of two nodes and more. Control: the same with the graph's names dealt out anew "
    "among its nodes."
)
BEST = 3  # nodes that are added up, and numbers of thoughts that are drawn
PERCENTILES = range(0, 101, 5)
FEWEST = 5  # nodes of one height that are drawn


@dataclass(frozen=True)
class NodeValue:
    """One node of a frontier: its height, whether the target can be reached from it, and its value."""

    height: int
    good: bool
    value: float


@dataclass(frozen=True)
class FrontierValues:
    """The values of the frontiers at so many hops, of the problems that go on for so long."""

    totals: list[float]  # of each frontier
    best: Tensor  # (frontiers of two nodes and more, BEST): the best node, the best two, the best three
    nodes: list[NodeValue]

    @cached_property
    def percentiles(self) -> Tensor:
        """`best` sorted over the problems, column by column, at PERCENTILES: (percentiles, BEST)."""
        shares = torch.tensor([percent / 100 for percent in PERCENTILES])
        return torch.quantile(self.best, shares, dim=0)

    @cached_property
    def by_height(self) -> dict[str, dict[int, Estimate]]:
        """Mean value of good and of bad nodes by height."""
        by_kind: dict[str, dict[int, list[float]]] = {"good": defaultdict(list), "bad": defaultdict(list)}
        for node in self.nodes:
            by_kind["good" if node.good else "bad"][node.height].append(node.value)
        return {kind: {height: estimate(of[height]) for height in sorted(of)} for kind, of in by_kind.items()}

    def to_json(self) -> dict[str, Any]:
        """All numbers."""
        return {
            "frontier_in_all": estimate(self.totals).to_json(),
            "percentiles_of_best_together": self.percentiles.tolist() if len(self.best) else [],
            "by_height": {
                kind: {str(height): mean.to_json() for height, mean in of.items()}
                for kind, of in self.by_height.items()
            },
        }


def frontier_values(maps: Sequence[Map], values: Sequence[Tensor], hops: int, place: int) -> FrontierValues:
    """Read values (places, nodes) of each problem at the frontier of so many hops, after `place` thoughts."""
    totals, best, nodes = [], [], []
    for known, of_problem in zip(maps, values, strict=True):
        frontier = known.frontier(hops)
        if not frontier or not 1 <= hops <= known.hops:
            continue
        of_frontier = of_problem[place, list(frontier)]
        totals.append(float(of_frontier.sum()))
        if len(frontier) > 1:
            row = torch.zeros(BEST)
            row[: len(frontier)] = of_frontier.topk(min(BEST, len(frontier))).values
            best.append(row.cumsum(dim=0))
        nodes += [
            NodeValue(known.heights[node], node in known.leads_to_target, float(value))
            for node, value in zip(frontier, of_frontier, strict=True)
            if node in known.heights
        ]
    return FrontierValues(totals, torch.stack(best) if best else torch.zeros(0, BEST), nodes)


def by_name(study: Study, values: Sequence[Tensor]) -> list[Tensor]:
    """Values of the problems' nodes as those of the control's: each name keeps its own, (places, nodes)."""
    renamed = []
    for known, control, of_problem in zip(study.maps, study.control_maps, values, strict=True):
        place = {name: node for node, name in enumerate(known.graph.names)}
        renamed.append(of_problem[:, [place[name] for name in control.graph.names]])
    return renamed


def answer_shares(maps: Sequence[Map], values: Sequence[Tensor], place: int) -> dict[str, Estimate]:
    """Mean probability of the target and of the wrong candidate as the answer, and how often the target's is
    the larger of the two."""
    pairs = [
        (float(of_problem[place, known.graph.target]), float(of_problem[place, known.graph.wrong]))
        for known, of_problem in zip(maps, values, strict=True)
    ]
    return {
        "target": estimate(right for right, _ in pairs),
        "wrong": estimate(wrong for _, wrong in pairs),
        "target preferred": estimate(float(right > wrong) for right, wrong in pairs),
    }


def read_values(study: Study) -> Section:
    """See ABOUT."""
    values = node_values(study)
    hops = {place: step_hops(study.model.config, place) for place in range(study.thoughts + 1)}
    real, control = (
        {place: frontier_values(maps, step, hops[place], place) for place in hops}
        for maps, step in ((study.maps, values.step), (study.control_maps, by_name(study, values.step)))
    )
    places = [place for place, frontiers in real.items() if len(frontiers.best)]
    titles = {place: f"Thoughts: {place}; nodes at hops: {hops[place]}" for place in places[:BEST]}
    answers = [answer_shares(study.maps, values.answer, place) for place in hops]
    figures = {"answer": _answer_figure(answers)}
    if titles:
        figures["parallelism"] = _parallelism(real, control, titles)
        figures["heights"] = _heights(real, control, titles)
    return Section(
        "Values: what the model would say after k thoughts",
        ABOUT,
        {
            "steps": [
                {
                    "thoughts": place,
                    "hops": hops[place],
                    "reading": real[place].to_json(),
                    "control": control[place].to_json(),
                }
                for place in places
            ],
            "answer": [
                {"thoughts": place, **{name: share.to_json() for name, share in shares.items()}}
                for place, shares in enumerate(answers)
            ],
        },
        [
            Table(
                "At the next step: means over problems (last two columns: over nodes), control in brackets",
                ["thoughts", "hops", "problems", "whole frontier", "best", "best 2", "best 3", "good", "bad"],
                [_row(place, hops[place], real[place], control[place]) for place in places],
            ),
            Table(
                "At the answer; chance for `target preferred` is 0.5",
                ["thoughts", *answers[0]],
                [[str(place), *map(str, shares.values())] for place, shares in enumerate(answers)],
            ),
        ],
        figures,
    )


def _row(place: int, hops: int, real: FrontierValues, control: FrontierValues) -> list[str]:
    means, control_means = (
        [
            estimate(frontiers.totals),
            *(estimate(frontiers.best[:, count].tolist()) for count in range(BEST)),
            estimate(node.value for node in frontiers.nodes if node.good),
            estimate(node.value for node in frontiers.nodes if not node.good),
        ]
        for frontiers in (real, control)
    )
    cells = [f"{mean} ({control_mean.short})" for mean, control_mean in zip(means, control_means, strict=True)]
    return [str(place), str(hops), str(len(real.totals)), *cells]


def _parallelism(
    real: Mapping[int, FrontierValues], control: Mapping[int, FrontierValues], titles: Mapping[int, str]
) -> Figure:
    x, figures = list(PERCENTILES), []
    for place, title in titles.items():
        percentiles = real[place].percentiles
        lines = [Line(f"best {count + 1}", x, percentiles[:, count].tolist()) for count in range(BEST)]
        lines.append(Line(f"control: best {BEST}", x, control[place].percentiles[:, BEST - 1].tolist()))
        figures.append(draw_lines(lines, title, "percentile of problems", "value together", y_range=(0, 1)))
    return side_by_side(figures)


def _heights(
    real: Mapping[int, FrontierValues], control: Mapping[int, FrontierValues], titles: Mapping[int, str]
) -> Figure:
    figures = []
    for place, title in titles.items():
        lines = [
            line_of(f"{prefix}{kind} nodes", {height: mean for height, mean in of.items() if mean.n >= FEWEST})
            for prefix, values in (("", real[place]), ("control: ", control[place]))
            for kind, of in values.by_height.items()
        ]
        figures.append(draw_lines(lines, title, "height (hops to the nearest leaf)", "value", y_range=(0, 1)))
    return side_by_side(figures)


def _answer_figure(answers: Sequence[Mapping[str, Estimate]]) -> Figure:
    lines = [
        line_of(name, {place: shares[name] for place, shares in enumerate(answers)}) for name in answers[0]
    ]
    x = list(range(len(answers)))
    lines.append(Line("chance for preferred", x, [0.5 for _ in x]))
    return draw_lines(lines, "The answer after k thoughts", "thoughts k", "share", y_range=(0, 1))
