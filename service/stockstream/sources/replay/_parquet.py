"""Parquet as rows of text, read by DuckDB in bounded memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from stockstream.errors import InputError
from stockstream.sources.replay._lines import ByteFile
from stockstream.sources.replay._readers import Row
from stockstream.sources.replay._rows import OPTIONAL_COLUMNS, REQUIRED_COLUMNS, check_columns

try:
    import duckdb
except ImportError:
    duckdb = None  # type: ignore[assignment,unused-ignore]

_ROWS_PER_FETCH: Final = 2048
_MEMORY_LIMIT: Final = "256MB"
_TIME_COLUMNS: Final = ("timestamp", "polled_at")
_TIME_WITH_ZONE: Final = "TIMESTAMP WITH TIME ZONE"


class ParquetReader:
    """A Parquet file; the number of a row counts from 1.

    DECIMAL columns are exact. A DOUBLE or FLOAT column has lost the text it came from: its values become the shortest
    decimal that reads back as the same binary number (what `repr` prints), so 646.2 and not 646.2000000000000455.

    Raises:
        InputError: duckdb is not installed, the file is not Parquet, or its times have no zone.
    """

    def __init__(self, path: Path) -> None:
        if duckdb is None:
            raise InputError(f"{path}: reading Parquet needs duckdb. Remedy: pip install 'stockstream[local]'")
        if any(character in str(path) for character in "*?["):
            raise InputError(f"{path}: a Parquet file's path must not hold * ? or [. Rename it")
        ByteFile(path).close()
        self._connection = duckdb.connect(config={"memory_limit": _MEMORY_LIMIT, "threads": "1"})
        try:
            self._query = self._plan(path)
            self._path = path
        except BaseException:
            self._connection.close()
            raise

    def _plan(self, path: Path) -> str:
        try:
            described = self._connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
        except duckdb.Error as exc:
            raise InputError(f"{path}: is not a Parquet file that DuckDB reads: {str(exc).splitlines()[0]}") from exc
        types = {str(name).lower(): (str(name), str(kind)) for name, kind, *_ in described}
        check_columns(str(path), list(types))
        self.columns: list[str] = [name for name in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS) if name in types]
        expressions = []
        for name in self.columns:
            spelled, kind = types[name]
            quoted = '"' + spelled.replace('"', '""') + '"'
            if name in _TIME_COLUMNS and kind == _TIME_WITH_ZONE:
                expressions.append(f"strftime(epoch_ms(epoch_ms({quoted})), '%Y-%m-%dT%H:%M:%S.%gZ')")
            elif name in _TIME_COLUMNS and kind != "VARCHAR":
                raise InputError(
                    f"{path}: timestamp_naive: column {name} is {kind}, without a zone. "
                    f"Write it as TIMESTAMP WITH TIME ZONE or as ISO 8601 text"
                )
            else:
                expressions.append(f"CAST({quoted} AS VARCHAR)")
        # Identifiers are quoted above and the path is a parameter.
        return f"SELECT {', '.join(expressions)} FROM read_parquet(?)"  # noqa: S608

    def rows(self) -> Iterator[Row]:
        try:
            result = self._connection.execute(self._query, [str(self._path)])
            number = 0
            while batch := result.fetchmany(_ROWS_PER_FETCH):
                for values in batch:
                    number += 1
                    yield number, ["" if value is None else value for value in values]
        except duckdb.Error as exc:
            raise InputError(f"{self._path}: cannot be read on: {str(exc).splitlines()[0]}") from exc

    def close(self) -> None:
        self._connection.close()
