"""The line of keys at the bottom."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.widget import Widget

from coconut_tui.run.action import AnyAction

_PALETTE = "▏^p palette "
_KEPT = 3  # actions that are named however little room there is


class KeysLine(Widget):
    """Keys with what they do, as many as there is room for, the last three always; a click presses one. It is
    drawn as one line: Textual's footer is a widget for each key, laid out anew whenever the focus moves."""

    DEFAULT_CSS = """
    KeysLine { dock: bottom; height: 1; background: $footer-background; color: $footer-foreground; }
    KeysLine > .keys--key { color: $footer-key-foreground; text-style: bold; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"keys--key"}

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._actions: Sequence[AnyAction] = ()
        self._places: list[tuple[int, int, str]] = []  # from cell to cell, the key

    def show(self, actions: Sequence[AnyAction]) -> None:
        """Show the keys of actions."""
        if actions != self._actions:
            self._actions = actions
            self.refresh()

    def render(self) -> Text:
        """The keys that fit, and the palette's."""
        text, self._places = Text(no_wrap=True), []
        room = self.size.width - len(_PALETTE)
        style = self.get_component_rich_style("keys--key", partial=True)
        for action in _fitting(self._actions, room):
            start = text.cell_len
            text.append(f" {_key(action)}", style).append(f" {action.label} ")
            self._places.append((start, text.cell_len, action.keys.split(",")[0]))
        text.append(" " * (room - text.cell_len))
        self._places.append((room, self.size.width, self.app.COMMAND_PALETTE_BINDING))
        return text.append(_PALETTE[:1], "dim").append(_PALETTE[1:3], style).append(_PALETTE[3:])

    def on_click(self, event: events.Click) -> None:
        """Press the key that was clicked."""
        for start, end, key in self._places:
            if start <= event.x < end:
                self.app.simulate_key(key)


def _key(action: AnyAction) -> str:
    return action.shown_keys.split(" or ")[0]


def _fitting(actions: Sequence[AnyAction], room: int) -> list[AnyAction]:
    """The last ones, which ask, leave and lead to all others, and as many of those in front as fit."""
    actions = [action for action in actions if action.keys]
    first, last = actions[:-_KEPT], actions[-_KEPT:]
    while first and _cells(first) + _cells(last) > room:
        first.pop()
    while last and _cells(last) > room:
        last.pop(0)
    return [*first, *last]


def _cells(actions: Sequence[AnyAction]) -> int:
    return sum(len(_key(action)) + len(action.label) + 3 for action in actions)
