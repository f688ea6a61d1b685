"""Problems of the size that a model has learned: its examples, and what it is tested on, are no larger."""

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from coconut_core.problems.families import Family, family_named, is_family
from coconut_core.problems.size import Knobs

IN_RECIPES = ("nodes", "hops", "steps", "largest")  # knobs that a recipe's table [data] has


def size_in(family: Family, data: Mapping[str, Any]) -> Knobs:
    """A family's knobs as a recipe's table [data], or the record of one, has them.

    Raises CoconutError for a size that the generator cannot have.
    """
    values = {item.name: data[item.name] for item in fields(family.size) if item.name in IN_RECIPES}
    ranges = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return replace(family.size, **ranges)


def trained_size(family: str | None, recipe: Mapping[str, Any] | None) -> Knobs | None:
    """The size of the generated problems that a model was trained on, by the recipe in its coconut.json.

    None where the family's own default is no larger, or nothing is known: a file, no recipe, another tool's.
    """
    data = (recipe or {}).get("data")
    if not is_family(family) or not isinstance(data, Mapping) or data.get("train"):
        return None
    entry = family_named(family)
    try:
        size = size_in(entry, data)
        smaller = any(_most(value) < _most(asdict(entry.size)[name]) for name, value in _ranges(size).items())
    except (KeyError, TypeError, ValueError, IndexError):
        return None
    return size if smaller else None


def _ranges(size: Knobs) -> dict[str, Any]:
    return {name: value for name, value in asdict(size).items() if name in IN_RECIPES}


def _most(value: Any) -> float:
    return float(value[1] if isinstance(value, list | tuple) else value)
