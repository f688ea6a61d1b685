"""The branches pane: the tree of runs, what was done at each fork, and the answer that each led to."""

from rich.text import Text
from textual.app import ComposeResult

from coconut_core.records.answers import conclusion
from coconut_tui.run.branches import Branch
from coconut_tui.run.state import RunView
from coconut_tui.widgets.framed import FramedPane, retitle
from coconut_tui.widgets.rows import Row, RowsView
from coconut_tui.widgets.text import TextView
from coconut_tui.widgets.tokens import EDIT_STYLE, shortened, verdict_mark

_LEAST_ANSWER = 10  # cells; an answer with less room is left out


class BranchTree(RowsView):
    """A row for each branch; enter or a click goes to it."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._view: RunView | None = None
        self._places: dict[int, tuple[str, Branch]] = {}  # by number: the lines in front of it, and the branch

    def show(self, view: RunView | None, key: int | None) -> None:
        """Draw the tree, with the cursor on a branch."""
        self._view = view
        rows = [] if view is None else view.tree.rows()
        self._places = {branch.number: (lines, branch) for lines, branch in rows}
        self.lay_out([Row(branch.number) for _, branch in rows], key)

    def text_of(self, key: int) -> Text:
        """A branch: where it stands, its name, its answer."""
        assert self._view is not None
        (lines, branch), current = self._places[key], key == self._view.tree.current
        mark = "◉" if current else "●" if key in self._view.cache.branches else "○"
        row = Text(lines, "dim").append(f"{mark} ", "bold" if current else "")
        width = self.scrollable_content_region.width
        answer = _answer(branch)
        name = shortened(branch.name, max(8, width - row.cell_len - (_LEAST_ANSWER + 2 if answer else 0)))
        row.append(name, "bold" if current else "")
        room = width - row.cell_len - 2
        if answer and room >= min(_LEAST_ANSWER, answer.cell_len):
            row.append("  ").append_text(answer if answer.cell_len <= room else _cut(answer, room))
        return row

    def source_of(self, key: int) -> object:
        """The branch, where it stands, and whether it is the current one and held in memory."""
        assert self._view is not None
        return self._places[key], key == self._view.tree.current, key in self._view.cache.branches


class BranchesPane(FramedPane):
    """The tree, and below it the branch under the cursor in words."""

    BORDER_TITLE = "Branches"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._view: RunView | None = None

    def compose(self) -> ComposeResult:
        yield BranchTree(id="branch-tree")
        yield TextView(id="branch-facts")

    @property
    def body(self) -> BranchTree:
        """The rows."""
        return self.query_one(BranchTree)

    def show(self, view: RunView | None) -> None:
        """Draw the tree of a run. The cursor goes to a branch that has just become the current one."""
        before, self._view = self._view, view
        key = self.body.key
        numbers = set() if view is None else {branch.number for branch in view.tree.branches}
        moved = view is not None and (before is None or before.tree.current != view.tree.current)
        if view is not None and (moved or key not in numbers):
            key = view.tree.current
        self._draw(key if view is not None else None)

    def highlight(self, key: int) -> None:
        """Put the cursor on a branch."""
        self._draw(key)

    def _draw(self, key: int | None) -> None:
        self.body.show(self._view, key)
        if self._view is None or key is None:
            self.query_one("#branch-facts", TextView).show(Text())
            return
        tree = self._view.tree
        self.query_one("#branch-facts", TextView).show(_facts(self._view, tree.branch(key)))
        several = len(tree.branches) > 1
        self.set_class(several, "-several")
        retitle(self, f"Branches {len(tree.branches)} · {tree.here.name}" if several else "Branches")


def _answer(branch: Branch) -> Text:
    """The last word of the answer tells most, where there is little room."""
    if branch.said is None:
        return Text()
    short = conclusion(branch.said.answer) or "nothing"
    return Text(f"» {short}{'' if branch.said.over else ' …'}").append(verdict_mark(branch.said))


def _cut(answer: Text, room: int) -> Text:
    cut = answer.copy()
    cut.truncate(room, overflow="ellipsis")
    return cut


def _facts(view: RunView, branch: Branch) -> Text:
    text = Text()
    if branch.parent is not None:
        text.append(f"from {view.tree.branch(branch.parent).name} after step {branch.forked_at}", "dim")
    if branch.done:
        text.append(f"\n✎ {branch.done}" if text else f"✎ {branch.done}", EDIT_STYLE)
    if branch.said is not None:
        text.append("\n" if text else "").append(f"» {branch.said.answer or 'nothing'}")
        text.append("" if branch.said.over else " …").append(verdict_mark(branch.said))
    if view.cache.limit and branch.number not in view.cache.branches:
        text.append("\n○ computed again when you go there", "dim")
    return text
