"""Rows as CSV."""

import csv
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any


def rows_as_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> str:
    """The names of the columns, then a line for each row, with an empty cell where it has no value. Without
    columns they are those that some row has, in the order in which they come up."""
    text = StringIO()
    names = dict.fromkeys(name for row in rows for name in row) if columns is None else columns
    writer = csv.DictWriter(text, [*names], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
