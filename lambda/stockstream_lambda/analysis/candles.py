"""Candles (OHLCV) of 1 minute, 5 minutes, 1 hour and 1 day, from event time; a window without quotes has no candle."""

from decimal import Decimal
from typing import Final

import msgspec

from stockstream_wire.quote import VOLUME_MAX

INTERVALS: Final = ("1m", "5m", "1h", "1d")


class Candle(msgspec.Struct, array_like=True):
    """One window of one interval. `close` is the newest price; `quotes` counts what went into it."""

    window_start: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int
    quotes: int

    def add(self, price: Decimal, volume: int) -> None:
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.close = price
        self.volume = min(self.volume + volume, VOLUME_MAX)
        self.quotes += 1

    def correct(self, price: Decimal) -> None:
        """Take a late price: it may widen the range of a window still open, and moves nothing else."""
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.quotes += 1

    def item(self, symbol: str, interval: str, *, closed: bool, expires_at: str) -> bytes:
        """The DynamoDB item as JSON bytes. `expires_at` is a ready attribute with its comma, or empty."""
        return (
            f'{{"symbol_interval":{{"S":"{symbol}#{interval}"}},"window_start":{{"S":"{self.window_start}"}},'
            f'"symbol":{{"S":"{symbol}"}},"interval":{{"S":"{interval}"}},'
            f'"open":{{"N":"{self.open!s}"}},"high":{{"N":"{self.high!s}"}},"low":{{"N":"{self.low!s}"}},'
            f'"close":{{"N":"{self.close!s}"}},"volume":{{"N":"{self.volume}"}},"quotes":{{"N":"{self.quotes}"}},'
            f'"closed":{{"BOOL":{"true" if closed else "false"}}}{expires_at}}}'
        ).encode()


def window_starts(timestamp: str, session: str) -> tuple[str, str, str, str]:
    """Starts of the windows that a quote belongs to, in the order of `INTERVALS`.

    Minutes and hours are UTC's; the day is the exchange's session, written as its local date at midnight.
    """
    five = int(timestamp[14:16]) // 5 * 5
    return (
        f"{timestamp[:16]}:00.000Z",
        f"{timestamp[:14]}{five:02d}:00.000Z",
        f"{timestamp[:13]}:00:00.000Z",
        f"{session}T00:00:00.000Z",
    )
