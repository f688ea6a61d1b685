"""Which keys the line at the bottom names: what can be done with the run as it is, and where the focus is."""

from collections.abc import Iterator

from coconut_tui.run.state import RunView
from coconut_tui.views import all_views

_LAST = ("leave", "help")
_WITHOUT_RUN = ("question", "problems", "model", "open")
_BRANCHES = ("choose", "compare", "rename", "delete")


def keys_shown(
    view: RunView | None, *, replayed: bool, loaded: bool, focused: str, opening: bool = False
) -> tuple[str, ...]:
    """Names of actions. focused: the pane that has the focus, of the inspect pane the view in front.

    replayed: the run is a saved one; opening: a model is on its way, and keys wait for it.
    """
    if opening:
        return ("quit",)
    if view is None:
        return (*(_WITHOUT_RUN if loaded else _WITHOUT_RUN[2:]), *_LAST)
    here = _of_pane(view, focused, replayed=replayed)
    if replayed:
        closing = ("close",) if loaded else ()
        return (*_moves(view), *here, "export", *closing, "search", *_LAST)
    return (*dict.fromkeys((*_moves(view), *_tests(view), *here, *_changes(view))), "question", *_LAST)


def _moves(view: RunView) -> Iterator[str]:
    """Steps that there are to take, and to take back."""
    if not view.over:
        yield "step"
    if view.steps:
        yield "back"
    yield "restart" if view.over and view.steps else "continue"


def _of_pane(view: RunView, focused: str, *, replayed: bool) -> tuple[str, ...]:
    """What goes with the pane that has the focus, or with the view."""
    if focused == "branches":
        several = len(view.tree.branches) > 1
        return () if replayed else _BRANCHES if several else ("rename",)
    in_front = all_views().get(focused)
    return () if in_front is None else in_front.actions


def _tests(view: RunView) -> Iterator[str]:
    """What says whether a thought matters: without it, and beside the run that had it."""
    if view.tree.here.parent is not None:
        yield "compare"
    if any(step.kind == "thought" for step in view.steps):
        yield "zero"
    elif view.without_thoughts:
        yield "more-thoughts"


def _changes(view: RunView) -> Iterator[str]:
    """What else changes the run, and what comes after."""
    if any(step.kind == "thought" for step in view.steps):
        yield from ("edit", "what-if")
    if view.steps or len(view.tree.branches) > 1:
        yield from ("undo", "fork")
    yield from ("next", "search")
