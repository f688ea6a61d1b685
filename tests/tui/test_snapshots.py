"""One picture of each pane, screen, theme and width, from numbers made by hand. What the words say at the other
sizes is in test_seen.py; what colours have to do in test_legible.py."""

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from coconut_core.records.trace import Trace
from tests.tui.conftest import Snap
from tests.tui.scenes import SCENES, VIEW_NAMES
from tests.tui.screens import LARGE, MIDDLE, SMALL, opened

PICTURES = (
    *(("finished", size, "textual-dark") for size in (SMALL, MIDDLE, LARGE)),
    *(("finished", MIDDLE, theme) for theme in ("textual-light", "ansi-dark")),
    ("opened", MIDDLE, "textual-dark"),
    ("running", SMALL, "nord"),
    *((f"view-{name}", MIDDLE, "textual-dark") for name in VIEW_NAMES),
    ("view-lens", LARGE, "textual-light"),
    ("zoomed", MIDDLE, "textual-dark"),
    *(
        (name, MIDDLE, "textual-dark")
        for name in ("edit", "compare", "controls", "problems", "training", "note", "findings")
    ),
    *((name, LARGE, "textual-dark") for name in ("what-if", "beside")),
    *((name, SMALL, "textual-dark") for name in ("help", "command", "jump", "error", "loading")),
    *((name, SMALL, "textual-light") for name in ("breakpoints", "question")),
    *((name, SMALL, "ansi-dark") for name in ("palette", "recent")),
)


def _id(picture: tuple[str, tuple[int, int], str]) -> str:
    name, size, theme = picture
    return f"{name}-{size[0]}x{size[1]}-{theme}"


@pytest.mark.parametrize("picture", PICTURES, ids=_id)
def test_picture(
    snap_compare: Snap,
    trace: Trace,
    picture: tuple[str, tuple[int, int], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # where the log of a training run is written
    name, size, theme = picture

    async def drive(pilot: Pilot[None]) -> None:
        await SCENES[name](pilot, trace)
        for field in pilot.app.screen.query(Input):
            field.cursor_blink = False  # or the picture depends on how long all this takes
        await pilot.wait_for_scheduled_animations()
        await pilot.pause()

    assert snap_compare(opened(trace, theme), terminal_size=size, run_before=drive)
