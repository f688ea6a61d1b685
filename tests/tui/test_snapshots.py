"""Pictures of the main states, from a replayed trace whose numbers are made by hand."""

from collections.abc import Callable

import pytest
from textual.pilot import Pilot

from coconut_core.trace import Trace
from coconut_tui.app import Explorer
from tests.tui.conftest import steps_taken, until

SIZES = [(80, 24), (140, 45)]


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "140x45"])
@pytest.mark.parametrize(
    ("keys", "steps"),
    [
        pytest.param([], 0, id="opened"),
        pytest.param(["s", "s"], 2, id="two-thoughts"),
        pytest.param(["s", "s", "g"], 2, id="graph"),
        pytest.param(["c"], 10, id="finished"),
        pytest.param(["c", "a"], 10, id="answer"),
        pytest.param(["question_mark"], 0, id="help"),
        pytest.param(["z"], 0, id="error"),
        pytest.param(["s", "s", "d"], 2, id="light"),
    ],
)
def test_picture(
    snap_compare: Callable[..., bool], trace: Trace, size: tuple[int, int], keys: list[str], steps: int
) -> None:
    async def drive(pilot: Pilot[None]) -> None:
        await until(pilot, steps_taken(0))
        await pilot.press(*keys)
        await until(pilot, steps_taken(steps))

    app = Explorer(trace=trace)
    app.animation_level = "none"
    assert snap_compare(app, terminal_size=size, run_before=drive)
