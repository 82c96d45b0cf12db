"""Candles (OHLCV) of 1 minute, 5 minutes, 1 hour and 1 day, from event time; a window without quotes has no candle.

An open candle lives in the symbol's state and is written down with every quote. It closes when a quote of a later
window comes, or by time; then it is an item, once. A minute has no item of its own: it lies in that of its block.
"""

from decimal import Decimal
from functools import lru_cache
from typing import Final

import msgspec

from stockstream_lambda.analysis.sessions import local_minute
from stockstream_lambda.aws.dynamodb import Key
from stockstream_lambda.items import expires_attribute
from stockstream_wire import format_epoch_ms, timestamp_to_epoch_ms
from stockstream_wire.quote import VOLUME_MAX
from stockstream_wire.storage import (
    BLOCK_INTERVAL,
    BLOCK_MINUTES,
    INTERVAL_MINUTES,
    INTERVALS,
    OPEN_CANDLE_ATTRIBUTES,
    candle_key,
    window_start,
)

_MINUTE: Final = INTERVALS.index("1m")
_DAY: Final = INTERVALS.index("1d")


class Candle(msgspec.Struct, array_like=True):
    """One window of one interval. `close` is the newest price; `quotes` counts what went into it."""

    window_start: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int
    quotes: int
    is_closed: bool = False


class Candles(msgspec.Struct, array_like=True):
    """The candles of a symbol.

    Attributes:
        newest: The newest candle of each interval, in the order of INTERVALS.
        minutes: The closed minutes of the open block, oldest first.
    """

    newest: list[Candle | None] = msgspec.field(default_factory=lambda: [None] * len(INTERVALS))
    minutes: list[Candle] = []

    def add(self, timestamp: str, session: str, price: Decimal, volume: int) -> list[tuple[str, Candle]]:
        """Take a tick; returns the windows that are over with it, by interval, minutes before their block."""
        over: list[tuple[str, Candle]] = []
        newest = self.newest
        for index, start in enumerate(window_starts(timestamp[:16], session)):
            candle = newest[index]
            if candle is not None:
                if candle.window_start == start:
                    if not candle.is_closed:
                        if price > candle.high:
                            candle.high = price
                        elif price < candle.low:
                            candle.low = price
                        candle.close = price
                        if volume:
                            candle.volume = min(candle.volume + volume, VOLUME_MAX)
                        candle.quotes += 1
                    continue
                if candle.window_start > start:
                    continue  # the exchange's zone has changed under us: that day is over
                if not candle.is_closed:
                    over.append((INTERVALS[index], candle))
            newest[index] = Candle(start, price, price, price, price, volume, 1)
        return over

    def correct(self, timestamp: str, session: str, price: Decimal) -> None:
        """Take a late price: it may widen the range of a window still open, and moves nothing else."""
        for candle, start in zip(self.newest, window_starts(timestamp[:16], session), strict=True):
            if candle is not None and candle.window_start == start and not candle.is_closed:
                candle.high = max(candle.high, price)
                candle.low = min(candle.low, price)
                candle.quotes += 1

    def close(self, until: str, zone: str) -> list[tuple[str, Candle]]:
        """Close what ends by a moment; returns the windows, by interval. What is closed stays, to be known as such."""
        over = self.over_by(until, zone)
        for _, candle in over:
            candle.is_closed = True
        return over

    def over_by(self, until: str, zone: str) -> list[tuple[str, Candle]]:
        """The windows that end by a moment and are still open, by interval."""
        return [
            (INTERVALS[index], candle)
            for index, candle in enumerate(self.newest)
            if candle is not None and not candle.is_closed and _ends_by(candle.window_start, index, until, zone)
        ]

    def items_of(self, symbol: str, over: list[tuple[str, Candle]], retention_days: int) -> list[tuple[Key, bytes]]:
        """The items of windows that are over; collects the minutes of the block that is open."""
        items = []
        for interval, candle in over:
            if interval == INTERVALS[_MINUTE]:
                self.minutes.append(candle)
                continue
            minutes = ""
            if interval == BLOCK_INTERVAL:
                minutes = f',"{BLOCK_MINUTES}":{{"L":[{",".join(map(_minute, self.minutes))}]}}'
                self.minutes = []
            expires_at = expires_attribute(candle.window_start, retention_days)
            key = candle_key(symbol, interval), candle.window_start
            items.append((key, _item(symbol, interval, candle, minutes + expires_at)))
        return items

    def open_attributes(self, timestamp: str, session: str) -> str:
        """The attributes of a quote that show the candles it is in, each with a comma before it."""
        starts = window_starts(timestamp[:16], session)
        return "".join(
            [
                f',"{name}":{{"L":[{{"N":"{c.open!s}"}},{{"N":"{c.high!s}"}},{{"N":"{c.low!s}"}},'
                f'{{"N":"{c.volume}"}},{{"N":"{c.quotes}"}}]}}'
                for name, start, c in zip(OPEN_CANDLE_ATTRIBUTES, starts, self.newest, strict=True)
                if c is not None and c.window_start == start and not c.is_closed
            ]
        )


@lru_cache(maxsize=4096)
def window_starts(minute: str, session: str) -> tuple[str, ...]:
    """Starts of the windows that a minute (`2026-11-20T14:30`) of a session lies in, in the order of INTERVALS."""
    return tuple([window_start(minute, interval, session) for interval in INTERVALS])


def _ends_by(start: str, index: int, until: str, zone: str) -> bool:
    if index == _DAY:
        return local_minute(until[:16], zone).session > start[:10]
    end_ms = timestamp_to_epoch_ms(start) + INTERVAL_MINUTES[INTERVALS[index]] * 60_000
    return format_epoch_ms(end_ms) <= until


def _item(symbol: str, interval: str, candle: Candle, more: str) -> bytes:
    return (
        f'{{"symbol_interval":{{"S":"{candle_key(symbol, interval)}"}},"window_start":{{"S":"{candle.window_start}"}},'
        f'"symbol":{{"S":"{symbol}"}},"interval":{{"S":"{interval}"}},'
        f'"open":{{"N":"{candle.open!s}"}},"high":{{"N":"{candle.high!s}"}},"low":{{"N":"{candle.low!s}"}},'
        f'"close":{{"N":"{candle.close!s}"}},"volume":{{"N":"{candle.volume}"}},"quotes":{{"N":"{candle.quotes}"}},'
        f'"closed":{{"BOOL":true}}{more}}}'
    ).encode()


def _minute(candle: Candle) -> str:
    """A closed minute within its block, in the order of MINUTE_FIELDS."""
    return (
        f'{{"L":[{{"N":"{int(candle.window_start[14:16])}"}},{{"N":"{candle.open!s}"}},{{"N":"{candle.high!s}"}},'
        f'{{"N":"{candle.low!s}"}},{{"N":"{candle.close!s}"}},{{"N":"{candle.volume}"}},{{"N":"{candle.quotes}"}}]}}'
    )
