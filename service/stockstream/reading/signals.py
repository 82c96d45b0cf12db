"""What the stored quotes say of a symbol's windows beside their candles: session, z-score, volume ratio, splits."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from stockstream.reading.rows import moment
from stockstream.reading.tables import Item, Tables
from stockstream_wire import format_timestamp
from stockstream_wire.storage import window_start

SIGNAL_QUOTES_MAX: Final = 10_000
# What is read of an item: a fifth of it.
_ATTRIBUTES: Final = (
    "timestamp", "session", "regular", "stale", "late", "return_z", "volume_ratio", "split_suspected",
)  # fmt: skip


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """What the quotes of one window say.

    Attributes:
        start: Start of the window, as its candle's.
        is_regular: At least one of them is of regular hours.
        return_z: The z-score furthest from 0; None before it is warm.
        volume_ratio: Volume of the minute over its usual, of the newest quote that has one.
        split_suspected: A split that the first quotes of a session show, as `4:1`; None in all other windows.
    """

    start: datetime
    is_regular: bool
    return_z: Decimal | None = None
    volume_ratio: Decimal | None = None
    split_suspected: str | None = None


async def signals_of(tables: Tables, symbol: str, interval: str, start: datetime, end: datetime) -> list[Signal]:
    """Signals of the windows that the newest quotes of a range lie in, oldest first; 10,000 quotes at most.

    Args:
        tables: Where they are stored.
        symbol: Ticker.
        interval: 1m, 5m, 1h or 1d.
        start: Aware, included.
        end: Aware, excluded.
    """
    first, last = format_timestamp(start), format_timestamp(end)
    items: list[Item] = []
    newest_first = tables.quotes_between(
        symbol, first, last, newest_first=True, page_items=1000, attributes=_ATTRIBUTES
    )
    read = 0
    async for item in newest_first:
        read += 1
        # A stale fact repeats, and a quote that came late was never judged.
        if item["timestamp"] < last and "session" in item and not (item.get("stale") or item.get("late")):
            items.append(item)
        if read == SIGNAL_QUOTES_MAX:
            break
    return _by_window(reversed(items), interval)


def _by_window(items: Iterable[Item], interval: str) -> list[Signal]:
    found: dict[str, Signal] = {}
    known_split: tuple[str, str | None] | None = None
    for item in items:
        window = window_start(item["timestamp"], interval, item["session"])
        before = found.get(window) or Signal(start=moment(window), is_regular=False)
        split: str | None = item.get("split_suspected")
        is_news = split is not None and (item["session"], split) != known_split
        if is_news:
            known_split = (item["session"], split)
        found[window] = Signal(
            start=before.start,
            is_regular=before.is_regular or item.get("regular", True),
            return_z=_further(before.return_z, item.get("return_z")),
            volume_ratio=item.get("volume_ratio", before.volume_ratio),
            split_suspected=split if is_news else before.split_suspected,
        )
    return list(found.values())


def _further(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    if one is None or other is None:
        return one if other is None else other
    return other if abs(other) > abs(one) else one
