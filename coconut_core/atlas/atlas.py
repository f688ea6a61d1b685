"""Atlas, the front door: open one, ask it. Needs no torch."""

from pathlib import Path
from typing import Self

from coconut_core.atlas.query import Table
from coconut_core.atlas.summary import Summary, summarise


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
