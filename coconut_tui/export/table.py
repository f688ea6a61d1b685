"""The steps of runs as one table, a row each: CSV, and Parquet for pandas, DuckDB and the like."""

import io
from collections.abc import Sequence
from math import isfinite, nan
from typing import Any

from coconut_core.common.csv_rows import rows_as_csv
from coconut_core.common.parquet import parquet_table
from coconut_core.records.trace import StepRecord, Trace
from coconut_tui.export.tree import Chapter, TracedTree

TOKENS = 5  # likeliest tokens of a step
# Names and types, as Arrow calls them.
COLUMNS: dict[str, str] = {
    "finding": "string",  # its title; empty where there is none
    "branch": "string",
    "step": "int32",  # from 0
    "kind": "string",  # thought, marker or token
    "segment": "int32",  # latent segment, from 0
    "thought": "int32",  # its number in the segment, from 1; empty for other steps
    "fed": "string",  # the token that was fed; empty for a thought
    "edit": "string",  # what was done at a thought
    "entropy": "float64",  # of the readout, nats
    "norm": "float64",  # of the vector
    "cosine": "float64",  # to the thought before
    **{
        f"{name}_{rank}": kind
        for rank in range(1, TOKENS + 1)
        for name, kind in (("token", "string"), ("p", "float64"))
    },
    # Probability on parts of the problem's graph, see coconut_core.records.graph_reading.GraphMass.
    "frontier": "float64",
    "reachable": "float64",
    "optimal": "float64",
    "target": "float64",
    "wrong_candidate": "float64",
}


def csv_text(tree: TracedTree) -> str:
    """The steps of a tree as CSV."""
    return steps_csv([Chapter(tree)])


def parquet_bytes(tree: TracedTree) -> bytes:
    """The steps of a tree as a Parquet file."""
    return steps_parquet([Chapter(tree)])


def steps_csv(chapters: Sequence[Chapter]) -> str:
    """The steps of several trees as CSV; what is not known, or no number, is empty."""
    return rows_as_csv(rows_of(chapters), [*COLUMNS])


def steps_parquet(chapters: Sequence[Chapter]) -> bytes:
    """The steps of several trees as a Parquet file."""
    from pyarrow.parquet import write_table

    out = io.BytesIO()
    write_table(parquet_table(rows_of(chapters), COLUMNS), out)
    return out.getvalue()


def rows_of(chapters: Sequence[Chapter]) -> list[dict[str, Any]]:
    """The rows, None where something is not known or no number."""
    return [
        {"finding": chapter.title, "branch": run.name, **_row(run.trace, number, step)}
        for chapter in chapters
        for run in chapter.tree.runs
        for number, step in enumerate(run.trace.steps)
    ]


def _row(trace: Trace, number: int, step: StepRecord) -> dict[str, Any]:
    mass = trace.mass(step)
    likeliest: dict[str, Any] = {}
    for rank in range(TOKENS):
        item = step.top[rank] if rank < len(step.top) else None
        likeliest[f"token_{rank + 1}"] = None if item is None else item.name
        likeliest[f"p_{rank + 1}"] = None if item is None else _number(item.probability)
    return {
        "step": number,
        "kind": step.kind,
        "segment": step.segment,
        "thought": step.index if step.kind == "thought" else None,
        "fed": step.name,
        "edit": step.edit,
        "entropy": _number(step.entropy),
        "norm": _number(step.norm),
        "cosine": _number(nan if step.cosine is None else step.cosine),
        **likeliest,
        **{
            name: None if mass is None else _number(getattr(mass, name.removesuffix("_candidate")))
            for name in ("frontier", "reachable", "optimal", "target", "wrong_candidate")
        },
    }


def _number(value: float) -> float | None:
    return value if isfinite(value) else None
