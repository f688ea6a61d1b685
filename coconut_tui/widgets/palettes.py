"""Colours of bars and marks. A shape or a number always says the same besides."""

from rich.theme import Theme

# name: bars, and marks of edits and of what is wrong; on a dark ground, and on a light one. Blue and orange can
# be told apart with every common kind of colour blindness.
COLOURS = {
    "standard": (("#2f80d0", "#c0751a"), ("#1f62a8", "#8a5000")),
    "high-contrast": (("#56b4e9", "#e69f00"), ("#004a86", "#7a3d00")),
}
PALETTES = tuple(COLOURS)
# What else has a colour of its own, on a dark ground and on a light one.
ROLES = {
    "right": ("#4cb86a", "#1f7a3a"),
    "wrong": ("#e0605e", "#b3261e"),
    "frontier": ("#d9c64a", "#6f6000"),
    "path": ("#a78bda", "#5f3fa8"),
}
PINS = (("#4fb8c4", "#00727e"), ("#d678b8", "#9c2f78"), ("#9ab84a", "#4f6f00"), ("#c99a6b", "#7a5020"))

SHADES = 5  # of a cell, from the ground's colour to that of a bar
CONTRAST = 4.5  # least contrast of letters with their ground, as WCAG measures it
_GROUNDS = ("#121212", "#e0e0e0")  # dark and light, where a theme leaves it to the terminal

_Colour = tuple[float, float, float]  # red, green and blue, each from 0 to 255


def palette_theme(name: str, dark: bool, ground: str = "") -> Theme:
    """What the style names of widgets.tokens mean on a ground (#rrggbb; empty: the terminal's own, taken
    for about black or about white). Letters can be read on it whatever it is."""
    below = _parts(ground or _GROUNDS[0 if dark else 1])
    bar, edit = (_readable(_parts(colour), below) for colour in COLOURS[name][0 if dark else 1])
    others = {**ROLES, **{f"pin.{number}": colours for number, colours in enumerate(PINS, start=1)}}
    marks = {role: _readable(_parts(colours[0 if dark else 1]), below) for role, colours in others.items()}
    return Theme(
        {
            **{f"coconut.shade.{level}": _shade(bar, level, below) for level in range(1, SHADES)},
            **{f"coconut.loss.{level}": _shade(marks["wrong"], level, below) for level in range(1, SHADES)},
            "coconut.bar": _text(bar),
            "coconut.bar.bold": f"bold {_text(bar)}",
            "coconut.edit": _text(edit),
            "coconut.edit.bold": f"bold {_text(edit)}",
            **{f"coconut.{role}": f"not dim {_text(colour)}" for role, colour in marks.items()},
            **{f"coconut.{role}.bold": f"bold not dim {_text(colour)}" for role, colour in marks.items()},
        }
    )


def contrast(first: _Colour, second: _Colour) -> float:
    """Contrast of two colours as WCAG measures it, from 1 to 21."""
    darker, brighter = sorted((_luminance(first), _luminance(second)))
    return (brighter + 0.05) / (darker + 0.05)


def _shade(colour: _Colour, level: int, ground: _Colour) -> str:
    """A ground between the theme's and a colour, with letters on it that can be read."""
    mixed = _mixed(ground, colour, level / (SHADES - 1))
    return f"{_text(_letters(mixed))} on {_text(mixed)}"


def _readable(colour: _Colour, ground: _Colour) -> _Colour:
    """The colour, nearer to white or to black where it is too near to its ground."""
    towards = _letters(ground)
    steps = (_mixed(colour, towards, part / 20) for part in range(21))
    return next(shade for shade in steps if contrast(shade, ground) >= CONTRAST)


def _letters(ground: _Colour) -> _Colour:
    """Black or white, whichever is read more easily; its contrast is never below 4.58."""
    return max(((0.0, 0.0, 0.0), (255.0, 255.0, 255.0)), key=lambda letters: contrast(letters, ground))


def _luminance(colour: _Colour) -> float:
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (value / 255 for value in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _mixed(first: _Colour, second: _Colour, share: float) -> _Colour:
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return red, green, blue


def _parts(colour: str) -> _Colour:
    red, green, blue = (float(int(colour[place : place + 2], 16)) for place in (1, 3, 5))
    return red, green, blue


def _text(colour: _Colour) -> str:
    return "#" + "".join(f"{round(part):02x}" for part in colour)
