"""Reads what the tables hold of one symbol and day."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from stockstream.reading import Item, Tables
from stockstream_wire.storage import BLOCK_INTERVAL, BLOCK_MINUTES, MINUTE_FIELDS, candle_key

_BESIDE: Final = "/"


@dataclass(frozen=True, slots=True)
class Stores:
    """Where things are stored. Clients are aiobotocore's and closed by the caller.

    `anomaly_threshold_percent` is what the consumer that stored them ran with.
    """

    s3: Any
    dynamodb: Any
    bucket: str
    quotes_table: str
    candles_table: str
    anomaly_threshold_percent: Decimal = Decimal(5)

    @property
    def tables(self) -> Tables:
        return Tables(self.dynamodb, self.quotes_table, self.candles_table, is_consistent=True)

    async def quotes(self, symbol: str, day: str) -> dict[str, Item]:
        """Items of a symbol's day by event time."""
        items = self.tables.quotes_between(symbol, day, f"{day}~")
        return {item["timestamp"]: item async for item in items}

    async def candles(self, symbol: str, day: str) -> dict[tuple[str, str], Item]:
        """The consumer's closed candles of a symbol's day by interval and window start."""
        found: dict[tuple[str, str], Item] = {}
        for interval in (BLOCK_INTERVAL, "1h"):
            async for item in self.tables.candles_between(candle_key(symbol, interval), day, f"{day}~"):
                start = item["window_start"]
                if _BESIDE in start:
                    continue  # made of history
                found[interval, start] = item
                for values in item.get(BLOCK_MINUTES, ()):
                    minute: Mapping[str, Any] = dict(zip(MINUTE_FIELDS, values, strict=True))
                    found["1m", f"{start[:14]}{int(minute['minute']):02d}:00.000Z"] = minute
        return found
