"""Is the search breadth-first? A thought's probability by distance from the root, and how it is spread."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp

import torch
from torch import Tensor

from coconut_core.analysis.estimates import Estimate, estimate, line_of
from coconut_core.analysis.graphs import Map
from coconut_core.analysis.study import Section, Study, Table
from coconut_core.common.plots import Figure, Line, draw_grid, draw_lines, side_by_side

ABOUT = (
    "The probability that a thought's readout gives to nodes by their distance from the root, and to the "
    "frontier: the nodes at exactly as many hops as the search has gone. `walks` are the nodes where a walk of "
    "so many hops can end, whether or not a shorter one reaches them, too. `spread` is how evenly the share on "
    "the frontier is dealt out among its nodes: 1 is evenly, 1 / nodes is all on one, as a depth-first search "
    "would do; only frontiers of two nodes and more count. `found` is how many of the likeliest names, as many "
    "as the frontier has nodes, are of it. Control: the same with the graph's names dealt out anew among its "
    "nodes."
)


FEWEST_DRAWN = 10  # problems; what fewer say stands in the table only


@dataclass(frozen=True)
class FrontierReading:
    """What one readout says of a frontier; shares between 0 and 1."""

    frontier: float
    walks: float
    found: float
    spread: float | None  # None for a frontier of a single node


def read_frontier(known: Map, hops: int, probabilities: Tensor) -> FrontierReading | None:
    """Read the probabilities of a graph's nodes, (nodes,), after so many hops; None without a frontier."""
    frontier = list(known.frontier(hops))
    if not frontier:
        return None
    on_frontier = probabilities[frontier]
    mass = float(on_frontier.sum())
    likeliest = probabilities.topk(len(frontier)).indices.tolist()
    return FrontierReading(
        frontier=mass,
        walks=float(probabilities[known.walks[hops]].sum()) if hops < len(known.walks) else 0.0,
        found=len(set(likeliest) & set(frontier)) / len(frontier),
        spread=_spread(on_frontier) if len(frontier) > 1 else None,
    )


def _spread(probabilities: Tensor) -> float:
    """The effective number of nodes (exp of the entropy) as a share of their number; 1 where it is even."""
    shares = probabilities.double() / probabilities.double().sum().clamp(min=1e-300)
    entropy = -float((shares * shares.clamp(min=1e-300).log()).sum())
    return exp(entropy) / len(shares)


def node_probabilities(study: Study, maps: Sequence[Map]) -> Iterator[Tensor]:
    """For each problem the probability of each node of its map at each place, (places, nodes)."""
    for states, known in zip(study.runs.states, maps, strict=True):
        yield torch.softmax(study.logits(states), dim=-1)[:, study.tokens(known.graph)]


def mass_by_distance(study: Study, maps: Sequence[Map]) -> Tensor:
    """Mean probability at each place on the nodes at each distance, (places, distances + 2).

    The last two columns are the nodes that the root does not reach, and all other words.
    """
    farthest = max(len(known.layers.layers) for known in maps)
    total = torch.zeros(study.thoughts + 1, farthest + 2, dtype=torch.float64)
    for known, probabilities in zip(maps, node_probabilities(study, maps), strict=True):
        for hops, nodes in enumerate(known.layers.layers):
            total[:, hops] += probabilities[:, list(nodes)].sum(dim=1)
        total[:, -2] += probabilities[:, list(known.layers.unreachable)].sum(dim=1)
        total[:, -1] += 1 - probabilities.sum(dim=1)
    return total / len(maps)


def frontier_readings(study: Study, maps: Sequence[Map]) -> list[dict[str, Estimate]]:
    """For each place the mean of each entry of FrontierReading over the problems that have such a frontier."""
    by_place: list[dict[str, list[float]]] = [defaultdict(list) for _ in range(study.thoughts + 1)]
    for known, probabilities in zip(maps, node_probabilities(study, maps), strict=True):
        for place, row in enumerate(probabilities):
            reading = read_frontier(known, study.hops(place), row)
            for name, value in vars(reading).items() if reading is not None else ():
                if value is not None:
                    by_place[place][name].append(value)
    names = FrontierReading.__dataclass_fields__
    return [{name: estimate(values[name]) for name in names} for values in by_place]


def read_search(study: Study) -> Section:
    """See ABOUT."""
    real, control = (frontier_readings(study, maps) for maps in (study.maps, study.control_maps))
    grids = [mass_by_distance(study, maps) for maps in (study.maps, study.control_maps)]
    columns = [*map(str, range(grids[0].shape[1] - 2)), "not reached", "other words"]
    titles = ("Where a thought's probability lies", "Control: names dealt anew")
    figure = side_by_side(
        draw_grid(grid.tolist(), study.thought_names, columns, title, "hops from the root", "thought", top=1.0)
        for grid, title in zip(grids, titles, strict=True)
    )
    names = list(FrontierReading.__dataclass_fields__)
    head = ["thought", "hops", "problems", *(f"{name} (control)" for name in names)]
    rows = [
        [
            name,
            str(study.hops(place)),
            str(real[place]["frontier"].n),
            *(f"{real[place][entry]} ({control[place][entry].short})" for entry in names),
        ]
        for place, name in enumerate(study.thought_names)
        if real[place]["frontier"].n
    ]
    return Section(
        "Search: where a thought lies on the graph",
        ABOUT,
        {
            "thoughts": [
                {
                    "thought": name,
                    "hops": study.hops(place),
                    "reading": {entry: real[place][entry].to_json() for entry in names},
                    "control": {entry: control[place][entry].to_json() for entry in names},
                }
                for place, name in enumerate(study.thought_names)
            ],
            "columns": columns,
            "mass_by_distance": grids[0].tolist(),
            "mass_by_distance_control": grids[1].tolist(),
        },
        [Table("Mean over problems that have such a frontier, with its 95 % interval", head, rows)],
        {"distance": figure, "frontier": _frontier_figure(study, real, control)},
    )


def _frontier_figure(
    study: Study, real: list[dict[str, Estimate]], control: list[dict[str, Estimate]]
) -> Figure:
    places = [place for place, means in enumerate(real) if means["frontier"].n >= FEWEST_DRAWN]

    def line(label: str, readings: list[dict[str, Estimate]], name: str) -> Line:
        return line_of(label, {place + 1: readings[place][name] for place in places})

    lines = [
        line("on the frontier", real, "frontier"),
        line("where walks end", real, "walks"),
        line("spread over the frontier", real, "spread"),
        line("control: frontier", control, "frontier"),
        line("control: walks", control, "walks"),
    ]
    return draw_lines(lines, "Breadth-first?", "thought", "share", y_range=(0, 1))
