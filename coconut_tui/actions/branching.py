"""Branches: forking, going between them, naming, deleting and comparing them."""

from coconut_core.common.errors import CoconutError
from coconut_tui.engine import finding
from coconut_tui.explorer.base import ExplorerBase
from coconut_tui.run.action import Action
from coconut_tui.run.state import Comparison
from coconut_tui.screens.compare import CompareScreen


def fork(app: ExplorerBase, argument: str) -> None:
    """A branch that begins after the selected step."""
    app.require_model()
    app.require_view()
    app.engine.fork(0 if app.selected is None else app.selected + 1, argument)


def branch(app: ExplorerBase, argument: str) -> None:
    """Go to a branch by name."""
    app.require_model()
    app.engine.move(app.require_view().tree.named(argument).number)


def next_branch(app: ExplorerBase, argument: str) -> None:
    """Go to the next branch in the tree."""
    _move(app, 1)


def previous_branch(app: ExplorerBase, argument: str) -> None:
    """Go to the branch before in the tree."""
    _move(app, -1)


def rename(app: ExplorerBase, argument: str) -> None:
    """Call the branch something else."""
    app.require_model()
    app.engine.rename(app.branch_in_question(), argument)


def delete(app: ExplorerBase, argument: str) -> None:
    """Delete the branch."""
    app.require_model()
    app.engine.delete(app.branch_in_question())


def compare(app: ExplorerBase, argument: str) -> None:
    """The branch beside another one, by default the current one or its parent."""

    def show(comparison: Comparison) -> None:
        app.has_compared = True
        app.push_screen(CompareScreen(comparison))

    app.require_model()
    tree = app.require_view().tree
    second = app.branch_in_question()
    first = tree.named(argument).number if argument else tree.current
    if first == second and not argument:
        parent = tree.branch(second).parent
        if parent is None:
            raise CoconutError("there is nothing to compare it with: fork a branch with f, or choose one")
        first = parent
    finding.compare(app.engine, first, second, show)


def _move(app: ExplorerBase, by: int) -> None:
    app.require_model()
    tree = app.require_view().tree
    order = [branch.number for _, branch in tree.rows()]
    app.engine.move(order[(order.index(tree.current) + by) % len(order)])


ACTIONS = (
    Action("fork", "f", "fork", "Begin a branch after the selected step", "Branches", fork, "[NAME]"),
    Action("branch", "apostrophe", "branch", "Go to a branch", "Branches", branch, "BRANCH"),
    Action("next-branch", "J", "next branch", "Go to the next branch", "Branches", next_branch),
    Action(
        "previous-branch",
        "K",
        "previous branch",
        "Go to the branch before",
        "Branches",
        previous_branch,
    ),
    Action("rename", "R", "rename", "Rename the branch", "Branches", rename, "NAME"),
    Action(
        "delete",
        "D,delete",
        "delete",
        "Delete the branch; those forked from it stay",
        "Branches",
        delete,
    ),
    Action(
        "compare",
        "C",
        "compare",
        "Lay the branch beside another, by default the one it was forked from",
        "Branches",
        compare,
        "[BRANCH]",
    ),
)
