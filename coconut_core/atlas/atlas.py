"""Atlas, the front door: open one, ask it. Needs no torch."""

from pathlib import Path
from typing import Self

from coconut_core.atlas.nearest import Neighbour, nearest_thoughts
from coconut_core.atlas.planning import check_weights, hash_model
from coconut_core.atlas.projection import Projection, project
from coconut_core.atlas.query import Table
from coconut_core.atlas.summary import Summary, summarise

MOST_POINTS = 5000  # of a map


class Atlas(Table):
    """The runs of a data set, their thoughts' vectors beside them; see docs/ATLAS.md for the columns."""

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open an atlas, whole or as far as it is built. Raises CoconutError in one line for what is wrong."""
        return cls(path)

    def __repr__(self) -> str:
        return f"Atlas({str(self.path)!r}: {len(self)} runs of {self.manifest.model.source})"

    def summary(self, where: str = "") -> Summary:
        """Figures over the runs that fit a filter. Raises FilterError."""
        return summarise(self, where)

    def nearest(self, run: int, thought: int, count: int = 10, where: str = "") -> list[Neighbour]:
        """The thoughts with the largest cosine to one, itself aside, over all runs or those that fit a filter.
        Raises CoconutError where there is no such thought."""
        return nearest_thoughts(self.path, self.manifest, run, thought, count, self._among(where))

    def projection(self, where: str = "", thought: int | None = None, most: int = MOST_POINTS) -> Projection:
        """Thoughts in their two main directions (PCA, with torch): all, or those of one number, of all runs or
        those that fit a filter; every so-manieth where there are more than most."""
        return project(self.path, self.manifest, most, self._among(where), thought)

    def check_model(self, source: str) -> None:
        """Raise CoconutError where the weights at source are not those whose runs these are."""
        check_weights(self.manifest, hash_model(source), source, self.path)

    def _among(self, where: str) -> set[int] | None:
        return {run for (run,) in self.ask("SELECT run", where)} if where.strip() else None
