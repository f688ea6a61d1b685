"""Colours with a meaning can be read and told apart, whatever the theme and whichever cones an eye has.

Distances of reference are those of coloraide 8.13.1:
`Color(a).filter("deutan", method="machado").clip().delta_e(Color(b).filter(…).clip(), method="ok") * 100`.
"""

from itertools import combinations, pairwise, product

import pytest
from rich.color import Color, ColorType
from textual.color import Color as TextualColor
from textual.theme import BUILTIN_THEMES

from coconut_tui.widgets import palettes
from coconut_tui.widgets.colours import SIGHTS, apart, contrast, distance, lightness, parsed
from coconut_tui.widgets.palettes import CONTRAST, PALETTES, ROLES, SHADES, palette_theme, role_colours
from coconut_tui.widgets.theme_colours import ground_of, legible

COLOURED = [name for name, theme in BUILTIN_THEMES.items() if not theme.ansi]
# Least distances, of right and wrong and of any two roles. Where more contrast is asked for there is less room.
DISTANCES = {"standard": (9.0, 4.4), "high-contrast": (6.0, 2.9)}


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        ("#4cb86a", "#e0605e", (28.27, 16.98, 4.18)),
        ("#2f80d0", "#c0751a", (28.11, 24.86, 27.63)),
        ("#d9c64a", "#a78bda", (28.58, 28.24, 27.71)),
    ],
)
def test_distances_are_those_of_the_library(first: str, second: str, wanted: tuple[float, ...]) -> None:
    """With all cones, without red ones, without green ones."""
    distances = [distance(parsed(first), parsed(second), sight) for sight in SIGHTS]
    assert distances == pytest.approx(wanted, abs=0.005)


def test_contrast_is_that_of_wcag() -> None:
    for first, second in combinations(("#000000", "#ffffff", "#2f80d0", "#e0e0e0", "#777777"), 2):
        bright, dark = sorted(map(_luminance, (first, second)), reverse=True)
        assert contrast(parsed(first), parsed(second)) == pytest.approx(
            (bright + 0.05) / (dark + 0.05), rel=1e-3
        )


@pytest.mark.parametrize("palette", PALETTES)
@pytest.mark.parametrize("theme", COLOURED)
def test_roles_can_be_read_and_told_apart(palette: str, theme: str) -> None:
    ground = ground_of(BUILTIN_THEMES[theme])
    colours = role_colours(palette, ground)
    for role, colour in colours.items():
        for below in ground.grounds:
            assert contrast(colour, parsed(below)) >= CONTRAST, (role, colour, below)
    verdicts, others = DISTANCES[palette]
    assert apart(colours["right"], colours["wrong"]) >= verdicts
    for first, second in combinations(ROLES, 2):
        assert apart(colours[first], colours[second]) >= others, (first, second)
    if palette == "standard":
        pins = [role for role in colours if role.startswith("pin.")]
        for first, second in (*combinations(pins, 2), *product(pins, ("right", "wrong"))):
            assert apart(colours[first], colours[second]) >= 3.5, (first, second)


def test_hues_are_the_themes_own_where_they_can_be() -> None:
    colours = role_colours("standard", ground_of(BUILTIN_THEMES["dracula"]))
    assert colours["right"] == parsed("#50fa7b")
    assert colours["bar"] == parsed("#bd93f9")
    okabe_ito = role_colours("high-contrast", ground_of(BUILTIN_THEMES["dracula"]))
    assert okabe_ito["right"] != colours["right"]


@pytest.mark.parametrize("palette", PALETTES)
@pytest.mark.parametrize("theme", BUILTIN_THEMES)
def test_shades_are_even_steps_with_letters_that_can_be_read(palette: str, theme: str) -> None:
    ground = ground_of(BUILTIN_THEMES[theme])
    styles = palette_theme(palette, ground).styles
    cells = [styles[f"coconut.shade.{level}"] for level in range(1, SHADES)]
    shades = [tuple(map(float, _triplet(cell.bgcolor))) for cell in cells]
    for cell, shade in zip(cells, shades, strict=True):
        assert contrast(tuple(map(float, _triplet(cell.color))), shade) >= CONTRAST  # type: ignore[arg-type]
    steps = [lightness(second) - lightness(first) for first, second in pairwise(shades)]  # type: ignore[arg-type]
    assert all(step * steps[0] > 0 for step in steps), "all lighter, or all darker"
    assert min(map(abs, steps)) > 0.015, "each can be told from the next"
    if palette == "standard":
        assert max(map(abs, steps)) < 1.5 * min(map(abs, steps))


@pytest.mark.parametrize("theme", ["ansi-dark", "ansi-light"])
def test_roles_are_the_terminals_own_colours_where_the_theme_is(theme: str) -> None:
    styles = palette_theme("standard", ground_of(BUILTIN_THEMES[theme])).styles
    names = [styles[f"coconut.{role}"].color for role in ROLES]
    assert all(name is not None and name.type is ColorType.STANDARD for name in names)
    assert len(set(names)) == len(ROLES)


def test_every_role_has_a_style() -> None:
    styles = palette_theme("standard", ground_of(BUILTIN_THEMES["textual-dark"])).styles
    for role in (*ROLES, *(f"pin.{number}" for number in range(1, palettes.PINS + 1))):
        assert styles[f"coconut.{role}.bold"].bold
        assert styles[f"coconut.{role}"].color is not None


def _triplet(colour: Color | None) -> tuple[int, int, int]:
    assert colour is not None
    assert colour.triplet is not None
    return colour.triplet


def _luminance(name: str) -> float:
    parts = [
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4
        for part in TextualColor.parse(name).normalized
    ]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


@pytest.mark.parametrize("theme", COLOURED)
def test_the_line_under_the_cursor_has_a_ground_that_is_seen(theme: str) -> None:
    given = BUILTIN_THEMES[theme].to_color_system().generate()
    mended = legible(given, ansi=False)
    for cursor, around in (("cursor-ground", "background"), ("list-cursor-ground", "surface")):
        assert distance(parsed(mended[cursor]), parsed(given[around][:7])) >= 3.0, cursor
