"""make results: train every method, evaluate it, and write its part of docs/RESULTS.md."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from coconut_core.cli.train_seeds import read_seeds
from coconut_core.common.errors import CoconutError
from coconut_core.terminal.guard import run_guarded
from results.report import write_report
from results.runs import PROBLEMS, SEEDS, Plan, Row, do_all, seed_runs

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def results(
    rows: Annotated[
        list[str] | None,
        typer.Option(
            "--row", help="Only this method, as coconut, or one kind of labels, as coconut:last; again."
        ),
    ] = None,
    seeds: Annotated[str, typer.Option(help="Seeds, one after the other.")] = ",".join(map(str, SEEDS)),
    workers: Annotated[int, typer.Option(help="Runs at a time, a thread each.", min=1)] = 2,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Write the report, train nothing.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for runs, page and figures, in place of runs/results and docs."),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Lay a value over the recipe of all rows; needs --out.")
    ] = None,
    base_settings: Annotated[
        list[str] | None, typer.Option("--base-set", help="The same for the recipe of their base.")
    ] = None,
    problems: Annotated[int, typer.Option(help="Test problems; another number needs --out.", min=5)] = PROBLEMS,
) -> None:
    """Hours on a laptop. Stop it whenever you like: run again, it goes on; what is done is not done again."""
    plan = _plan(out, settings or [], base_settings or [], problems)
    named_rows, numbers = _rows_named(plan.rows, rows or []), read_seeds(seeds)
    if not report_only:
        do_all(plan, seed_runs(plan, named_rows, numbers), workers)
    arguments = shlex.join(sys.argv[1:])
    write_report(plan, f'make results ARGS="{arguments}"' if arguments else "make results")


def _plan(out: Path | None, settings: list[str], base_settings: list[str], problems: int) -> Plan:
    if out is None:
        if settings or base_settings or problems != PROBLEMS:
            raise CoconutError(
                "--set, --base-set and --problems give other figures than docs/RESULTS.md is about: "
                "name a folder for them, like --out runs/try"
            )
        return Plan()
    page = out / "RESULTS.md"
    return Plan(out, page, out / "images", problems, tuple(settings), tuple(base_settings))


def _rows_named(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    """The rows of these names, or all. Raises CoconutError for a name that none has."""
    for name in names:
        if not any(name in (row.name, row.method) for row in rows):
            raise CoconutError(f"unknown row '{name}': known are {', '.join(row.name for row in rows)}")
    return [row for row in rows if not names or row.name in names or row.method in names]


if __name__ == "__main__":
    run_guarded(app)
