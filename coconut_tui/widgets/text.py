"""What is safe to draw, and a text that is drawn anew only where it has changed.

Such a text moves nothing else where it has kept its size.
"""

import os
from itertools import accumulate

from rich.markup import escape
from rich.segment import Segment
from rich.text import Text
from textual.color import Color
from textual.filter import LineFilter, NoColor
from textual.widgets import Static

from coconut_core.common.errors import visible


def escaped(text: Text) -> Text:
    """A text with control characters but line breaks escaped, each style where it was."""
    if text.plain.replace("\n", "").isprintable():
        return text
    pieces = [visible(char, "\n") for char in text.plain]
    places = [0, *accumulate(map(len, pieces))]
    result = text.blank_copy("".join(pieces))
    for span in text.spans:
        result.stylize(span.style, places[span.start], places[min(span.end, len(pieces))])
    return result


def with_named_style(text: Text) -> Text:
    """A text whose own style is a span: Textual looks the names of styles up in spans only."""
    if not text.style:
        return text
    spanned = text.blank_copy()
    spanned.style = ""
    return spanned.append_text(text)


def plain_title(text: str) -> str:
    """A text as a border's title: in it too nothing is markup."""
    return escape(visible(text))


class NothingObeyed(LineFilter):
    """The last thing in front of the terminal: what it would obey and nobody has escaped is left out. Such
    characters take no room, so nothing moves. With NO_COLOR so are all colours: Textual alone leaves greys."""

    _no_color = NoColor()

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments of a line as they may be drawn."""
        if "NO_COLOR" in os.environ:
            segments = self._no_color.apply(segments, background)
        return [
            segment
            if segment.control or segment.text.isprintable()
            else segment._replace(text="".join(filter(str.isprintable, segment.text)))
            for segment in segments
        ]


NOTHING_OBEYED = NothingObeyed()


class TextView(Static):
    """Shows a text. Laying out the screen costs more than drawing, so it is asked for only when needed."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.set_reactive(TextView.auto_links, False)  # Textual's colour of links would lie over a cell's own
        self._text = Text()

    def show(self, text: Text) -> None:
        """Show a text."""
        text = with_named_style(escaped(text))
        if text == self._text and text.style == self._text.style:
            return
        before, self._text = self._text, text
        self.update(text, layout=not self._same_size(before, text))

    @property
    def text(self) -> Text:
        """The text that is shown."""
        return self._text

    def draw_again(self) -> None:
        """Draw the same text: colours mean something else now."""
        self.update(self._text, layout=False)

    def _same_size(self, before: Text, after: Text) -> bool:
        """Whether both take the same lines for certain: as many, and none of them too long."""
        lines = before.plain.split("\n"), after.plain.split("\n")
        width = self.content_size.width
        return len(lines[0]) == len(lines[1]) and all(len(line) <= width for part in lines for line in part)
