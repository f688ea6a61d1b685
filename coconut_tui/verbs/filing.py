"""Files: saving and opening runs."""

from pathlib import Path
from typing import TYPE_CHECKING

from coconut_core.errors import CoconutError
from coconut_core.trace import Trace
from coconut_tui.action import Action

if TYPE_CHECKING:
    from coconut_tui.app import Explorer


def save(app: "Explorer", argument: str) -> None:
    """Save the run as a trace."""
    app.require_model()
    app.require_view()
    path = Path(argument).expanduser()
    if path.exists():
        raise CoconutError(f"{argument} exists already: choose another name")

    def write(trace: Trace) -> None:
        trace.save(path)
        app.tell(f"saved to {path}")

    app.engine.use_trace("saving", write)


def close_trace(app: "Explorer", argument: str) -> None:
    """Go back from a saved run to the model."""
    app.close_replay()


def open_trace(app: "Explorer", argument: str) -> None:
    """Open a saved run."""
    app.open_replay(Trace.load(Path(argument).expanduser()))


ACTIONS = (
    Action("save", "w", "save", "Save the run as a trace (JSON)", "File", save, "FILE"),
    Action("open", "o", "open", "Open a saved trace", "File", open_trace, "FILE"),
    Action("close", "X", "close", "Go back from a saved trace to the model", "File", close_trace),
)
