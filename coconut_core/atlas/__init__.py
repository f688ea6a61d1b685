"""The atlas: one table of the runs of a data set, with the vectors of their thoughts beside it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coconut_core.atlas.atlas import Atlas
    from coconut_core.atlas.columns import COLUMNS, Column
    from coconut_core.atlas.filters import FilterError
    from coconut_core.atlas.nearest import Neighbour
    from coconut_core.atlas.projection import Point, Projection
    from coconut_core.atlas.summary import Heat, Summary

__all__ = ["COLUMNS", "Atlas", "Column", "FilterError", "Heat", "Neighbour", "Point", "Projection", "Summary"]

_PLACES = {
    "Atlas": "atlas",
    "COLUMNS": "columns",
    "Column": "columns",
    "FilterError": "filters",
    "Heat": "summary",
    "Neighbour": "nearest",
    "Point": "projection",
    "Projection": "projection",
    "Summary": "summary",
}


def __getattr__(name: str) -> Any:
    # Looked up when first used: the explorer's first paint needs the columns only.
    if name not in _PLACES:
        raise AttributeError(f"module 'coconut_core.atlas' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f"coconut_core.atlas.{_PLACES[name]}"), name)
