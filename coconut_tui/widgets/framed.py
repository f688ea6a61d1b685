"""A pane that holds others, with a frame that tells whether one of them has the focus."""

from textual.containers import Vertical


class FramedPane(Vertical):
    """The frame follows the class -focused, which the screen sees to. :focus-within would have all that is in
    the pane styled anew, though only the frame looks different."""

    def follow_focus(self) -> None:
        """The focus has moved."""
        if self.has_focus_within != self.has_class("-focused"):
            self.set_class(self.has_focus_within, "-focused", update=False)
            self.app.stylesheet.apply(self)
