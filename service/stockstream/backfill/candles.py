"""Candles of history, for windows that have none.

Late quotes make no candle in the consumer: it never moves a closed window, and does not know which ones it has never
seen. So they are written here, in the consumer's form plus `source: "backfill"`, under keys beside the consumer's own:
neither ever overwrites the other. What the consumer has whole is left out, and whatever of history is there already
stays. A window that the consumer has marked incomplete is written where history knows of more volume.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Protocol

from botocore.exceptions import ClientError

from stockstream.aws import AwsConfig, open_client
from stockstream.backfill.history import ticks_of
from stockstream.errors import AwsSetupError
from stockstream.reading import Tables, minute_start
from stockstream.sources.history import MINUTE_MS, MinuteBar, SymbolHistory
from stockstream_wire import format_epoch_ms
from stockstream_wire.storage import (
    BACKFILL_SOURCE,
    BLOCK_INTERVAL,
    BLOCK_MINUTES,
    EXPIRES_AT,
    INCOMPLETE,
    INCOMPLETE_MINUTES,
    INTERVAL_MINUTES,
    INTERVALS,
    MINUTE_FIELDS,
    STORED_INTERVALS,
    TABLES,
    backfill_window,
    candle_key,
    expires_at_seconds,
    window_start,
)

_MINUTE: Final = "1m"
# The day is the exchange's session, written as its local date at midnight.
_DAY: Final = "1d"
_NUMBERS: Final = ("open", "high", "low", "close", "volume", "quotes")
_PARALLEL_PUTS: Final = 16


@dataclass(slots=True)
class FilledCandle:
    """One window made of history; `quotes` counts the quotes that its bars became."""

    interval: str
    window_start: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int
    quotes: int

    def add(self, bar: MinuteBar, quotes: int) -> None:
        self.high = max(self.high, bar.high)
        self.low = min(self.low, bar.low)
        self.close = bar.close
        self.volume += bar.volume
        self.quotes += quotes


# The windows that the consumer has, by interval and start: None for a whole one, the volume of an incomplete one.
Own = Mapping[tuple[str, str], Decimal | None]


def history_items(symbol: str, candles: Sequence[FilledCandle], own: Own, retention_days: int) -> list[dict[str, Any]]:
    """The DynamoDB items of windows that the consumer lacks; a 5-minute item has the minutes that it lacks.

    Args:
        symbol: Ticker.
        candles: Candles of history.
        own: The windows that the consumer has.
        retention_days: Days after its window that an item expires, 0 never.
    """
    missing = [candle for candle in candles if _says_more(candle, own)]
    minutes: dict[str, list[FilledCandle]] = {}
    items: dict[tuple[str, str], dict[str, Any]] = {}
    for candle in missing:
        if candle.interval == _MINUTE:
            block = window_start(candle.window_start, BLOCK_INTERVAL, "")
            minutes.setdefault(block, []).append(candle)
        else:
            items[candle.interval, candle.window_start] = _head(symbol, candle.interval, candle.window_start) | {
                **{name: {"N": str(getattr(candle, name))} for name in _NUMBERS},
                "closed": {"BOOL": True},
            }
    for block, of_block in minutes.items():
        # A block that the range cuts, or that the consumer has a part of, has minutes and no prices of its own.
        item = items.setdefault((BLOCK_INTERVAL, block), _head(symbol, BLOCK_INTERVAL, block))
        item[BLOCK_MINUTES] = {"L": [{"L": _minute(minute)} for minute in of_block]}
    for (_, start), item in items.items():
        if (seconds := expires_at_seconds(start, retention_days)) is not None:
            item[EXPIRES_AT] = {"N": str(seconds)}
    return list(items.values())


def _says_more(candle: FilledCandle, own: Own) -> bool:
    key = candle.interval, candle.window_start
    if key not in own:
        return True
    volume = own[key]
    return volume is not None and candle.volume > volume


def _head(symbol: str, interval: str, start: str) -> dict[str, Any]:
    keys = TABLES["candles"]
    return {
        keys.partition: {"S": candle_key(symbol, interval)},
        keys.sort: {"S": backfill_window(start)},
        "symbol": {"S": symbol},
        "interval": {"S": interval},
        "source": {"S": BACKFILL_SOURCE},
    }


def _minute(candle: FilledCandle) -> list[dict[str, str]]:
    values = {"minute": int(candle.window_start[14:16])} | {name: getattr(candle, name) for name in _NUMBERS}
    return [{"N": str(values[name])} for name in MINUTE_FIELDS]


def candles_of(history: SymbolHistory, start_ms: int, end_ms: int) -> list[FilledCandle]:
    """The windows that are over and lie in the range with all their bars, oldest first for each interval.

    Args:
        history: All bars of the sessions that the range touches.
        start_ms: Start of the range, milliseconds since 1970, included.
        end_ms: Its end, excluded.
    """
    found: dict[tuple[str, str], FilledCandle] = {}
    cut: set[tuple[str, str]] = set()
    for bar in history.bars:
        is_inside = start_ms <= bar.start_ms and bar.start_ms + MINUTE_MS <= end_ms
        quotes = len(ticks_of(bar))
        for key in _open_windows(bar, history):
            cut.add(key)
        for key in _windows(bar):
            if not is_inside:
                cut.add(key)
            elif key in found:
                found[key].add(bar, quotes)
            else:
                found[key] = FilledCandle(*key, bar.open, bar.high, bar.low, bar.close, bar.volume, quotes)
    kept = [candle for key, candle in found.items() if key not in cut]
    return sorted(kept, key=lambda candle: (INTERVALS.index(candle.interval), candle.window_start))


def _windows(bar: MinuteBar) -> Iterable[tuple[str, str]]:
    for interval, minutes in INTERVAL_MINUTES.items():
        yield interval, format_epoch_ms(bar.start_ms - bar.start_ms % (minutes * MINUTE_MS))
    yield _DAY, f"{bar.session}T00:00:00.000Z"


def _open_windows(bar: MinuteBar, history: SymbolHistory) -> Iterable[tuple[str, str]]:
    for interval, minutes in INTERVAL_MINUTES.items():
        window_ms = bar.start_ms - bar.start_ms % (minutes * MINUTE_MS)
        if window_ms + minutes * MINUTE_MS > history.known_until_ms:
            yield interval, format_epoch_ms(window_ms)
    if bar.session == history.running_session:
        yield _DAY, f"{bar.session}T00:00:00.000Z"


class CandleStore(Protocol):
    """Where candles go."""

    async def fill(self, symbol: str, candles: Sequence[FilledCandle]) -> int:
        """Write those whose windows have none; how many items were written."""
        ...


class DynamoCandles:
    """The table `candles`. Made by `open_candles`."""

    def __init__(self, client: Any, table: str, retention_days: int) -> None:
        self._client = client
        self._tables = Tables(client, quotes="", candles=table, is_consistent=True)
        self._retention_days = retention_days
        self._slots = asyncio.Semaphore(_PARALLEL_PUTS)

    async def fill(self, symbol: str, candles: Sequence[FilledCandle]) -> int:
        """Write the candles of windows that have none; doing it twice writes nothing.

        Raises:
            AwsSetupError: the table is not there, or may not be written.
        """
        try:
            own = await self._own(symbol, candles)
            items = history_items(symbol, candles, own, self._retention_days)
            async with asyncio.TaskGroup() as tasks:
                puts = [tasks.create_task(self._put(item)) for item in items]
        except ClientError as exc:
            raise AwsSetupError(f"table {self._tables.candles}: {exc}") from exc
        except ExceptionGroup as group:
            refused = group.subgroup(ClientError)
            if refused is None:
                raise
            raise AwsSetupError(f"table {self._tables.candles}: {refused.exceptions[0]}") from group
        return sum(put.result() for put in puts)

    async def _own(self, symbol: str, candles: Sequence[FilledCandle]) -> Own:
        own: dict[tuple[str, str], Decimal | None] = {}
        starts = [candle.window_start for candle in candles]
        for interval in STORED_INTERVALS:
            # A block that begins before the first minute may hold it; so may the day before the first hour.
            first, last = window_start(min(starts), interval, min(starts)[:10]), max(starts)
            async for item in self._tables.candles_between(candle_key(symbol, interval), first, last):
                start = item[TABLES["candles"].sort]
                if item.get("source") == BACKFILL_SOURCE:
                    continue
                own[interval, start] = _volume_if(item, is_incomplete=item.get(INCOMPLETE, False))
                incomplete = item.get(INCOMPLETE_MINUTES, ())
                for values in item.get(BLOCK_MINUTES, ()):
                    minute = dict(zip(MINUTE_FIELDS, values, strict=True))
                    key = _MINUTE, minute_start(start, minute["minute"])
                    own[key] = _volume_if(minute, is_incomplete=minute["minute"] in incomplete)
        return own

    async def _put(self, item: dict[str, Any]) -> bool:
        async with self._slots:
            try:
                await self._client.put_item(
                    TableName=self._tables.candles,
                    Item=item,
                    ConditionExpression=f"attribute_not_exists({TABLES['candles'].sort})",
                )
            except ClientError as exc:
                if exc.response["Error"]["Code"] == "ConditionalCheckFailedException":
                    return False
                raise
        return True


def _volume_if(candle: Mapping[str, Any], *, is_incomplete: bool) -> Decimal | None:
    return (candle.get("volume") or Decimal(0)) if is_incomplete else None


@asynccontextmanager
async def open_candles(aws: AwsConfig, table: str, *, retention_days: int) -> AsyncIterator[DynamoCandles]:
    """Open the candles table; items expire so many days after their window, 0 never."""
    async with open_client(aws, "dynamodb", max_pool_connections=_PARALLEL_PUTS) as client:
        yield DynamoCandles(client, table, retention_days)
