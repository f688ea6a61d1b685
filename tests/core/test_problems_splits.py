"""A graph belongs to one split, whatever it is called and however it is told."""

import random
from collections import Counter
from math import sqrt

import pytest

from coconut_core.common.errors import CoconutError
from coconut_core.problems import FAMILIES, SPLITS, Graph, draw_problems, generate_problems, split_of
from coconut_core.problems.prontoqa import ProntoqaSize
from coconut_core.problems.prosqa import ProsqaSize
from coconut_core.problems.size import Knobs, Size
from coconut_core.problems.splits import canonical_form
from coconut_core.problems.symbolic import SymbolicSize

# So small that the same graphs come up again and again.
SMALL: dict[str, Size] = {
    "prosqa": ProsqaSize(nodes=(6, 8), hops=(1, 2)),
    "prontoqa": ProntoqaSize(nodes=(6, 7), hops=(1, 2)),
    "symbolic": SymbolicSize(nodes=(6, 8), hops=(1, 2)),
}


def relabelled(graph: Graph, rng: random.Random) -> Graph:
    """The same graph under other numbers and names, with its edges in another order."""
    numbers = list(range(len(graph.names)))
    rng.shuffle(numbers)
    edges = [(numbers[source], numbers[target]) for source, target in graph.edges]
    rng.shuffle(edges)
    special = [numbers[node] for node in (graph.root, graph.target, graph.wrong)]
    return Graph(tuple(f"x{number}" for number in range(len(graph.names))), tuple(edges), *special)


def graphs_of(
    family: str, count: int, seed: int, split: str | None = None, size: Knobs | None = None
) -> list[Graph]:
    return [problem.graph for problem in generate_problems(family, count, seed, split, size) if problem.graph]


def forms(graphs: list[Graph]) -> set[str]:
    return {repr(canonical_form(graph)) for graph in graphs}


@pytest.mark.parametrize("family", SMALL)
def test_relabelled_graphs_stay_in_their_split(family: str) -> None:
    rng = random.Random(0)
    for graph in graphs_of(family, 60, seed=1):
        other = relabelled(graph, rng)
        assert canonical_form(other) == canonical_form(graph)
        assert split_of(other) == split_of(graph)
        retold = FAMILIES[family].retell(graph, rng).graph
        assert retold is not None
        assert split_of(retold) == split_of(graph)


def test_what_is_asked_does_not_move_a_graph() -> None:
    graph = graphs_of("prosqa", 1, seed=1)[0]
    other = Graph(graph.names, graph.edges, root=graph.wrong, target=graph.root, wrong=graph.target)
    assert canonical_form(other) == canonical_form(graph)


def test_graphs_that_differ_by_one_edge_differ() -> None:
    rng = random.Random(2)
    for graph in graphs_of("symbolic", 30, seed=2):
        gone = rng.randrange(len(graph.edges))
        source, target = graph.edges[gone]
        rest = graph.edges[:gone] + graph.edges[gone + 1 :]
        for edges in (rest, (*rest, (target, source))):
            other = Graph(graph.names, edges, graph.root, graph.target, graph.wrong)
            assert canonical_form(other) != canonical_form(graph)
    chains = Graph(("",) * 6, ((0, 1), (1, 2), (3, 4), (4, 5)), 0, 2, 5)
    branches = Graph(("",) * 6, ((0, 1), (1, 2), (3, 4), (3, 5)), 0, 2, 5)
    assert canonical_form(chains) != canonical_form(branches)


@pytest.mark.parametrize("family", SMALL)
def test_splits_share_no_graph(family: str) -> None:
    found = {split: graphs_of(family, 60, 3, split, SMALL[family]) for split in SPLITS}
    for split, graphs in found.items():
        assert {split_of(graph) for graph in graphs} == {split}
    for one, other in (("train", "valid"), ("train", "test"), ("valid", "test")):
        assert not forms(found[one]) & forms(found[other])
    # Without splits another seed does bring the same graphs: it is the split that keeps them apart.
    assert forms(graphs_of(family, 60, 3, size=SMALL[family])) & forms(
        graphs_of(family, 60, 4, size=SMALL[family])
    )


def test_eight_in_ten_are_for_training() -> None:
    counts = Counter(split_of(graph) for graph in graphs_of("prontoqa", 1500, seed=5))
    for split, share in (("train", 0.8), ("valid", 0.1), ("test", 0.1)):
        assert abs(counts[split] - 1500 * share) <= 5 * sqrt(1500 * share * (1 - share))


def test_splits_stay_what_they_were() -> None:
    """Files made by another version or machine must not meet: the hash is part of the format."""
    expected = "020020000000000020000002000200000010100000002000"
    sizes = {family: parts.example_size for family, parts in FAMILIES.items()}  # which draw as they always did
    found = [
        split_of(graph) for family, size in sizes.items() for graph in graphs_of(family, 16, 0, None, size)
    ]
    assert "".join(str(SPLITS.index(split)) for split in found) == expected


def test_problems_of_a_split_are_drawn_one_at_a_time_and_by_seed() -> None:
    endless = draw_problems("prontoqa", 10**9, 0, "test")
    assert [next(endless) for _ in range(3)] == generate_problems("prontoqa", 3, 0, "test")


def test_impossible_splits_are_refused() -> None:
    with pytest.raises(CoconutError, match="choose one of train, valid, test"):
        generate_problems("prosqa", 1, 0, split="dev")
    # There are four such graphs, by what is said of the side chain; they do not fill three splits.
    only = ProntoqaSize(nodes=(4, 4), hops=(1, 1))
    taken = {split_of(graph) for graph in graphs_of("prontoqa", 40, 0, size=only)}
    free = next(split for split in SPLITS if split not in taken)
    with pytest.raises(CoconutError, match=f"belongs to the split '{free}'"):
        generate_problems("prontoqa", 1, 0, split=free, size=only)
