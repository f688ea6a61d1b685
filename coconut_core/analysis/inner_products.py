"""Inner products of thoughts with the embeddings of nodes, by the node's place in the search.

The reading of arXiv 2505.12514, section 5: a thought that is a superposition of the nodes found so far has a
larger inner product with their embeddings than with the others.
"""

from collections.abc import Sequence

from coconut_core.analysis.estimates import Estimate, estimate, line_of
from coconut_core.analysis.graphs import CLASSES, Map
from coconut_core.analysis.study import Section, Study, Table
from coconut_core.common.plots import Figure, draw_lines

# The published means of the first continuous thought of a from-scratch model (arXiv 2505.12514).
PUBLISHED_STEP = 1
PUBLISHED = {"not reachable": -0.3, "reachable": 3.6, "frontier": 5.3, "optimal": 6.6}
LEAD = "optimal less frontier"

ABOUT = (
    "The mean inner product of a thought with the input embeddings of nodes, by class. The classes lie within "
    "each other: reachable within so many hops, the frontier at exactly so many, optimal those of the frontier "
    "on a shortest path to the target; not reachable are all others. A problem counts with the mean over its "
    "nodes, and only where each class has one. Control: the same with the graph's names dealt out anew among "
    "its nodes. Only differences within a row mean something: embeddings share a direction that shifts a whole "
    "row, and their norm, which another model has otherwise, scales it."
)


def class_means(study: Study, maps: Sequence[Map]) -> list[dict[str, Estimate]]:
    """For each place, the mean inner product of the state with the nodes of each of CLASSES, and LEAD: how much
    larger it is with the optimal nodes than with the frontier."""
    embeddings = study.model.embedding_table().float().cpu()
    names = (*CLASSES, LEAD)
    by_place: list[dict[str, list[float]]] = [{name: [] for name in names} for _ in range(study.thoughts + 1)]
    for states, known in zip(study.runs.states, maps, strict=True):
        products = states @ embeddings[study.tokens(known.graph)].T  # (places, nodes)
        for place, row in enumerate(products):
            classes = known.classes(study.hops(place))
            if all(classes.values()):
                for name, nodes in classes.items():
                    by_place[place][name].append(float(row[nodes].mean()))
                by_place[place][LEAD].append(by_place[place]["optimal"][-1] - by_place[place]["frontier"][-1])
    return [{name: estimate(values[name]) for name in names} for values in by_place]


def read_inner_products(study: Study) -> Section:
    """See ABOUT."""
    real, control = (class_means(study, maps) for maps in (study.maps, study.control_maps))
    places = [place for place in range(study.thoughts + 1) if real[place]["frontier"].n]
    rows = [
        [
            study.thought_names[place],
            str(study.hops(place)),
            str(real[place]["frontier"].n),
            *(f"{real[place][name]} ({control[place][name].short})" for name in (*CLASSES, LEAD)),
        ]
        for place in places
    ]
    published = [
        str(PUBLISHED_STEP),
        str(PUBLISHED_STEP),
        "published",
        *(f"{PUBLISHED[name]:.1f}" for name in CLASSES),
        f"{PUBLISHED['optimal'] - PUBLISHED['frontier']:.1f}",
    ]
    estimates = [means[place][name] for means in (real, control) for place in places for name in CLASSES]
    estimates = [value for value in estimates if value.n > 1]
    y_range = None
    if estimates:  # the control on the same scale
        y_range = (min(value.low for value in estimates), max(value.high for value in estimates))
    titles = ("Inner products with node embeddings", "Control: names dealt anew")
    figures = [
        _figure(title, means, places, y_range) for title, means in zip(titles, (real, control), strict=True)
    ]
    return Section(
        "Inner products by class and thought",
        ABOUT,
        {
            "thoughts": [
                {
                    "thought": study.thought_names[place],
                    "hops": study.hops(place),
                    "mean": {name: value.to_json() for name, value in real[place].items()},
                    "control": {name: value.to_json() for name, value in control[place].items()},
                }
                for place in places
            ],
            "published": PUBLISHED,
        },
        [
            Table(
                "Mean over problems with its 95 % interval; control in brackets; published: arXiv 2505.12514",
                ["thought", "hops", "problems", *CLASSES, LEAD],
                [*rows, published],
            )
        ],
        {"inner-products": figures[0].beside(figures[1])},
    )


def _figure(
    title: str,
    means: list[dict[str, Estimate]],
    places: list[int],
    y_range: tuple[float, float] | None,
) -> Figure:
    lines = [line_of(name, {place + 1: means[place][name] for place in places}) for name in CLASSES]
    return draw_lines(lines, title, "thought", "inner product", y_range=y_range)
