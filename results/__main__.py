"""make results: train every method, evaluate it, and write its part of docs/RESULTS.md."""

from typing import Annotated

import typer

from coconut_core.cli.guard import run_guarded
from coconut_core.errors import CoconutError
from results.report import write_report
from results.runs import ROWS, SEEDS, do_all, parts

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def results(
    rows: Annotated[list[str] | None, typer.Option("--row", help="Only these; all by default.")] = None,
    seeds: Annotated[
        list[int] | None, typer.Option("--seed", help="Only these; 1, 2 and 3 by default.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Runs at a time, a thread each.")] = 2,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Write the report, train nothing.")
    ] = False,
) -> None:
    """Hours on a laptop. Stop it whenever you like: run again, it goes on; what is done is not done again."""
    unknown = [row for row in rows or [] if row not in ROWS]
    if unknown:
        raise CoconutError(f"unknown row '{unknown[0]}': known are {', '.join(ROWS)}")
    if not report_only:
        do_all(parts(rows or ROWS, seeds or SEEDS), workers)
    write_report(ROWS, SEEDS)


run_guarded(app)
