"""A pane that holds others, with a frame that tells whether one of them has the focus; and what frames say."""

from textual.containers import Vertical
from textual.geometry import Region
from textual.widget import Widget

from coconut_core.common.cells import cells
from coconut_tui.widgets.text import plain_title

_CORNERS = 6  # cells of a frame's line that no title has


class FramedPane(Vertical):
    """The frame follows the class -focused, which the screen sees to. :focus-within would have all that is in
    the pane styled anew, though only the frame looks different."""

    def follow_focus(self) -> None:
        """The focus has moved."""
        if self.has_focus_within != self.has_class("-focused"):
            self.set_class(self.has_focus_within, "-focused", update=False)
            self.app.stylesheet.apply(self)


def retitle(widget: Widget, title: str, subtitle: str = "") -> None:
    """Write on a pane's frame as many of the facts, parted by dots, as there is room for. Only these lines are
    painted: Textual would paint all of the pane."""
    for name, text, line in (("_border_title", title, 0), ("_border_subtitle", subtitle, -1)):
        text = _fitting(text, widget.outer_size.width - _CORNERS)
        content = widget.render_str(plain_title(text)) if text else None
        if getattr(widget, name) != content:
            setattr(widget, name, content)
            x, y = widget.content_offset
            width, height = widget.outer_size
            widget.refresh(Region(-x, line % max(1, height) - y, width, 1))


def _fitting(text: str, width: int) -> str:
    facts = text.split(" · ")
    while len(facts) > 1 and cells(" · ".join(facts)) > max(1, width):
        facts.pop()
    return " · ".join(facts)
