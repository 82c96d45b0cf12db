"""Tables, views and queries of `athena/` in an in-memory DuckDB over a local copy of the archive."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Self

import duckdb
from sqlglot import exp

from stockstream.errors import InputError
from stockstream.lake.archive import LocalArchive
from stockstream.lake.definitions import AthenaFiles, TableDefinition
from stockstream.lake.dialect import DUCKDB, bound, parse_statements, title_of, to_duckdb
from stockstream_wire import parse_timestamp

_RAW: Final = "stock_data_table"
_BY_DAY: Final = "stock_data_by_day"
_PARQUET: Final = "quotes"
# Where a range has no beginning or no end; date arithmetic must stay within what a date can be.
_FIRST_DAY: Final = "1900-01-01"
_LAST_DAY: Final = "9999-12-01"
_DAY_FOLDER: Final = r"dt=(\d{4}-\d{2}-\d{2})"


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The answer to one statement.

    Attributes:
        columns: Names of the columns.
        rows: Values as Python objects: Decimal, int, float, str, bool, date, datetime (UTC, naive as in Athena), None.
        duckdb_sql: What ran.
        title: The comment before the statement.
    """

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    duckdb_sql: str
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Only:
    """What of the archive the tables show.

    Attributes:
        symbols: These; none: all.
        start: Quotes from this event time on, in the wire's form; empty: from the first.
        end: Quotes before this one; empty: to the last.
    """

    symbols: tuple[str, ...] = ()
    start: str = ""
    end: str = ""

    def condition(self) -> str:
        """As SQL; empty where it is everything."""
        listed = ", ".join(f"'{_quoted(symbol)}'" for symbol in self.symbols)
        parts = [f"symbol IN ({listed})"] if listed else []
        parts += [f"\"timestamp\" >= '{_quoted(self.start)}'"] if self.start else []
        parts += [f"\"timestamp\" < '{_quoted(self.end)}'"] if self.end else []
        return " AND ".join(parts)

    def parameters(self) -> dict[str, str]:
        """Values of a query's marks: the symbol, where it is one, and the days that hold the range."""
        last = parse_timestamp(self.end) - timedelta(milliseconds=1) if self.end else None
        values = {"from": self.start[:10] or _FIRST_DAY, "to": last.date().isoformat() if last else _LAST_DAY}
        return values | ({"symbol": self.symbols[0]} if len(self.symbols) == 1 else {})


class Lake:
    """Athena's database on this machine. A context manager; nothing is written anywhere.

    `quotes`, which Firehose fills on AWS, reads Parquet where the archive has it and else presents the raw quotes under
    the folders that their event time gives: no emulator of ours runs Firehose's conversion.

    Args:
        archive: The objects to read.
        files: The definitions.
        only: What of the objects the tables show.

    Raises:
        InputError: a definition is not usable.
    """

    def __init__(self, archive: LocalArchive, files: AthenaFiles, only: Only | None = None) -> None:
        self._archive = archive
        self._files = files
        self._only = only or Only()
        self._schema: dict[str, dict[str, str]] = {}
        self._connection = duckdb.connect(":memory:")
        with _told():
            self._create_tables()
            self._create_views()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._connection.close()

    def run(self, sql: str, *, limit: int | None = None) -> Iterator[QueryResult]:
        """Run every statement of Athena SQL in turn.

        Args:
            sql: The statements.
            limit: Rows of each answer at most.

        Raises:
            InputError: it does not parse, names what is not there, is no query, or fails as it runs.
        """
        for statement in parse_statements(sql):
            title = title_of(statement)
            translated = to_duckdb(bound(statement, self._only.parameters()), self._schema)
            if limit is not None:
                translated = f"SELECT * FROM (\n{translated}\n) LIMIT {limit}"  # noqa: S608 - a query of the user's
            with _told():
                cursor = self._connection.execute(translated)
                columns = tuple(entry[0] for entry in cursor.description or ())
                yield QueryResult(columns, cursor.fetchall(), translated, title)

    def write_parquet(self, result: QueryResult, path: Path) -> None:
        """Write an answer of `run` as Parquet, columns with their types.

        Raises:
            InputError: the file cannot be written.
        """
        with _told():
            self._connection.execute(f"COPY ({result.duckdb_sql}) TO '{_quoted(str(path))}' (FORMAT parquet)")

    def _create_tables(self) -> None:
        self._register_table(_RAW, self._raw_sql(self._files.table(_RAW)))
        self._register_table(_BY_DAY, self._by_day_sql(self._files.table(_BY_DAY)))
        parquet = self._files.table(_PARQUET)
        if self._archive.has(self._archive.parquet_glob):
            self._register_table(_PARQUET, self._parquet_sql(parquet))
        else:
            by_event = self._with_partitions(parquet, 'substr("timestamp", 1, 10)', 'substr("timestamp", 12, 2)')
            self._register_table(_PARQUET, by_event)

    def _create_views(self) -> None:
        waiting = {name: _view_query(name, sql) for name, sql in self._files.views().items()}
        while waiting:
            ready = [name for name, query in waiting.items() if _tables(query) <= self._schema.keys()]
            if not ready:
                missing = {name: sorted(_tables(query) - self._schema.keys()) for name, query in waiting.items()}
                raise InputError(f"views that read what is not there: {missing}")
            for name in ready:
                self._register(name, to_duckdb(waiting.pop(name), self._schema))

    def _register_table(self, name: str, select: str) -> None:
        condition = self._only.condition()
        self._register(name, f"SELECT * FROM ({select}) WHERE {condition}" if condition else select)  # noqa: S608

    def _register(self, name: str, select: str) -> None:
        self._connection.execute(f'CREATE VIEW "{name}" AS {select}')
        described = self._connection.execute(f'DESCRIBE "{name}"').fetchall()
        self._schema[name] = {row[0]: row[1] for row in described}

    def _raw_sql(self, table: TableDefinition) -> str:
        return self._json_sql(table, self._archive.json_glob)

    def _by_day_sql(self, table: TableDefinition) -> str:
        """The folder's name again, as a column; as on AWS, objects outside `raw/dt=DAY/` are not of this table."""
        folder = f"regexp_extract(filename, '/raw/{_DAY_FOLDER}/', 1)"
        (partition,) = table.partitions
        select = self._json_sql(table, self._archive.day_glob, f'{folder} AS "{partition.name}"')
        return f"SELECT * FROM ({select}) WHERE \"{partition.name}\" <> ''"  # noqa: S608 - of our own definitions

    def _json_sql(self, table: TableDefinition, glob: str, more: str = "") -> str:
        if not self._archive.has(glob):
            return _empty(table)
        # Read as text and cast: a number that its column cannot hold is null, as with Athena's SerDe, and no error.
        texts = ", ".join(f"'{column.name}': 'VARCHAR'" for column in table.columns)
        columns = ", ".join(
            f'TRY_CAST("{column.name}" AS {column.type}) AS "{column.name}"' for column in table.columns
        )
        extra = f", {more}" if more else ""
        return (
            f"SELECT {columns}{extra} FROM read_json('{_quoted(glob)}', columns={{{texts}}}, "  # noqa: S608
            "format='newline_delimited', compression='gzip', hive_partitioning=false, filename=true)"
        )

    def _with_partitions(self, table: TableDefinition, *values: str) -> str:
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        partitions = ", ".join(
            f'{value} AS "{column.name}"' for column, value in zip(table.partitions, values, strict=True)
        )
        return f'SELECT {columns}, {partitions} FROM "{_RAW}"'  # noqa: S608 - names of our own definitions

    def _parquet_sql(self, table: TableDefinition) -> str:
        columns = ", ".join(f'"{column.name}"::{column.type} AS "{column.name}"' for column in table.columns)
        partitions = ", ".join(f'"{column.name}"' for column in table.partitions)
        types = ", ".join(f"'{column.name}': {column.type}" for column in table.partitions)
        return (
            f"SELECT {columns}, {partitions} FROM read_parquet('{_quoted(self._archive.parquet_glob)}', "  # noqa: S608
            f"hive_partitioning=true, hive_types={{{types}}})"
        )


def _empty(table: TableDefinition) -> str:
    names = (*table.columns, *table.partitions)
    columns = ", ".join(f'CAST(NULL AS {column.type}) AS "{column.name}"' for column in names)
    return f"SELECT {columns} WHERE false"


def _view_query(name: str, sql: str) -> exp.Expr:
    statements = parse_statements(sql)
    create = statements[0]
    if len(statements) != 1 or not isinstance(create, exp.Create) or create.kind != "VIEW":
        raise InputError(f"views/{name}.sql must hold one CREATE OR REPLACE VIEW")
    if create.this.name != name:
        raise InputError(f"views/{name}.sql makes a view called {create.this.name}")
    query: exp.Expr = create.expression
    return query


def _tables(query: exp.Expr) -> set[str]:
    own = {cte.alias for cte in query.find_all(exp.CTE)}
    return {table.name for table in query.find_all(exp.Table)} - own


def _quoted(path: str) -> str:
    return path.replace("'", "''")


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except duckdb.Error as exc:
        raise InputError(f"{DUCKDB}: {exc}") from exc
