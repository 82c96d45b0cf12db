"""Candles of a symbol, open and closed alike, from the two tables that hold them.

`candles` has the closed ones: 5 m, 1 h and 1 d as items, the minutes inside the 5-minute items. What the consumer is
still at stands on the quotes: each carries the windows that it is in, as they stood with it. Candles of history lie
beside the consumer's own, fill what those lack, and stand for those that are incomplete.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import msgspec

from stockstream.reading.tables import Item, Tables
from stockstream_wire import format_timestamp
from stockstream_wire.storage import (
    BACKFILL_SOURCE,
    BLOCK_INTERVAL,
    BLOCK_MINUTES,
    INCOMPLETE,
    INCOMPLETE_MINUTES,
    INTERVALS,
    MINUTE_FIELDS,
    OPEN_CANDLE_ATTRIBUTES,
    OPEN_CANDLE_FIELDS,
    TABLES,
    candle_key,
    window_start,
)

_MINUTE: Final = "1m"
_ATTRIBUTE_OF: Final = dict(zip(INTERVALS, OPEN_CANDLE_ATTRIBUTES, strict=True))
# The newest quotes may be late or stale and tell no window; looked through in pages of so many.
_NEWEST_PAGE_ITEMS: Final = 10
# Of a whole window: without the minutes of its block, which are two thirds of what would be sent.
_WHOLE_FIELDS: Final = (TABLES["candles"].sort, "open", "high", "low", "close", "volume", "quotes", INCOMPLETE)
_FIRST_MOMENT: Final = "0"
_LAST_MOMENT: Final = "~"


class Candle(msgspec.Struct, frozen=True, kw_only=True):
    """One window of one interval.

    Attributes:
        symbol: Ticker.
        interval: 1m, 5m, 1h or 1d.
        start: Start of the window in UTC; of a day, the exchange's local date at midnight.
        open: First price.
        high: Highest price.
        low: Lowest price.
        close: Last price.
        volume: Shares traded in it, as far as they are known; None where the feed tells no session's volume.
        quotes: Quotes that are in it.
        is_closed: Nothing changes it any more.
        source: "backfill" where it was made of history, else None.
        is_incomplete: More was traded about it while nobody watched, and nobody knows how much of that in it.
    """

    symbol: str
    interval: str
    start: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int | None
    quotes: int
    is_closed: bool
    source: str | None = None
    is_incomplete: bool = False

    @property
    def rank(self) -> int:
        """Of two candles of a window the higher one counts: the consumer's, history's, the consumer's incomplete."""
        return 1 if self.source is not None else 0 if self.is_incomplete else 2


async def candles_of(tables: Tables, symbol: str, interval: str, start: datetime, end: datetime) -> list[Candle]:
    """Candles whose windows start in the range, oldest first; a window without quotes has none.

    Args:
        tables: Where they are stored.
        symbol: Ticker.
        interval: 1m, 5m, 1h or 1d.
        start: Aware, included. Days are counted by their date at midnight UTC.
        end: Aware, excluded.

    Raises:
        ValueError: no such interval.
    """
    if interval not in INTERVALS:
        raise ValueError(f"interval={interval!r}: must be one of {', '.join(INTERVALS)}")
    first, last = format_timestamp(start.astimezone(UTC)), format_timestamp(end.astimezone(UTC))
    if first >= last:
        return []
    found: dict[str, Candle] = {}
    stored, fields = (BLOCK_INTERVAL, ()) if interval == _MINUTE else (interval, _WHOLE_FIELDS)
    # A block that begins before the range may hold minutes of it.
    lower = window_start(first, stored, first[:10])
    async for item in tables.candles_between(candle_key(symbol, stored), lower, last, attributes=fields):
        for window, candle in _closed(item, symbol, interval):
            if window not in found or found[window].rank < candle.rank:
                found[window] = candle
    for candle in await _running(tables, symbol, interval):
        window = format_timestamp(candle.start)
        if window not in found or found[window].rank < candle.rank:
            found[window] = candle
    return [found[window] for window in sorted(found) if first <= window < last]


def minute_start(block: str, minute: Decimal) -> str:
    """Start of a minute inside the block that begins at `block`: the minute of the hour, as a block's list has it."""
    return f"{block[:14]}{int(minute):02d}:00.000Z"


def _closed(item: Item, symbol: str, interval: str) -> Iterator[tuple[str, Candle]]:
    start, _, beside = item["window_start"].partition("/")
    source = BACKFILL_SOURCE if beside else None
    if interval == _MINUTE:
        incomplete = item.get(INCOMPLETE_MINUTES, ())
        for values in item.get(BLOCK_MINUTES, ()):
            named = dict(zip(MINUTE_FIELDS, values, strict=True))
            named[INCOMPLETE] = named["minute"] in incomplete
            minute = minute_start(start, named["minute"])
            yield minute, _candle(symbol, interval, minute, named, is_closed=True, source=source)
    elif "open" in item:
        # An item of history that has but some minutes of its block has no prices of the whole.
        yield start, _candle(symbol, interval, start, item, is_closed=True, source=source)


async def _running(tables: Tables, symbol: str, interval: str) -> list[Candle]:
    """The window that the newest quote is in, and the minutes before it in the same block."""
    newest = None
    newest_first = tables.quotes_between(
        symbol, _FIRST_MOMENT, _LAST_MOMENT, newest_first=True, page_items=_NEWEST_PAGE_ITEMS
    )
    async for item in newest_first:
        if _ATTRIBUTE_OF[interval] in item:
            newest = item
            break
    if newest is None:
        return []
    if interval != _MINUTE:
        return [_open(newest, interval, is_closed=False)]
    block = window_start(newest["timestamp"], BLOCK_INTERVAL, newest["session"])
    last_of: dict[str, Item] = {}
    async for item in tables.quotes_between(symbol, block, newest["timestamp"]):
        if _ATTRIBUTE_OF[interval] in item:
            last_of[item["timestamp"][:16]] = item
    last_minute = newest["timestamp"][:16]
    return [_open(item, interval, is_closed=minute != last_minute) for minute, item in last_of.items()]


def _open(quote: Item, interval: str, *, is_closed: bool) -> Candle:
    values = dict(zip(OPEN_CANDLE_FIELDS, quote[_ATTRIBUTE_OF[interval]], strict=True))
    values |= {"close": quote["price"], INCOMPLETE: interval in quote.get(INCOMPLETE, "").split()}
    start = window_start(quote["timestamp"], interval, quote["session"])
    return _candle(quote["symbol"], interval, start, values, is_closed=is_closed)


def _candle(
    symbol: str, interval: str, start: str, values: Item, *, is_closed: bool, source: str | None = None
) -> Candle:
    return Candle(
        symbol=symbol,
        interval=interval,
        start=datetime.fromisoformat(start),
        open=values["open"],
        high=values["high"],
        low=values["low"],
        close=values["close"],
        volume=None if (volume := values.get("volume")) is None else int(volume),
        quotes=int(values["quotes"]),
        is_closed=is_closed,
        source=source,
        is_incomplete=bool(values.get(INCOMPLETE)),
    )
