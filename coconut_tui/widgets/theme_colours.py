"""What a theme of Textual gives: the ground that roles stand on, and its variables, mended where they cannot
be read.

Themes choose their colours for looks: frames that are hardly there on a light ground, an accent too pale
for letters. Whatever a theme says, letters have the contrast of palettes.CONTRAST with their ground, and
frames, scrollbars and the like that of FRAME.
"""

from collections.abc import Mapping

from textual.color import Color, ColorParseError
from textual.constants import DIM_FACTOR
from textual.theme import Theme

from coconut_tui.widgets.colours import Colour, contrast, distance, letters_on, mixed, parsed, rounded, written
from coconut_tui.widgets.palettes import CONTRAST, Ground

FRAME = 3.0  # least contrast of what is no text, as WCAG asks for
_HUES = (
    ("wrong", "error"),
    ("right", "success"),
    ("bar", "primary"),
    ("bar", "secondary"),
    ("edit", "warning"),
    ("path", "accent"),
    ("path", "secondary"),
)
_CURSOR = 0.08  # of the letters' colour in the ground of the line under the cursor
_ON_PANES = (
    "foreground",
    "text-primary",
    "text-secondary",
    "text-warning",
    "text-error",
    "text-success",
    "text-accent",
)
_ON_THEIR_OWN = (  # letters: their ground
    ("footer-foreground", "footer-background"),
    ("footer-key-foreground", "footer-background"),
    ("footer-description-foreground", "footer-background"),
    ("block-cursor-foreground", "block-cursor-background"),
    ("block-cursor-blurred-foreground", "block-cursor-blurred-background"),
    ("input-cursor-foreground", "input-cursor-background"),
)
_ANSI = {
    "frame": "ansi_bright_black",
    "frame-focus": "ansi_blue",
    "accent-text": "ansi_blue",
    "cursor-ground": "ansi_default",
    "cursor-blurred-ground": "ansi_default",
    "list-cursor-ground": "ansi_default",
}


def ground_of(theme: Theme) -> Ground:
    """The grounds that letters stand on, and the theme's hues for roles."""
    if theme.ansi:
        return Ground((), theme.dark, ansi=True)
    variables = theme.to_color_system().generate()
    hues = tuple((role, written(_solid(variables[name], _pane(variables)))) for role, name in _HUES)
    return Ground(tuple(map(written, _grounds(variables)[:3])), theme.dark, hues=hues)


def legible(variables: Mapping[str, str], *, ansi: bool) -> dict[str, str]:
    """A theme's variables so that all can be read, and those that only this app has."""
    if ansi:
        return {**variables, **_ANSI}
    pane, mended = _pane(variables), dict(variables)
    grounds = _grounds(variables)
    for name in _ON_PANES:
        mended[name] = written(_readable(_solid(variables[name], pane), grounds, CONTRAST))
    mended["foreground"] = written(_readable(parsed(mended["foreground"]), grounds, CONTRAST, dim=True))
    for name, below in _ON_THEIR_OWN:
        ground = _solid(variables[below], pane)
        letters = variables[name]
        auto = letters.startswith("auto")
        colour = letters_on(ground) if auto else _solid(letters, ground)
        mended[name] = written(_readable(colour, [ground], CONTRAST, dim=name == "footer-foreground"))
    frames, accent = [*grounds[:2], grounds[3]], _solid(variables["accent"], pane)
    mended |= {
        "text-muted": "auto 68%",
        "text-disabled": "auto 68%",
        "frame": written(_readable(_solid(variables["panel-lighten-2"], pane), frames, FRAME)),
        "frame-focus": written(_readable(accent, frames, FRAME)),
        "accent-text": written(_readable(accent, grounds, CONTRAST)),
        "cursor-ground": written(grounds[2]),
        "list-cursor-ground": written(max(pane, grounds[2], key=lambda each: distance(each, grounds[1]))),
        "cursor-blurred-ground": written(mixed(pane, grounds[2], 0.5)),
    }
    bar = _solid(variables["scrollbar-background"], pane)
    for name in ("scrollbar", "scrollbar-hover", "scrollbar-active"):
        mended[name] = written(_readable(_solid(variables[name], bar), [bar], FRAME))
    return mended


def _grounds(variables: Mapping[str, str]) -> list[Colour]:
    """Of panes, of dialogs, of the line under the cursor, and of what is set off."""
    pane = _pane(variables)
    cursor = mixed(pane, letters_on(pane), _CURSOR)
    return [pane, _solid(variables["surface"], pane), cursor, _solid(variables["panel"], pane)]


def _pane(variables: Mapping[str, str]) -> Colour:
    return _solid(variables["background"], letters_on(letters_on((0.0, 0.0, 0.0))))


def _solid(text: str, below: Colour) -> Colour:
    """A colour of a theme as it looks on a ground."""
    try:
        colour = Color.parse(text)
    except ColorParseError:
        return letters_on(below)
    return mixed(below, (float(colour.r), float(colour.g), float(colour.b)), colour.a)


def _readable(colour: Colour, grounds: list[Colour], least: float, *, dim: bool = False) -> Colour:
    """The colour, nearer to white or to black where it is too near to a ground; dim: so that it can be read
    when it is dimmed, which Textual does by mixing it with its ground."""
    letters = letters_on(grounds[-1])
    steps = (mixed(colour, letters, part / 40) for part in range(41))
    share, least = (DIM_FACTOR, least + 0.1) if dim else (1.0, least)  # Textual rounds otherwise
    for each in map(rounded, steps):
        if all(contrast(rounded(mixed(ground, each, share)), ground) >= least for ground in grounds):
            return each
    return letters
