"""What is on the screen, cell by cell, and how much of it holds anything."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from rich.cells import cell_len
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from textual._compositor import LayoutUpdate
from textual.strip import Strip

from coconut_tui.app import Explorer

Colour = tuple[int, int, int]
# What a terminal shows where it is asked for its own colours, and for one of the sixteen that have names.
_NAMED = (
    [(0, 0, 0), (205, 60, 60), (60, 170, 70), (190, 150, 40), (70, 120, 210), (170, 80, 180), (50, 160, 170)],
    [(120, 120, 120), (240, 90, 90), (100, 210, 110), (225, 195, 80), (110, 160, 250), (215, 120, 220)],
)
DARK_TERMINAL = TerminalTheme(
    (16, 16, 16), (216, 216, 216), [*_NAMED[0], (200, 200, 200)], [*_NAMED[1], (90, 205, 215), (255, 255, 255)]
)
LIGHT_TERMINAL = TerminalTheme(
    (250, 250, 250), (30, 30, 30), [*_NAMED[0], (200, 200, 200)], [*_NAMED[1], (90, 205, 215), (255, 255, 255)]
)


@dataclass(frozen=True)
class Cell:
    """A character with its colours; two cells wide where the character is, and then the next one is empty."""

    character: str
    letters: Colour
    ground: Colour
    bold: bool = False
    italic: bool = False
    underlined: bool = False
    data: bool = False  # whether its ground is a shade that stands for a number, and not the commonest one

    @property
    def filled(self) -> bool:
        """Whether there is something in it: a character that is seen, or a shade."""
        blank = not self.character.strip() or self.letters == self.ground
        return self.data or not blank


Cells = list[list[Cell]]


def cells_of(app: Explorer) -> Cells:
    """The screen as the terminal is told of it."""
    update = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    assert isinstance(update, LayoutUpdate)  # as it is a full one
    terminal = DARK_TERMINAL if app.current_theme.dark else LIGHT_TERMINAL
    shades = {style.bgcolor for style in app.colours.styles.values() if style.bgcolor is not None}
    lines = [list(_cells(Strip.join(strips), terminal, shades)) for strips in update.strips]
    [(plain, _)] = Counter(cell.ground for line in lines for cell in line).most_common(1)
    return [[replace(cell, data=cell.data and cell.ground != plain) for cell in line] for line in lines]


def share(cells: Cells) -> float:
    """The share of the cells with something in them, from 0 to 1."""
    return sum(cell.filled for line in cells for cell in line) / sum(map(len, cells))


def _cells(segments: Iterable[Segment], terminal: TerminalTheme, shades: set[Color]) -> Iterable[Cell]:
    for segment in segments:
        style = segment.style or Style()
        letters, ground = _colours(style, terminal)
        data = style.bgcolor in shades
        for character in segment.text:
            width = cell_len(character)
            if width == 0:
                continue
            bold, italic = bool(style.bold), bool(style.italic)
            yield Cell(character, letters, ground, bold, italic, bool(style.underline), data)
            if width == 2:
                yield Cell("", letters, ground, data=data)


def _colours(style: Style, terminal: TerminalTheme) -> tuple[Colour, Colour]:
    letters = _parts(style.color, terminal, letters=True)
    ground = _parts(style.bgcolor, terminal, letters=False)
    if style.reverse:
        letters, ground = ground, letters
    if style.dim:
        letters = _halfway(letters, ground)
    return letters, ground


def _parts(colour: Color | None, terminal: TerminalTheme, *, letters: bool) -> Colour:
    red, green, blue = (colour or Color.default()).get_truecolor(terminal, foreground=letters)
    return red, green, blue


def _halfway(colour: Colour, ground: Colour) -> Colour:
    red, green, blue = (round(0.6 * mine + 0.4 * below) for mine, below in zip(colour, ground, strict=True))
    return red, green, blue
