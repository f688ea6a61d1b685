"""Colours as numbers: contrast, mixtures, and how far apart two are, with colour blindness too.

Contrast is that of WCAG 2.2. The distance is the Euclidean one in OKLab (B. Ottosson, 2020), times 100:
about 2 can just be seen. What is seen with red or green cones missing is by the matrices of Machado,
Oliveira and Fernandes (2009, severity 1), on linear light.
"""

from collections.abc import Sequence
from functools import lru_cache

Colour = tuple[float, float, float]  # red, green and blue, each from 0 to 255
_Matrix = tuple[tuple[float, float, float], ...]

BLACK, WHITE = (0.0, 0.0, 0.0), (255.0, 255.0, 255.0)
_SIGHTS: dict[str, _Matrix] = {
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
}
SIGHTS = ("", *_SIGHTS)  # "" for one with all cones
_CONES: _Matrix = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_LAB: _Matrix = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


def contrast(first: Colour, second: Colour) -> float:
    """Contrast of two colours as WCAG measures it, from 1 to 21."""
    darker, brighter = sorted((_luminance(first), _luminance(second)))
    return (brighter + 0.05) / (darker + 0.05)


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """So much of the second in the first, as a terminal's programs mix."""
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return red, green, blue


def letters_on(ground: Colour) -> Colour:
    """Black or white, whichever is read more easily; its contrast is never below 4.58."""
    return max((BLACK, WHITE), key=lambda letters: contrast(letters, ground))


def least_contrast(colour: Colour, grounds: Sequence[Colour]) -> float:
    """Contrast with the ground that is nearest to a colour."""
    return min(contrast(colour, ground) for ground in grounds)


def as_seen(colour: Colour, sight: str) -> Colour:
    """A colour as it looks with a sight of SIGHTS."""
    if not sight:
        return colour
    linear = _times(_SIGHTS[sight], _linear(colour))
    red, green, blue = (_encoded(min(1.0, max(0.0, part))) for part in linear)
    return red, green, blue


def distance(first: Colour, second: Colour, sight: str = "") -> float:
    """How far apart two colours are: 0 for the same, about 2 where that can just be seen, 100 for black
    and white."""
    pairs = zip(_seen(first, sight), _seen(second, sight), strict=True)
    return 100 * float(sum((a - b) ** 2 for a, b in pairs) ** 0.5)


def apart(first: Colour, second: Colour) -> float:
    """How well two colours can be told apart, whichever cones are missing: the least distance, where that with
    all cones counts half, as more is expected of it."""
    return min(distance(first, second, sight) / (1 if sight else 2) for sight in SIGHTS)


def lightness(colour: Colour) -> float:
    """How light a colour looks, from 0 to 1."""
    return _seen(colour, "")[0]


def chroma(colour: Colour) -> float:
    """How far a colour is from grey: 0 for grey, about 0.3 for the purest that a screen has."""
    _, green_red, blue_yellow = _seen(colour, "")
    return float((green_red**2 + blue_yellow**2) ** 0.5)


def parsed(text: str) -> Colour:
    """A colour written as #rrggbb."""
    red, green, blue = (float(int(text[place : place + 2], 16)) for place in (1, 3, 5))
    return red, green, blue


def written(colour: Colour) -> str:
    """A colour as #rrggbb."""
    return "#" + "".join(f"{round(part):02x}" for part in colour)


def rounded(colour: Colour) -> Colour:
    """A colour as a screen can have it."""
    red, green, blue = (float(round(part)) for part in colour)
    return red, green, blue


def _linear(colour: Colour) -> Colour:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (value / 255 for value in colour)
    )
    return red, green, blue


def _encoded(part: float) -> float:
    return 255 * (part * 12.92 if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055)


@lru_cache(4096)
def _luminance(colour: Colour) -> float:
    red, green, blue = _linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@lru_cache(4096)
def _seen(colour: Colour, sight: str) -> Colour:
    return _oklab(as_seen(colour, sight))


def _oklab(colour: Colour) -> Colour:
    red, green, blue = (max(0.0, cone) ** (1 / 3) for cone in _times(_CONES, _linear(colour)))
    return _times(_LAB, (red, green, blue))


def _times(matrix: _Matrix, vector: Colour) -> Colour:
    red, green, blue = (sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)
    return red, green, blue
