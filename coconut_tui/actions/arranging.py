"""Which panes are on screen, and what they take of memory."""

from coconut_core.common.errors import CoconutError
from coconut_tui.explorer.base import ExplorerBase
from coconut_tui.run.action import Action
from coconut_tui.widgets.tokens import megabytes


def layout(app: ExplorerBase, argument: str) -> None:
    """Other panes: those of the layout named, or of the next one."""
    known = list(app.layouts)
    name = argument or known[(known.index(app.layout_name) + 1) % len(known)]
    app.choose_layout(name)
    app.keeper.note_layout(name)
    app.tell(f"layout {name}, one of {', '.join(known)}")


def cache(app: ExplorerBase, argument: str) -> None:
    """What the branches that are held in memory take."""
    view = app.require_view()
    held, limit = view.cache, view.cache.limit
    if not limit:
        raise CoconutError("a saved run holds nothing in memory")
    app.tell(
        f"{len(held.branches)} of {len(view.tree.branches)} branches held in memory: {megabytes(held.used)} of "
        f"{megabytes(limit)} MB (branch_memory_mb in the settings); the others are computed again when needed"
    )


ACTIONS = (
    Action(
        "layout",
        "vertical_line",
        "layout",
        "Show the panes of the next layout, or of another by its name; • marks views beside",
        "View",
        layout,
        "[LAYOUT]",
    ),
    Action("cache", "ampersand", "cache", "Say how much memory the branches take", "View", cache),
)
