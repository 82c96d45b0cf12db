"""What the first rows of a file tell before any of it is replayed: that it can be read, and in which order it is."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from stockstream.errors import InputError
from stockstream.sources.base import Rejection
from stockstream.sources.replay._readers import open_reader
from stockstream.sources.replay._row_reader import Row, RowReader
from stockstream.sources.replay._rows import ReplayFormat, RowParser, Seen
from stockstream.sources.replay._values import RowError

# So many rows are looked at for one that can be read, and for the order of time.
ROWS_LOOKED_AT_MAX: Final = 10_000
_ROWS_ORDERED_MIN: Final = 200
# A file that has its newest row first is held in memory to be turned round: about 500 bytes a row.
ROWS_TURNED_MAX: Final = 1_000_000
# A row refused for these could be read.
_READABLE: Final = frozenset({"duplicate_row", "previous_close_unknown"})

log = structlog.get_logger("stockstream.replay")


@dataclass(frozen=True, slots=True)
class Probe:
    """What was found.

    Attributes:
        newest_first: The rows run backwards in time, symbol by symbol, as exports of websites do.
    """

    newest_first: bool

    def in_order_of_time(self, path: Path, reader: RowReader) -> Iterable[Row]:
        """The rows of the file, turned round where the newest is first.

        Raises:
            InputError: there are too many to turn them round in memory.
        """
        if not self.newest_first:
            return reader.rows()
        rows: list[Row] = []
        for row in reader.rows():
            rows.append(row)
            if len(rows) > ROWS_TURNED_MAX:
                raise InputError(
                    f"{path}: the newest row is first, and over {ROWS_TURNED_MAX} rows are too many to turn round "
                    "in memory. Sort the file by time"
                )
        log.info("replay_turned_round", file=str(path), rows=len(rows), reason="the newest row is first")
        rows.reverse()
        return rows


def probe_file(path: Path, form: ReplayFormat, symbols: frozenset[str] | None) -> Probe:
    """Look at the first rows of a file.

    Raises:
        InputError: it cannot be opened, lacks a column, or none of its rows can be read: with the line, the reason and
            the remedy of the first.
    """
    reader = open_reader(path, form.columns)
    try:
        parser = RowParser(str(path), reader.columns, symbols, Seen(), form=form, separator=reader.separator)
        order = _Order()
        first: Rejection | None = None
        readable = looked_at = 0
        for line_number, values in reader.rows():
            looked_at += 1
            found = _judge(parser, line_number, values, order)
            if found is None:
                readable += 1
            else:
                first = first or found
            if looked_at >= ROWS_LOOKED_AT_MAX or (readable and looked_at >= _ROWS_ORDERED_MIN):
                break
    finally:
        reader.close()
    if not looked_at:
        raise InputError(f"{path}: has columns and no rows. Record it again, or leave it out")
    if not readable and first is not None:
        raise InputError(f"{first.subject}: {first.reason}: {first.detail}. No row of the file can be read")
    return Probe(order.is_newest_first)


class _Order:
    """Whether the event times of each symbol go forwards or backwards."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}
        self._forwards = self._backwards = 0

    def note(self, symbol: str, timestamp: str) -> None:
        before = self._last.get(symbol, timestamp)
        self._forwards += timestamp > before
        self._backwards += timestamp < before
        self._last[symbol] = timestamp

    @property
    def is_newest_first(self) -> bool:
        return self._backwards > 0 and not self._forwards


def _judge(parser: RowParser, line_number: int, values: list[str] | RowError, order: _Order) -> Rejection | None:
    """Why a row cannot be read, or None."""
    if isinstance(values, RowError):
        return parser.rejection(line_number, values.reason, values.detail)
    outcome = parser.parse(line_number, values)
    if isinstance(outcome, Rejection) and outcome.reason not in _READABLE:
        return outcome
    with suppress(RowError):  # of a symbol that is not asked for
        order.note(*parser.peek(values))
    return None
