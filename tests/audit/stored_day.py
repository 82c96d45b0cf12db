"""A symbol's day as a correct consumer stores it, built from first principles; the tests then damage it."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec

from stockstream.audit.ledger_reader import LedgerEntry, digest_of
from stockstream.audit.reconcile import ArchiveLine, SymbolDay
from stockstream_wire import Quote, encode_quote

DAY = "2026-11-20"


def quote(minute: int, price: str, volume: int, *, second: int = 0, symbol: str = "AAPL", **changes: Any) -> Quote:
    values: dict[str, Any] = {
        "symbol": symbol,
        "timestamp": f"{DAY}T{14 + minute // 60:02d}:{minute % 60:02d}:{second:02d}.000Z",
        "open": Decimal(100),
        "high": Decimal(110),
        "low": Decimal(90),
        "price": Decimal(price),
        "previous_close": Decimal("99.5"),
        "volume": volume,
        "source": "replay",
    }
    return Quote(**(values | changes))


QUOTES = [
    quote(30, "100.01", 1000),
    quote(30, "101.5", 1500, second=30),
    quote(31, "99.75", 1700),
    quote(36, "102", 2500),
    quote(95, "98.25", 9000),
]


def item_of(item: Quote, **marks: Any) -> dict[str, Any]:
    change = item.price - item.previous_close
    found = {name: value for name, value in msgspec.structs.asdict(item).items() if value is not None}
    return found | {
        "volume": Decimal(item.volume or 0),
        "change": change,
        "change_percent": change / item.previous_close * 100,
        "moving_average": (item.open + item.high + item.low + item.price) / 4,
        "anomaly": "No",
        **marks,
    }


def windows(minute: str, five: str = "", hour: str = "") -> dict[str, list[Decimal]]:
    """What a quote carries: open, high, low, volume, quotes of its windows; a longer one as the shorter if unsaid."""
    texts = {"candle_1m": minute, "candle_5m": five or minute, "candle_1h": hour or five or minute}
    return {name: [Decimal(word) for word in text.split()] for name, text in texts.items()}


# Worked out by hand, as the quotes come. The first window's volume counts from the session's start; what traded over a
# gap belongs to the windows that hold both its ends, or whose neighbour holds the earlier.
WINDOWS = dict(
    zip(
        [item.timestamp for item in QUOTES],
        [
            windows("100.01 100.01 100.01 1000 1"),
            windows("100.01 101.5 100.01 1500 2"),
            windows("99.75 99.75 99.75 200 1", "100.01 101.5 99.75 1700 3"),
            windows("102 102 102 0 1", "102 102 102 800 1", "100.01 102 99.75 2500 4"),
            windows("98.25 98.25 98.25 0 1", "98.25 98.25 98.25 0 1", "98.25 98.25 98.25 6500 1"),
        ],
        strict=True,
    )
)


def items_of(quotes: Sequence[Quote]) -> dict[str, dict[str, Any]]:
    """Items of quotes of QUOTES, by event time."""
    return {item.timestamp: item_of(item, **WINDOWS[item.timestamp]) for item in quotes}


def candle(text: str) -> dict[str, Any]:
    names = ("open", "high", "low", "close", "volume", "quotes")
    return dict(zip(names, map(Decimal, text.split()), strict=True))


# Closed candles, worked out by hand: the newest windows may be closed by the clock or not.
CANDLES = {
    ("1m", f"{DAY}T14:30:00.000Z"): candle("100.01 101.5 100.01 101.5 1500 2"),
    ("1m", f"{DAY}T14:31:00.000Z"): candle("99.75 99.75 99.75 99.75 200 1"),
    ("1m", f"{DAY}T14:36:00.000Z"): candle("102 102 102 102 0 1"),
    ("1m", f"{DAY}T15:35:00.000Z"): candle("98.25 98.25 98.25 98.25 0 1"),
    ("5m", f"{DAY}T14:30:00.000Z"): candle("100.01 101.5 99.75 99.75 1700 3"),
    ("5m", f"{DAY}T14:35:00.000Z"): candle("102 102 102 102 800 1"),
    ("5m", f"{DAY}T15:35:00.000Z"): candle("98.25 98.25 98.25 98.25 0 1"),
    ("1h", f"{DAY}T14:00:00.000Z"): candle("100.01 102 99.75 102 2500 4"),
    ("1h", f"{DAY}T15:00:00.000Z"): candle("98.25 98.25 98.25 98.25 6500 1"),
}


def ledger_of(quotes: Sequence[Quote]) -> list[LedgerEntry]:
    return [LedgerEntry(item.timestamp, digest_of(encode_quote(item))) for item in quotes]


def lines_of(quotes: Sequence[Quote], key: str = "raw/object") -> list[ArchiveLine]:
    return [ArchiveLine(item, digest_of(encode_quote(item)), key) for item in quotes]


def stored_day(**changes: Any) -> SymbolDay:
    day = SymbolDay(
        symbol="AAPL",
        ledger=ledger_of(QUOTES),
        archive=lines_of(QUOTES),
        items=items_of(QUOTES),
        candles=CANDLES,
        anomaly_threshold_percent=Decimal(5),
    )
    return replace(day, **changes)
