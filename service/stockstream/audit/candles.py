"""Candles made anew from the archive and compared with the stored ones: 1 m, 5 m and 1 h windows of one UTC day.

The daily candle follows the exchange's session and not the UTC day, so it is not compared here. A quote that came late
may have widened a window that was still open and changes nothing in a closed one: both are right, so the bounds allow
both. Volume is compared where it follows from the day alone: not in the first window of a session, for who audits a day
does not know what its first mark counts from.

Two things are compared: what each quote says of the windows it is in, as they stood with it, and the closed candles. A
window is closed once a later window has a quote; a night's close may close the newest one, so that may be either.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

from stockstream.audit.findings import Finding, Problem
from stockstream_wire import Quote, session_facts, timestamp_to_epoch_ms
from stockstream_wire.storage import OPEN_CANDLE_FIELDS

INTERVALS: Final = {"1m": 1, "5m": 5, "1h": 60}

Window = tuple[str, str]


class InTime(NamedTuple):
    """An archived quote with what its item says of it."""

    quote: Quote
    is_late: bool
    item: Mapping[str, Any]


class Span(NamedTuple):
    """What traded between two marks, and when the earlier was; None for the first of a session."""

    volume: int
    since: str | None


@dataclass(slots=True)
class Expected:
    """One window as the quotes in order make it.

    `volume` is None where no quote in it has a mark; `is_known` says whether the day alone tells it.
    """

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int | None
    quotes: int
    widest_high: Decimal
    widest_low: Decimal
    late: int = 0
    is_known: bool = True

    def add(self, price: Decimal) -> None:
        self.high, self.low = max(self.high, price), min(self.low, price)
        self.widest_high, self.widest_low = max(self.widest_high, price), min(self.widest_low, price)
        self.close = price
        self.quotes += 1

    def trade(self, span: "Span", window: Window) -> None:
        """Take what traded up to a mark in the window, if that belongs to it."""
        if span.since is None:
            self.is_known = False
        else:
            minutes = INTERVALS[window[0]]
            windows = _minutes_since_1970(window[1]) // minutes - _minutes_since_1970(span.since) // minutes
            belongs = span.volume == 0 or windows <= 1
            self.volume = (self.volume or 0) + (span.volume if belongs else 0)

    def problems(self, item: Mapping[str, Any]) -> Iterator[str]:
        """What the stored candle says that it cannot."""
        for name in ("open", "close"):
            if item.get(name) != getattr(self, name):
                yield f"{name} is {item.get(name)}, must be {getattr(self, name)}"
        if not self.high <= item.get("high", Decimal(-1)) <= self.widest_high:
            yield f"high is {item.get('high')}, must be {self.high}"
        if not self.widest_low <= item.get("low", Decimal(-1)) <= self.low:
            yield f"low is {item.get('low')}, must be {self.low}"
        if self.is_known and item.get("volume") != self.volume:
            yield f"volume is {item.get('volume')}, must be {self.volume}"
        if not self.quotes <= item.get("quotes", -1) <= self.quotes + self.late:
            yield f"quotes is {item.get('quotes')}, must be {self.quotes}"


def window_start(timestamp: str, minutes: int) -> str:
    """Start of the window of `minutes` (1 to 60) that an event time is in."""
    if minutes == 60:
        return f"{timestamp[:13]}:00:00.000Z"
    minute = int(timestamp[14:16]) // minutes * minutes
    return f"{timestamp[:14]}{minute:02d}:00.000Z"


@dataclass(slots=True)
class CandleCheck:
    """The candles of one symbol's day.

    Attributes:
        symbol: Ticker.
        stored: Closed candles by interval and window start.
        last_tick: Event time of the symbol's newest tick in the part of the log that is audited, of whichever day.
        has_newer: The log holds quotes of the symbol behind that part: the newest window may have gone on.
    """

    symbol: str
    stored: Mapping[Window, Mapping[str, Any]]
    last_tick: str
    has_newer: bool

    def compare(self, quotes: Sequence[InTime]) -> tuple[int, list[Finding]]:
        """Compare with the quotes in order of event time; how many windows there are, and what is wrong."""
        found: dict[Window, Expected] = {}
        findings: list[Finding] = []
        late = _late_windows(quotes)
        marks = Marks()
        for quote, is_late, item in quotes:
            if is_late:
                continue
            span = marks.take(quote)
            for interval, minutes in INTERVALS.items():
                window = interval, window_start(quote.timestamp, minutes)
                values = item.get(f"candle_{interval}")
                if item and values is None and window in self.stored:
                    continue  # the window had been closed by the clock when the quote came
                candle = _take(found, window, quote.price, late)
                if span is not None:
                    candle.trade(span, window)
                if item and not item.get("fold_failed"):
                    findings += self._compare_open(window, quote, candle, values)
        closed = {window: candle for window, candle in found.items() if not self._may_be_open(window)}
        findings += self._compare_closed(found, closed, late)
        return len(found), findings

    def _compare_open(
        self, window: Window, quote: Quote, candle: Expected, values: Sequence[Any] | None
    ) -> Iterator[Finding]:
        subject = f"candle_{window[0]} of {quote.timestamp}"
        if values is None or len(values) != len(OPEN_CANDLE_FIELDS):
            yield Finding(Problem.CANDLE_MISSING, self.symbol, subject, "the quote does not carry it")
            return
        named = dict(zip(OPEN_CANDLE_FIELDS, values, strict=True)) | {"close": quote.price}
        problems = list(candle.problems(named))
        if problems:
            yield Finding(Problem.CANDLE_DIFFERS, self.symbol, subject, "; ".join(problems))

    def _compare_closed(
        self,
        found: Mapping[Window, Expected],
        closed: Mapping[Window, Expected],
        late: Mapping[Window, Sequence[Quote]],
    ) -> Iterator[Finding]:
        for window, candle in found.items():
            subject = f"{window[0]} {window[1]}"
            item = self.stored.get(window)
            if item is None:
                if window in closed:
                    yield Finding(Problem.CANDLE_MISSING, self.symbol, subject, f"{candle.quotes} quotes are in it")
                continue
            if window not in closed and self.has_newer:
                continue
            problems = list(candle.problems(item))
            if problems:
                yield Finding(Problem.CANDLE_DIFFERS, self.symbol, subject, "; ".join(problems))
        for window in sorted(self.stored.keys() - found.keys() - late.keys()):
            if not (self.has_newer and window[1] >= self._newest(window[0])):
                yield Finding(Problem.CANDLE_UNFOUNDED, self.symbol, f"{window[0]} {window[1]}", "no quote is in it")

    def _may_be_open(self, window: Window) -> bool:
        return window[1] >= self._newest(window[0])

    def _newest(self, interval: str) -> str:
        # A minute is written with its block.
        minutes = max(INTERVALS[interval], INTERVALS["5m"])
        return window_start(self.last_tick, minutes) if self.last_tick else ""


def _late_windows(quotes: Sequence[InTime]) -> dict[Window, list[Quote]]:
    """Late quotes by window. A window of late quotes only is left out: nothing says whether it has a candle."""
    found: dict[Window, list[Quote]] = {}
    for quote, is_late, _ in quotes:
        for interval, minutes in INTERVALS.items() if is_late else ():
            found.setdefault((interval, window_start(quote.timestamp, minutes)), []).append(quote)
    return found


def _take(
    found: dict[Window, Expected], window: Window, price: Decimal, late: Mapping[Window, Sequence[Quote]]
) -> Expected:
    candle = found.get(window)
    if candle is not None:
        candle.add(price)
        return candle
    came_late = [quote.price for quote in late.get(window, ())]
    widest_high, widest_low = max([price, *came_late]), min([price, *came_late])
    candle = Expected(price, price, price, price, None, 1, widest_high, widest_low, len(came_late))
    found[window] = candle
    return candle


class Marks:
    """The marks of a symbol's cumulative volume: within a session none is lower than one before it."""

    def __init__(self) -> None:
        self._session, self._volume, self._since = "", 0, ""

    def take(self, quote: Quote) -> Span | None:
        """What traded up to a quote, or None where it makes no mark."""
        facts = session_facts(quote)
        if not facts.regular and facts.session_date > self._session:
            # Before the opening; or, first of all that is audited, after the close of a session that began before it.
            return None if self._session else Span(0, None)
        if quote.volume is None or facts.volume_kind != "session":
            return None
        is_first = facts.session_date > self._session
        if not is_first and quote.volume < self._volume:
            return None
        span = Span(quote.volume if is_first else quote.volume - self._volume, None if is_first else self._since)
        self._session, self._volume, self._since = facts.session_date, quote.volume, quote.timestamp
        return span


def _minutes_since_1970(timestamp: str) -> int:
    return timestamp_to_epoch_ms(timestamp) // 60_000
