"""Files: saving and opening runs."""

from datetime import datetime
from itertools import chain, count
from pathlib import Path

from coconut_core.common.errors import CoconutError
from coconut_core.common.paths import user_path
from coconut_core.common.whole_files import written_aside
from coconut_core.records.trace import Trace
from coconut_tui.actions.pictures import pane_text, picture
from coconut_tui.engine.tracing import use_tree
from coconut_tui.explorer.base import ExplorerBase
from coconut_tui.export import TracedTree, export_for, write_export
from coconut_tui.run.action import Action


def save(app: ExplorerBase, argument: str) -> None:
    """Save the run as a trace."""
    app.require_model()
    path = user_path(argument)
    _refuse_existing(path)

    def write(trace: Trace) -> None:
        trace.save(path)
        app.tell(f"saved to {path.resolve()}")

    app.use_trace("saving", write)


def export(app: ExplorerBase, argument: str) -> None:
    """Write the run and all its branches down for others, or with `branch` behind the file's name only the
    one on screen, in the form that the name asks for."""
    name, _, last = argument.rpartition(" ")
    alone = last == "branch" and bool(name.strip())
    path = user_path(name.strip() if alone else argument)
    form = export_for(path)
    _refuse_existing(path)

    def write(run: Trace | TracedTree) -> None:
        app.last_export = write_export(run, path, form)
        whole = path.resolve()
        app.tell(f"exported to {whole.as_uri() if form.name == 'html' else whole}")

    if alone or app.replay is not None:
        app.use_trace("exporting", write)
    else:
        app.require_view()
        use_tree(app.engine, "exporting", write)


def write_picture(app: ExplorerBase, argument: str) -> None:
    """The view that has the focus as a picture or a text."""
    path = user_path(argument)
    _refuse_existing(path)
    text = pane_text(app.pane(app.focused_pane))
    if path.suffix == ".svg":
        content = picture(text, app.focused_view, app.colours, dark=app.current_theme.dark)
    elif path.suffix == ".txt":
        content = text.plain + "\n"
    else:
        raise CoconutError(f"the name {path} does not say what to write: end it in .svg or .txt")
    _write(path, content)
    app.tell(f"{app.focused_view} written to {path.resolve()}")


def write_screenshot(app: ExplorerBase, argument: str) -> None:
    """The whole screen as a picture."""
    path = user_path(argument) if argument else _picture_of_now()
    _refuse_existing(path)
    _write(path, app.export_screenshot(title=app.title))
    app.tell(f"screen written to {path.resolve()}")


def copy(app: ExplorerBase, argument: str) -> None:
    """The view that has the focus, or another thing, into the clipboard."""
    what = argument or "view"
    if what == "run":
        app.use_trace("copying", lambda trace: _copy(app, what, trace.json_text()))
        return
    if what == "view":
        _copy(app, app.focused_view, pane_text(app.pane(app.focused_pane)).plain)
    elif what == "question":
        _copy(app, what, app.require_view().question)
    elif what == "answer":
        _copy(app, what, app.require_view().text)
    else:
        raise CoconutError(f"cannot copy '{what}': copy view, question, answer or run")


def _copy(app: ExplorerBase, what: str, text: str) -> None:
    app.copy_to_clipboard(text)
    app.tell(f"{what}: {len(text)} characters handed to the terminal's clipboard")


def _picture_of_now() -> Path:
    """A name that is free: the same second comes again where the clock is set back, or keys are quick."""
    stem = f"coconut-{datetime.now():%Y%m%d-%H%M%S}"
    names = chain([stem], (f"{stem}-{number}" for number in count(2)))
    return next(path for name in names if not (path := Path(f"{name}.svg")).exists())


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise CoconutError(f"{path} exists already: choose another name")


def _write(path: Path, content: str) -> None:
    try:
        with written_aside(path) as file:
            file.write(content)
    except (OSError, UnicodeEncodeError) as error:
        raise CoconutError(f"cannot write {path}: {error}") from error


def close_trace(app: ExplorerBase, argument: str) -> None:
    """Go back from a saved run to the model."""
    app.close_replay()


def open_trace(app: ExplorerBase, argument: str) -> None:
    """Open a saved run."""
    app.open_replay(Trace.load(user_path(argument)))


ACTIONS = (
    Action("save", "w", "save", "Save the run as a trace (JSON)", "File", save, "FILE"),
    Action("open", "o", "open", "Open a saved trace", "File", open_trace, "FILE"),
    Action(
        "export",
        "W",
        "export",
        "Write all branches for others: FILE.html (replays in a browser), .md, .txt, .json, .csv, .parquet",
        "File",
        export,
        "FILE [branch]",
    ),
    Action(
        "picture",
        "F",
        "picture",
        "Write the view that has the focus as FILE.svg or FILE.txt",
        "File",
        write_picture,
        "FILE",
    ),
    Action(
        "screenshot",
        "f9",
        "screenshot",
        "Write the whole screen as an SVG, where no FILE is named into this folder",
        "File",
        write_screenshot,
        "[FILE]",
    ),
    Action(
        "copy",
        "y",
        "copy",
        "Copy the view that has the focus, or: question, answer, run (JSON)",
        "File",
        copy,
        "[WHAT]",
    ),
    Action("close", "X", "close", "Go back from a saved trace to the model", "File", close_trace),
)
