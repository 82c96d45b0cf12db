"""The reading library's face: one object that reads what a deployment has stored, on AWS or on this machine."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from botocore.exceptions import ClientError

from stockstream.aws import AwsConfig, open_client
from stockstream.errors import InputError
from stockstream.reading.all_alerts import all_alerts
from stockstream.reading.archive import in_order
from stockstream.reading.candles import Candle, candles_of
from stockstream.reading.follow import Place, Update, follow_log, newest_place, read_checkpoints, tail
from stockstream.reading.health import Health, read_health
from stockstream.reading.record import Record, read_record
from stockstream.reading.rows import Rows, StoredAlert, StoredQuote, moment, stored_alert, stored_quote
from stockstream.reading.sessions import Span, rule_of, session_span
from stockstream.reading.signals import Signal, signals_of
from stockstream.reading.tables import Item, Tables
from stockstream.symbols import upper_symbols
from stockstream.workers.members import Row
from stockstream.workers.table import read_workers
from stockstream_wire import format_timestamp
from stockstream_wire.aws.error_codes import ErrorKind, kind_of
from stockstream_wire.storage import INTERVALS
from stockstream_wire.trading_day import DayRule

_FIRST_MOMENT: Final = "0"
_LAST_MOMENT: Final = "~"
# A session's date and the UTC day of an event lie within a day of each other, and a weekend's hours are Monday's.
_SESSION_PAD: Final = timedelta(days=3)
_ONE_DAY: Final = timedelta(days=1)
_PARALLEL: Final = 32
_EPOCH: Final = datetime(1900, 1, 1, tzinfo=UTC)
_END: Final = datetime(9999, 12, 31, tzinfo=UTC)

_T = TypeVar("_T")
Symbols = str | Iterable[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreNames:
    """What a deployment's stores are called; the defaults are those of Terraform and of local mode."""

    quotes_table: str = "quotes"
    candles_table: str = "candles"
    alerts_table: str = "alerts"
    archive_bucket: str = "stockstream-archive"
    workers_table: str = "workers"
    deployment: str = "stockstream"


class Market:
    """Reads quotes, candles, alerts, the log and its health. `open_market` makes one.

    Where a range is asked for, `start` is included and `end` not, both aware; or `session` names an exchange's day.

    Args:
        dynamodb: An open client.
        s3: Another.
        names: Of the tables and the bucket.
    """

    def __init__(self, dynamodb: Any, s3: Any, names: StoreNames) -> None:
        self._s3 = s3
        self._dynamodb = dynamodb
        self._names = names
        self._tables = Tables(dynamodb, names.quotes_table, names.candles_table, alerts=names.alerts_table)

    async def symbols(self) -> list[str]:
        """Every symbol that was ever accepted: those of the checkpoints, and of the log behind them."""
        checkpoints = await read_checkpoints(self._s3, self._names.archive_bucket)
        found = {symbol for checkpoint in checkpoints.values() for symbol in checkpoint.symbols}
        async for update in tail(self._s3, self._names.archive_bucket, checkpoints):
            found |= {quote.symbol for quote in update.quotes}
        return sorted(found)

    async def latest(self, symbols: Symbols | None = None) -> Rows[StoredQuote]:
        """The newest quote of each symbol, in the order asked for; a symbol without one is left out.

        Args:
            symbols: One, several, or None for all that there are. One query each, 32 at a time.
        """
        asked = await self.symbols() if symbols is None else checked_symbols(symbols)
        found = await _each(asked, self._newest)
        return Rows(stored_quote(item) for item in found if item is not None)

    async def quotes(
        self,
        symbols: Symbols,
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        session: str | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Rows[StoredQuote]:
        """Stored quotes, symbol by symbol, oldest first.

        Args:
            symbols: One or several.
            start: From which event time; None from the first.
            end: Before which; None to the last.
            session: Date of the exchange's session in place of both; each quote says which it belongs to.
            limit: At most so many of each symbol.
            newest_first: Begin at the end of the range.
        """
        first, last = _bounds(start, end, session)

        async def of(symbol: str) -> list[StoredQuote]:
            rows: list[StoredQuote] = []
            items = self._tables.quotes_between(
                symbol, first, last, newest_first=newest_first, page_items=limit and min(limit, 1000)
            )
            async for item in items:
                if item["timestamp"] < last and (session is None or item.get("session") == session):
                    rows.append(stored_quote(item))
                    if len(rows) == limit:
                        break
            return rows

        found = await _each(checked_symbols(symbols), of)
        return Rows(row for rows in found for row in rows)

    async def candles(
        self,
        symbols: Symbols,
        interval: str = "1m",
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        session: str | None = None,
    ) -> Rows[Candle]:
        """Candles whose windows start in the range, open and closed alike, symbol by symbol, oldest first.

        Args:
            symbols: One or several.
            interval: 1m, 5m, 1h or 1d.
            start: From when on; days are counted by their date at midnight UTC. None from the first.
            end: Before which; None to the open one.
            session: Date of the exchange's session in place of both.

        Raises:
            InputError: no such interval, a range without time zone, or a session that is no date.
        """
        if interval not in INTERVALS:
            raise InputError(f"interval={interval!r}: must be one of {', '.join(INTERVALS)}")
        _check_range(start, end, session)

        async def of(symbol: str) -> list[Candle]:
            span = Span(start or _EPOCH, end or _END)
            if session is not None:
                span = await self._session_of(symbol, session, interval)
            return await candles_of(self._tables, symbol, interval, *span)

        found = await _each(checked_symbols(symbols), of)
        return Rows(candle for candles in found for candle in candles)

    async def signals(self, symbol: str, interval: str, start: datetime, end: datetime) -> Rows[Signal]:
        """What the newest quotes of a range say of their windows beside the candles; see `signals_of`."""
        (known,) = checked_symbols(symbol)
        _check_range(start, end, None)
        return Rows(await signals_of(self._tables, known, interval, start, end))

    async def record(self, symbol: str, timestamp: datetime) -> Record | None:
        """One quote as the stores have it: item, bytes, and where both lie; None where there is no such quote."""
        (known,) = checked_symbols(symbol)
        at = format_timestamp(timestamp.astimezone(UTC))
        return await read_record(self._s3, self._tables, self._names.archive_bucket, known, at)

    async def alerts(
        self,
        symbols: Symbols | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        session: str | None = None,
    ) -> Rows[StoredAlert]:
        """Alerts by event time, newest first.

        Args:
            symbols: One, several, or None for all: that reads the whole table, which alerts are few enough for.
            start: From when on.
            end: Before which.
            session: Date of the exchange's session in place of both.
        """
        first, last = _bounds(start, end, session)
        if symbols is None:
            items = [item async for item in all_alerts(self._dynamodb, self._names.alerts_table, first, last)]
        else:

            async def of(symbol: str) -> list[Item]:
                return [item async for item in self._tables.alerts_between(symbol, first, last)]

            items = [item for found in await _each(checked_symbols(symbols), of) for item in found]
        rows = [stored_alert(item) for item in items]
        if session is not None:
            rows = [row for row in rows if row.session == session]
        return Rows(sorted(rows, key=lambda row: (row.timestamp, row.symbol, row.alert_id), reverse=True))

    async def health(self) -> Health:
        """How far the log is, how old its newest entries are, what waits unsent or lies in quarantine."""
        return await read_health(self._s3, self._dynamodb, self._names.archive_bucket, self._names.alerts_table)

    async def workers(self) -> list[Row]:
        """What each worker that shares the watchlist said last; none where there is no table of workers."""
        try:
            return await read_workers(self._dynamodb, self._names.workers_table, self._names.deployment)
        except ClientError as exc:
            code = str(exc.response.get("Error", {}).get("Code", ""))
            if code == "ResourceNotFoundException" or kind_of(code, 0) is ErrorKind.ACCESS:
                return []
            raise

    async def end(self) -> Place | None:
        """Where the log ends now; None where nothing has been stored yet."""
        return await newest_place(self._s3, self._names.archive_bucket)

    def follow(self, since: Place | str | None = None, *, poll_seconds: float = 1.0) -> AsyncGenerator[Update]:
        """Yield what is accepted of all symbols as it is stored, for ever; see `follow_log`."""
        place = Place.parse(since) if isinstance(since, str) else since
        return follow_log(self._s3, self._names.archive_bucket, place, poll_seconds=poll_seconds)

    async def _newest(self, symbol: str) -> Item | None:
        items = self._tables.quotes_between(symbol, _FIRST_MOMENT, _LAST_MOMENT, newest_first=True, page_items=1)
        return await anext(aiter(items), None)

    async def _exchange(self, symbol: str) -> str | None:
        newest = await self._newest(symbol)
        return None if newest is None else newest.get("exchange")

    async def _session_of(self, symbol: str, session: str, interval: str) -> Span:
        if interval == "1d":
            day = moment(f"{session}T00:00:00.000Z")
            return Span(day, day + _ONE_DAY)
        return session_span(session, rule_of(symbol, await self._exchange(symbol)))


@asynccontextmanager
async def open_market(aws: AwsConfig, names: StoreNames | None = None) -> AsyncIterator[Market]:
    """Open what reads a deployment.

    Args:
        aws: Where it is: `resolve_aws` for AWS, or an endpoint with its credentials.
        names: Of its stores.
    """
    async with AsyncExitStack() as stack:
        dynamodb, s3 = [
            await stack.enter_async_context(open_client(aws, service, max_pool_connections=_PARALLEL))
            for service in ("dynamodb", "s3")
        ]
        yield Market(dynamodb, s3, names or StoreNames())


def checked_symbols(symbols: Symbols) -> list[str]:
    """Symbols in upper case, each once.

    Raises:
        InputError: naming one that is none.
    """
    given = [symbols] if isinstance(symbols, str) else symbols
    return upper_symbols(symbol.strip() for symbol in given)


def _check_range(start: datetime | None, end: datetime | None, session: str | None) -> None:
    if session is not None:
        if start is not None or end is not None:
            raise InputError(f"session={session!r} stands in place of start and end. Remedy: leave one of them out")
        session_span(session, DayRule("UTC"))
    for name, value in (("start", start), ("end", end)):
        if value is not None and value.tzinfo is None:
            raise InputError(f"{name}={value.isoformat()} has no time zone. Remedy: datetime(..., tzinfo=UTC)")


def _bounds(start: datetime | None, end: datetime | None, session: str | None) -> tuple[str, str]:
    """The range as event times of the wire, the last excluded; of a session, a range that surely holds it."""
    _check_range(start, end, session)
    if session is not None:
        day = moment(f"{session}T00:00:00.000Z")
        start, end = day - _SESSION_PAD, day + _SESSION_PAD
    return (
        format_timestamp(start.astimezone(UTC)) if start is not None else _FIRST_MOMENT,
        format_timestamp(end.astimezone(UTC)) if end is not None else _LAST_MOMENT,
    )


async def _each(asked: Sequence[str], read: Callable[[str], Awaitable[_T]]) -> list[_T]:
    return [found async for found in in_order(asked, read, parallel=_PARALLEL)]
