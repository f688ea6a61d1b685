"""Colours of bars and marks. A shape or a number always says the same besides."""

from rich.theme import Theme

# name: bars, and marks of edits and of what is wrong; on a dark ground, and on a light one. Blue and orange can
# be told apart with every common kind of colour blindness.
COLOURS = {
    "standard": (("#2f80d0", "#c0751a"), ("#1f62a8", "#8a5000")),
    "high-contrast": (("#56b4e9", "#e69f00"), ("#004a86", "#7a3d00")),
}
PALETTES = tuple(COLOURS)


SHADES = 5  # of a cell, from the ground's colour to that of a bar


def palette_theme(name: str, dark: bool) -> Theme:
    """What the style names of coconut_tui.drawing mean on a dark or a light ground."""
    bar, edit = COLOURS[name][0 if dark else 1]
    return Theme(
        {
            **{f"coconut.shade.{level}": _shade(bar, level, dark) for level in range(1, SHADES)},
            "coconut.bar": bar,
            "coconut.bar.bold": f"bold {bar}",
            "coconut.edit": edit,
            "coconut.edit.bold": f"bold {edit}",
        }
    )


def _shade(colour: str, level: int, dark: bool) -> str:
    """A ground between the theme's and a colour, with letters on it that can be read."""
    ground = (18, 18, 18) if dark else (255, 255, 255)
    full = tuple(int(colour[place : place + 2], 16) for place in (1, 3, 5))
    mixed = [a + (b - a) * level / (SHADES - 1) for a, b in zip(ground, full, strict=True)]
    bright = 0.299 * mixed[0] + 0.587 * mixed[1] + 0.114 * mixed[2] > 120
    red, green, blue = (round(part) for part in mixed)
    return f"{'#000000' if bright else '#ffffff'} on #{red:02x}{green:02x}{blue:02x}"
