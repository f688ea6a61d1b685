"""Every action of the explorer in one table: keys, footer, command line, palette, help and docs use it."""

from collections.abc import Mapping

from coconut_tui.actions import asking, branching, editing, filing, helping, looking, measuring, moving, running
from coconut_tui.explorer.base import ExplorerBase
from coconut_tui.run.action import Action
from coconut_tui.views import VIEWS, all_views

ACTIONS = (
    *running.ACTIONS,
    *editing.ACTIONS,
    *branching.ACTIONS,
    *asking.ACTIONS,
    *measuring.ACTIONS,
    *looking.ACTIONS,
    *moving.ACTIONS,
    *filing.ACTIONS,
    *helping.ACTIONS,
)


def all_actions() -> tuple[Action[ExplorerBase], ...]:
    """ACTIONS, and an action without a key for each view that a plugin brings."""
    return (*ACTIONS, *map(looking.showing, list(all_views().values())[len(VIEWS) :]))


def check_keys(keys: Mapping[str, str]) -> None:
    """Keys by the names of actions, comma separated, in place of their own. Raises ValueError for a name that
    there is not, and for a key that would stand for two actions."""
    known = {action.name: action.keys for action in ACTIONS}
    for name in keys:
        if name not in known:
            raise ValueError(f"there is no action '{name}': known are {', '.join(known)}")
    owner: dict[str, str] = {}
    for name, text in {**known, **keys}.items():
        for key in text.split(","):
            other = owner.setdefault(key, name)
            if other != name and keys.keys() & {name, other}:
                raise ValueError(f"the key '{key}' would be both '{other}' and '{name}'")


def keys_table() -> str:
    """The table of actions in docs/EXPLORER.md, in Markdown."""
    rows = ["| key | typed | what it does |", "| --- | --- | --- |"]
    rows += [f"| `{action.shown_keys}` | `:{action.usage}` | {action.description} |" for action in ACTIONS]
    return "\n".join(rows)
