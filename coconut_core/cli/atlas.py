"""coconut atlas: one table of a data set's runs, made, asked and told."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coconut_core.common.errors import CoconutError
from coconut_core.common.processes import current
from coconut_core.terminal import options
from coconut_core.terminal.guard import say
from coconut_core.terminal.processes import over_processes, refuse_several, resolved

if TYPE_CHECKING:
    import pyarrow

    from coconut_core.atlas.building import Progress
    from coconut_core.atlas.folder import Manifest, Settings

app = typer.Typer(
    help="One table of a data set's runs: what was said, whether the thoughts were used, what each would say.",
    no_args_is_help=True,
)
DRAWN = 2000  # problems drawn from the model's own family where no file is given
SHOWN = "run,right,hops,said,used"  # columns of `query` where none are named

Folder = Annotated[Path, typer.Argument(metavar="ATLAS", help="The atlas's folder.", callback=options.expanded)]


@app.callback()
def _root(context: typer.Context) -> None:
    if context.invoked_subcommand != "build":
        refuse_several(f"coconut atlas {context.invoked_subcommand}")


@dataclass(frozen=True)
class _Runs:
    """How the runs are made."""

    thoughts: options.Thoughts = None
    free: Annotated[
        bool, typer.Option("--free", help="Let it reason in words after the thoughts; default: answer at once.")
    ] = False
    max_new_tokens: Annotated[int, typer.Option(help="Most words of an answer.", min=1)] = 64
    top: Annotated[int, typer.Option(help="Likeliest tokens that are kept of each thought.", min=1)] = 5
    swaps: Annotated[
        int,
        typer.Option(help="How often each run is repeated with another problem's thoughts; 0: never.", min=0),
    ] = 1

    def settings(self) -> "Settings":
        """The same as the manifest has it."""
        from coconut_core.atlas.folder import Settings

        return Settings(self.thoughts, not self.free, self.max_new_tokens, self.top, self.swaps)


@app.command("build")
@options.grouped
@over_processes
def build_command(
    *,
    source: options.Source,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            "-d",
            help=f"Problem file. Default: {DRAWN} problems of the model's family, test split.",
            metavar="FILE",
            callback=options.expanded,
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The atlas's folder.", metavar="DIR", callback=options.expanded)
    ],
    count: options.Count = None,
    append: Annotated[
        bool, typer.Option("--append", help="Add these problems to an atlas that holds others.")
    ] = False,
    runs: _Runs,
    batch_size: options.BatchSize = 64,
    placement: options.Placement,
    untrained: options.Untrained,
) -> None:
    """Run all problems of a file and write what was thought and said into a folder.

    Stopped in whatever way, the same command goes on where the last part was complete.
    """
    from coconut_core.atlas.planning import check_place
    from coconut_core.problems import stream_problems

    if batch_size < 1 or (count is not None and count < 1):
        raise CoconutError("batch-size and count must be 1 or more")
    if current().is_main:
        check_place(out)
    if data is not None:
        next(stream_problems(data), None)  # what is wrong with the file is told before a model is opened
    choice = resolved(options.model_choice(source, placement, untrained))
    opened = options.open_model(choice, runs.thoughts)

    from coconut_core.atlas.building import DrawnProblems, ProblemFile, build

    problems = DrawnProblems(opened.config, count or DRAWN) if data is None else ProblemFile(data, count)

    def make(progress: "Progress") -> "Manifest":
        return build(
            opened,
            problems,
            out,
            source=choice.source,
            data=str(problems),
            settings=runs.settings(),
            append=append,
            batch_size=batch_size,
            progress=progress,
        )

    done = _with_progress(make)
    say(f"{out} holds {done.rows} runs", err=True)


def _with_progress(make: "Callable[[Progress], Manifest]") -> "Manifest":
    """Make an atlas, with a bar on stderr where somebody watches."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    watched = sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), disable=not watched, transient=True) as bar:
        task = bar.add_task("building", total=None)
        begun = False

        def tell(done: int, planned: int) -> None:
            nonlocal begun
            if done and not begun:
                say(f"{done} of {planned} runs are there: going on", err=True)
            begun = True
            bar.update(task, completed=done, total=planned)

        return make(tell)


Columns = Annotated[str, typer.Option(help="Columns, as run,said,frontier(4); all: every one.", metavar="LIST")]
Order = Annotated[str, typer.Option(help="As entropy(2) desc, hops.", metavar="LIST")]


@dataclass(frozen=True)
class _Form:
    """In which form rows are printed."""

    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, a column for each thought.")] = False
    as_json: options.Json = False
    parquet: Annotated[
        Path | None, typer.Option(help="Write a Parquet file.", metavar="FILE", callback=options.expanded)
    ] = None

    def check(self) -> None:
        """Raises CoconutError for several at once."""
        if self.as_csv + self.as_json + (self.parquet is not None) > 1:
            raise CoconutError("choose one of --csv, --json and --parquet")


@app.command("query")
@options.grouped
def query_command(
    *,
    atlas: Folder,
    where: Annotated[
        str, typer.Argument(metavar="FILTER", help="Which runs, as wrong and frontier(4) < .5; all if none.")
    ] = "",
    columns: Columns = SHOWN,
    order: Order = "run",
    limit: Annotated[int | None, typer.Option(min=0, help="Most rows.")] = None,
    offset: Annotated[int, typer.Option(min=0, help="Rows that are left out in front.")] = 0,
    form: _Form,
) -> None:
    """Print the runs that fit a filter. Names: docs/ATLAS.md, or coconut atlas info."""
    from coconut_core.atlas.query import Table

    form.check()
    table = Table(atlas)
    names = [] if columns.strip() == "all" else table.language.split(columns)
    if form.parquet is not None:
        _write_parquet(form.parquet, table.arrow(where, order, limit, offset, names))
        return
    rows = table.rows(where, order, limit, offset, names)
    if form.as_json:
        say(json.dumps(rows, ensure_ascii=False))
    elif form.as_csv:
        _print_csv(rows)
    else:
        _print_table(rows)
    if limit is not None and len(rows) == limit:
        say(f"{len(rows)} of {table.count(where)} runs", err=True)


def _print_csv(rows: "Sequence[dict[str, Any]]") -> None:
    from coconut_core.atlas.query import flattened
    from coconut_core.common.csv_rows import rows_as_csv

    sys.stdout.write(rows_as_csv([*flattened(rows)]))


def _print_table(rows: "Sequence[dict[str, Any]]") -> None:
    from coconut_core.cli.atlas_report import print_table

    if not rows:
        say("no run fits", err=True)
        return
    print_table(list(rows[0]), (map(_text, row.values()) for row in rows))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list):
        return " ".join(
            "/".join(map(str, entry)) if isinstance(entry, list) else _text(entry) for entry in value
        )
    return "–" if value is None else str(value)


def _write_parquet(path: Path, table: "pyarrow.Table") -> None:
    import pyarrow.parquet

    from coconut_core.common.whole_files import file_written_aside, refusals_as_errors

    with refusals_as_errors(f"write {path}"), file_written_aside(path) as aside:
        pyarrow.parquet.write_table(table, aside)
    say(f"wrote {table.num_rows} runs to {path}", err=True)


@app.command("info")
def info_command(
    atlas: Folder,
    where: Annotated[str, typer.Argument(metavar="FILTER", help="Sum up only the runs that fit.")] = "",
    check: Annotated[
        bool, typer.Option("--check", help="Read every part, and compare it with what was written.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """What an atlas holds: the model, the problems, the runs in a few figures, and its columns."""
    from coconut_core.atlas import Atlas
    from coconut_core.atlas.folder import check_hashes
    from coconut_core.cli.atlas_report import as_record, print_report

    opened = Atlas.open(atlas)
    if check:
        check_hashes(opened.path, opened.manifest)
        say("every part is as it was written", err=True)
    summary = opened.summary(where)
    if as_json:
        say(json.dumps(as_record(opened, summary), ensure_ascii=False))
    else:
        print_report(opened, summary, where)


@app.command("nearest")
def nearest_command(
    atlas: Folder,
    run: Annotated[int, typer.Argument(help="Number of a run, from 0.", min=0)],
    thought: Annotated[int, typer.Argument(help="Number of one of its thoughts, from 1.", min=1)],
    count: Annotated[int, typer.Option(help="How many.", min=1)] = 10,
    where: Annotated[str, typer.Option(help="Only among the runs that fit.", metavar="FILTER")] = "",
    as_json: options.Json = False,
) -> None:
    """The thoughts of the data set that are most like one, by cosine."""
    from coconut_core.atlas import Atlas

    opened = Atlas.open(atlas)
    found = opened.nearest(run, thought, count, where)
    runs = ", ".join(str(number) for number in {near.run for near in found}) or "-1"
    known = {
        row["run"]: row for row in opened.rows(f"run in ({runs})", columns=["run", "right", "hops", "token"])
    }
    rows = [
        {"run": near.run, "thought": near.thought, "cosine": round(near.cosine, 6)}
        | {"token": known[near.run]["token"][near.thought - 1]}
        | {name: known[near.run][name] for name in ("hops", "right")}
        for near in found
    ]
    if as_json:
        say(json.dumps(rows, ensure_ascii=False))
    else:
        _print_table(rows)
