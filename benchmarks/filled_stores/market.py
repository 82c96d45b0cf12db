"""A month of one symbol as the consumer stores it: its own fold makes the items; polls of 30 s, New York's hours."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from stockstream_wire import Quote, format_timestamp
from stockstream_wire.storage import TABLES
from tests.consumer.folding import Folder, item_bytes

# The symbol whose items stand for those of all others.
MODEL: Final = "SYM0"
LAST_DAY: Final = date(2026, 11, 25)
DAYS: Final = 30
POLL_SECONDS: Final = 30
_NEW_YORK: Final = ZoneInfo("America/New_York")
_SATURDAY: Final = 5
_SESSION_SECONDS: Final = 23_400


class Stored:
    """Items of one table and partition key, by sort key.

    Attributes:
        keys: Sort keys in their order.
        items: The items as DynamoDB's JSON.
        sizes: Of each, as DynamoDB counts.
    """

    def __init__(self, items: dict[str, bytes]) -> None:
        self.keys = sorted(items)
        self.items = [items[key] for key in self.keys]
        self.sizes = [item_bytes(item) for item in self.items]


def stored_month() -> dict[tuple[str, str], Stored]:
    """The model's items, by table and partition key; the windows of the last quote are open."""
    folder = Folder()
    for session in _sessions():
        folder.add(session)
    found: dict[tuple[str, str], dict[str, bytes]] = {}
    for effects in folder.effects:
        for table, items in (("quotes", effects.quotes), ("candles", effects.candles)):
            for key, item in items:
                found.setdefault((table, key[0]), {})[key[1]] = item
    assert set(TABLES) >= {table for table, _ in found}
    return {key: Stored(items) for key, items in found.items()}


def quote_of(symbol: str, moment: datetime, price: Decimal, volume: int) -> Quote:
    """A quote as Yahoo's polls give them."""
    return Quote(
        symbol=symbol, timestamp=format_timestamp(moment), open=Decimal("100.01"), high=Decimal("131.5"),
        low=Decimal("71.25"), price=price, previous_close=Decimal("100.02"), volume=volume, currency="USD",
        exchange="NMS", market_state="REGULAR", polled_at=format_timestamp(moment), source="yahoo",
        bid=price - Decimal("0.01"), ask=price + Decimal("0.01"),
    )  # fmt: skip


def _sessions() -> Iterator[list[Quote]]:
    rng = random.Random(7)
    price = 100.0
    for number in range(DAYS, -1, -1):
        day = LAST_DAY - timedelta(days=number)
        if day.weekday() >= _SATURDAY:
            continue
        opening = datetime.combine(day, time(9, 30), _NEW_YORK).astimezone(UTC)
        quotes, volume = [], 0
        for second in range(0, _SESSION_SECONDS, POLL_SECONDS):
            price = min(130.0, max(72.0, price * rng.uniform(0.999, 1.001)))
            volume += rng.randrange(1, 50_000)
            moment = opening + timedelta(seconds=second, milliseconds=rng.randrange(1000))
            quotes.append(quote_of(MODEL, moment, Decimal(f"{price:.2f}"), volume))
        yield quotes
