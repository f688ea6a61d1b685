"""Pictures of screens: what counts as content, what is drawn, and the way to one from the app itself."""

from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from coconut_core.records.trace import Trace
from pictures.__main__ import app as command
from pictures.album import TARGET, Album
from pictures.cells import Cell, cells_of, share
from pictures.drawing import HEIGHT, WIDTH, draw
from tests.tui.conftest import shown
from tests.tui.conftest import trace as trace
from tests.tui.screens import look_at, opened

WHITE, BLACK, BLUE = (255, 255, 255), (0, 0, 0), (0, 0, 200)


def drawn(characters: str) -> list[list[int]]:
    """How bright each pixel is, line by line: white on black, each character below the one before."""
    image = draw([[Cell(each, WHITE, BLACK)] for each in characters]).convert("L").tobytes()
    return [list(image[place : place + WIDTH]) for place in range(0, len(image), WIDTH)]


def test_a_blank_cell_counts_where_its_shade_stands_for_a_number() -> None:
    blank, letter, hidden = Cell(" ", WHITE, BLUE), Cell("x", WHITE, BLACK), Cell("x", BLACK, BLACK)
    shaded = Cell(" ", WHITE, BLUE, data=True)
    assert [cell.filled for cell in (blank, letter, hidden, shaded)] == [False, True, False, True]
    assert share([[blank, letter], [hidden, shaded]]) == 0.5


def test_lines_of_frames_meet_from_cell_to_cell() -> None:
    assert min(max(line) for line in drawn("┃│")) > 100
    assert min(max(column) for column in zip(*drawn("─"), strict=True)) > 100


@pytest.mark.parametrize(("character", "part"), [("█", 1), ("▌", 0.5), ("▄", 0.5), ("▀", 0.5), ("▁", 0.125)])
def test_a_bar_covers_its_part_of_the_cell(character: str, part: float) -> None:
    covered = sum(pixel > 0 for line in drawn(character) for pixel in line) / (WIDTH * HEIGHT)
    assert covered == pytest.approx(part, abs=0.03)


def test_braille_has_its_dots_in_their_places() -> None:
    pixels = drawn("⠁⢀")
    assert pixels[HEIGHT // 8][WIDTH // 4] == 255  # dot 1 is on top, on the left
    assert pixels[HEIGHT + 7 * HEIGHT // 8][3 * WIDTH // 4] == 255  # dot 8 at the bottom, on the right
    assert sum(pixel > 0 for line in pixels for pixel in line) == 2 * 9


async def test_the_cells_are_those_on_the_screen(trace: Trace, tmp_path: Path) -> None:
    """With shades among them; a dialog is drawn over what it leaves."""
    async with opened(trace).run_test(size=(120, 40)) as pilot:
        await look_at(pilot, trace, "lens")
        app = shown(pilot)
        cells = cells_of(app)
        assert [len(cells), *{len(line) for line in cells}] == [40, 120]
        assert "Thoughts" in "".join(cell.character for line in cells for cell in line)
        assert any(cell.data for line in cells for cell in line)
        await pilot.press("colon")
        await pilot.pause()
        text = "".join(cell.character for line in cells_of(app) for cell in line)
        assert "Thoughts" in text


async def test_no_theme_makes_a_screen_fuller(trace: Trace) -> None:
    """In the terminal's own colours a style may have the ground of what is blank."""
    shares = {}
    for theme in ("textual-dark", "textual-light", "ansi-dark"):
        async with opened(trace, theme).run_test(size=(120, 40)) as pilot:
            await look_at(pilot, trace, "lens")
            shares[theme] = share(cells_of(shown(pilot)))
    assert max(shares.values()) - min(shares.values()) < 0.05, shares


def test_the_sheet_has_every_picture_of_the_folder_in_its_row_and_column(tmp_path: Path) -> None:
    album = Album(tmp_path)
    for screen in ("second", "first", "of before"):
        for size, colour in (((16, 4), WHITE), ((8, 2), BLUE)):
            cells = [[Cell(" ", BLACK, colour)] * size[0]] * size[1]
            assert not album.add(screen.replace(" ", "-"), size, "dark", cells, finished=True).missed  # narrow
    shown = Album(tmp_path).write_sheet(tmp_path / "sheet.png", ("first", "second"), 0.5)
    assert {(each.screen, each.size) for each in shown} == {
        (screen, size) for screen in ("first", "second") for size in ((8, 2), (16, 4))
    }
    with Image.open(tmp_path / "sheet.png") as sheet, Image.open(tmp_path / "second-16x4-dark.png") as one:
        assert one.size == (16 * WIDTH, 4 * HEIGHT)
        assert sheet.size == (10 + 40 + 10 + 80 + 10, 2 * (10 + 18 + 40) + 10)
        assert sheet.convert("RGB").getpixel((100, 120)) == WHITE
    assert Album(tmp_path).write_sheet(tmp_path / "sheet.png", ("first",), 0.5), (
        "the sheet is no picture of its own"
    )


def test_a_finished_run_has_to_fill_its_room(tmp_path: Path) -> None:
    album = Album(tmp_path)
    filled = [[Cell("x" if place < 120 * TARGET else " ", WHITE, BLACK) for place in range(120)]]
    empty = [[Cell(" ", WHITE, BLACK)] * 120]
    assert not album.add("full", (120, 1), "dark", filled, finished=True).missed
    assert not album.add("dialog", (120, 1), "dark", empty, finished=False).missed
    missed = album.add("half", (120, 1), "dark", empty, finished=True)
    assert missed.missed
    assert "0.0%  below 35%" in missed.line


@pytest.mark.slow
def test_one_command_makes_a_picture_of_the_app(tmp_path: Path) -> None:
    arguments = ["opened", "--size", "90x30", "--theme", "nord", "--out", str(tmp_path)]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("90×30    nord            opened")
    assert {path.name for path in tmp_path.iterdir()} == {"opened-90x30-nord.png", "sheet.png"}


@pytest.mark.parametrize(
    ("arguments", "words"), [(["nothing"], "no screen 'nothing'"), (["--size", "big"], "not 'big'")]
)
def test_a_misspelt_argument_is_named(tmp_path: Path, arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(command, [*arguments, "--out", str(tmp_path)])
    assert words in str(result.exception)
