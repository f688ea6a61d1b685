"""The benchmark of the path graph draws graphs of the size that it says."""

from bench.graph import EDGES, LIMIT, NODES, SIZES, THOUGHTS, compare, measure, runs
from bench.shapes import SHAPES


def test_graphs_are_as_large_as_said_and_drawn_with_every_thought() -> None:
    views = runs(3, seed=1)
    assert len(views) == 3
    for view in views:
        assert view.graph is not None
        assert len(view.graph.names) >= NODES
        assert len(view.graph.edges) >= EDGES
        assert view.steps[0].watched != view.steps[1].watched
    times = measure(views, 120, 30)
    assert len(times.new) == 3
    assert len(times.again) == 3 * (THOUGHTS - 1)
    assert sorted(times.again)[len(times.again) // 2] < LIMIT


def test_it_is_one_of_the_benchmarks() -> None:
    found = compare(SHAPES["prosqa"], repetitions=1)
    assert [each.against for each in found] == [f"slowest, {width}×{height}" for width, height in SIZES]
    assert all(min(each.ours) > 0 and each.theirs == [LIMIT] for each in found)
    assert compare(SHAPES["tiny-gpt2"], repetitions=1) == []
