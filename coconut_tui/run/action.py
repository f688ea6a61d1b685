"""What an action is: one thing a person can do in the explorer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

App = TypeVar("App", contravariant=True)  # what it is done to


@dataclass(frozen=True)
class Action(Generic[App]):
    """One thing a person can do. `name` is how it is typed behind ":"; keys are Textual's, comma separated.

    An argument in brackets may be left out; where one is needed, the key opens the command line for it.
    """

    name: str
    keys: str
    label: str
    description: str
    group: str
    do: Callable[[App, str], None]
    argument: str = ""

    def act(self, app: App, argument: str = "") -> None:
        """Do it. Raises CoconutError where it cannot be done."""
        self.do(app, argument)

    @property
    def shown_keys(self) -> str:
        """The keys as a person reads them."""
        return " or ".join(map(shown_key, self.keys.split(",")))

    @property
    def usage(self) -> str:
        """The action as it is typed."""
        return f"{self.name} {self.argument}".strip()

    @property
    def needs_argument(self) -> bool:
        """Whether it does nothing without one."""
        return self.argument != "" and not self.argument.startswith("[")


def shown_key(key: str) -> str:
    """A key of Textual's as a person reads it."""
    return _SHOWN.get(key, key)


def writes_nothing(key: str) -> bool:
    """Whether a key of Textual's writes no letter or sign into a field."""
    return len(key) > 1 and key not in _SHOWN and key != "space"


AnyAction = Action[Any]  # one that is only shown
_SHOWN = {
    "vertical_line": "|",
    "ampersand": "&",
    "at": "@",
    "plus": "+",
    "minus": "-",
    "equals_sign": "=",
    "right_square_bracket": "]",
    "left_square_bracket": "[",
    "question_mark": "?",
    "exclamation_mark": "!",
    "backslash": "\\",
    "colon": ":",
    "semicolon": ";",
    "percent_sign": "%",
    "dollar_sign": "$",
    "underscore": "_",
    "asterisk": "*",
    "apostrophe": "'",
    "number_sign": "#",
    "quotation_mark": '"',
    "slash": "/",
    "full_stop": ".",
    "comma": ",",
    "left_parenthesis": "(",
    "right_parenthesis": ")",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "left_curly_bracket": "{",
    "right_curly_bracket": "}",
}
