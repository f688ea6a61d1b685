"""A note's Markdown, in a terminal and on a page. HTML in it is shown as it was written, and never acts."""

from typing import TYPE_CHECKING

from coconut_core.common.errors import visible

if TYPE_CHECKING:
    from rich.console import RenderableType


def note_in_terminal(note: str) -> "RenderableType":
    """The note for a terminal, with addresses written out and control characters escaped."""
    from rich.markdown import Markdown

    from coconut_tui.export.note import note_parser

    text = visible(note, "\n")
    rendered = Markdown(text, hyperlinks=False)
    rendered.parsed = note_parser().parse(text)
    return rendered
