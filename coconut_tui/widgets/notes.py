"""Where what is said in passing stands."""

from textual.css.query import NoMatches
from textual.screen import Screen


def lift_notes(screen: Screen[object], above: str) -> None:
    """Let notes end above the last line of a widget of the screen: its foot, and what is below, stay free."""
    try:
        bottom = screen.query_one(above).region.bottom
    except NoMatches:  # the app is closing
        return
    for rack in screen.query("ToastRack"):
        rack.styles.margin = (0, 0, max(1, screen.size.height - bottom + 1), 0)
