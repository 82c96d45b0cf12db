"""Parquet as rows of text, read by DuckDB in bounded memory."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from stockstream.errors import InputError
from stockstream.sources.replay._columns import OPTIONAL_COLUMNS, REQUIRED_COLUMNS, TIME_OF_DAY, name_columns
from stockstream.sources.replay._lines import ByteFile
from stockstream.sources.replay._row_reader import Row

try:
    import duckdb
except ImportError:
    duckdb = None  # type: ignore[assignment,unused-ignore]

_ROWS_PER_FETCH: Final = 2048
_MEMORY_LIMIT: Final = "256MB"
_TIME_WITH_ZONE: Final = "TIMESTAMP WITH TIME ZONE"


class ParquetReader:
    """A Parquet file; the number of a row counts from 1.

    DECIMAL columns are exact. A DOUBLE or FLOAT column has lost the text it came from: its values become the shortest
    decimal that reads back as the same binary number (what `repr` prints), so 646.2 and not 646.2000000000000455.

    Raises:
        InputError: duckdb is not installed, or the file is not Parquet.
    """

    separator = ","

    def __init__(self, path: Path, chosen: Mapping[str, str]) -> None:
        if duckdb is None:
            raise InputError(f"{path}: reading Parquet needs duckdb. Remedy: pip install 'stockstream[local]'")
        if any(character in str(path) for character in "*?["):
            raise InputError(f"{path}: a Parquet file's path must not hold * ? or [. Rename it")
        ByteFile(path).close()
        self._connection = duckdb.connect(config={"memory_limit": _MEMORY_LIMIT, "threads": "1"})
        try:
            self._query = self._plan(path, chosen)
            self._path = path
        except BaseException:
            self._connection.close()
            raise

    def _plan(self, path: Path, chosen: Mapping[str, str]) -> str:
        try:
            described = self._connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
        except duckdb.Error as exc:
            raise InputError(f"{path}: is not a Parquet file that DuckDB reads: {str(exc).splitlines()[0]}") from exc
        found = [(str(name), str(kind)) for name, kind, *_ in described]
        named = name_columns(str(path), [name for name, _ in found], chosen)
        known = (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS, TIME_OF_DAY)
        self.columns: list[str] = []
        expressions = []
        for name, (spelled, kind) in zip(named, found, strict=True):
            if name not in known:
                continue
            self.columns.append(spelled)
            quoted = '"' + spelled.replace('"', '""') + '"'
            if kind == _TIME_WITH_ZONE:
                expressions.append(f"strftime(epoch_ms(epoch_ms({quoted})), '%Y-%m-%dT%H:%M:%S.%gZ')")
            else:
                # A time without a zone becomes text without an offset: the rows ask for --timezone.
                expressions.append(f"CAST({quoted} AS VARCHAR)")
        if not expressions:
            self.columns = [name for name, _ in found]  # `check_columns` says what is missing
            expressions = ["NULL"]
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
