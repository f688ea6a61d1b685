"""coconut plugins: what can be named here, and which package it comes from."""

import json
from typing import Any

import typer

from coconut_core.common.errors import CoconutError
from coconut_core.common.plugins import OWN_PACKAGE, Table, package_of, plugins_of
from coconut_core.terminal import options
from coconut_core.terminal.contributed import COMMANDS

TABLES_GROUP = "coconut.tables"  # of entry points: what other packages have tables of


def plugins(as_json: options.Json = False) -> None:
    """List feedback rules, formats, families, methods of training, views and commands, with their packages.

    Plugins are tried out: one that does not work is listed with the reason. See docs/EXTENDING.md.
    """
    tables = _tables()
    rows = [row for table in tables for row in _rows(table)]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    listing = RichTable(box=None, padding=(0, 2, 0, 0))
    for heading in ("what", "name", "package"):
        listing.add_column(heading, no_wrap=True)
    for row in rows:
        listing.add_row(*(Text(row[name]) for name in ("what", "name", "package")))
    Console().print(listing)
    for table in tables:
        for problem in table.problems():
            typer.echo(problem, err=True)


def _tables() -> list[Table[Any]]:
    """The tables of the engine, then those that other packages register, the explorer's among them."""
    from coconut_core.checkpoints.importers import TABLE as FORMATS
    from coconut_core.latent.feedback import TABLE as FEEDBACK
    from coconut_core.problems.families import TABLE as FAMILIES
    from coconut_core.training.methods.table import TABLE as METHODS

    own = {table.what: table for table in (FEEDBACK, FORMATS, FAMILIES, METHODS, COMMANDS)}
    return list(Table("table", TABLES_GROUP, Table, own).values().values())


def _rows(table: Table[Any]) -> list[dict[str, Any]]:
    """What is registered in a table, as plain data; `problem` says in a line why one does not work."""
    registered = [(name, OWN_PACKAGE) for name in table.built_in]
    registered += [(plugin.name, package_of(plugin)) for plugin in plugins_of(table.group)]
    rows = []
    for name, package in registered:
        try:
            table.get(name)
            problem = None
        except CoconutError as error:
            problem = str(error)
        rows.append({"what": table.what, "name": name, "package": package, "problem": problem})
    return rows
