"""The atlas: one table of the runs of a data set, with the vectors of their thoughts beside it."""

from coconut_core.atlas.atlas import Atlas
from coconut_core.atlas.columns import COLUMNS, Column
from coconut_core.atlas.filters import FilterError
from coconut_core.atlas.nearest import Neighbour
from coconut_core.atlas.projection import Point, Projection
from coconut_core.atlas.summary import Heat, Summary

__all__ = ["COLUMNS", "Atlas", "Column", "FilterError", "Heat", "Neighbour", "Point", "Projection", "Summary"]
