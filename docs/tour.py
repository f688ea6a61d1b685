"""Walks the tour on models/prosqa as docs/TOUR.md tells it, and makes its pictures (docs/images/tour-*.svg).

.venv/bin/python docs/tour.py [CHROMIUM]     # with the command of a Chromium, the exported page as well
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from textual.pilot import Pilot

from coconut_tui.app import Explorer
from coconut_tui.engine import ModelChoice

IMAGES = Path(__file__).parent / "images"
# What is pressed at each stop, and what is on its picture then.
WALK = (
    (("s",), "1-open"),
    (("s", "s", "c"), "2-step"),
    (("g", "2", "full_stop"), "3-frontier"),
    (("full_stop", "z"), "4-zero"),
    (("C",), "5-compare"),
)


async def quiet(pilot: Pilot[None], app: Explorer) -> None:
    """Wait until nothing is under way and all is drawn."""
    while True:
        await pilot.pause(0.3)
        if app.view is not None and not app.player.busy and not app.activity and app.up_to_date:
            await pilot.pause(0.5)  # the bar of the tour looks five times a second
            return


def photograph(browser: str, page: Path) -> None:
    """The exported page at the thought that was changed."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.tui.browser import Browser

    with Browser(browser) as window:
        window.open(page)
        for _ in range(2):  # it opens at the first thought
            window.press("ArrowRight")
        window.value("window.scrollTo(0, 0)")
        window.screenshot(IMAGES / "tour-browser.png", 1100, 760)


async def main(browser: str | None) -> None:
    """Every stop, with a picture each."""
    IMAGES.mkdir(exist_ok=True)
    app = Explorer(ModelChoice("models/prosqa"), example=1, tour=True)
    app.animation_level = "none"
    async with app.run_test(size=(120, 40)) as pilot:
        await quiet(pilot, app)
        for keys, name in WALK:
            for key in keys:
                await pilot.press(key)
                await quiet(pilot, app)
            app.save_screenshot(f"tour-{name}.svg", path=str(IMAGES))
        await pilot.press("escape")
        with tempfile.TemporaryDirectory() as folder:
            await pilot.press("W", *"x")
            await pilot.press("backspace")
            for letter in f"{folder}/run.html":
                await pilot.press({"/": "slash", ".": "full_stop", "_": "underscore"}.get(letter, letter))
            await pilot.press("enter")
            await quiet(pilot, app)
            page = Path(folder) / "run.html"
            assert page.is_file()
            if browser is not None:
                photograph(browser, page)
        app.save_screenshot("tour-6-export.svg", path=str(IMAGES))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else None))
