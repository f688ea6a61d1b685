"""A person's own themes, as the settings have them: the fields of Textual's Theme by the theme's name."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.theme import Theme

COLOURS = (
    *("primary", "secondary", "warning", "error", "success", "accent"),
    *("foreground", "background", "surface", "panel", "boost"),
)
_SWITCHES, _NUMBERS = ("dark", "ansi"), ("luminosity_spread", "text_alpha")
FIELDS = (*COLOURS, *_SWITCHES, *_NUMBERS, "variables")


def checked_themes(value: Any) -> Mapping[str, Mapping[str, Any]]:
    """Themes as they were written. Raises ValueError that names the theme and its field."""
    from textual.theme import BUILTIN_THEMES

    if not isinstance(value, Mapping):
        raise ValueError('write a table for each theme, such as [themes.paper] with primary = "#204060"')
    for name, theme in value.items():
        if name in BUILTIN_THEMES:
            raise ValueError(f"'{name}' is a theme of Textual: give it another name")
        if not isinstance(theme, Mapping) or "primary" not in theme:
            raise ValueError(f"'{name}' has no field 'primary': a theme is a table with at least that colour")
        for field, entry in theme.items():
            wish = _wish(field, entry)
            if wish:
                raise ValueError(f"'{name}.{field}' {wish}")
    return value


def own_themes(settings: Mapping[str, Mapping[str, Any]]) -> "list[Theme]":
    """The themes themselves."""
    from textual.theme import Theme

    return [Theme(name=name, **fields) for name, fields in settings.items()]


def _wish(field: str, entry: Any) -> str:
    """What has to be written in place of an entry; empty where it is right."""
    if field not in FIELDS:
        return f"is no field of a theme: known are {', '.join(FIELDS)}"
    if field in COLOURS:
        return "" if _is_colour(entry) else "is no colour: write one as #rrggbb"
    if field in _SWITCHES:
        return "" if isinstance(entry, bool) else "is neither true nor false"
    if field in _NUMBERS:
        number = isinstance(entry, int | float) and not isinstance(entry, bool) and 0 <= entry <= 1
        return "" if number else "is no number from 0 to 1"
    texts = isinstance(entry, Mapping) and all(isinstance(text, str) for text in entry.values())
    return "" if texts else "is no table of texts"


def _is_colour(entry: Any) -> bool:
    from textual.color import Color, ColorParseError

    try:
        return isinstance(entry, str) and bool(Color.parse(entry))
    except ColorParseError:
        return False
