"""Which keys the line at the bottom names: what can be done with the run as it is, and where the focus is."""

from coconut_tui.run.state import RunView
from coconut_tui.views import all_views

_OPENING = ("model", "help")
_REPLAY = ("step", "back", "continue", "restart", "export", "close", "help")
_RUNNING = ("step", "back", "continue")
_FINISHED = ("back", "restart")
_CHANGES = ("edit", "zero", "what-if", "undo", "fork", "question", "next", "help")
_WITHOUT_THOUGHTS = ("more-thoughts", "question", "undo", "fork", "next", "help")
_BRANCHES = ("choose", "compare", "rename", "delete")


def keys_shown(view: RunView | None, *, replayed: bool, loaded: bool, focused: str) -> tuple[str, ...]:
    """Names of actions. focused: the pane that has the focus, of the inspect pane the view in front."""
    view_in_front = all_views().get(focused)
    here = () if view_in_front is None else view_in_front.actions
    if replayed:
        return (*_REPLAY[:-1], *here, "help")
    if view is None:
        return ("question", "problems", *_OPENING) if loaded else _OPENING
    moves = _FINISHED if view.over else _RUNNING
    changes = _WITHOUT_THOUGHTS if view.without_thoughts else _CHANGES
    return (*moves, *(_BRANCHES if focused == "branches" else here), *changes)
