"""A run written down for others: JSON, Markdown, text and one HTML page. Needs neither model nor torch."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from coconut_core.common.errors import CoconutError
from coconut_core.common.whole_files import written_aside
from coconut_core.records.trace import Trace
from coconut_tui.export.markdown import render_markdown
from coconut_tui.export.page import render_page
from coconut_tui.export.text import render_text


@dataclass(frozen=True)
class Export:
    """A form that a run can be written in; `render` gives the whole file."""

    name: str
    extension: str
    description: str
    render: Callable[[Trace], str]


EXPORTS = (
    Export("html", ".html", "one page that replays the steps in a browser", render_page),
    Export("markdown", ".md", "question, table of thoughts, answer", render_markdown),
    Export("text", ".txt", "the same as plain text, with bars", render_text),
    Export("json", ".json", "the trace itself, which coconut-tui can open", Trace.json_text),
)


def export_named(name: str) -> Export:
    """The form of this name. Raises CoconutError where no form has it."""
    for export in EXPORTS:
        if export.name == name:
            return export
    known = ", ".join(export.name for export in EXPORTS)
    raise CoconutError(f"no export format '{name}': choose one of {known}")


def export_for(path: Path) -> Export:
    """The form that a file name asks for by its extension. Raises CoconutError where it fits no form."""
    for export in EXPORTS:
        if export.extension == path.suffix.lower():
            return export
    known = ", ".join(f"{export.extension} ({export.name})" for export in EXPORTS)
    raise CoconutError(f"the name {path} does not say what to write: end it in {known}")


def write_export(trace: Trace, path: Path, export: Export | None = None, *, replace: bool = False) -> Path:
    """Write a run, by default in the form that the file name asks for; returns the path.

    The file is whole or not there. Raises CoconutError where it cannot be written, or where it is there
    already and replace is not given.
    """
    export = export_for(path) if export is None else export
    if path.is_file() and not replace:
        raise CoconutError(f"{path} exists already: choose another name, or replace it with --force")
    text = export.render(trace)
    try:
        with written_aside(path) as file:
            file.write(text)
    except (OSError, UnicodeEncodeError) as error:
        raise CoconutError(f"cannot write {path}: {error}") from error
    return path
