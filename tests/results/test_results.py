"""The comparison's plan: which runs there are."""

from coconut_core.training.curriculum import METHODS
from coconut_core.training.recipe import Recipe, load_recipe
from results.report import PAPER
from results.runs import RECIPE, ROWS, SEEDS, Part, parts


def recipe_of(part: Part) -> Recipe:
    return load_recipe(RECIPE, part.settings)


def test_every_method_has_its_row_its_three_runs_and_the_papers_figure() -> None:
    assert set(METHODS) < set(ROWS) == set(PAPER)
    planned = {part.folder for part in parts(ROWS, SEEDS)}
    assert planned == {Part(row, seed).folder for row in ROWS for seed in SEEDS}
    assert len(planned) == 3 * len(ROWS)


def test_only_thoughts_are_labelled_and_the_papers_own_way_is_a_row_too() -> None:
    labelled = {row for row in ROWS if recipe_of(Part(row, 1)).label_thoughts == "frontier"}
    assert labelled == {"coconut", "coconut-no-curriculum", "coconut-pause", "pause"}
