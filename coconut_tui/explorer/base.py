"""What an action may ask of the explorer."""

from pathlib import Path

from coconut_core.problems.base import Problem
from coconut_tui import views
from coconut_tui.explorer.opening import OpeningApp
from coconut_tui.findings import Finding
from coconut_tui.run.action import Action
from coconut_tui.run.atlas import Browsing
from coconut_tui.run.breakpoints import Breakpoint
from coconut_tui.run.collection import Collection
from coconut_tui.screens.help import HelpScreen
from coconut_tui.widgets.branches import BranchesPane, BranchTree
from coconut_tui.widgets.rows import RowsView


class ExplorerBase(OpeningApp):
    """An app with problems, breakpoints and a table of actions, which are done to it."""

    actions: "tuple[Action[ExplorerBase], ...]"  # with the keys as they are set
    problems: Collection
    breakpoints: tuple[Breakpoint, ...]
    first_question: str | None  # that the app was started with
    first_example: int | None
    last_export: Path | None
    findings_folder: Path
    reopened: Finding | None  # a finding to show once its model is there
    has_compared: bool
    searched: str = ""  # what was searched last
    browsing: Browsing | None = None  # the atlas that was looked at last
    listed: tuple[Problem, ...] = ()  # problems of which an atlas was asked for last

    def action_explain(self, view: str) -> None:
        """Show how to read a view."""
        self.push_screen(HelpScreen(views.guide_of(view), self.actions))

    def branch_in_question(self) -> int:
        """The branch under the cursor where the tree has the focus, else the current one."""
        tree = self.query_one(BranchTree)
        return tree.key if tree.has_focus and tree.key is not None else self.require_view().tree.current

    @property
    def problem_number(self) -> int | None:
        """The number of the problem that is open."""
        return None if self.view is None else self.view.tree.example

    def highlight(self, rows: RowsView, key: int) -> None:
        """Select the step, or the branch, of a row."""
        if isinstance(rows, BranchTree):
            self.query_one(BranchesPane).highlight(key)
        else:
            self.selected = self.looked_at = key
            self._draw_selected()

    def set_breakpoints(self, breakpoints: tuple[Breakpoint, ...]) -> None:
        """Stop at these breakpoints from now on."""
        self.breakpoints = breakpoints
        self._draw()

    def _draw_selected(self) -> None:
        """Draw what follows the cursor and nothing else: after a key that moves it somebody waits."""
        raise NotImplementedError
