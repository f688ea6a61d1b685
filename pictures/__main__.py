"""make pictures: pictures of the explorer's screens, one sheet of them, and how much of each holds anything."""

import asyncio
import re
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from coconut_core.common.errors import CoconutError
from coconut_core.terminal.guard import run_guarded
from coconut_tui.app import Explorer
from coconut_tui.config import Config
from pictures.album import Album, Picture, Size
from pictures.cells import cells_of
from pictures.walks import NAMES, WALKS, Stop, go

SIZES = ("80x24", "120x40", "200x60")
THEMES = ("textual-dark", "textual-light", "ansi-dark")
SHEET_SCALE = 0.15  # of a picture on the sheet

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def pictures(
    screens: Annotated[
        list[str] | None, typer.Argument(help="Which screens, or beginnings of their names; without any, all.")
    ] = None,
    sizes: Annotated[
        list[str] | None, typer.Option("--size", help="Columns and lines, as 120x40; again.")
    ] = None,
    themes: Annotated[list[str] | None, typer.Option("--theme", help="A theme of Textual; again.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("runs/pictures"),
    sheet: Annotated[Path | None, typer.Option(help="File for the sheet, in place of sheet.png there.")] = None,
    scale: Annotated[float, typer.Option(min=0.05, max=1, help="Of a picture on the sheet.")] = SHEET_SCALE,
    sheet_only: Annotated[bool, typer.Option("--sheet-only", help="Take none, make the sheet.")] = False,
    list_only: Annotated[bool, typer.Option("--list", help="List the screens.")] = False,
) -> None:
    """Make pictures of the explorer on the bundled models, and a sheet of all that are in the folder.

    Prints for each the share of cells with content: a character that can be told from its ground, frames
    included, or a ground that is one of the shades which stand for a number. A screen with a finished run has
    to reach 35 % from 120 columns on; if one does not, the exit code is 1.
    """
    if list_only:
        typer.echo("\n".join(NAMES))
        return
    wanted = _wanted(screens or [])
    out.mkdir(parents=True, exist_ok=True)
    album = Album(out)
    missed = False
    for size in () if sheet_only else map(_size, sizes or SIZES):
        for theme in themes or THEMES:
            taken: list[Picture] = []
            asyncio.run(_take(Config(theme=theme), size, wanted, album, taken))
            typer.echo("\n".join(picture.line for picture in taken))
            missed |= any(picture.missed for picture in taken)
    path = sheet or out / "sheet.png"
    shown = album.write_sheet(path, NAMES, scale)
    typer.echo(f"{len(shown)} pictures on {path}, {path.stat().st_size / 2**20:.1f} MB", err=True)
    if sheet_only:
        typer.echo("\n".join(picture.line for picture in shown))
        missed = any(picture.missed for picture in shown)
    if missed:
        raise typer.Exit(1)


async def _take(config: Config, size: Size, wanted: frozenset[str], album: Album, taken: list[Picture]) -> None:
    def take(stop: Stop, explorer: Explorer) -> None:
        cells = cells_of(explorer)
        taken.append(album.add(stop.name, size, config.theme, cells, finished=stop.finished))

    for walk in WALKS:
        if wanted & {stop.name for stop in walk.stops}:
            with tempfile.TemporaryDirectory() as folder:
                await go(walk, config, size, wanted, Path(folder), take)


def _wanted(beginnings: list[str]) -> frozenset[str]:
    for beginning in beginnings:
        if not any(name.startswith(beginning) for name in NAMES):
            raise CoconutError(f"no screen '{beginning}': name one of {', '.join(NAMES)}")
    return frozenset(name for name in NAMES if not beginnings or name.startswith(tuple(beginnings)))


def _size(text: str) -> Size:
    if not (match := re.fullmatch(r"(\d+)[x×](\d+)", text)):
        raise CoconutError(f"a size is columns and lines, as 120x40, not '{text}'")
    return int(match[1]), int(match[2])


if __name__ == "__main__":
    run_guarded(app)
