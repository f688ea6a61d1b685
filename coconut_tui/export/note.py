"""A note's Markdown as HTML that can do nothing: no markup of its own, no address that is followed."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from coconut_tui.export.reading import visible

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_LEVEL = 2  # of the heading above the note


def note_html(note: str) -> str:
    """The note. HTML in it is text; an address stands in brackets behind what it is the address of, and an
    image is its description and address."""
    parser = note_parser()
    for kind in ("link_open", "link_close", "image", "heading_open", "heading_close"):
        parser.add_render_rule(kind, globals()[f"_{kind}"])
    for kind in ("th_open", "td_open"):
        parser.add_render_rule(kind, _cell)
    return str(parser.render(visible(note)))


def note_parser() -> "MarkdownIt":
    """What reads a note; HTML in it is text."""
    from markdown_it import MarkdownIt  # here, so that the first paint does not read it

    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def _link_open(self: Any, tokens: "Sequence[Token]", place: int, *rest: Any) -> str:
    return ""


def _link_close(self: Any, tokens: "Sequence[Token]", place: int, *rest: Any) -> str:
    opened = next(token for token in reversed(tokens[:place]) if token.type == "link_open")
    return f" (<code>{escape(visible(str(opened.attrs.get('href', ''))))}</code>)"


def _image(self: Any, tokens: "Sequence[Token]", place: int, *rest: Any) -> str:
    image = tokens[place]
    return f"{escape(visible(image.content))} (<code>{escape(visible(str(image.attrs.get('src', ''))))}</code>)"


def _heading_open(self: Any, tokens: "Sequence[Token]", place: int, *rest: Any) -> str:
    return f"<{_below(tokens[place])}>"


def _heading_close(self: Any, tokens: "Sequence[Token]", place: int, *rest: Any) -> str:
    return f"</{_below(tokens[place])}>\n"


def _below(heading: "Token") -> str:
    return f"h{min(6, int(heading.tag[1:]) + _LEVEL)}"


def _cell(self: Any, tokens: "Sequence[Token]", place: int, *rest: Any) -> str:
    """Without the style that says how it is aligned, which the page's policy forbids."""
    return f"<{tokens[place].tag}>"
