"""The tour: six steps through the explorer, each taken by the person and none by the explorer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from coconut_tui.explorer.base import ExplorerBase

OFFERED = "tour-offered"  # a file beside the saved sessions: the tour begins by itself only once


@dataclass(frozen=True)
class Stop:
    """One step of the tour. In the texts {zero} is the key of the action zero.

    done says when to go on. needs says what has to be done first, empty where nothing has; a step that a run
    cannot have at all, as that of a graph where there is none, is not meant and left out.
    """

    title: str
    text: str
    done: Callable[[ExplorerBase], bool]
    needs: Callable[[ExplorerBase], str] = lambda app: ""
    meant: Callable[[ExplorerBase], bool] = lambda app: True

    def instruction(self, keys: Mapping[str, str], needs: str = "") -> str:
        """The text, or what is needed first, with the keys as they are set."""
        return (needs or self.text).format_map(keys)


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


def _is_changeable(app: ExplorerBase) -> bool:
    return app.replay is None


def _has_search(app: ExplorerBase) -> bool:
    return app.view is not None and (app.view.graph is not None or bool(app.view.sums))


def _question_first(app: ExplorerBase) -> str:
    if app.view is None:
        return "First a question: {question} writes one, {problems} picks one."
    if app.view.without_thoughts and app.replay is None:
        return "This run takes no thoughts, as its model was not trained to: {more-thoughts} plans one."
    return ""


def _thought_first(app: ExplorerBase) -> str:
    return _question_first(app) or ("" if _has_thought(app) else "First take some thoughts: {step} takes one.")


def _branch_first(app: ExplorerBase) -> str:
    several = app.view is not None and len(app.view.tree.branches) > 1
    return "" if several else "First a second branch: select a thought and press {zero}."


STOPS = (
    Stop(
        "open",
        "This model reasons in continuous thoughts: hidden states fed straight back as the next input, no "
        "words between. Left is the question, in the middle there will be its thoughts. Press {step} for the "
        "first.",
        _has_thought,
        _question_first,
    ),
    Stop(
        "step",
        "Each thought is read through the LM head: what it would say, were it to speak; shades and bars are "
        "probabilities ({matrix} shows rows or columns). Press {step} for more, {back} to go back, and "
        "{continue} to run to the answer.",
        _finished,
        _question_first,
    ),
    Stop(
        "see the frontier",
        "Press {graph} for the problem's graph, then {play} to see its thoughts on it one after the other; "
        "{earlier} and {later} go through them by hand. The mark ▸ is where a breadth-first search would be: "
        "here the thought's mass goes with it.",
        _looked_at_early_thought_on_graph,
        _thought_first,
        _has_search,
    ),
    Stop(
        "change a thought",
        "Does a thought matter, or is it only pretty? Select one in the middle ({later}), say the third, and "
        "press {zero}: zeros take its place in a branch of its own, and the model thinks and speaks on from "
        "there.",
        _zeroed,
        _thought_first,
        _is_changeable,
    ),
    Stop(
        "see what follows",
        "Look at the answers in the pane of branches; {branch} and enter go to one. Press {compare} to lay "
        "the two runs side by side, and escape to come back.",
        lambda app: app.has_compared,
        _branch_first,
        _is_changeable,
    ),
    Stop(
        "take it with you",
        "Press {export} and type run.html: one page that replays the steps in any browser, for those who have "
        "no model. Open it there. {help} explains each view, {tour} ends the tour.",
        lambda app: app.last_export is not None,
        _question_first,
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
