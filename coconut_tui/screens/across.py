"""The question on screen over the checkpoints of a training run."""

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.widgets import Footer, Static

from coconut_core.across.course import Course
from coconut_tui.run.across import Across
from coconut_tui.screens.dialog import PAGER, DrawsNewest
from coconut_tui.widgets.across_strip import draw_strip
from coconut_tui.widgets.text import plain_title


class AcrossScreen(DrawsNewest):
    """A column for each checkpoint, as they come in; gives the folder of one that is to be opened."""

    BINDINGS = [  # in front of those of what scrolls
        Binding("left,h", "cursor(-1)", "before", priority=True),
        Binding("right,l", "cursor(1)", "next", priority=True),
        Binding("home", "cursor(-10000)", "first", show=False, priority=True),
        Binding("end", "cursor(10000)", "last", show=False, priority=True),
        Binding("enter", "open", "open it"),
        *PAGER,
        Binding("escape,q", "close", "stop, close"),
        Binding("question_mark,f1", "app.explain('across')", "help"),
    ]
    DRAWN = "#across"

    def __init__(self, run: str) -> None:
        super().__init__()
        self.across = Across(Course(run, {}, ()))
        self.cursor = 0  # number of a point
        self._follows = True  # the cursor stays at the newest point until it is moved

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog full") as dialog:
            dialog.border_title = plain_title(f"Across: {self.across.course.run}")
            yield Static(id="across")
        yield Footer()

    def show(self, across: Across) -> None:
        """Show what is known."""
        self.across = across
        if self._follows:
            self.cursor = max(0, len(across.course.points) - 1)
        self.draw_soon()

    def action_cursor(self, by: int) -> None:
        """Go to another checkpoint."""
        last = len(self.across.course.points) - 1
        self.cursor = max(0, min(last, self.cursor + by))
        self._follows = self.cursor == last and not self.across.complete
        self._draw_newest()

    def action_scroll(self, by: int) -> None:
        """Move by lines."""
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)

    def action_open(self) -> None:
        """Open the checkpoint under the cursor."""
        points = self.across.course.points
        if points and points[self.cursor].measurement is not None:
            self.dismiss(points[self.cursor].folder)

    def action_close(self) -> None:
        """Close; what has not been asked yet is not asked."""
        self.dismiss(None)

    def _draw(self) -> None:
        dialog, known = self.query_one(VerticalScroll), len(self.across.course.points)
        going_on = f"asking … {known} of {self.across.total}, escape stops"
        dialog.border_subtitle = "escape closes" if self.across.complete else going_on
        room = dialog.scrollable_content_region
        drawn: Text = draw_strip(self.across, self.cursor, room.width, room.height)
        self.query_one("#across", Static).update(drawn)
