"""A text that is drawn anew only where it has changed, and moves nothing else where it has kept its size."""

from rich.text import Text
from textual.widgets import Static


class TextView(Static):
    """Shows a text. Laying out the screen costs more than drawing, so it is asked for only when needed."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._text = Text()

    def show(self, text: Text) -> None:
        """Show a text."""
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
