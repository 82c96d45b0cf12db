"""Candles of history, for windows that have none.

Late quotes make no candle in the consumer: it never moves a closed window, and does not know which ones it has never
seen. So they are written here, as the consumer writes them plus `source: "backfill"`. A window with a candle keeps it.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Protocol

from botocore.exceptions import ClientError

from stockstream.aws import AwsConfig, open_client
from stockstream.backfill.history import MINUTE_MS, SOURCE_LABEL, MinuteBar, SymbolHistory, ticks_of
from stockstream.errors import AwsSetupError
from stockstream_wire import format_epoch_ms, timestamp_to_epoch_ms

# Interval to its length; the day is the exchange's session, written as its local date at midnight.
_INTERVAL_MINUTES: Final = {"1m": 1, "5m": 5, "1h": 60}
_DAY: Final = "1d"
_DAY_SECONDS: Final = 86_400
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

    def item(self, symbol: str, retention_days: int) -> dict[str, Any]:
        """The DynamoDB item; it expires so many days after its window, 0 never."""
        expires_seconds = timestamp_to_epoch_ms(self.window_start) // 1000 + retention_days * _DAY_SECONDS
        numbers = {name: {"N": str(getattr(self, name))} for name in ("open", "high", "low", "close")}
        return {
            "symbol_interval": {"S": f"{symbol}#{self.interval}"},
            "window_start": {"S": self.window_start},
            "symbol": {"S": symbol},
            "interval": {"S": self.interval},
            **numbers,
            "volume": {"N": str(self.volume)},
            "quotes": {"N": str(self.quotes)},
            "closed": {"BOOL": True},
            "source": {"S": SOURCE_LABEL},
            **({"expires_at": {"N": str(expires_seconds)}} if retention_days else {}),
        }


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
    order = [*_INTERVAL_MINUTES, _DAY]
    kept = [candle for key, candle in found.items() if key not in cut]
    return sorted(kept, key=lambda candle: (order.index(candle.interval), candle.window_start))


def _windows(bar: MinuteBar) -> Iterable[tuple[str, str]]:
    for interval, minutes in _INTERVAL_MINUTES.items():
        yield interval, format_epoch_ms(bar.start_ms - bar.start_ms % (minutes * MINUTE_MS))
    yield _DAY, f"{bar.session}T00:00:00.000Z"


def _open_windows(bar: MinuteBar, history: SymbolHistory) -> Iterable[tuple[str, str]]:
    for interval, minutes in _INTERVAL_MINUTES.items():
        window_ms = bar.start_ms - bar.start_ms % (minutes * MINUTE_MS)
        if window_ms + minutes * MINUTE_MS > history.known_until_ms:
            yield interval, format_epoch_ms(window_ms)
    if bar.session == history.running_session:
        yield _DAY, f"{bar.session}T00:00:00.000Z"


class CandleStore(Protocol):
    """Where candles go."""

    async def fill(self, symbol: str, candles: Sequence[FilledCandle]) -> int:
        """Write those whose windows have none; how many were written."""
        ...


class DynamoCandles:
    """The table `candles`. Made by `open_candles`."""

    def __init__(self, client: Any, table: str, retention_days: int) -> None:
        self._client = client
        self._table = table
        self._retention_days = retention_days
        self._slots = asyncio.Semaphore(_PARALLEL_PUTS)

    async def fill(self, symbol: str, candles: Sequence[FilledCandle]) -> int:
        """Write the candles of windows that have none; doing it twice writes nothing.

        Raises:
            AwsSetupError: the table is not there, or may not be written.
        """
        try:
            absent = [
                candle
                for interval in dict.fromkeys(candle.interval for candle in candles)
                for candle in await self._absent(symbol, [c for c in candles if c.interval == interval])
            ]
            async with asyncio.TaskGroup() as tasks:
                puts = [tasks.create_task(self._put(candle.item(symbol, self._retention_days))) for candle in absent]
        except ClientError as exc:
            raise AwsSetupError(f"table {self._table}: {exc}") from exc
        except ExceptionGroup as group:
            refused = group.subgroup(ClientError)
            if refused is None:
                raise
            raise AwsSetupError(f"table {self._table}: {refused.exceptions[0]}") from group
        return sum(put.result() for put in puts)

    async def _absent(self, symbol: str, candles: Sequence[FilledCandle]) -> list[FilledCandle]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="symbol_interval = :key AND window_start BETWEEN :first AND :last",
            ProjectionExpression="window_start",
            ExpressionAttributeValues={
                ":key": {"S": f"{symbol}#{candles[0].interval}"},
                ":first": {"S": candles[0].window_start},
                ":last": {"S": candles[-1].window_start},
            },
        )
        present = {item["window_start"]["S"] async for page in pages for item in page["Items"]}
        return [candle for candle in candles if candle.window_start not in present]

    async def _put(self, item: dict[str, Any]) -> bool:
        async with self._slots:
            try:
                # The consumer may have closed the window since we looked.
                await self._client.put_item(
                    TableName=self._table, Item=item, ConditionExpression="attribute_not_exists(window_start)"
                )
            except ClientError as exc:
                if exc.response["Error"]["Code"] == "ConditionalCheckFailedException":
                    return False
                raise
        return True


@asynccontextmanager
async def open_candles(aws: AwsConfig, table: str, *, retention_days: int) -> AsyncIterator[DynamoCandles]:
    """Open the candles table; items expire so many days after their window, 0 never."""
    async with open_client(aws, "dynamodb", max_pool_connections=_PARALLEL_PUTS) as client:
        yield DynamoCandles(client, table, retention_days)
