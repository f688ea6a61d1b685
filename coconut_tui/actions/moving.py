"""Moving the cursor within a pane, and the focus between panes."""

from functools import partial

from textual.command import CommandPalette
from textual.containers import ScrollableContainer
from textual.widget import Widget

from coconut_core.common.errors import CoconutError
from coconut_tui.explorer.base import ExplorerBase
from coconut_tui.run.action import Action
from coconut_tui.run.layouts import PANES
from coconut_tui.screens.jump import Go, JumpScreen, Target
from coconut_tui.screens.search import SearchScreen, following
from coconut_tui.views import VIEWS, all_views
from coconut_tui.widgets.rows import RowsView
from coconut_tui.widgets.searching import Lines, lines_of
from coconut_tui.widgets.thoughts import ThoughtsPane
from coconut_tui.widgets.view_tabs import ViewTabs

FAR = 1_000_000  # lines; more than any pane has


def down(app: ExplorerBase, argument: str) -> None:
    """One line down."""
    _move(app, 1)


def up(app: ExplorerBase, argument: str) -> None:
    """One line up."""
    _move(app, -1)


def first(app: ExplorerBase, argument: str) -> None:
    """To the first line."""
    _move(app, -FAR)


def last(app: ExplorerBase, argument: str) -> None:
    """To the last line."""
    _move(app, FAR)


def page_down(app: ExplorerBase, argument: str) -> None:
    """Ten lines down."""
    _move(app, 10)


def page_up(app: ExplorerBase, argument: str) -> None:
    """Ten lines up."""
    _move(app, -10)


def left(app: ExplorerBase, argument: str) -> None:
    """To the pane on the left."""
    _focus_neighbour(app, -1)


def right(app: ExplorerBase, argument: str) -> None:
    """To the pane on the right."""
    _focus_neighbour(app, 1)


def backward(app: ExplorerBase, argument: str) -> None:
    """A thought back in the matrix, else to the pane on the left."""
    if not _move_across(app, -1):
        _focus_neighbour(app, -1)


def forward(app: ExplorerBase, argument: str) -> None:
    """A thought on in the matrix, else to the pane on the right."""
    if not _move_across(app, 1):
        _focus_neighbour(app, 1)


def later(app: ExplorerBase, argument: str) -> None:
    """Select the next step, wherever the focus is."""
    _move_rows(app, app.query_one(ThoughtsPane), 1)


def earlier(app: ExplorerBase, argument: str) -> None:
    """Select the step before."""
    _move_rows(app, app.query_one(ThoughtsPane), -1)


def choose(app: ExplorerBase, argument: str) -> None:
    """Take what the cursor stands on."""
    if isinstance(app.focused, RowsView):
        app.focused.choose()


def next_pane(app: ExplorerBase, argument: str) -> None:
    """The next pane in a narrow terminal."""
    app.focus_pane(PANES[(PANES.index(app.front) + 1) % len(PANES)])


def jump(app: ExplorerBase, argument: str) -> None:
    """A letter for everything in sight that can be gone to, and the key of each view."""
    if isinstance(app.screen, JumpScreen):
        app.screen.dismiss(None)
        return
    if isinstance(app.screen, SearchScreen | CommandPalette) or app.is_opening:
        return

    def closed(go: Go | None) -> None:
        if go is not None:
            go()

    fields = [field for field in app.screen.query(Widget) if field.focusable and field.region]
    targets = [Target(_frame(field).region, field.focus) for field in fields]
    views: dict[str, Go] = {}
    if len(app.screen_stack) == 1:
        for rows in (field for field in fields if isinstance(field, RowsView)):
            targets += [Target(region, partial(_select, app, rows, key)) for region, key in rows.in_sight()]
        views = {view.key: partial(app.show_view, view.name) for view in VIEWS}
    places = [place for tabs in app.screen.query(ViewTabs) if tabs.region for place in tabs.places()]
    marks = {all_views()[name].key: region for name, region in places if name in all_views()}
    app.push_screen(JumpScreen(targets, views, marks), closed)


def _frame(field: Widget) -> Widget:
    """The pane that a field is in, or else the field."""
    panes = (node for node in field.ancestors_with_self if isinstance(node, Widget) and node.has_class("pane"))
    return next(panes, field)


def search(app: ExplorerBase, argument: str) -> None:
    """In the pane or the dialog in front."""
    lines = _lines_in_front(app)

    def closed(words: str | None) -> None:
        app.searched = words or app.searched

    app.push_screen(SearchScreen(lines, argument), closed)


def search_on(app: ExplorerBase, by: int) -> None:
    """To another line with what was searched last. Raises CoconutError where nothing was."""
    if not app.searched:
        raise CoconutError("nothing has been searched yet: / searches")
    lines = _lines_in_front(app)
    place = following(lines, app.searched, by)
    if place is None:
        raise CoconutError(f"no line has '{app.searched}'")
    lines.go(place)


def _lines_in_front(app: ExplorerBase) -> Lines:
    select = partial(_select, app)
    in_panes = len(app.screen_stack) == 1
    within: Widget = app.pane(app.focused_pane) if in_panes else app.screen
    focused = app.focused if app.focused is not None and within in app.focused.ancestors_with_self else None
    lines = lines_of(focused, select) or lines_of(within, select)
    if lines is None:
        raise CoconutError("there is nothing to search in here")
    return lines


def _select(app: ExplorerBase, rows: RowsView, key: int) -> None:
    rows.focus()
    app.highlight(rows, key)


def _move(app: ExplorerBase, by: int) -> None:
    focused = app.focused
    if isinstance(focused, RowsView):
        _move_rows(app, focused, by)
    elif isinstance(focused, ScrollableContainer):
        focused.scroll_relative(y=by, animate=False)


def _move_rows(app: ExplorerBase, rows: RowsView, by: int) -> None:
    key = rows.move(by)
    if key is not None:
        app.highlight(rows, key)


def _move_across(app: ExplorerBase, by: int) -> bool:
    """Move the cursor over the columns of the matrix; whether it has moved."""
    rows = app.focused
    if not isinstance(rows, ThoughtsPane) or not rows.is_matrix:
        return False
    before, key = rows.key, rows.move(by)
    if key is None or key == before:
        return False
    app.highlight(rows, key)
    return True


def _focus_neighbour(app: ExplorerBase, by: int) -> None:
    """The pane on one side; in a narrow terminal it comes to the front."""
    panes = app.panes_in_order
    here = panes.index(app.focused_pane) if app.focused_pane in panes else 0
    app.focus_pane(panes[min(max(here + by, 0), len(panes) - 1)])


ACTIONS = (
    Action("down", "j,down", "down", "Move down in the pane that has the focus", "Move", down),
    Action("up", "k,up", "up", "Move up", "Move", up),
    Action("first", "g,home", "first", "Move to the first line (gg works too)", "Move", first),
    Action("last", "G,end", "last", "Move to the last line", "Move", last),
    Action("page-down", "pagedown,ctrl+d", "page down", "Move ten lines down", "Move", page_down),
    Action("page-up", "pageup,ctrl+u", "page up", "Move ten lines up", "Move", page_up),
    Action("left", "h", "left", "Go to the pane on the left", "Move", left),
    Action("right", "l", "right", "Go to the pane on the right", "Move", right),
    Action("backward", "left", "backward", "In the matrix a thought back, else as h", "Move", backward),
    Action("forward", "right", "forward", "In the matrix a thought on, else as l", "Move", forward),
    Action("later", "full_stop", "later", "Select the next step, wherever the focus is", "Move", later),
    Action("earlier", "comma", "earlier", "Select the step before", "Move", earlier),
    Action("choose", "enter", "choose", "Go to the branch under the cursor", "Move", choose),
    Action("next-pane", "v", "next pane", "In a narrow terminal, show the next pane", "Move", next_pane),
    Action("search", "slash", "search", "Search in the pane that has the focus", "Move", search, "[WORDS]"),
    Action(
        "jump",
        "ctrl+o",
        "jump",
        "Show a letter at each pane, row and field, and go there",
        "Move",
        jump,
    ),
)
