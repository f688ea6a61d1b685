"""Makes docs/images/explorer.svg: the explorer on models/prosqa, in the middle of a run.

.venv/bin/python docs/screenshot.py [EXAMPLE]
"""

import asyncio
import sys
from pathlib import Path

from coconut_tui.app import Explorer
from coconut_tui.engine import ModelChoice

IMAGES = Path(__file__).parent / "images"


async def main(example: int) -> None:
    """Take three thoughts, look at the third on the graph, and write what is on screen."""
    app = Explorer(ModelChoice("models/prosqa"), example=example)
    async with app.run_test(size=(128, 40)) as pilot:
        while app.view is None or app.activity:
            await pilot.pause(0.1)
        await pilot.press("c")
        while app.view is None or not app.view.over or not app.up_to_date:
            await pilot.pause(0.1)
        await pilot.press("home", "down", "down", "2")
        await pilot.pause(0.5)
        IMAGES.mkdir(exist_ok=True)
        app.save_screenshot("explorer.svg", path=str(IMAGES))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1))
