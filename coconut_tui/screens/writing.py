"""A dialog in which a text is written. Textual's text area comes with it, which takes a while to import."""

from rich.text import Text
from textual.app import SuspendNotSupported
from textual.screen import ModalScreen
from textual.widgets import Static, TextArea

from coconut_core.common.errors import CoconutError
from coconut_tui.widgets.outside import editor_command, written_outside
from coconut_tui.widgets.tokens import error_line


class WritingDialog(ModalScreen[None]):
    """A dialog with a text area that stays until what was written is taken: nothing typed is lost. Errors, and
    what is under way, stand in its Static "refused"."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = False  # for what was written to be taken

    def action_outside(self) -> None:
        """Write the text in the editor that VISUAL or EDITOR names; it is not handed on yet."""
        area = self.query_one(TextArea)
        try:
            command = editor_command()
            with self.app.suspend():
                written = written_outside(area.text, command)
        except SuspendNotSupported:
            self.refuse("there is no terminal here to lend to an editor")
        except CoconutError as error:
            self.refuse(str(error))
        else:
            area.text = written
            area.move_cursor(area.document.end)
            self.query_one("#refused", Static).update(Text())

    def take(self, under_way: str) -> None:
        """Hand on what was written, once, and say that this is under way."""
        if not self.waits:
            self.waits = True
            self.query_one("#refused", Static).update(Text(under_way, "dim"))
            # Behind the letters that the field has still to read.
            (self.focused or self).call_later(self._hand_on)

    def refuse(self, error: str) -> None:
        """It cannot be taken, and here is why."""
        self.waits = False
        self.query_one("#refused", Static).update(error_line(error))

    def _hand_on(self) -> None:
        raise NotImplementedError
