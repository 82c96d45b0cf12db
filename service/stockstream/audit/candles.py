"""Candles made anew from the archive and compared with the stored ones: 1 m, 5 m and 1 h windows of one UTC day.

The daily candle follows the exchange's session and not the UTC day, so it is not compared here. A quote that came late
may have widened a window that was still open and changes nothing in a closed one: both are right, so the bounds allow
both. Volume is compared where it follows from the day alone: not in the first window, nor where the cumulative volume
falls (a new session, or a correction of the feed).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from stockstream.audit.findings import Finding, Problem
from stockstream_wire import Quote

INTERVALS: Final = {"1m": 1, "5m": 5, "1h": 60}


@dataclass(slots=True)
class Expected:
    """One window as the quotes in order make it; `volume` is None where the day alone does not say it."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int | None
    quotes: int
    widest_high: Decimal
    widest_low: Decimal
    late: int = 0

    def problems(self, item: Mapping[str, Any]) -> Iterator[str]:
        """What the stored candle says that it cannot."""
        for name in ("open", "close"):
            if item.get(name) != getattr(self, name):
                yield f"{name} is {item.get(name)}, must be {getattr(self, name)}"
        if not self.high <= item.get("high", Decimal(-1)) <= self.widest_high:
            yield f"high is {item.get('high')}, must be {self.high}"
        if not self.widest_low <= item.get("low", Decimal(-1)) <= self.low:
            yield f"low is {item.get('low')}, must be {self.low}"
        if self.volume is not None and item.get("volume") != self.volume:
            yield f"volume is {item.get('volume')}, must be {self.volume}"
        if not self.quotes <= item.get("quotes", -1) <= self.quotes + self.late:
            yield f"quotes is {item.get('quotes')}, must be {self.quotes}"


def window_start(timestamp: str, minutes: int) -> str:
    """Start of the window of `minutes` (1 to 60) that an event time is in."""
    if minutes == 60:
        return f"{timestamp[:13]}:00:00.000Z"
    minute = int(timestamp[14:16]) // minutes * minutes
    return f"{timestamp[:14]}{minute:02d}:00.000Z"


def expected_candles(quotes: Sequence[tuple[Quote, bool]]) -> dict[tuple[str, str], Expected]:
    """Make the candles of quotes in order of event time, each with whether it came late.

    A window that holds late quotes only is left out: nothing says whether it has a candle.
    """
    found: dict[tuple[str, str], Expected] = {}
    last_volume: int | None = None
    for quote, is_late in quotes:
        if is_late:
            continue
        volume = quote.volume
        difference = None
        if volume is not None:
            difference = None if last_volume is None or volume < last_volume else volume - last_volume
            last_volume = volume
        for interval, minutes in INTERVALS.items():
            key = interval, window_start(quote.timestamp, minutes)
            _add(found, key, quote.price, difference)
    for quote, is_late in quotes:
        for interval, minutes in INTERVALS.items() if is_late else ():
            candle = found.get((interval, window_start(quote.timestamp, minutes)))
            if candle is not None:
                candle.late += 1
                candle.widest_high = max(candle.widest_high, quote.price)
                candle.widest_low = min(candle.widest_low, quote.price)
    return found


def compare_candles(
    symbol: str, quotes: Sequence[tuple[Quote, bool]], stored: Mapping[tuple[str, str], Mapping[str, Any]]
) -> tuple[int, list[Finding]]:
    """Compare; returns how many candles were compared and what does not add up."""
    findings: list[Finding] = []
    expected = expected_candles(quotes)
    late_windows = {
        (interval, window_start(quote.timestamp, minutes))
        for quote, is_late in quotes
        if is_late
        for interval, minutes in INTERVALS.items()
    }
    for key, candle in expected.items():
        subject = f"{key[0]} {key[1]}"
        item = stored.get(key)
        if item is None:
            findings.append(Finding(Problem.CANDLE_MISSING, symbol, subject, f"{candle.quotes} quotes are in it"))
            continue
        problems = list(candle.problems(item))
        if problems:
            findings.append(Finding(Problem.CANDLE_DIFFERS, symbol, subject, "; ".join(problems)))
    findings += [
        Finding(Problem.CANDLE_UNFOUNDED, symbol, f"{key[0]} {key[1]}", "no quote is in it")
        for key in sorted(stored.keys() - expected.keys() - late_windows)
    ]
    return len(expected), findings


def _add(found: dict[tuple[str, str], Expected], key: tuple[str, str], price: Decimal, difference: int | None) -> None:
    candle = found.get(key)
    if candle is None:
        found[key] = Expected(price, price, price, price, difference, 1, price, price)
        return
    candle.high = max(candle.high, price)
    candle.low = min(candle.low, price)
    candle.widest_high = max(candle.widest_high, price)
    candle.widest_low = min(candle.widest_low, price)
    candle.close = price
    candle.quotes += 1
    candle.volume = None if candle.volume is None or difference is None else candle.volume + difference
