"""Colours with a meaning: bars and heat, right and wrong, what was edited, where a search stands, pinned
tokens.

Hues are the theme's own where they can be read and told apart, and else those of the palette. Roles that
can stand side by side are at least APART from each other, with red or green cones missing too; a sign or a
number always says the same besides. With a theme of the terminal's own sixteen colours, roles are sixteen-
colour names.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from rich.theme import Theme

from coconut_tui.widgets.colours import (
    Colour,
    apart,
    chroma,
    contrast,
    least_contrast,
    letters_on,
    lightness,
    mixed,
    parsed,
    rounded,
    written,
)

_NEAR, _FAR = (0, 0.1, -0.1, 0.2, -0.2, 0.3, 0.4), (-0.3, 0.5, 0.6, 0.7)  # of a hue, towards letters or ground
_COLOURFUL = 0.06
ROLES = ("bar", "right", "wrong", "edit", "frontier", "path")
PINS = 4  # colours of pinned tokens
SHADES = 12  # of a cell, from the ground's colour to the strongest; 0 is the ground
CONTRAST = 4.5  # least contrast of letters with any ground they can stand on, as WCAG measures it
VERDICTS_APART, APART, PINS_APART = 9.0, 7.0, 5.0  # least distances of right and wrong, of roles, of pins
_GROUNDS = ("#121212", "#e0e0e0")  # dark and light, where a theme leaves it to the terminal


_LEAP = 0.03  # of lightness


@dataclass(frozen=True)
class Ground:
    """What a theme gives: the grounds that letters stand on and its own colours, as #rrggbb."""

    grounds: tuple[str, ...]  # the first is that of the panes
    dark: bool = True
    ansi: bool = False  # the terminal's own colours, whatever they are
    hues: tuple[tuple[str, str], ...] = ()  # role: the theme's colour for it, the one wished for most first


@dataclass(frozen=True)
class _Palette:
    contrast: float
    themed: bool  # whether the theme's hues come first
    hues: dict[str, tuple[str, ...]]


_PALETTES = {
    "standard": _Palette(
        CONTRAST,
        True,
        {
            "wrong": ("#e5484d", "#d1242f"),
            "right": ("#2fb380", "#7ee0a8", "#0f7a5a", "#007a78"),
            "bar": ("#2f80d0",),
            "edit": ("#f08c1a", "#a85a00", "#6e3a00"),
            "frontier": ("#f0d850", "#806c00", "#00758f", "#8a3a78"),
            "path": ("#9a78e8", "#6a3fb0"),
            "pin.1": ("#40c4d8", "#006a7a"),
            "pin.2": ("#e070c0", "#9c2f78"),
            "pin.3": ("#a8c838", "#4f6f00"),
            "pin.4": ("#8f9dff", "#4a5ad8", "#e0a060", "#7a4a20"),
        },
    ),
    # Okabe and Ito's colours, made for every kind of sight.
    "high-contrast": _Palette(
        7.0,
        False,
        {
            "wrong": ("#d55e00",),
            "right": ("#009e73",),
            "bar": ("#56b4e9", "#0072b2"),
            "edit": ("#e69f00",),
            "frontier": ("#f0e442", "#00758f", "#8a3a78"),
            "path": ("#cc79a7", "#ff9ed2", "#9a78e8", "#6a3fb0"),
            "pin.1": ("#40d0e0", "#005a70"),
            "pin.2": ("#c080ff", "#7020b0"),
            "pin.3": ("#a8c838", "#3f5a00"),
            "pin.4": ("#8f9dff", "#4a5ad8", "#e0a060", "#7a4a20"),
        },
    ),
}
PALETTES = tuple(_PALETTES)
_ANSI = {  # role: on a dark ground, on a light one
    "bar": ("bright_blue", "blue"),
    "right": ("bright_green", "green"),
    "wrong": ("bright_red", "red"),
    "edit": ("yellow", "magenta"),
    "frontier": ("bright_yellow", "cyan"),
    "path": ("bright_magenta", "bright_magenta"),
    "pin.1": ("bright_cyan", "bright_cyan"),
    "pin.2": ("magenta", "bright_blue"),
    "pin.3": ("green", "bright_green"),
    "pin.4": ("cyan", "yellow"),
}


@lru_cache(64)
def palette_theme(name: str, ground: Ground) -> Theme:
    """What the style names of widgets.tokens mean on a theme's ground."""
    palette = _PALETTES[name]
    plain = Ground(ground.grounds or (_GROUNDS[0 if ground.dark else 1],), ground.dark)
    colours = role_colours(name, plain if ground.ansi else ground)
    styles = {role: written(colour) for role, colour in colours.items()}
    if ground.ansi:
        styles = {role: names[0 if ground.dark else 1] for role, names in _ANSI.items()}
    below = parsed(plain.grounds[0])
    shades, losses = (_shades(colours[role], below, palette.contrast) for role in ("bar", "wrong"))
    return Theme(
        {
            **{f"coconut.shade.{level}": shade for level, shade in shades},
            **{f"coconut.loss.{level}": shade for level, shade in losses},
            **{f"coconut.{role}": f"not dim {style}" for role, style in styles.items()},
            **{f"coconut.{role}.bold": f"bold not dim {style}" for role, style in styles.items()},
        }
    )


def role_colours(name: str, ground: Ground) -> dict[str, Colour]:
    """The colour of each role and pin: readable on every ground of the theme, and apart from the others."""
    palette = _PALETTES[name]
    themed = ground.hues if palette.themed else ()
    candidates = {
        role: _candidates([hue for each, hue in themed if each == role], own, ground, palette)
        for role, own in palette.hues.items()
    }
    wrong, right = _verdicts(candidates.pop("wrong"), candidates.pop("right"))
    colours = {"wrong": wrong, "right": right}
    for role, hues in candidates.items():
        beside = [each for other, each in colours.items() if side_by_side(role, other)]
        colours[role] = _chosen(hues, beside, PINS_APART if role.startswith("pin.") else APART)
    return colours


def side_by_side(role: str, other: str) -> bool:
    """Whether two roles can stand beside each other: of pins, other pins and the candidates do, in charts."""
    pins = sum(each.startswith("pin.") for each in (role, other))
    return pins != 1 or bool({role, other} & {"right", "wrong"})


def _verdicts(wrong: list[Colour], right: list[Colour]) -> tuple[Colour, Colour]:
    """The first two that cannot be taken for each other; where there are none, those furthest apart."""
    places = sorted((a + b, a, b) for a in range(len(wrong)) for b in range(len(right)))
    best, most = (wrong[0], right[0]), -1.0
    for _, a, b in places:
        between = apart(wrong[a], right[b])
        if between >= VERDICTS_APART:
            return wrong[a], right[b]
        if between > most:
            best, most = (wrong[a], right[b]), between
    return best


def _chosen(candidates: list[Colour], others: list[Colour], least: float) -> Colour:
    """The first that is apart from others, or the one that is furthest from them."""
    best, most = candidates[0], -1.0
    for each in candidates:
        nearest = min(apart(each, other) for other in others)
        if nearest >= least:
            return each
        if nearest > most:
            best, most = each, nearest
    return best


def _candidates(themed: list[str], own: tuple[str, ...], ground: Ground, palette: _Palette) -> list[Colour]:
    """Hues as light or as dark as they can be read on every ground, those wished for most first."""
    grounds = [parsed(each) for each in ground.grounds]
    letters = letters_on(grounds[0])
    hues = [parsed(hue) for hue in (*themed, *own)]
    shifted = [
        rounded(mixed(hue, letters if step > 0 else grounds[0], abs(step)))
        for steps in (_NEAR, _FAR)
        for hue in hues
        for step in steps
    ]
    readable = [
        each
        for each in shifted
        if contrast(each, grounds[0]) >= palette.contrast and least_contrast(each, grounds) >= CONTRAST
    ]
    colourful = [each for each in readable if chroma(each) >= _COLOURFUL]
    return colourful or readable or [letters]


def _shades(colour: Colour, ground: Colour, least: float) -> list[tuple[int, str]]:
    """Grounds of cells in even steps of lightness, with letters on them that can be read."""
    strongest = _strongest(colour, ground)
    ramp = [rounded(mixed(ground, strongest, part / 200)) for part in range(201)]
    ramp = [each for each in ramp if contrast(letters_on(each), each) >= least]
    walked = [0.0]  # the way along the ramp; where letters would be hard to read it leaps
    for before, each in pairwise(ramp):
        step = abs(lightness(each) - lightness(before))
        walked.append(walked[-1] + (step if step < _LEAP else 0))
    wanted = [walked[-1] * level / (SHADES - 1) for level in range(1, SHADES)]
    places = [min(range(len(ramp)), key=lambda place: abs(walked[place] - way)) for way in wanted]
    return [
        (level, f"not dim {written(letters_on(ramp[place]))} on {written(ramp[place])}")
        for level, place in enumerate(places, start=1)
    ]


def _strongest(colour: Colour, ground: Colour) -> Colour:
    """The colour of a full cell: that of a bar, as far from the ground as leaves it its hue."""
    letters = letters_on(ground)
    steps = [mixed(colour, letters, part / 20) for part in range(11)]
    return next((each for each in steps if contrast(each, ground) >= 8), steps[-1])
