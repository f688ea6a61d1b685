"""Which tokens stand out in a run, with the same colour and the same sign in every view.

They are the right and the wrong candidate of a graph problem, and the tokens that a person has pinned
(`x`, `:pin`). A view asks its Sight (`sight.marks`), a widget calls `token_marks`. Both draw a token's
name in `marks.style(item.name)` and, where there is a cell for it, `marks.sign(item.name)` beside it,
as colour never tells anything alone. In running text `marks.paint(text)` does so for every word. On a
shade (`coconut.shade.N`) letters keep the shade's own colour: there the sign tells.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.text import Text

from coconut_core.common.quoting import unquoted
from coconut_core.common.token_names import SPACE, content_of, typed_name
from coconut_core.problems.base import Graph
from coconut_tui.run.lookups import Dials
from coconut_tui.widgets.palettes import PINS
from coconut_tui.widgets.tokens import RIGHT_STYLE, WRONG_STYLE

PIN_SIGNS = "◆▲■▼◇△□▽"  # one each; colours come again with the second half


@dataclass(frozen=True)
class TokenMarks:
    """The tokens that stand out. Names of tokens are those of a TokenRecord: `rompus`, `·rompus`."""

    right: str = ""  # the candidate that answers the question, where it is known
    wrong: str = ""
    pins: Mapping[str, int] = field(default_factory=dict)  # as they were typed, with their numbers from 1
    spaces_shown: bool = False  # whether names of tokens show spaces

    def style(self, name: str) -> str:
        """The name of a style for a token; empty for one that does not stand out."""
        if name and name in (self.right, self.wrong):
            return RIGHT_STYLE if name == self.right else WRONG_STYLE
        number = self.number(name)
        return "" if number is None else pin_style(number)

    def sign(self, name: str) -> str:
        """A sign of one cell for a token: ✓, ✗, or the pin's own; a blank for one that does not stand out."""
        if name and name in (self.right, self.wrong):
            return "✓" if name == self.right else "✗"
        number = self.number(name)
        return " " if number is None else pin_sign(number)

    def number(self, name: str) -> int | None:
        """The pin's number of a token; None where it is not pinned. A bare word means the token with a space in
        front as well."""
        if not self.pins:
            return None
        for typed in (typed_name(name, self.spaces_shown), name, name.removeprefix(SPACE)):
            if typed in self.pins:
                return self.pins[typed]
        return None

    def paint(self, text: Text) -> None:
        """Give the words of a text that are such tokens their colours, in place."""
        words = {self.right: RIGHT_STYLE, self.wrong: WRONG_STYLE}
        for typed, number in self.pins.items():
            words.setdefault(_word(typed), pin_style(number))
        for word, style in words.items():
            if word:
                text.highlight_regex(rf"(?<!\w){re.escape(word)}(?!\w)", style)


def pin_style(number: int) -> str:
    """The name of a pin's style; number: of the pin, from 1."""
    return f"coconut.pin.{(number - 1) % PINS + 1}"


def pin_sign(number: int) -> str:
    """The sign of a pin by its number, from 1."""
    return PIN_SIGNS[(number - 1) % len(PIN_SIGNS)]


def token_marks(graph: Graph | None, dials: Dials, *, spaces_shown: bool = False) -> TokenMarks:
    """The tokens that stand out in a run of a problem with this graph, None where none is known."""
    right, wrong = ("", "") if graph is None else (graph.names[graph.target], graph.names[graph.wrong])
    return TokenMarks(right, wrong, dials.pins, spaces_shown)


def _word(typed: str) -> str:
    """A pin as it stands in a text."""
    text = unquoted(typed)
    return (content_of(typed).decode("utf-8", "replace") if text is None else text).strip()
