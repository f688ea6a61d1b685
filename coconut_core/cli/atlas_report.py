"""What coconut atlas info tells: of the manifest, of the runs, of the columns."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from coconut_core.terminal.guard import say

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from coconut_core.atlas import Atlas, Heat, Summary
    from coconut_core.evaluation.significance import Share


def as_record(atlas: "Atlas", summary: "Summary") -> dict[str, Any]:
    """All of it as plain JSON data."""
    from coconut_core.atlas.columns import ALIASES, COLUMNS

    manifest = {name: value for name, value in atlas.manifest.to_json().items() if name != "parts"}
    columns = [
        {"name": column.name, "type": column.type, "about": column.about}
        for column in COLUMNS.values()
        if column.name in atlas.names
    ]
    return {
        **manifest,
        "complete": atlas.manifest.complete,
        "summary": summary.to_json(),
        "columns": columns,
        "names_of_filters": list(ALIASES),
    }


def print_report(atlas: "Atlas", summary: "Summary", where: str) -> None:
    """The same for a reader."""
    manifest = atlas.manifest
    there = f"{manifest.rows}" if manifest.complete else f"{manifest.rows} of {manifest.planned}, not complete"
    lines = [
        ("model", f"{manifest.model.source}, weights {manifest.model.weights[:12] or 'not known'}"),
        *(("data", f"{mark.source or 'problems'} ({mark.count} problems)") for mark in manifest.data),
        ("runs", there),
        ("settings", ", ".join(f"{name} {_word(value)}" for name, value in asdict(manifest.settings).items())),
    ]
    for name, text in lines:
        say(f"{name:<10}{text}")
    say(f"\nof {summary.count} runs" + (f" with {where.strip()}" if where.strip() else ""))
    say(f"right     {_share(summary.right)}")
    for hops, share in summary.by_hops.items():
        say(f"  {'hops –' if hops is None else f'hops {hops}':<8}{_share(share)}")
    say(f"used      {_share(summary.used)}")
    _heat("mean " + summary.heat.column + ", by hops of the problem", summary.heat)
    if summary.search is not None:
        _heat("mean share of the readout, by hops from the root", summary.search)
    _print("likeliest tokens", ["thought", "token (runs)"], _token_rows(summary))
    _print("columns", ["name", "type", "meaning"], _column_rows(atlas))


def _heat(title: str, heat: "Heat") -> None:
    places = range(1, 1 + max((len(row) for row in heat.means), default=0))
    rows = [
        ["–" if hops is None else str(hops), *("–" if mean is None else f"{mean:.2f}" for mean in means)]
        for hops, means in zip(heat.rows, heat.means, strict=True)
    ]
    _print(title, ["hops", *(f"thought {place}" for place in places)], rows)


def _token_rows(summary: "Summary") -> "Iterable[list[str]]":
    for place, tokens in enumerate(summary.tokens, start=1):
        yield [str(place), "  ".join(f"{token} ({runs})" for token, runs in tokens)]


def _column_rows(atlas: "Atlas") -> "Iterable[list[str]]":
    from coconut_core.atlas.columns import COLUMNS

    for column in COLUMNS.values():
        if column.name in atlas.names:
            yield [column.name, column.type, column.about]


def _print(title: str, head: "Sequence[str]", rows: "Iterable[Iterable[str]]") -> None:
    from rich.console import Console

    from coconut_core.terminal.show import cell

    console = Console()
    console.print()
    console.print(cell(title, "bold"))
    print_table(head, rows)


def print_table(head: "Sequence[str]", rows: "Iterable[Iterable[str]]") -> None:
    """A table without lines on stdout."""
    from rich.console import Console
    from rich.table import Table

    from coconut_core.terminal.show import cell

    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in head:
        table.add_column(name)
    for row in rows:
        table.add_row(*map(cell, row))
    Console().print(table)


def _share(share: "Share | None") -> str:
    if share is None:
        return "not known"
    low, high = share.interval
    return f"{100 * share.accuracy:.1f} % ({100 * low:.1f} to {100 * high:.1f}), n={share.count}"


def _word(value: Any) -> str:
    return "by default" if value is None else str(value)
