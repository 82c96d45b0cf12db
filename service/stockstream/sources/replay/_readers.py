"""CSV and JSON Lines as rows of text: (line number, values), in the order of the file."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

import msgspec

from stockstream.errors import InputError
from stockstream.sources.replay._columns import (
    DISPENSABLE_COLUMNS,
    OPTIONAL_COLUMNS,
    REQUIRED_COLUMNS,
    TIME_OF_DAY,
    name_columns,
)
from stockstream.sources.replay._lines import LINE_MAX_BYTES, ByteFile
from stockstream.sources.replay._row_reader import Row, RowReader
from stockstream.sources.replay._values import RowError
from stockstream.sources.replay._yfinance_table import FIRST_CELLS, YfinanceTable

_PARQUET_SUFFIXES: Final = (".parquet", ".pq")
_JSONL_SUFFIXES: Final = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
_CSV_SUFFIXES: Final = (".csv", ".csv.gz")
_SEPARATORS: Final = (",", ";", "\t", "|")
_PARQUET_MAGIC: Final = b"PAR1"
_UTF8_BOM: Final = b"\xef\xbb\xbf"
# A key that none of this many first objects has is a missing column; one that only some lack is a broken line.
_JSONL_LINES_PROBED: Final = 100


def open_reader(path: Path, chosen: Mapping[str, str] | None = None) -> RowReader:
    """Open a replay file by its name, or by its content where the name does not say.

    Args:
        path: The file.
        chosen: Our name of a column to the file's, as the user gave them.

    Raises:
        InputError: unreadable, empty, of no known format, or Parquet without duckdb installed.
    """
    name = path.name.lower()
    if name.endswith(_PARQUET_SUFFIXES):
        return _open_parquet(path, chosen or {})
    file = ByteFile(path)
    try:
        head = file.read(LINE_MAX_BYTES).removeprefix(_UTF8_BOM).lstrip()
    finally:
        file.close()
    if head.startswith(_PARQUET_MAGIC):
        return _open_parquet(path, chosen or {})
    if name.endswith(_JSONL_SUFFIXES) or (head.startswith(b"{") and not name.endswith(_CSV_SUFFIXES)):
        return JsonLinesReader(path, chosen or {})
    if head.startswith(b"["):
        raise InputError(f"{path}: is a JSON array, not JSON Lines. Remedy: jq -c '.[]' {path.name} > quotes.jsonl")
    return CsvReader(path, chosen or {})


def _open_parquet(path: Path, chosen: Mapping[str, str]) -> RowReader:
    # Where it is wanted: duckdb costs a tenth of a second and 30 MB.
    from stockstream.sources.replay._parquet import ParquetReader  # noqa: PLC0415

    return ParquetReader(path, chosen)


class CsvReader:
    """CSV with a header line, by comma, semicolon, tab or bar.

    One physical line is one row, so that a stray quote spoils its own line only.
    """

    def __init__(self, path: Path, chosen: Mapping[str, str]) -> None:
        self._chosen = chosen
        self.separator = ","
        self._file = ByteFile(path)
        self._lines = self._file.lines()
        # Lines that were looked at, and are yet to be read as rows.
        self._ahead: list[tuple[int, bytes | None]] = []
        try:
            self.columns = self._header(path)
            self._table = self._yfinance_table(self.columns)
            if self._table is not None:
                self.columns = self._table.columns
        except BaseException:
            self._file.close()
            raise

    def _header(self, path: Path) -> list[str]:
        line = next((line for _, line in self._lines if line is None or line.strip()), b"")
        if not line:
            raise InputError(f"{path}: is empty" if line == b"" else f"{path}: the header line is too long")
        line = line.removeprefix(_UTF8_BOM)
        headers: dict[str, list[str]] = {}
        failed: list[RowError] = []
        for separator in _SEPARATORS:
            try:
                headers[separator] = split_csv(line, separator)
            except RowError as exc:  # where every name is quoted, by each separator but one
                failed.append(exc)
        if not headers:
            raise InputError(f"{path}: the header line cannot be read: {failed[0].detail}") from failed[0]
        # The separator that gives the most columns with a meaning; a comma where none does.
        self.separator = max(headers, key=lambda separator: self._known(path, headers[separator]))
        return headers[self.separator]

    def _yfinance_table(self, header: list[str]) -> YfinanceTable | None:
        """The table of two lines of header, and one that names the index; what is none of them stays to be read."""
        if header[0].strip().lower() not in FIRST_CELLS:
            return None
        ahead = list(islice(self._lines, 2))
        second, third = ([*(_cells(line, self.separator) for _, line in ahead), [], []])[:2]
        table = YfinanceTable.of(header, second)
        names_index = bool(third) and not any(third[1:])
        self._ahead = ahead if table is None else ahead[1 + names_index :]
        return replace(table, index=third[0]) if table is not None and names_index and third[0] else table

    def _known(self, path: Path, header: list[str]) -> int:
        try:
            named = name_columns(str(path), header, self._chosen)
        except InputError:  # a column that the user named is not there: said once the separator is known
            return 0
        return len({*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS}.intersection(named))

    def rows(self) -> Iterator[Row]:
        for number, line in chain(self._ahead, self._lines):
            if line is None:
                yield number, RowError("line_too_long", f"is longer than {LINE_MAX_BYTES} bytes")
            elif line and line != b"\r":
                try:
                    values = split_csv(line, self.separator)
                except RowError as exc:
                    yield number, exc
                    continue
                if self._table is None:
                    yield number, values
                else:
                    yield from ((number, row) for row in self._table.rows(values))

    def close(self) -> None:
        self._file.close()


def _cells(line: bytes | None, separator: str) -> list[str]:
    """The values of a line that may be a header; none where it cannot be read."""
    try:
        return split_csv(line or b"", separator)
    except RowError:
        return []


def split_csv(line: bytes, separator: str = ",") -> list[str]:
    """Split one line of CSV, quoted values included.

    Raises:
        RowError: not UTF-8, or a quote that does not close.
    """
    text = _text(line).rstrip("\r")
    if '"' not in text:
        return text.split(separator)
    try:
        return next(csv.reader([text], strict=True, delimiter=separator))
    except (csv.Error, StopIteration) as exc:
        raise RowError("line_malformed", f"is not CSV: {exc}") from exc


def _text(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise RowError("encoding_invalid", f"is not UTF-8: {exc.reason} at byte {exc.start}") from exc


_ABSENT: Final = msgspec.Raw(b"")


class JsonLinesReader:
    """One JSON object a line, such as our own archive holds; prices as JSON numbers or strings, both exact."""

    separator = ","

    def __init__(self, path: Path, chosen: Mapping[str, str]) -> None:
        self._file = ByteFile(path)
        self._lines = self._file.lines()
        self._probed: list[tuple[int, bytes | None]] = []
        try:
            self.columns, self._decoder = self._probe(path, chosen)
        except BaseException:
            self._file.close()
            raise

    def _probe(self, path: Path, chosen: Mapping[str, str]) -> tuple[list[str], msgspec.json.Decoder[Any]]:
        keys_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
        keys: dict[str, None] = {}
        objects = 0
        for number, line in self._lines:
            if number == 1 and line is not None:
                line = line.removeprefix(_UTF8_BOM)  # noqa: PLW2901
            if line is not None and not line.strip():
                continue
            self._probed.append((number, line))
            try:
                keys.update(dict.fromkeys(keys_decoder.decode(line or b"")))
                objects += 1
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                pass  # said when its row is read
            if len(self._probed) >= _JSONL_LINES_PROBED:
                break
        if not self._probed:
            raise InputError(f"{path}: is empty")
        if not objects:
            raise InputError(f"{path}: none of its first {len(self._probed)} lines is a JSON object")
        return _json_decoder(str(path), list(keys), chosen)

    def rows(self) -> Iterator[Row]:
        probed, self._probed = self._probed, []
        for number, line in chain(probed, self._lines):
            row = self._row(number, line)
            if row is not None:
                yield row

    def _row(self, number: int, line: bytes | None) -> Row | None:
        if line is None:
            return number, RowError("line_too_long", f"is longer than {LINE_MAX_BYTES} bytes")
        if not line or not line.strip():
            return None
        try:
            record = self._decoder.decode(line)
            return number, ["" if raw is _ABSENT else _value(raw) for raw in msgspec.structs.astuple(record)]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            return number, RowError("line_malformed", f"is not a JSON object: {exc}")

    def close(self) -> None:
        self._file.close()


def _json_decoder(
    file_name: str, keys: list[str], chosen: Mapping[str, str]
) -> tuple[list[str], msgspec.json.Decoder[Any]]:
    """The columns of a row, and what decodes one; what an object lacks is an empty value of its row."""
    named = name_columns(file_name, keys, chosen)
    known = (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS, TIME_OF_DAY)
    key_of = {name: key for name, key in zip(reversed(named), reversed(keys), strict=True) if name in known}
    if any(name not in key_of for name in REQUIRED_COLUMNS if name not in DISPENSABLE_COLUMNS):
        return keys, msgspec.json.Decoder(dict)  # `check_columns` says what is missing
    # One optional raw value per column: the text of a number reaches Decimal as it stands in the file.
    row = msgspec.defstruct("_JsonRow", [(name, msgspec.Raw, _ABSENT) for name in key_of], rename=key_of)
    return list(key_of.values()), msgspec.json.Decoder(row)


def _value(raw: msgspec.Raw) -> str:
    data = bytes(raw)
    if data[:1] == b'"':
        return str(msgspec.json.decode(data)) if b"\\" in data else data[1:-1].decode("utf-8")
    return "" if data == b"null" else data.decode("utf-8")
