"""What a view sees, and is shown, without an app."""

from collections.abc import Sequence

import pytest

from coconut_core.latent.readout import TokenProbability
from coconut_core.records.trace import TokenRecord, Trace
from coconut_tui.run.branches import Branch, Decisions, Said, Tree
from coconut_tui.run.lookups import (
    Found,
)
from coconut_tui.run.state import ModelFacts, RunView
from coconut_tui.views.view import Sight
from tests.tui.conftest import PROBLEM


def run_of(trace: Trace, moves: str = "tttmwwwwww") -> RunView:
    """The trace's run, as it stood after some steps."""
    tree = Tree(PROBLEM.question, PROBLEM, 1, (Branch(1, "main", Decisions(None, (), moves)),))
    return RunView(tree, trace.steps[: len(moves)], 3, "thinking", Said("", "", None))


def sight_of(trace: Trace, found: Found | None, number: int | None = 1, **more: object) -> Sight:
    """A sight to which the model always answers the same."""
    facts = ModelFacts("by hand", True, None, "###", 0, layers=2, heads=2)
    return Sight(run_of(trace), facts, number, answer=lambda ask: found, **more)  # type: ignore[arg-type]


def same(found: tuple[TokenRecord, ...], wanted: Sequence[TokenProbability]) -> None:
    assert [item.token for item in found] == [item.token for item in wanted]
    assert [item.probability for item in found] == pytest.approx(
        [item.probability for item in wanted], abs=1e-5
    )
