"""python -m pictures.documents: the pictures of README.md and docs/TOUR.md, which this walks as it is told."""

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image

from coconut_core.terminal.guard import run_guarded
from coconut_tui.app import Explorer
from coconut_tui.config import Config
from coconut_tui.engine import ModelChoice
from pictures.album import reduced
from pictures.cells import cells_of
from pictures.drawing import draw
from pictures.walking import Walker
from pictures.walks import MODEL

IMAGES = Path(__file__).parents[1] / "docs" / "images"
TOUR_SIZE, README_SIZE = (120, 40), (200, 60)
# What is pressed at each stop of the tour, or which thought is clicked; and what its picture is called.
STOPS: tuple[tuple[tuple[str | int, ...], str], ...] = (
    (("step",), "tour-1-open"),
    (("step", "step", "continue"), "tour-2-step"),
    (("graph", 2), "tour-3-frontier"),
    ((3, "zero"), "tour-4-zero"),
    (("compare",), "tour-5-compare"),
)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def documents(
    chromium: Annotated[
        str | None, typer.Argument(help="Command of a Chromium, for the picture of the exported page.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = IMAGES,
) -> None:
    """Make the pictures of README.md and docs/TOUR.md."""
    out.mkdir(parents=True, exist_ok=True)
    asyncio.run(_explorer(out))
    asyncio.run(_tour(out, chromium))


def _begin(*, tour: bool) -> Explorer:
    explorer = Explorer(ModelChoice(MODEL, "cpu"), example=1, tour=tour, config=Config())
    explorer.animation_level = "none"
    return explorer


def _save(explorer: Explorer, path: Path) -> None:
    reduced(draw(cells_of(explorer))).save(path, optimize=True)


async def _explorer(out: Path) -> None:
    """A finished run on a wide screen, at its third thought."""
    explorer = _begin(tour=False)
    async with explorer.run_test(size=README_SIZE) as pilot:
        walker = Walker(pilot, explorer)
        await walker.opened()
        await walker.press("continue", "graph")
        walker.select(3)
        await walker.calm()
        _save(explorer, out / "explorer.png")


async def _tour(out: Path, chromium: str | None) -> None:
    explorer = _begin(tour=True)
    async with explorer.run_test(size=TOUR_SIZE, notifications=True) as pilot:
        walker = Walker(pilot, explorer)
        await walker.opened()
        for number, (names, picture) in enumerate(STOPS, start=1):
            for name in names:
                if isinstance(name, int):
                    walker.select(name)
                else:
                    await walker.press(name)
            await walker.toured(number)
            _save(explorer, out / f"{picture}.png")
        await walker.close()
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "run.html"
            await walker.type(f"export {page}")
            await walker.toured(len(STOPS) + 1)
            assert page.is_file()
            if chromium is not None:
                _photograph(chromium, page, out / "tour-browser.png")
        _save(explorer, out / "tour-6-export.png")


def _photograph(chromium: str, page: Path, path: Path) -> None:
    """The exported page at the thought that was changed."""
    from tests.tui.browser import Browser

    with Browser(chromium) as window:
        window.open(page)
        for _ in range(2):  # it opens at the first thought
            window.press("ArrowRight")
        window.value("window.scrollTo(0, 0)")
        window.screenshot(path, 1100, 760)
    with Image.open(path) as image:
        reduced(image.convert("RGB")).save(path, optimize=True)


if __name__ == "__main__":
    run_guarded(app)
