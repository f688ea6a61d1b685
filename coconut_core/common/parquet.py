"""Rows as a Parquet file. pyarrow is imported where one is written."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coconut_core.common.errors import CoconutError
from coconut_core.common.whole_files import file_written_aside

if TYPE_CHECKING:
    import pyarrow


def write_parquet(path: str | Path, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
    """Write rows; columns as in parquet_table. Raises CoconutError where the file cannot be written."""
    from pyarrow.parquet import write_table

    table = parquet_table(rows, columns)
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with file_written_aside(Path(path)) as aside:
            write_table(table, aside)
    except OSError as error:
        raise CoconutError(f"cannot write {path}: {error.strerror or error}") from error


def parquet_table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> "pyarrow.Table":
    """Rows, of which each has these columns; their types go by pyarrow's names ("int64", "string", …)."""
    import pyarrow

    schema = pyarrow.schema([(name, pyarrow.type_for_alias(kind)) for name, kind in columns.items()])
    return pyarrow.Table.from_pylist(rows, schema=schema)
