"""Colours of bars and marks. A shape or a number always says the same besides."""

from rich.theme import Theme

# name: bars, and marks of edits and of what is wrong; on a dark ground, and on a light one. Blue and orange can
# be told apart with every common kind of colour blindness.
COLOURS = {
    "standard": (("#2f80d0", "#c0751a"), ("#2f80d0", "#c0751a")),
    "high-contrast": (("#56b4e9", "#e69f00"), ("#004a86", "#7a3d00")),
}
PALETTES = tuple(COLOURS)


def palette_theme(name: str, dark: bool) -> Theme:
    """What the style names of coconut_tui.drawing mean on a dark or a light ground."""
    bar, edit = COLOURS[name][0 if dark else 1]
    return Theme(
        {
            "coconut.bar": bar,
            "coconut.bar.bold": f"bold {bar}",
            "coconut.edit": edit,
            "coconut.edit.bold": f"bold {edit}",
        }
    )
