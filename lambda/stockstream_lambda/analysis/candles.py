"""Candles (OHLCV) of 1 minute, 5 minutes, 1 hour and 1 day, from event time; a window without quotes has no candle.

An open candle lives in the symbol's state and is written down with every quote. It closes when a quote of a later
window comes, or by time; then it is an item, once. A minute has no item of its own: it lies in that of its block.
"""

from decimal import Decimal
from functools import lru_cache
from typing import Final

import msgspec

from stockstream_lambda.analysis.volume import Traded
from stockstream_lambda.aws.dynamodb import Key
from stockstream_lambda.items import expires_attribute
from stockstream_wire import format_epoch_ms, timestamp_to_epoch_ms
from stockstream_wire.quote import VOLUME_MAX
from stockstream_wire.storage import (
    BLOCK_INTERVAL,
    BLOCK_MINUTES,
    INCOMPLETE,
    INCOMPLETE_MINUTES,
    INTERVAL_MINUTES,
    INTERVALS,
    OPEN_CANDLE_ATTRIBUTES,
    candle_key,
    window_start,
)
from stockstream_wire.trading_day import DayRule, session_date_of

_MINUTE: Final = INTERVALS.index("1m")
_DAY: Final = INTERVALS.index("1d")
_NULL: Final = '{"NULL":true}'
_HEADS: Final = [f',"{name}":{{"L":[{{"N":"' for name in OPEN_CANDLE_ATTRIBUTES]


# Of the windows that a moment lies in, in the order of INTERVALS.
Starts = tuple[str, ...]


class Candle(msgspec.Struct, array_like=True, gc=False):
    """One window of one interval.

    Attributes:
        window_start: In the wire form.
        open: First price.
        high: Highest.
        low: Lowest.
        close: Newest.
        volume: What traded in it, as far as it is known; None where no quote in it told a session's volume.
        quotes: How many went into it.
        is_closed: Nothing changes it any more.
        is_incomplete: More was traded about it, and nobody knows how much of that in it.
    """

    window_start: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int | None
    quotes: int
    is_closed: bool = False
    is_incomplete: bool = False

    def take(self, traded: Traded, index: int) -> None:
        """Take what traded up to a quote in it."""
        volume = self.volume or 0
        if not traded.is_of[index]:
            self.is_incomplete = True
        else:
            volume += traded.volume
        self.volume = volume if volume < VOLUME_MAX else VOLUME_MAX  # noqa: FURB136 - thrice as fast, four times a quote


class Candles(msgspec.Struct, array_like=True):
    """The candles of a symbol.

    Attributes:
        newest: The newest candle of each interval, in the order of INTERVALS.
        minutes: The closed minutes of the open block, oldest first.
    """

    newest: list[Candle | None] = msgspec.field(default_factory=lambda: [None] * len(INTERVALS))
    minutes: list[Candle] = []

    def add(
        self, starts: Starts, price: Decimal, traded: Traded | None, *, is_regular: bool
    ) -> tuple[list[tuple[str, Candle]], str]:
        """Take a tick.

        Args:
            starts: Starts of the windows that it lies in.
            price: Price.
            traded: What traded up to it since the mark before; None where it tells no mark.
            is_regular: Whether it is of regular hours: the day's prices are.

        Returns:
            The windows that are over with it, by interval, minutes before their block; and the attributes that show
            those it is in, each with a comma before it.
        """
        over: list[tuple[str, Candle]] = []
        shown, incomplete, newest = "", "", self.newest
        for index, start in enumerate(starts):
            candle, is_priced = newest[index], is_regular or index != _DAY
            if candle is None or candle.window_start != start or candle.is_closed:
                candle = self._begin(index, starts, price if is_priced else None, traded, over)
                if candle is None:
                    continue
            if traded is not None:
                candle.take(traded, index)
            if is_priced:  # the price outside regular hours is not the day's close
                candle.close = price
                candle.quotes += 1
                if price > candle.high:
                    candle.high = price
                elif price < candle.low:
                    candle.low = price
                shown += (
                    f'{_HEADS[index]}{candle.open!s}"}},{{"N":"{candle.high!s}"}},{{"N":"{candle.low!s}"}},'
                    f'{_volume(candle)},{{"N":"{candle.quotes}"}}]}}'
                )
                if candle.is_incomplete:
                    incomplete += f" {INTERVALS[index]}"
        if incomplete:
            shown += f',"{INCOMPLETE}":{{"S":"{incomplete[1:]}"}}'
        return over, shown

    def _begin(
        self, index: int, starts: Starts, price: Decimal | None, traded: Traded | None, over: list[tuple[str, Candle]]
    ) -> Candle | None:
        """The window that a tick opens, the one before it being over; None where it opens none."""
        candle, start = self.newest[index], starts[index]
        if candle is not None:
            if traded is not None and not traded.is_of[index]:
                _reach_back(candle, index, traded.since, starts)
            if candle.window_start >= start:
                return None  # closed by time; or a later one: the exchange's zone has changed under us
        if price is None:
            return None
        if candle is not None and not candle.is_closed:
            over.append((INTERVALS[index], candle))
        self.newest[index] = begun = Candle(start, price, price, price, price, None, 0)
        return begun

    def correct(self, starts: Starts, price: Decimal, *, is_regular: bool) -> None:
        """Take a late price: it may widen the range of a window still open, and moves nothing else."""
        for candle, start in zip(self.newest, starts if is_regular else starts[:_DAY], strict=False):
            if candle is not None and candle.window_start == start and not candle.is_closed:
                candle.high = max(candle.high, price)
                candle.low = min(candle.low, price)
                candle.quotes += 1

    def close(self, until: str, rule: DayRule) -> list[tuple[str, Candle]]:
        """Close what ends by a moment; returns the windows, by interval. What is closed stays, to be known as such."""
        over = self.over_by(until, rule)
        for _, candle in over:
            candle.is_closed = True
        return over

    def over_by(self, until: str, rule: DayRule) -> list[tuple[str, Candle]]:
        """The windows that end by a moment and are still open, by interval."""
        return [
            (INTERVALS[index], candle)
            for index, candle in enumerate(self.newest)
            if candle is not None and not candle.is_closed and _ends_by(candle.window_start, index, until, rule)
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
                minutes = _minutes(self.minutes)
                self.minutes = []
            expires_at = expires_attribute(candle.window_start, retention_days)
            key = candle_key(symbol, interval), candle.window_start
            items.append((key, _item(symbol, interval, candle, minutes + expires_at)))
        return items


@lru_cache(maxsize=4096)
def window_starts(minute: str, session: str) -> Starts:
    """Starts of the windows that a minute (`2026-11-20T14:30`) of a session lies in, in the order of INTERVALS."""
    return tuple([window_start(minute, interval, session) for interval in INTERVALS])


def _reach_back(candle: Candle, index: int, since: str, starts: Starts) -> None:
    """Mark the window before a gap: what traded in the gap may have traded at its end."""
    if since and not candle.is_closed and candle.window_start >= window_starts(since, starts[_DAY][:10])[index]:
        candle.is_incomplete = True


def _ends_by(start: str, index: int, until: str, rule: DayRule) -> bool:
    if index == _DAY:
        return session_date_of(until, rule) > start[:10]
    end_ms = timestamp_to_epoch_ms(start) + INTERVAL_MINUTES[INTERVALS[index]] * 60_000
    return format_epoch_ms(end_ms) <= until


def _item(symbol: str, interval: str, candle: Candle, more: str) -> bytes:
    volume = "" if candle.volume is None else f'"volume":{_volume(candle)},'
    incomplete = f',"{INCOMPLETE}":{{"BOOL":true}}' if candle.is_incomplete else ""
    return (
        f'{{"symbol_interval":{{"S":"{candle_key(symbol, interval)}"}},"window_start":{{"S":"{candle.window_start}"}},'
        f'"symbol":{{"S":"{symbol}"}},"interval":{{"S":"{interval}"}},'
        f'"open":{{"N":"{candle.open!s}"}},"high":{{"N":"{candle.high!s}"}},"low":{{"N":"{candle.low!s}"}},'
        f'"close":{{"N":"{candle.close!s}"}},{volume}"quotes":{{"N":"{candle.quotes}"}},'
        f'"closed":{{"BOOL":true}}{incomplete}{more}}}'
    ).encode()


def _volume(candle: Candle) -> str:
    return _NULL if candle.volume is None else f'{{"N":"{candle.volume}"}}'


def _minutes(minutes: list[Candle]) -> str:
    """The closed minutes of a block, each in the order of MINUTE_FIELDS."""
    lists = ",".join(
        [
            f'{{"L":[{{"N":"{_of_hour(c)}"}},{{"N":"{c.open!s}"}},{{"N":"{c.high!s}"}},'
            f'{{"N":"{c.low!s}"}},{{"N":"{c.close!s}"}},{_volume(c)},{{"N":"{c.quotes}"}}]}}'
            for c in minutes
        ]
    )
    incomplete = ",".join([f'{{"N":"{_of_hour(c)}"}}' for c in minutes if c.is_incomplete])
    more = f',"{INCOMPLETE_MINUTES}":{{"L":[{incomplete}]}}' if incomplete else ""
    return f',"{BLOCK_MINUTES}":{{"L":[{lists}]}}{more}'


def _of_hour(candle: Candle) -> int:
    return int(candle.window_start[14:16])
