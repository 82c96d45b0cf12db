"""Turning history into quotes. Pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Final

from stockstream.sources.base import Rejection
from stockstream.sources.history import MINUTE_MS, MinuteBar, SymbolHistory
from stockstream_wire import Quote, QuoteInvalidError, format_epoch_ms, format_timestamp, validate_quote
from stockstream_wire.storage import BACKFILL_SOURCE

# A bar does not say when within its minute the extremes were; these places are ours, the prices are the market's.
_OPEN_MS: Final = 1
_FIRST_EXTREME_MS: Final = 20_001
_SECOND_EXTREME_MS: Final = 40_001
# The last millisecond of the minute: at its end the quote would belong to the next minute's candle.
_CLOSE_MS: Final = MINUTE_MS - 1


def quotes_of(history: SymbolHistory, start: datetime, end: datetime) -> tuple[list[Quote], list[Rejection]]:
    """Quotes from `start` (included) to `end` (excluded), in order of event time.

    A minute becomes up to four quotes: open, the two extremes, close, so that a candle made of them is the bar; those
    that repeat the price before them are left out. High, low and volume are those of the session so far. The same bars
    always give the same quotes, ids included.
    """
    first, last = format_timestamp(start), format_timestamp(end)
    quotes: list[Quote] = []
    rejected = list(history.rejected)
    for session, bars in groupby(history.bars, key=lambda bar: bar.session):
        previous_close = history.previous_closes.get(session)
        if previous_close is None:
            detail = f"the close before session {session} is not known"
            rejected.append(Rejection(history.symbol, "missing_previous_close", detail))
            continue
        for quote in _session_quotes(history, bars, previous_close):
            if first <= quote.timestamp < last:
                try:
                    validate_quote(quote)
                except QuoteInvalidError as exc:
                    rejected.append(Rejection(f"{history.symbol}@{quote.timestamp}", exc.code, str(exc)))
                else:
                    quotes.append(quote)
    return quotes, rejected


def _session_quotes(history: SymbolHistory, bars: Iterable[MinuteBar], previous_close: Decimal) -> Iterator[Quote]:
    opening: Decimal | None = None
    high = low = Decimal(0)
    traded = 0
    for bar in bars:
        if opening is None:
            opening, high, low = bar.open, bar.open, bar.open
        traded_before, traded = traded, traded + bar.volume
        for offset_ms, price in ticks_of(bar):
            high, low = max(high, price), min(low, price)
            yield Quote(
                symbol=history.symbol,
                timestamp=format_epoch_ms(bar.start_ms + offset_ms),
                open=opening,
                high=high,
                low=low,
                price=price,
                previous_close=previous_close,
                # All of the minute's shares count at its close: how they were spread is not known.
                volume=traded if offset_ms == _CLOSE_MS else traded_before,
                currency=history.currency,
                exchange=history.exchange,
                source=BACKFILL_SOURCE,
                session_date=bar.session,
                kind=history.kind,
            )


def ticks_of(bar: MinuteBar) -> list[tuple[int, Decimal]]:
    """(milliseconds into the minute, price): open, low and high (high first in a falling minute), close."""
    extremes = (bar.low, bar.high) if bar.close >= bar.open else (bar.high, bar.low)
    ticks = [(_OPEN_MS, bar.open)]
    for offset_ms, price in zip((_FIRST_EXTREME_MS, _SECOND_EXTREME_MS), extremes, strict=True):
        if price not in (ticks[-1][1], bar.close):
            ticks.append((offset_ms, price))
    return [*ticks, (_CLOSE_MS, bar.close)]
