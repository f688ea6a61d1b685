"""A measured grid as a figure, as JSON, and as rows of a CSV file."""

from collections.abc import Sequence
from math import isfinite, nan
from typing import Any

from coconut_core.common.csv_rows import rows_as_csv
from coconut_core.common.plots import Figure, draw_grid
from coconut_core.grid.measuring import Cell, Grid, MeanCell, MeanGrid

RIGHT_MARK, WRONG_MARK = "✓", "✗"  # of an answer that has become that
Measured = Grid | MeanGrid


def flip_mark(flip: bool | None) -> str:
    """The sign of an answer that has become right or wrong; empty for none."""
    return "" if flip is None else RIGHT_MARK if flip else WRONG_MARK


def shift_of(cell: Cell | MeanCell) -> float:
    """The change in nats; NaN where it is not known."""
    if isinstance(cell, MeanCell):
        return cell.shift.mean
    return nan if cell.shift is None else cell.shift


def mark_of(cell: Cell | MeanCell) -> str:
    """What is said of flips beside the change: a sign, or how many answers became wrong and right."""
    if isinstance(cell, Cell):
        return flip_mark(cell.flip)
    counts = ((cell.lost, WRONG_MARK), (cell.won, RIGHT_MARK))
    return " ".join(f"{count}{mark}" for count, mark in counts if count)


def grid_figure(grid: Measured, title: str = "") -> Figure:
    """The grid shaded from red (towards the wrong answer) to blue, with its numbers and flips."""
    layout = grid.layout
    shifts = [[nan] * len(layout.columns) for _ in layout.rows]
    marks = [[""] * len(layout.columns) for _ in layout.rows]
    for (row, column), cell in grid.cells.items():
        shifts[row][column] = shift_of(cell)
        marks[row][column] = mark_of(cell)
    return draw_grid(
        shifts,
        layout.rows,
        layout.columns,
        title or layout.title,
        layout.column_title,
        layout.row_title,
        signed=True,
        marks=marks,
    )


def grid_rows(grid: Measured) -> list[dict[str, Any]]:
    """A flat row for each cell, as a CSV file and pandas have them. Numbers that are not known are None."""
    return [
        {
            layout.row_title: layout.rows[row],
            layout.column_title: layout.columns[column],
            "intervention": layout.texts[row, column],
            **_entries(cell),
        }
        for layout in [grid.layout]
        for (row, column), cell in grid.cells.items()
    ]


def grid_csv(grid: Measured) -> str:
    """A CSV file with a row for each cell."""
    return rows_as_csv(grid_rows(grid))


def grid_record(grid: Measured, about: dict[str, Any]) -> dict[str, Any]:
    """The grid as JSON; about says what was measured."""
    layout = grid.layout
    own: dict[str, Any]
    if isinstance(grid, MeanGrid):
        own = {"difference": grid.difference.to_json(), "count": grid.count, "left_out": grid.left_out}
    else:
        own = {
            "question": grid.question,
            "own": _entries(grid.own),
            "words": list(grid.words),
            "behind": grid.behind,
            "judged": grid.judged,
            "notes": list(grid.notes),
        }
    axes = {"rows": list(layout.rows), "columns": list(layout.columns)}
    return {**about, "kind": str(layout.kind), **axes, **own, "cells": grid_rows(grid)}


def _entries(cell: Cell | MeanCell) -> dict[str, Any]:
    if isinstance(cell, Cell):
        return dict(vars(cell))
    shift = cell.shift.to_json()
    return {"shift": shift["mean"], "low": shift["low"], "high": shift["high"], "n": shift["n"]} | {
        "lost": cell.lost,
        "won": cell.won,
        "errors": cell.errors,
    }


def largest(shifts: Sequence[float]) -> float:
    """The largest change, to either side; 0 where none is known."""
    return max((abs(shift) for shift in shifts if isfinite(shift)), default=0.0)
