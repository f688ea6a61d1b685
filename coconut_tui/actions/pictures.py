"""What a pane shows as a text, and a text as a picture."""

from io import StringIO

from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, MONOKAI
from rich.text import Text
from rich.theme import Theme
from textual.widget import Widget

from coconut_tui.widgets.rows import RowsView
from coconut_tui.widgets.text import TextView


def pane_text(pane: Widget) -> Text:
    """All that a pane shows, with what has been scrolled out of sight."""
    parts: list[Text] = []
    for widget in pane.walk_children(Widget, with_self=True):
        visible = all(node.display for node in widget.ancestors_with_self if isinstance(node, Widget))
        if isinstance(widget, TextView) and visible and widget.text:
            parts.append(widget.text)
        elif isinstance(widget, RowsView) and visible:
            parts.extend(widget.texts())
    return Text("\n").join(parts)


def picture(text: Text, title: str, colours: Theme, *, dark: bool) -> str:
    """A text as an SVG picture, as wide as its longest line."""
    width = max((len(line) for line in text.plain.split("\n")), default=1)
    console = Console(file=StringIO(), record=True, width=max(20, width), force_terminal=True, theme=colours)
    console.print(text)
    return console.export_svg(title=title, theme=MONOKAI if dark else DEFAULT_TERMINAL_THEME)
