"""Recorded sessions as a live source: files in order, event-time gaps divided by a speed."""

import asyncio
import dataclasses
import math
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from stockstream.clock import SYSTEM_CLOCK, Clock
from stockstream.errors import InputError, SourceError
from stockstream.sources.base import Rejection, SourceBatch
from stockstream.sources.replay._probe import Probe, probe_file
from stockstream.sources.replay._readers import open_reader
from stockstream.sources.replay._row_reader import Row, RowReader
from stockstream.sources.replay._rows import SOURCE_LABEL, ReplayFormat, RowParser, Seen
from stockstream.sources.replay._values import RowError
from stockstream.sources.watchlist import WatchlistFollower
from stockstream_wire import Quote, timestamp_to_epoch_ms

MAX_SPEED: Final = math.inf
# Rows parsed in one go: a few milliseconds of a worker thread, and one batch of a replay at max speed.
ROWS_PER_BATCH: Final = 500

_Outcome = Quote | Rejection | None


class ReplaySource:
    """Replays files of quotes, each row as exactly one quote with the digits it has in the file.

    Within a file the gaps between event times are kept, divided by `speed`; every moment is computed from the first
    one, so that nothing drifts. The next file starts as soon as the one before it is through.

    Args:
        files: CSV, JSON Lines (both also gzipped) or Parquet, replayed in this order.
        speed: Times faster than the market, 1 or more; `MAX_SPEED` never waits.
        clock: Where the waiting is done.
        symbols: Replay only these, or those of a watchlist that is read again when its file changes; None replays all.
        form: What the user says of the files: the clock of naive times, names of columns.

    Raises:
        InputError: no files, or a speed below 1.
    """

    label = SOURCE_LABEL
    is_market_data = True

    def __init__(
        self,
        files: Sequence[Path | str],
        *,
        speed: float = MAX_SPEED,
        clock: Clock = SYSTEM_CLOCK,
        symbols: Sequence[str] | WatchlistFollower | None = None,
        form: ReplayFormat | None = None,
    ) -> None:
        if not files:
            raise InputError("replay: no file given. Remedy: --replay FILE")
        if not speed >= 1:
            raise InputError(f"speed={speed!r}: must be max, or a number of at least 1")
        self._files = [Path(file) for file in files]
        self._speed = speed
        self._clock = clock
        self._watchlist = symbols if isinstance(symbols, WatchlistFollower) else None
        chosen = symbols.symbols if isinstance(symbols, WatchlistFollower) else symbols
        self._symbols = None if chosen is None else frozenset(chosen)
        self._form = form or ReplayFormat()
        if self._symbols is not None and len(self._symbols) == 1:
            # Of a file without a column of symbols, the one asked for.
            self._form = dataclasses.replace(self._form, symbol=next(iter(self._symbols)))
        self._probes: dict[Path, Probe] = {}
        self._empty: list[str] = []
        self.failure: str | None = None
        self._seen = Seen()
        self._closed = asyncio.Event()

    async def batches(self) -> AsyncIterator[SourceBatch]:
        """Iterate over the files; every file is opened and its columns checked before the first quote.

        Raises:
            InputError: a file is absent, unreadable, without rows, truncated, or lacks a column (which it names).
            SourceError: none of the symbols asked for is in the files.
        """
        await asyncio.to_thread(self.check_files)
        for path in self._files:
            reader = await asyncio.to_thread(open_reader, path, self._form.columns)
            async for batch in self._paced(path, reader):
                yield batch
            if self._closed.is_set():
                return
        absent = self._absent_symbols()
        if absent:
            yield SourceBatch([], absent)
        if self._empty:
            self.failure = "; ".join(self._empty)

    async def aclose(self) -> None:
        """End the iteration at its next step; a wait for a far event time ends at once."""
        self._closed.set()

    def check_files(self) -> None:
        """Open every file and check that it has rows, columns that make quotes, and a row that can be read.

        Raises:
            InputError: a file is absent, unreadable, truncated, lacks a column, or has no row that can be read; naming
                what stands in the way, in which line, and the remedy.
        """
        for path in self._files:
            self._probes[path] = probe_file(path, self._form, self._symbols)

    async def _paced(self, path: Path, reader: RowReader) -> AsyncIterator[SourceBatch]:
        pace = _Pace(self._speed, self._clock)
        reading: asyncio.Future[list[_Outcome]] | None = None
        try:
            parser = RowParser(
                str(path), reader.columns, self._symbols, self._seen, form=self._form, separator=reader.separator
            )
            probe = self._probes[path]
            outcomes = _outcomes(probe.in_order_of_time(path, reader), parser)
            while not self._closed.is_set():
                if self._watchlist is not None and self._watchlist.refresh() is not None:
                    self._symbols = parser.symbols = self._watchlist.symbol_set
                reading = asyncio.ensure_future(asyncio.to_thread(_take, outcomes))
                chunk = await asyncio.shield(reading)
                if not chunk:
                    self._note_empty(path, parser)
                    return
                async for batch in self._paced_chunk(pace, chunk):
                    yield batch
        finally:
            if reading is not None:
                # Cancelled while a thread reads: the file may be closed only when it is done, some ms later.
                await asyncio.gather(reading, return_exceptions=True)
            reader.close()

    async def _paced_chunk(self, pace: "_Pace", chunk: list[_Outcome]) -> AsyncIterator[SourceBatch]:
        batch = SourceBatch([])
        for outcome in chunk:
            if isinstance(outcome, Rejection):
                batch.rejected.append(outcome)
            elif outcome is not None:
                due = pace.due(outcome)
                if due > pace.reached:
                    if batch.quotes:
                        yield batch
                        batch = SourceBatch([])
                    if not await self._clock.sleep_until(due, unless=self._closed):
                        return
                    pace.reached = max(due, self._clock.monotonic())
                batch.quotes.append(outcome)
        if batch.quotes or batch.rejected:
            yield batch

    def _note_empty(self, path: Path, parser: RowParser) -> None:
        first = parser.first_rejection
        if not parser.quotes and first is not None and first.reason != "duplicate_row":
            self._empty.append(f"nothing of {path} was stored; {first.subject}: {first.reason}: {first.detail}")

    def _absent_symbols(self) -> list[Rejection]:
        absent = sorted((self._symbols or frozenset()) - self._seen.last.keys())
        if absent and not self._seen.last:
            files = ", ".join(str(path) for path in self._files)
            raise SourceError(f"none of {', '.join(absent)} is in {files}. Remedy: leave --symbols out to replay all")
        return [Rejection(symbol, "symbol_not_in_files", "asked for and in none of the files") for symbol in absent]


class _Pace:
    """When a quote is due on the monotonic clock; a time running backwards in a file is due at once."""

    def __init__(self, speed: float, clock: Clock) -> None:
        self._speed = speed
        self._clock = clock
        self._first: tuple[float, int] | None = None
        self.reached = -math.inf

    def due(self, quote: Quote) -> float:
        if self._speed == MAX_SPEED:
            return -math.inf
        event_ms = timestamp_to_epoch_ms(quote.timestamp)
        if self._first is None:
            self._first = (self._clock.monotonic(), event_ms)
        start, first_ms = self._first
        return start + (event_ms - first_ms) / 1000 / self._speed


def _outcomes(rows: Iterable[Row], parser: RowParser) -> Iterator[_Outcome]:
    for line_number, values in rows:
        if isinstance(values, RowError):
            yield parser.rejection(line_number, values.reason, values.detail)
        else:
            yield parser.parse(line_number, values)


def _take(outcomes: Iterator[_Outcome]) -> list[_Outcome]:
    return list(islice(outcomes, ROWS_PER_BATCH))
