"""Runs written down for others, as JSON, Markdown, text, HTML and tables. Needs neither model nor torch."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from coconut_core.common.errors import CoconutError
from coconut_core.common.whole_files import file_written_aside, written_aside
from coconut_core.records.trace import Trace
from coconut_tui.export.markdown import render_markdown
from coconut_tui.export.page import render_findings, render_page
from coconut_tui.export.table import csv_text, parquet_bytes, steps_csv, steps_parquet
from coconut_tui.export.text import render_text
from coconut_tui.export.tree import Chapter, TracedRun, TracedTree

__all__ = [
    "EXPORTS",
    "TABLES",
    "Chapter",
    "Export",
    "TracedRun",
    "TracedTree",
    "export_for",
    "export_named",
    "render_findings",
    "steps_csv",
    "steps_parquet",
    "write_content",
    "write_export",
]


Content = TypeVar("Content", str, bytes)


@dataclass(frozen=True)
class Export(Generic[Content]):
    """A form that a run, or a tree of them, can be written in."""

    name: str
    extension: str
    description: str
    write: Callable[[TracedTree], Content]

    def render(self, run: Trace | TracedTree) -> Content:
        """The whole file."""
        return self.write(TracedTree.of(run))


EXPORTS = (
    Export("html", ".html", "one page that replays the steps in a browser", render_page),
    Export("markdown", ".md", "question, table of thoughts, answer", render_markdown),
    Export("text", ".txt", "the same as plain text, with bars", render_text),
    Export("json", ".json", "the trace itself, which coconut-tui can open", TracedTree.json_text),
)
TABLES: tuple[Export[Any], ...] = (
    Export("csv", ".csv", "the steps as a table, a row each", csv_text),
    Export("parquet", ".parquet", "the same for pandas, DuckDB and the like", parquet_bytes),
)
_ALL: tuple[Export[Any], ...] = (*EXPORTS, *TABLES)


def export_named(name: str) -> Export[Any]:
    """The form of this name. Raises CoconutError where no form has it."""
    for export in _ALL:
        if export.name == name:
            return export
    known = ", ".join(export.name for export in _ALL)
    raise CoconutError(f"no export format '{name}': choose one of {known}")


def export_for(path: Path) -> Export[Any]:
    """The form that a file name asks for by its extension. Raises CoconutError where it fits no form."""
    for export in _ALL:
        if export.extension == path.suffix.lower():
            return export
    known = ", ".join(f"{export.extension} ({export.name})" for export in _ALL)
    raise CoconutError(f"the name {path} does not say what to write: end it in {known}")


def write_export(
    run: Trace | TracedTree, path: Path, export: Export[Any] | None = None, *, replace: bool = False
) -> Path:
    """Write a run or a tree of them, by default in the form that the file name asks for; returns the path.

    The file is whole or not there. Raises CoconutError where it cannot be written, or where it is there
    already and replace is not given.
    """
    export = export_for(path) if export is None else export
    return write_content(lambda: export.render(run), path, replace=replace)


def write_content(content: Callable[[], str | bytes], path: Path, *, replace: bool = False) -> Path:
    """Write what content gives; the same promises."""
    if path.is_file() and not replace:
        raise CoconutError(f"{path} exists already: choose another name, or replace it with --force")
    written = content()
    try:
        if isinstance(written, bytes):
            with file_written_aside(path.resolve()) as aside:
                aside.write_bytes(written)
        else:
            with written_aside(path) as file:
                file.write(written)
    except (OSError, UnicodeEncodeError) as error:
        raise CoconutError(f"cannot write {path}: {error}") from error
    return path
