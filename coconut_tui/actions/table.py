"""Every action of the explorer in one table: keys, footer, command line, palette, help and docs use it."""

from collections.abc import Mapping

from coconut_tui.actions import (
    arranging,
    asking,
    atlas,
    branching,
    editing,
    filing,
    helping,
    inside,
    looking,
    measuring,
    moving,
    noting,
    running,
)
from coconut_tui.explorer.base import ExplorerBase
from coconut_tui.run.action import Action, writes_nothing
from coconut_tui.views import VIEWS, all_views

ACTIONS = (
    *running.ACTIONS,
    *editing.ACTIONS,
    *branching.ACTIONS,
    *asking.ACTIONS,
    *atlas.ACTIONS,
    *measuring.ACTIONS,
    *looking.ACTIONS,
    *arranging.ACTIONS,
    *inside.ACTIONS,
    *moving.ACTIONS,
    *filing.ACTIONS,
    *noting.ACTIONS,
    *helping.ACTIONS,
)


def all_actions() -> tuple[Action[ExplorerBase], ...]:
    """ACTIONS, and an action without a key for each view that a plugin brings."""
    return (*ACTIONS, *map(looking.showing, list(all_views().values())[len(VIEWS) :]))


ANYWHERE = ("quit", "jump", "screenshot")  # over dialogs too, by those of their keys that write nothing


def keys_in_force(keys: Mapping[str, str]) -> dict[str, str]:
    """Keys by the names of all actions of the table: those that are set, and their own for the others, without
    what is set for another action."""
    given = {key for text in keys.values() for key in text.split(",")}
    own = {action.name: [key for key in action.keys.split(",") if key not in given] for action in ACTIONS}
    return {name: keys.get(name, ",".join(left)) for name, left in own.items()}


def keys_anywhere(keys: Mapping[str, str]) -> dict[str, str]:
    """The keys of actions that can be done from every screen, fields to type in included."""
    all_keys = keys_in_force(keys)
    return {
        name: ",".join(key for key in all_keys[name].split(",") if writes_nothing(key)) for name in ANYWHERE
    }


def keys_moved(keys: Mapping[str, str]) -> dict[str, str]:
    """The keys by the names of bindings, where they are others than the table's. Textual goes through them at
    every key that is pressed."""
    now, own = _by_binding(keys), _by_binding({})
    return {name: text for name, text in now.items() if text != own[name]}


def _by_binding(keys: Mapping[str, str]) -> dict[str, str]:
    return keys_in_force(keys) | {f"{name}-anywhere": text for name, text in keys_anywhere(keys).items()}


def check_keys(keys: Mapping[str, str]) -> None:
    """Keys by the names of actions, comma separated, in place of their own. Raises ValueError for a name that
    there is not, and for a key that is set for two actions."""
    known = [action.name for action in ACTIONS]
    owner: dict[str, str] = {}
    for name, text in keys.items():
        if name not in known:
            raise ValueError(f"there is no action '{name}': known are {', '.join(known)}")
        for key in text.split(","):
            if (other := owner.setdefault(key, name)) != name:
                raise ValueError(f"the key '{key}' would be both '{other}' and '{name}'")


def keys_table() -> str:
    """The table of actions in docs/EXPLORER.md, in Markdown."""
    rows = ["| key | typed | what it does |", "| --- | --- | --- |"]
    rows += [f"| `{action.shown_keys}` | `:{action.usage}` | {action.description} |" for action in ACTIONS]
    return "\n".join(rows)
