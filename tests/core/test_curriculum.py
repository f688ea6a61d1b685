"""Every method's stages, and the official recipes' number of steps."""

from dataclasses import replace

import pytest

from coconut_core.common.errors import CoconutError
from coconut_core.training.curriculum import ALL, Curriculum, Stage
from coconut_core.training.methods.table import METHODS, expand
from coconut_core.training.recipe import available_recipes, load_recipe

PAPER = Curriculum("epochs", per_stage=3, stages=3, total=25, final_stage=True, thoughts_per_step=2)
SMALL = Curriculum(lookup=10, first=20, per_stage=5, stages=4, total=100, tokens_per_stage=3)


def test_gsm8k_as_in_the_paper() -> None:
    assert expand("coconut", PAPER) == (
        Stage(3),
        Stage(3, removed=1, thoughts=2),
        Stage(3, removed=2, thoughts=4),
        Stage(3, removed=3, thoughts=6),
        Stage(13, removed=ALL, thoughts=6),
    )


def test_the_last_stage_goes_on_to_the_end() -> None:
    assert [stage.length for stage in expand("coconut", SMALL)] == [10, 20, 5, 5, 5, 55]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("curriculum", [PAPER, SMALL])
def test_every_method_has_the_same_budget(method: str, curriculum: Curriculum) -> None:
    stages = expand(method, curriculum)
    assert sum(stage.length for stage in stages) == curriculum.total
    assert [stage.kind for stage in stages].count("lookup") == (curriculum.lookup > 0)


def test_what_is_gone_and_what_stands_in_its_place_at_the_end() -> None:
    last = {method: expand(method, SMALL)[-1] for method in METHODS}
    assert {name: (stage.removed, stage.thoughts) for name, stage in last.items()} == {
        "coconut": (4, 4),
        "cot": (0, 0),
        "no-cot": (ALL, 0),
        "pause": (ALL, 4),
        "icot": (ALL, 0),
        "coconut-no-curriculum": (ALL, 4),
        "coconut-no-thoughts": (4, 0),
        "coconut-pause": (4, 4),
        "codi": (ALL, 4),
        "pccot": (ALL, 4),
        "grpo": (ALL, 4),
        "sim-cot": (4, 4),
    }
    assert {name for name, method in METHODS.items() if method.feedback == "pause"} == {
        "pause",
        "coconut-pause",
    }


def test_icot_takes_tokens() -> None:
    assert [stage.removed_tokens for stage in expand("icot", SMALL)] == [0, 0, 3, 6, 9, 0]


def test_a_total_that_is_too_short_is_refused() -> None:
    with pytest.raises(CoconutError, match="raise it"):
        expand("coconut", replace(SMALL, total=44))


def test_stages_that_the_base_has_been_through_are_skipped() -> None:
    whole = expand("coconut", replace(SMALL, lookup=0, total=90))
    later = expand("coconut", replace(SMALL, lookup=0, total=90 - whole[0].length - whole[1].length, skipped=2))
    assert later == whole[2:]
    assert expand("icot", replace(SMALL, lookup=0, skipped=1))[0].removed_tokens > 0
    with pytest.raises(CoconutError, match=f"leaves none of {len(whole)} stages"):
        expand("coconut", replace(SMALL, lookup=0, skipped=len(whole)))


def test_every_stage_has_a_name() -> None:
    names = [stage.name for method in METHODS for stage in expand(method, SMALL)]
    assert all(names)
    assert [stage.name for stage in expand("coconut", SMALL)] == [
        "look-up warm-up",
        "full chain of thought",
        "1 step gone, 1 thought",
        "2 steps gone, 2 thoughts",
        "3 steps gone, 3 thoughts",
        "4 steps gone, 4 thoughts",
    ]
    assert [Stage(1, removed_tokens=number).name for number in (1, 2)] == ["1 token gone", "2 tokens gone"]
    assert Stage(1, removed=ALL, thoughts=1).name == "all steps gone, 1 thought"


@pytest.mark.parametrize("name", available_recipes())
def test_a_printed_recipe_is_complete(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    recipe = load_recipe(name)
    path = tmp_path_factory.mktemp("recipe") / "printed.toml"
    path.write_text(recipe.to_toml())
    assert load_recipe(str(path)) == recipe
    assert recipe.stages


@pytest.mark.parametrize(
    ("name", "epochs"),
    [
        ("gsm8k-gpt2", [3, 3, 3, 13]),
        ("prontoqa-gpt2", [5, 5, 5, 5, 5, 5, 20]),
        ("prosqa-gpt2", [5, 5, 5, 5, 5, 5, 20]),
        ("gsm8k-gpt2-cot", [25]),
    ],
)
def test_the_official_recipes_have_the_papers_numbers(name: str, epochs: list[int]) -> None:
    recipe = load_recipe(name)
    assert [stage.length for stage in recipe.stages] == epochs
    assert recipe.batch_size == 128
    assert recipe.optimizer.learning_rate == 1e-4
    assert recipe.optimizer.weight_decay == 0.01
    assert recipe.optimizer.schedule == "constant"
