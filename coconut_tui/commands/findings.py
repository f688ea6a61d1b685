"""coconut findings: the notes on runs that are kept in a folder."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coconut_core.common.errors import CoconutError, visible
from coconut_core.terminal.contributed import Command
from coconut_core.terminal.guard import say
from coconut_core.terminal.options import Device, Json, expanded, expanded_source, report

if TYPE_CHECKING:
    from coconut_tui.findings import Filter, Finding

HELP = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(
    help="Notes on runs, one small file each: list, show, reopen, check and export them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings=HELP,
)
COMMAND = Command("findings", app)

Folder = Annotated[
    Path | None,
    typer.Option("--in", help="The folder; default: the setting `findings`.", callback=expanded, metavar="DIR"),
]
Tags = Annotated[
    list[str] | None, typer.Option("--tag", "-t", help="Only those with this tag; may be repeated.")
]
OfModel = Annotated[
    str, typer.Option("--of", help="Only those of a model whose name has this in it.", metavar="MODEL")
]
Words = Annotated[
    list[str] | None, typer.Argument(help="Only those with these words in them.", metavar="[WORD]...")
]
Names = Annotated[
    list[str] | None,
    typer.Argument(help="Findings by file or name; none: all that fit.", metavar="[FINDING]..."),
]
Name = Annotated[
    str, typer.Argument(help="A finding: its file, its name in the folder, or a link.", metavar="FINDING")
]
OtherModel = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", help="Where its model lies here; default: as it was noted.", callback=expanded_source
    ),
]


@app.command("list")
def list_command(
    words: Words = None, tags: Tags = None, of: OfModel = "", folder: Folder = None, as_json: Json = False
) -> None:
    """List findings, newest first."""
    rows = [(path, finding) for path, finding in _chosen(folder, None, _filter(words, tags, of))]
    if as_json:
        say(json.dumps([summary(path, finding) for path, finding in rows], ensure_ascii=False))
        return
    for path, finding in rows:
        tags_text = "".join(f" #{tag}" for tag in finding.tags)
        say(f"{finding.date[:10]:<10}  {path.stem}  {visible(finding.title)}{visible(tags_text)}")


@app.command("tags")
def tags_command(folder: Folder = None, as_json: Json = False) -> None:
    """Say which tags there are, and how many findings have each."""
    from collections import Counter

    counts = Counter(tag for _, finding in _chosen(folder, None) for tag in finding.tags)
    if as_json:
        say(json.dumps(dict(counts.most_common()), ensure_ascii=False))
        return
    for tag, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        say(f"{count:>4}  {visible(tag)}")


@app.command("show")
def show(name: Name, folder: Folder = None, as_json: Json = False) -> None:
    """Show a finding, and the command that reopens it, here and where the file is not."""
    from coconut_tui.findings.link import command_of, link_of

    path, finding = _one(folder, name)
    if as_json:
        say(json.dumps(summary(path, finding), ensure_ascii=False))
        return
    _print(finding)
    say(f"\nreopen it:              {command_of(path or name)}")
    if path is not None:
        say(f"without the file:       {command_of(link_of(finding))}")


@app.command("open")
def open_command(name: Name, model: OtherModel = None, folder: Folder = None) -> None:
    """Reopen a finding in the explorer, exactly where it was."""
    from coconut_tui.cli import explore_finding

    path, _ = _one(folder, name)
    explore_finding(str(path or name), model)


@app.command("check")
def check_command(
    names: Names = None,
    tags: Tags = None,
    of: OfModel = "",
    model: OtherModel = None,
    device: Device = "auto",
    folder: Folder = None,
    as_json: Json = False,
) -> None:
    """Run findings again, and say whether their numbers still come out; exit code 1 where one does not."""
    from coconut_tui.engine.reruns import check

    rows: list[dict[str, Any]] = []
    for checked in check(_chosen(folder, names, _filter(None, tags, of)), model, device, report):
        row = {
            "file": str(checked.path),
            "title": checked.finding.title,
            "same": checked.same,
            "differences": list(checked.differences),
            "error": checked.error or None,
        }
        rows.append(row)
        if not as_json:
            said = "as noted" if checked.same else "cannot be run again" if checked.error else "not as noted"
            say(f"{'✓' if checked.same else '✗'} {checked.path.stem}: {said}")
            for line in (*checked.differences, *filter(None, [checked.error])):
                say(f"    {visible(line)}")
    if as_json:
        say(json.dumps(rows, ensure_ascii=False))
    if not all(row["same"] for row in rows):
        raise typer.Exit(1)


@app.command("export")
def export_command(
    to: Annotated[
        Path,
        typer.Option(
            "--to", "-o", help="FILE.html, .json, .csv or .parquet.", callback=expanded, metavar="FILE"
        ),
    ],
    names: Names = None,
    tags: Tags = None,
    of: OfModel = "",
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "Findings",
    model: OtherModel = None,
    device: Device = "auto",
    folder: Folder = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there already.")] = False,
) -> None:
    """Write findings as one HTML page that replays their steps, or as data; runs their branches again.

    Examples:

      coconut findings export --tag frontier --to frontier.html

      coconut findings export --to steps.parquet
    """
    from coconut_tui.engine.reruns import chapters
    from coconut_tui.export import Chapter, render_findings, steps_csv, steps_parquet, write_content

    chosen: list[tuple[Path, Finding]] = []

    def as_data(whole: list[Chapter]) -> str:
        rows = [
            {**summary(path, finding), "run": chapter.tree.to_json()}
            for (path, finding), chapter in zip(chosen, whole, strict=True)
        ]
        record = {"format": "coconut-findings", "version": 1, "findings": rows}
        return json.dumps(record, ensure_ascii=False, indent=1) + "\n"

    forms: dict[str, Callable[[list[Chapter]], str | bytes]] = {
        ".html": lambda whole: render_findings(title, whole),
        ".json": as_data,
        ".csv": steps_csv,
        ".parquet": steps_parquet,
    }
    form = forms.get(to.suffix.lower())
    if form is None:
        raise CoconutError(f"the name {to} does not say what to write: end it in {', '.join(forms)}")
    chosen += _chosen(folder, names, _filter(None, tags, of))
    if not chosen:
        raise CoconutError("there is nothing to export")
    say(write_content(lambda: form(list(chapters(chosen, model, device, report))), to, replace=force))


# -- what is meant -----------------------------------------------------------------------------------------


def summary(path: Path | None, finding: "Finding") -> dict[str, Any]:
    """A finding as plain data for scripts."""
    from dataclasses import asdict

    from coconut_tui.findings.link import link_of

    return {
        "file": None if path is None else str(path),
        **{name: getattr(finding, name) for name in ("title", "date", "note", "data", "problem_hash")},
        "tags": list(finding.tags),
        "model": asdict(finding.model),
        "question": finding.run.question,
        "expected": None if finding.run.problem is None else finding.run.problem.answer,
        "branch": finding.run.here.name,
        "branches": len(finding.run.branches),
        "at": asdict(finding.at),
        "seen": None if finding.seen is None else asdict(finding.seen),
        "atlas": None if finding.atlas is None else asdict(finding.atlas),
        "link": link_of(finding),
    }


def _filter(words: list[str] | None, tags: list[str] | None, of: str) -> "Filter":
    from coconut_tui.findings import Filter

    return Filter(tuple(tag.removeprefix("#") for tag in tags or ()), of, tuple(words or ()))


def _folder(folder: Path | None) -> Path:
    """Raises CoconutError for one that is named and is not there."""
    from coconut_tui.config import load_config

    if folder is None:
        folder = Path(load_config().config.findings).expanduser()
    elif not folder.is_dir():
        raise CoconutError(f"there is no folder {folder}")
    return folder


def _chosen(
    folder: Path | None, names: list[str] | None, which: "Filter | None" = None
) -> "list[tuple[Path, Finding]]":
    """Findings by name, else all that fit; a note on stderr for a file that cannot be read."""
    from coconut_tui.findings import find_file, list_findings, load_finding

    place = _folder(folder)
    if names:
        paths = [find_file(place, name) for name in names]
        return [(path, load_finding(path)) for path in paths]
    found = list_findings(place, lambda text: report(f"note: {text}"), which)
    if not found:
        report(f"note: no finding in {place}" + (" fits" if place.is_dir() and which else ""))
    return found


def _one(folder: Path | None, name: str) -> "tuple[Path | None, Finding]":
    from coconut_tui.findings import find_file, finding_of, load_finding

    if name.startswith("coconut:"):
        return None, finding_of(name)
    path = find_file(_folder(folder), name)
    return path, load_finding(path)


# -- one finding on a terminal -----------------------------------------------------------------------------


def _print(finding: "Finding") -> None:
    run, seen = finding.run, finding.seen
    say(visible(finding.title))
    facts = {
        "noted": finding.date,
        "tags": " ".join(f"#{tag}" for tag in finding.tags),
        "model": finding.model.source,
        "data": finding.data or "",
        "atlas": "" if finding.atlas is None else f"{finding.atlas.path}, run {finding.atlas.run}",
        "question": run.question,
        "expected": "" if run.problem is None else run.problem.answer,
        "at": finding.where + (f" (one of {len(run.branches)} branches)" if len(run.branches) > 1 else ""),
        "said": "" if seen is None else seen.said + {True: "  ✓", False: "  ✗", None: ""}[seen.right],
        "used?": "" if seen is None else seen.verdict,
    }
    for name, value in facts.items():
        if value:
            say(f"{name:>9}  {visible(value)}")
    for thought in () if seen is None else seen.thoughts:
        numbers = [f"{thought.token or '–'} {thought.probability:.2f}"]
        numbers += [] if thought.entropy is None else [f"entropy {thought.entropy:.2f}"]
        numbers += [] if thought.norm is None else [f"norm {thought.norm:.1f}"]
        numbers += [] if thought.edit is None else [f"✎ {thought.edit}"]
        say(f"{'thought ' + thought.thought:>9}  {visible('  '.join(numbers))}")
    if finding.note:
        say("")
        _print_note(finding.note)


def _print_note(note: str) -> None:
    if not sys.stdout.isatty():
        say(visible(note, "\n"))
        return
    from rich.console import Console

    from coconut_tui.findings.rendering import note_in_terminal

    Console().print(note_in_terminal(note))
