"""A training run, from its log."""

import time
from collections.abc import Callable

from rich.console import Console
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.geometry import Size
from textual.message import Message
from textual.widgets import Footer, Static

from coconut_core.common.errors import CoconutError
from coconut_core.terminal.progress import lines
from coconut_tui.run.training_log import TrainingLog
from coconut_tui.screens.dialog import ReadingDialog
from coconut_tui.widgets.curves import draw_training
from coconut_tui.widgets.text import TextView, plain_title
from coconut_tui.widgets.tokens import error_line

POLL_EVERY = 1.0  # seconds
_ABOUT = (
    "No control is in a log: whether the thoughts matter to these answers, coconut controls --model CHECKPOINT "
    "says."
)


class TrainingScreen(ReadingDialog):
    """Follows a log while it is open. The log is read and the plots are drawn in a thread."""

    BINDINGS = [
        Binding("escape,q,L", "dismiss", "close"),
        Binding("question_mark,f1", "app.explain('training')", "help"),
    ]

    class LogRead(Message):
        """The thread has read the log."""

        def __init__(self, standing: Text, picture: Text | None) -> None:
            """picture: None where nothing has changed."""
            super().__init__()
            self.standing, self.picture = standing, picture

    def __init__(self, log: TrainingLog, clock: Callable[[], float] = time.time) -> None:
        """clock: seconds since the epoch."""
        super().__init__()
        self._log, self._clock = log, clock
        self._looking = False
        self._drawn_for = Size()  # the room that the picture on screen was drawn for

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog full") as dialog:
            dialog.border_title = plain_title(f"Training: {self._log.path.parent}")
            dialog.border_subtitle = "escape closes"
            yield TextView(id="training-standing")
            yield Static("reading the log …", id="training")
        yield Footer()

    def on_mount(self) -> None:
        """Look now, once it is known how much room there is, and then again and again."""
        self.call_after_refresh(self._look)
        self.set_interval(POLL_EVERY, self._look)

    def on_resize(self, event: events.Resize) -> None:
        """The plots follow the size."""
        self.call_after_refresh(self._look)

    def on_training_screen_log_read(self, message: LogRead) -> None:
        """Show what it found."""
        message.stop()
        self._looking = False
        self.query_one("#training-standing", TextView).show(message.standing)
        if message.picture is not None:
            self.query_one("#training", Static).update(message.picture)

    @property
    def drawn(self) -> bool:
        """Whether what was last found in the log is on screen, drawn for the room that there is."""
        return not self._looking and self._drawn_for == self._room != Size()

    @property
    def _room(self) -> Size:
        return self.query_one(VerticalScroll).scrollable_content_region.size

    def _look(self) -> None:
        if not self._looking:
            self._looking = True
            room = self._room
            self.run_worker(lambda: self._read(room), thread=True)

    def _read(self, room: Size) -> None:
        """In the thread: read what is new, and draw it."""
        picture = None
        try:
            if self._log.poll() or room != self._drawn_for:
                self._drawn_for = room
                picture = draw_log(self._log, room.width, room.height)
            standing = Text(self._log.standing(self._clock()), "bold")
        except CoconutError as error:
            standing = error_line(str(error))
        self.post_message(self.LogRead(standing, picture))


def draw_log(log: TrainingLog, width: int, height: int) -> Text:
    """The newest figures, then the plots."""
    state = log.state
    parts = [Text(line) for line in lines(state.newest, state.stage_name)] if state.newest else []
    if state.evaluation:
        record = {"step": state.evaluated_at, "evaluation": state.evaluation, "samples": state.samples}
        parts += [*(Text(line) for line in lines(record)), Text(_ABOUT, "dim")]
    if not parts:
        return Text("nothing logged yet", "dim")
    room = height - 2 - sum(len(part.wrap(Console(width=width), width)) for part in parts)
    return Text("\n").join([*parts, Text(), draw_training(log.rows, width, room)])
