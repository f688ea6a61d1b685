"""The table of an atlas through DuckDB, which reads the columns that are asked for, as they are needed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coconut_core.atlas.columns import names_of
from coconut_core.atlas.filters import FilterError, Language
from coconut_core.atlas.folder import RUNS, Manifest, check_parts, file_names, read_manifest
from coconut_core.common.errors import CoconutError, one_line
from coconut_core.common.paths import user_path

if TYPE_CHECKING:
    import duckdb
    import pyarrow

CLOSED: dict[
    str, str | bool | int | float | list[str]
] = {  # settings of DuckDB's: nothing is fetched, no variable of Python's is a table
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}


class Table:
    """The runs of an atlas as a table that can be asked and not changed: a filter reaches no other file.

    Raises CoconutError for a folder that is no atlas, is damaged, or of a newer format, and FilterError for
    what was typed wrongly.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = user_path(path)
        self.manifest: Manifest = read_manifest(self.path)
        if not self.manifest.rows:
            raise CoconutError(f"{path} holds no runs yet: go on building it with coconut atlas build")
        check_parts(self.path, self.manifest)
        self.names = names_of(graphs=self.manifest.graphs > 0)
        self.language = Language(self.names)

    def __len__(self) -> int:
        return self.manifest.rows

    @cached_property
    def _connection(self) -> "duckdb.DuckDBPyConnection":
        import duckdb

        files = [
            str((self.path / file_names(number)[0]).resolve()) for number in range(len(self.manifest.parts))
        ]
        listed = ", ".join("'{}'".format(file.replace("'", "''")) for file in files)
        connection = duckdb.connect(":memory:", config=CLOSED)
        try:
            connection.execute(f"CREATE VIEW runs AS SELECT * FROM read_parquet([{listed}])")
            connection.execute(f"SET allowed_paths=[{listed}]")
            connection.execute("SET enable_external_access=false")
            connection.execute("SET lock_configuration=true")
        except duckdb.Error as error:
            raise self._damage(error) from error
        return connection

    def rows(
        self,
        where: str = "",
        order: str = "",
        limit: int | None = None,
        offset: int = 0,
        columns: Sequence[str] = (),
    ) -> list[dict[str, Any]]:
        """Runs as dicts by column; columns: names, or what else a filter can say, all where there are none."""
        names, found = self._fetch(self._query(where, order, limit, offset, columns), where)
        return [dict(zip(names, map(_plain, row), strict=True)) for row in found]

    def arrow(
        self,
        where: str = "",
        order: str = "",
        limit: int | None = None,
        offset: int = 0,
        columns: Sequence[str] = (),
    ) -> "pyarrow.Table":
        """The same as a table of pyarrow."""
        query = self._query(where, order, limit, offset, columns)
        with self._refusals(where):
            return self._connection.cursor().sql(query).to_arrow_table()

    def count(self, where: str = "") -> int:
        """How many runs fit a filter."""
        return int(self.ask("SELECT count(*)", where)[0][0])

    def ask(self, select: str, where: str = "", behind: str = "") -> list[tuple[Any, ...]]:
        """Rows of SQL of our own over the runs that fit a filter."""
        condition = self._checked(where)
        return self._fetch(f"{select} FROM runs WHERE {condition} {behind}", where)[1]

    # -- inside ----------------------------------------------------------------------------------------------

    def _query(self, where: str, order: str, limit: int | None, offset: int, columns: Sequence[str]) -> str:
        condition = self._checked(where)
        selected = "*"
        if columns:
            pairs = self.language.columns(columns)
            for text, sql in pairs:
                self._try(f"SELECT {sql} FROM runs", text)
            selected = ", ".join('{} AS "{}"'.format(sql, text.replace('"', '""')) for text, sql in pairs)
        ordered = self.language.orders(order)
        self._try(f"SELECT run FROM runs ORDER BY {ordered}", order)
        cut = f"LIMIT {int(limit)}" if limit is not None else ""
        return f"SELECT {selected} FROM runs WHERE {condition} ORDER BY {ordered} {cut} OFFSET {int(offset)}"

    def _checked(self, where: str) -> str:
        """A filter as SQL. Raises FilterError where it is none."""
        condition = f"({self.language.condition(where)})"
        if self._try(f"SELECT {condition} FROM runs", where) not in ("BOOLEAN", '"NULL"'):
            raise FilterError(f"'{where.strip()}' is no filter: it is not true or false of a run")
        return condition

    def _try(self, sql: str, text: str) -> str:
        """Let DuckDB understand what was typed, without reading a row; the type of the first column."""
        with self._refusals(text):
            return str(self._connection.cursor().execute(f"{sql} LIMIT 0").description[0][1])

    def _fetch(self, sql: str, text: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """The names of the columns and all rows; text is what was typed of it."""
        with self._refusals(text):
            cursor = self._connection.cursor().execute(sql)
            return [entry[0] for entry in cursor.description], cursor.fetchall()

    @contextmanager
    def _refusals(self, text: str) -> Iterator[None]:
        """Raise what DuckDB says as an error of the files, or of what was typed."""
        import duckdb

        try:
            yield
        except duckdb.Error as error:
            if _is_damage(error):
                raise self._damage(error) from error
            raise self.language.explain(text, error) from error

    def _damage(self, error: Exception) -> CoconutError:
        return CoconutError(f"{self.path} is damaged: {one_line(error)}; build the atlas again")


def _is_damage(error: "duckdb.Error") -> bool:
    """Whether an error is one of the files, and not of what was typed."""
    import duckdb

    kinds = duckdb.IOException, duckdb.InternalException, duckdb.FatalException, duckdb.SerializationException
    in_file = isinstance(error, duckdb.InvalidInputException) and f"{RUNS}/part-" in str(error)
    return type(error) is duckdb.Error or isinstance(error, kinds) or in_file


def _plain(value: Any) -> Any:
    """A value without the digits that 32 bits do not hold."""
    if isinstance(value, float):
        return float(f"{value:.7g}")
    return [_plain(entry) for entry in value] if isinstance(value, list) else value


def flattened(rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows without lists, as CSV has them: frontier(1), frontier(2), … and of lists in lists a text."""
    for row in rows:
        flat: dict[str, Any] = {}
        for name, value in row.items():
            if not isinstance(value, list):
                flat[name] = value
                continue
            for place, entry in enumerate(value, start=1):
                flat[f"{name}({place})"] = " ".join(map(str, entry)) if isinstance(entry, list) else entry
        yield flat
