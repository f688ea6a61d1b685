"""The causal grid as it is shown: what was asked, what stands where, and how far it has come."""

from dataclasses import dataclass, replace

from coconut_core.grid.layouts import Direction, Kind, Layout
from coconut_core.problems.base import Problem
from coconut_tui.run.state import WhatIf

DONORS = ("twin", "random", "same-hop", "zero")
KINDS = (*Kind,)


@dataclass(frozen=True)
class GridChoice:
    """Which grid. thoughts: how many the run takes; thought: at which heads are patched, None for all."""

    thoughts: int
    kind: Kind = Kind.ABLATIONS
    direction: Direction = Direction.NOISING
    donor: str = DONORS[0]
    thought: int | None = None

    def turned(self) -> "GridChoice":
        """The other direction."""
        noising = self.direction is Direction.NOISING
        return replace(self, direction=Direction.DENOISING if noising else Direction.NOISING)

    def next_donor(self) -> "GridChoice":
        """The donor behind this one."""
        return replace(self, donor=DONORS[(DONORS.index(self.donor) + 1) % len(DONORS)])

    def next_thought(self) -> "GridChoice":
        """All thoughts, then one after the other."""
        following = 1 + (self.thought or 0)
        return replace(self, thought=following if following <= self.thoughts else None)

    def of_kind(self, kind: Kind) -> "GridChoice":
        """The same of another kind."""
        return replace(self, kind=kind)

    def next_kind(self, by: int = 1) -> "GridChoice":
        """The kind behind this one, or in front of it."""
        return replace(self, kind=KINDS[(KINDS.index(self.kind) + by) % len(KINDS)])


@dataclass(frozen=True)
class GridTable:
    """A grid as far as it is known; the variants behind the first are its cells, in the order of its texts.

    run: the question that is run, where that is not the one on screen; typed: whether a cell's text means the
    same where that question is open. error: why there is no such grid.
    """

    choice: GridChoice
    layout: Layout | None
    table: WhatIf
    run: Problem | None = None
    typed: bool = True
    error: str = ""
