"""A recipe is refused for what no run can have, in a line that names the entry, or it trains."""

import math
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from coconut_core.common.errors import CoconutError
from coconut_core.common.seeds import LARGEST_SEED
from coconut_core.training.recipe import Recipe, load_recipe
from tests.core.tiny_recipes import problem_file, tiny_recipe, train


def number_entries() -> dict[str, bool]:
    """Each entry of a recipe that is a number, and whether it is a pair of them."""
    tables: dict[str, Any] = {"": Recipe}
    tables |= {f"{name}.": kind for name, kind in get_type_hints(Recipe).items() if is_dataclass(kind)}
    found = {}
    for prefix, kind in tables.items():
        types = get_type_hints(kind)
        for item in fields(kind):
            if types[item.name] in (int, float):
                found[prefix + item.name] = False
            elif get_origin(types[item.name]) is tuple and str not in get_args(types[item.name]):
                assert set(get_args(types[item.name])) <= {int, float}
                found[prefix + item.name] = True
    return found


ENTRIES = number_entries()
VALUES = (0, -1, math.nan, math.inf, 1e30, 10**30, 10**400)


def with_entry(entry: str, value: Any, **changes: Any) -> Recipe:
    """A tiny recipe with one entry more."""
    table, _, name = entry.rpartition(".")
    if table:
        return tiny_recipe(**{**changes, table: {**changes.get(table, {}), name: value}})
    return tiny_recipe(**{**changes, name: value})


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_number_is_refused_by_its_name_or_trained_with(entry: str, tmp_path: Path) -> None:
    for number, value in enumerate(VALUES):
        given = [value, value] if ENTRIES[entry] else value
        ends = "entropy" if entry.startswith("thinking.") and entry != "thinking.passes" else "fixed"
        said, rows = "", []
        try:
            rows = train(with_entry(entry, given, thinking={"ends": ends}), tmp_path / str(number), until=2)
        except CoconutError as error:
            said = str(error)
        if said:
            assert entry.rpartition(".")[2] in said
            assert "\n" not in said
        else:
            assert value in (0, -1)
            assert all(math.isfinite(row["loss"]) for row in rows if "loss" in row)


def test_there_are_numbers() -> None:
    assert len(ENTRIES) > 30
    assert {"optimizer.clip", "optimizer.betas", "model.heads", "curriculum.total", "seed"} <= ENTRIES.keys()


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("optimizer.clip", -1.0),
        ("optimizer.betas", [0.9, 1]),
        ("optimizer.learning_rate", -1),
        ("optimizer.warmup_steps", -5),
        ("optimizer.weight_decay", 100.0),
        ("curriculum.other_stages", 7.0),
        ("curriculum.stages", 1_000_000),
        ("model.heads", 3),
        ("model.heads", 16),
        ("batch_size", 100_000_000_000),
        ("data.nodes", [28, 18]),
        ("data.hops", [0, 3]),
    ],
)
def test_what_trained_to_no_end_is_refused(entry: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(CoconutError, match=entry.rpartition(".")[2]):
        train(with_entry(entry, value, optimizer={"learning_rate": 0.02}), tmp_path, until=1)


def test_a_warm_up_is_refused_where_the_family_has_none(tmp_path: Path) -> None:
    small = {"nodes": [12, 14], "hops": [5, 5]}
    assert train(with_entry("data.family", "prontoqa", data=small), tmp_path / "prontoqa", until=1)
    with pytest.raises(CoconutError, match=r"no warm-up for data\.family .symbolic.: set"):
        train(
            with_entry("data.family", "symbolic", data={"nodes": [12, 14], "hops": [2, 3]}), tmp_path, until=1
        )


@pytest.mark.parametrize("seed", [-1, LARGEST_SEED, -LARGEST_SEED])
@pytest.mark.parametrize("source", ["a file", "generated"])
def test_every_seed_trains_with_every_source(seed: int, source: str, tmp_path: Path) -> None:
    data = {"train": str(problem_file(tmp_path, 8))} if source == "a file" else {}
    assert train(with_entry("seed", seed, data=data, curriculum={"lookup": 0}), tmp_path / "run", until=1)


def test_a_number_of_too_many_digits_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(f"seed = {'1' * 5000}")
    for words in ((str(path),), ("prosqa", [f"seed={'1' * 5000}"])):
        with pytest.raises(CoconutError, match="recipe"):
            load_recipe(*words)
