"""Drives the installed explorer where there is no repository: python -I explorer_outside.py MODEL RUN PICTURE.

It thinks twice, saves the run and writes the screen as a picture.
"""

import asyncio
import sys
from pathlib import Path

from textual.pilot import Pilot

from coconut_tui.app import Explorer
from coconut_tui.engine import ModelChoice

model, run, picture = sys.argv[1:]
explorer = Explorer(ModelChoice(model, "cpu"), example=1)


async def steps_shown(pilot: Pilot[None], count: int) -> None:
    for _ in range(3000):
        await pilot.pause(0.02)
        if explorer.view is not None and len(explorer.view.steps) == count and not explorer.activity:
            return
    sys.exit(f"waited in vain; activity {explorer.activity!r}, view {explorer.view}")


async def main() -> None:
    async with explorer.run_test(size=(140, 45)) as pilot:
        for count in range(3):
            if count:
                await pilot.press("s")
            await steps_shown(pilot, count)
        explorer.use_trace("saving", lambda trace: trace.save(run))
        while not Path(run).exists():
            await pilot.pause(0.02)
        Path(picture).write_text(explorer.export_screenshot(), encoding="utf-8")
        styles = explorer.query_one("#branch-tree").styles
        assert str(styles.min_height) == "1", "the stylesheet of the explorer is not there"


asyncio.run(main())
