"""The tour: six steps through the explorer, each taken by the person and none by the explorer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from coconut_tui.explorer.base import ExplorerBase

OFFERED = "tour-offered"  # a file beside the saved sessions: the tour begins by itself only once


@dataclass(frozen=True)
class Stop:
    """One step of the tour. In the text {zero} is the key of the action zero; `done` says when to go on."""

    title: str
    text: str
    done: Callable[[ExplorerBase], bool]

    def instruction(self, keys: Mapping[str, str]) -> str:
        """The text with the keys as they are set."""
        return self.text.format_map(keys)


def _has_thought(app: ExplorerBase) -> bool:
    return app.view is not None and any(step.kind == "thought" for step in app.view.steps)


def _finished(app: ExplorerBase) -> bool:
    return app.view is not None and app.view.over


def _looked_at_early_thought_on_graph(app: ExplorerBase) -> bool:
    thought = app.selected_thought
    return app.shown_view == "graph" and thought is not None and thought.index <= 2


def _zeroed(app: ExplorerBase) -> bool:
    branches = () if app.view is None else app.view.tree.branches
    return any("zero" in branch.done and branch.said is not None for branch in branches)


STOPS = (
    Stop(
        "open",
        "This model reasons in continuous thoughts: hidden states fed straight back as the next input, no "
        "words between. Left is the question, in the middle there will be its thoughts. Press {step} for the "
        "first.",
        _has_thought,
    ),
    Stop(
        "step",
        "Each row is one thought, read through the LM head: what it would say, were it to speak. Press {step} "
        "for more, {back} to go back, and {continue} to run to the answer.",
        _finished,
    ),
    Stop(
        "see the frontier",
        "Press {graph} for the problem's graph, then {earlier} and {later} to go through the thoughts, back "
        "to the first. The mark ▸ is where a breadth-first search would be: here the thought's mass goes with "
        "it.",
        _looked_at_early_thought_on_graph,
    ),
    Stop(
        "change a thought",
        "Does a thought matter, or is it only pretty? Select one in the middle ({later}), say the third, and "
        "press {zero}: zeros take its place in a branch of its own, and the model thinks and speaks on from "
        "there.",
        _zeroed,
    ),
    Stop(
        "see what follows",
        "Look at the answers in the pane of branches; {branch} and enter go to one. Press {compare} to lay "
        "the two runs side by side, and escape to come back.",
        lambda app: app.has_compared,
    ),
    Stop(
        "take it with you",
        "Press {export} and type run.html: one page that replays the steps in any browser, for those who have "
        "no model. Open it there. {help} explains each view, {tour} ends the tour.",
        lambda app: app.last_export is not None,
    ),
)
FAREWELL = (
    "That was the tour. {help} explains the view that has the focus and lists all keys; {tour} begins again."
)


def first_time(folder: Path) -> bool:
    """Whether no tour has been offered to this user yet; from now on one has. folder: the explorer's state."""
    marker = folder / OFFERED
    if marker.exists():
        return False
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        marker.touch()
    except OSError:  # nothing can be remembered here: better never than at every start
        return False
    return True
