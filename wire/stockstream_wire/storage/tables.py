"""The tables: their keys, the index of unsent alerts, candle attributes, and when an item expires."""

from functools import lru_cache
from typing import Final, NamedTuple

from stockstream_wire.timestamps import timestamp_to_epoch_ms


class TableKey(NamedTuple):
    """Names of a table's partition key and sort key; both are strings."""

    partition: str
    sort: str


# By the table's own name, which a deployment may prefix.
TABLES: Final = {
    "quotes": TableKey("symbol", "timestamp"),
    "candles": TableKey("symbol_interval", "window_start"),
    "alerts": TableKey("symbol", "alert_id"),
}

# Of the workers that share a watchlist, an item each, of their deployment; there is such a table where there are any.
WORKERS_KEY: Final = TableKey("deployment", "worker")

# An alert that SNS has not taken carries both attributes, and so stands in the table's sparse index.
UNSENT_INDEX: Final = "unsent"
UNSENT: Final = "unsent"
UNSENT_VALUE: Final = "1"
UNSENT_SINCE: Final = "created_at"

# The TTL attribute, epoch seconds.
EXPIRES_AT: Final = "expires_at"
_DAY_SECONDS: Final = 86_400

# What `stockstream backfill` writes into `source`.
BACKFILL_SOURCE: Final = "backfill"

INTERVALS: Final = ("1m", "5m", "1h", "1d")
# The day is the exchange's session, written as its local date at midnight.
INTERVAL_MINUTES: Final = {"1m": 1, "5m": 5, "1h": 60}
# Intervals that `candles` has items of: one-minute candles lie in the block of their five minutes.
STORED_INTERVALS: Final = ("5m", "1h", "1d")
BLOCK_INTERVAL: Final = "5m"
# Attribute of a block: its closed minutes, oldest first, each a list of these fields; `minute` is that of the hour.
BLOCK_MINUTES: Final = "minutes"
MINUTE_FIELDS: Final = ("minute", "open", "high", "low", "close", "volume", "quotes")
# Attributes of a quote, in the order of INTERVALS: the windows it is in as they stood with it, each a list of these
# fields (the close is the quote's price).
OPEN_CANDLE_ATTRIBUTES: Final = tuple(f"candle_{interval}" for interval in INTERVALS)
OPEN_CANDLE_FIELDS: Final = ("open", "high", "low", "volume", "quotes")
# More was traded about such a window, and nobody knows how much of that in it. `true` in a candle; in a quote the
# intervals of its windows that are incomplete, as `1m 5m`; in a block its incomplete minutes, as those of the hour.
INCOMPLETE: Final = "incomplete"
INCOMPLETE_MINUTES: Final = "incomplete_minutes"


def candle_key(symbol: str, interval: str) -> str:
    """Partition key of a symbol's candles of an interval."""
    return f"{symbol}#{interval}"


def window_start(timestamp: str, interval: str, session: str) -> str:
    """Start of the window that a moment lies in.

    Args:
        timestamp: A wire timestamp.
        interval: One of INTERVALS.
        session: The exchange's local date at that moment, which names the window of a day.
    """
    if interval == "1m":
        return f"{timestamp[:16]}:00.000Z"
    if interval == "5m":
        return f"{timestamp[:14]}{int(timestamp[14:16]) // 5 * 5:02d}:00.000Z"
    if interval == "1h":
        return f"{timestamp[:13]}:00:00.000Z"
    return f"{session}T00:00:00.000Z"


def minute_start(block_start: str, minute: int) -> str:
    """Start of a minute within its block, of which the block says the minute of the hour."""
    return f"{block_start[:14]}{minute:02d}:00.000Z"


def backfill_window(start: str) -> str:
    """Sort key of a candle made of history: beside the consumer's own, so that neither ever overwrites the other."""
    return f"{start}/{BACKFILL_SOURCE}"


@lru_cache(maxsize=4096)
def _minute_seconds(minute: str) -> int:
    return timestamp_to_epoch_ms(f"{minute}:00.000Z") // 1000


def expires_at_seconds(timestamp: str, retention_days: int) -> int | None:
    """When an item may go: the event's minute plus the retention, in epoch seconds; None where kept for ever."""
    if not retention_days:
        return None
    return _minute_seconds(timestamp[:16]) + retention_days * _DAY_SECONDS
