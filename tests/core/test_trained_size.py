"""Examples, test problems and donors are of the size that a model has learned."""

from dataclasses import asdict
from typing import Any

import pytest

from coconut_core.problems import FAMILIES, example_problem, trained_size
from coconut_core.problems.prosqa import ProsqaSize
from coconut_core.training.data import held_out_problems
from coconut_core.training.recipe import load_recipe
from coconut_core.training.run_folder import RunFolder

SMALL = {"nodes": [8, 11], "hops": [3, 3], "train": ""}


def test_a_model_of_small_graphs_has_small_examples() -> None:
    size = trained_size("prosqa", {"data": SMALL})
    assert isinstance(size, ProsqaSize)
    assert (size.nodes, size.hops) == ((8, 11), (3, 3))
    for number in range(1, 6):
        problem = example_problem("prosqa", number, size)
        assert problem.graph is not None
        assert 8 <= len(problem.graph.names) <= 11
        assert len(problem.steps) == 3


@pytest.mark.parametrize(
    "record",
    [
        None,
        {},
        {"data": None},
        {"data": {**SMALL, "train": "data/prosqa_train.json"}},  # whose size is not known
        {"data": {"nodes": [18, 28], "hops": [4, 6], "train": ""}},  # as large as the family's own
        {"data": {"nodes": "many", "hops": [3, 3]}},
        {"data": {"nodes": [8], "hops": [3, 3]}},
        {"data": {"nodes": [8, 11]}},
    ],
)
def test_else_the_examples_are_the_familys(record: dict[str, Any] | None) -> None:
    assert trained_size("prosqa", record) is None
    assert trained_size(None, {"data": SMALL}) is None


@pytest.mark.parametrize("recipe", ["small", "small-base"])
def test_a_recipes_own_record_is_read(recipe: str, tmp_path: Any) -> None:
    """As it stands in coconut.json, and as large as what the run is evaluated on."""
    choice = load_recipe(recipe)
    size = trained_size(choice.data.family, choice.to_json())
    assert isinstance(size, ProsqaSize)
    assert (size.nodes, size.hops) == (choice.data.nodes, choice.data.hops)
    for problem in held_out_problems(choice.data, 5, RunFolder(tmp_path)):
        assert size.hops[0] <= len(problem.steps) <= size.hops[1]


def test_it_knows_every_knob_that_recipes_share_with_families() -> None:
    recipe = load_recipe("sums").to_json()["data"]
    for family in FAMILIES.values():
        shared = asdict(family.size).keys() & recipe.keys()
        assert shared
        assert trained_size("sums", {"data": recipe}) is None or shared
