"""Small controls of one line: one of several values, or a number on a scale. Left and right change them, and
what is typed takes the value's place."""

import math
from collections.abc import Sequence

from rich.text import Text
from textual import events
from textual.binding import Binding
from textual.message import Message
from textual.widget import Widget

from coconut_tui.widgets.tokens import BAR_BOLD, BAR_STYLE, shortened

_LABEL = 9  # cells


class Dial(Widget, can_focus=True):
    """A word: one of several values, each with a description, or what is typed."""

    DEFAULT_CSS = "Dial { height: 1; } Dial:focus { background: $boost; text-style: bold; }"
    BINDINGS = [
        Binding("left", "turn(-1)", "less"),
        Binding("right", "turn(1)", "more"),
    ]

    class Turned(Message):
        """Another value has been chosen."""

        def __init__(self, dial: "Dial") -> None:
            super().__init__()
            self.dial = dial

    def __init__(self, name: str, value: str, options: Sequence[tuple[str, str]]) -> None:
        """options: values with their descriptions. value may be none of them, such as one that was typed."""
        super().__init__(name=name)
        self.value, self.options = value, options
        self._typing = False  # what is typed next is added, and does not begin a new value

    def on_focus(self) -> None:
        """What is typed next begins a new value."""
        self._typing = False

    def on_key(self, event: events.Key) -> None:
        """Type a value."""
        if event.key == "backspace":
            self._typing = True
            self.turn_to(self.value[:-1])
        elif event.is_printable and event.character and not event.character.isspace():
            before = self.value if self._typing and self.value != self.name else ""
            self._typing = True
            self.turn_to(before + event.character)
        else:
            return
        event.stop()
        event.prevent_default()

    def render(self) -> Text:
        """The label, the value between arrows, and what it means."""
        text = self._label()
        text.append("‹ ").append(self.value, "dim" if self.value == self.name else BAR_BOLD)
        text.append("▏" if self._typing and self.has_focus else "").append(" ›")
        about = next((about for value, about in self.options if value == self.value), "")
        return text.append(f"  {shortened(about, max(0, self.size.width - text.cell_len - 2))}", "dim")

    def _label(self) -> Text:
        return Text(f"{'▸' if self.has_focus else ' '}{(self.name or '').strip('[]').lower():<{_LABEL}}")

    def action_turn(self, by: int) -> None:
        """Take the next value, or the one before."""
        self._typing = False
        values = [value for value, _ in self.options]
        place = values.index(self.value) + by if self.value in values else 0
        if values:
            self.turn_to(values[place % len(values)])

    def turn_to(self, value: str) -> None:
        """Take a value."""
        if value != self.value:
            self.value = value
            self.refresh()
            self.post_message(self.Turned(self))

    def on_click(self, event: events.Click) -> None:
        """The left arrow goes back, all else on."""
        offset = event.get_content_offset(self)
        self.action_turn(-1 if offset is not None and offset.x <= _LABEL + 2 else 1)


class Slider(Dial):
    """A number on a scale. A typed one may lie beyond its ends."""

    def __init__(self, name: str, value: str, low: float, high: float, step: float) -> None:
        super().__init__(name, value, ())
        self._low, self._high, self._step = low, high, step

    def render(self) -> Text:
        """The label, the scale with a knob, and the number."""
        text = self._label()
        cells = self._cells
        knob = round((self._number - self._low) / (self._high - self._low) * (cells - 1))
        text.append("━" * knob, BAR_STYLE).append("●", BAR_BOLD).append("━" * (cells - 1 - knob), "dim")
        return text.append(f"  {self.value}{'▏' if self._typing and self.has_focus else ''}", "bold")

    def action_turn(self, by: int) -> None:
        """A step up or down."""
        self._typing = False
        self._set(self._number + by * self._step)

    def on_click(self, event: events.Click) -> None:
        """Put the knob there."""
        offset = event.get_content_offset(self)
        if offset is not None:
            share = (offset.x - _LABEL - 1) / max(1, self._cells - 1)
            number = self._low + min(max(share, 0.0), 1.0) * (self._high - self._low)
            self._set(round(number / self._step) * self._step)

    @property
    def _cells(self) -> int:
        return max(10, min(41, self.size.width - _LABEL - 10))

    @property
    def _number(self) -> float:
        """The value, as near as the scale has it; its lower end for what is no number."""
        try:
            number = float(self.value)
        except ValueError:
            return self._low
        return self._low if math.isnan(number) else min(max(number, self._low), self._high)

    def _set(self, number: float) -> None:
        self.turn_to(f"{min(max(number, self._low), self._high):g}")
