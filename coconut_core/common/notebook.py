"""What a notebook draws of a record: small tables as HTML, in colours for dark and light pages."""

from collections.abc import Iterable, Sequence
from html import escape

BLUE = "rgba(0,114,178,.35)"
CELL = "text-align:left;padding:1px 10px 1px 4px;white-space:nowrap"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """An HTML table; the cells of rows are HTML, those of head text."""
    first = "".join(f'<th style="{CELL}">{escape(name)}</th>' for name in head)
    lines = ("".join(f'<td style="{CELL}">{cell}</td>' for cell in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{first}</tr></thead><tbody>{body}</tbody></table>"


def bar(text: str, share: float) -> str:
    """A text as HTML, above a bar as long as its share of a cell, from 0 to 1."""
    end = f"{100 * min(1.0, max(0.0, share)):.0f}%"
    style = f"background:linear-gradient(90deg,{BLUE} {end},transparent {end});padding:0 4px"
    return f'<span style="display:inline-block;min-width:7em;{style}">{escape(text)}</span>'


def paragraph(text: str) -> str:
    """A text as an HTML paragraph."""
    return f'<p style="margin:4px 0">{escape(text)}</p>'
