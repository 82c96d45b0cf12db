"""Yahoo's v8 chart reply as a `Quote`: the fallback for the few symbols that v7 leaves out. Pure.

The meta block has price, day range and volume but no open, and its `chartPreviousClose` is the close before the *first*
bar. So the bars are needed too, and they must be of the day of the last trade: a chart of another day is refused, for
its open and previous close would be of that day.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from stockstream.sources.base import Rejection
from stockstream.sources.yahoo.instrument import instrument_of_chart
from stockstream.sources.yahoo.mapping import (
    FieldRejectedError,
    counted_volume,
    event_seconds,
    required_price,
    text_or_none,
    volume_of,
)
from stockstream.sources.yahoo.numbers import NotANumberError, float32_decimal
from stockstream_wire import Quote, QuoteInvalidError, format_epoch_ms, validate_quote, validate_symbol
from stockstream_wire.trading_day import session_date_of

_DAY_SECONDS: Final = 86_400


def map_chart_reply(
    body: object, symbol: str, *, polled_at: str | None = None, source: str = "yahoo"
) -> Quote | Rejection:
    """Map a `/v8/finance/chart/SYMBOL?range=1d&interval=1d` reply.

    Args:
        body: The reply as decoded.
        symbol: What was asked for.
        polled_at: When the reply came, in the wire's form.
        source: What the quote carries in `source`.

    Returns:
        A valid quote, or a rejection: the reasons of `mapping.py`, `chart_empty` (Yahoo has no data for the symbol;
        `detail` has its words) or `chart_not_current` (the bars are of another day than the last trade).
    """
    chart = body.get("chart") if isinstance(body, Mapping) else None
    if not isinstance(chart, Mapping):
        return Rejection(symbol, "chart_malformed", repr(body)[:200])
    results = chart.get("result")
    if not results:
        error = chart.get("error")
        return Rejection(symbol, "chart_empty", repr(error)[:200] if error else "no result")
    first = results[0] if isinstance(results, Sequence) else None
    if not isinstance(first, Mapping) or not isinstance(first.get("meta"), Mapping):
        return Rejection(symbol, "chart_malformed", repr(first)[:200])
    try:
        quote = _quote(first, symbol, polled_at=polled_at, source=source)
        validate_quote(quote)
    except FieldRejectedError as exc:
        return Rejection(symbol, exc.reason, repr(exc.value)[:200])
    except QuoteInvalidError as exc:
        return Rejection(symbol, "high_below_low" if exc.field == "high" else f"invalid_{exc.field}", str(exc))
    return quote


def _quote(chart: Mapping[str, Any], symbol: str, *, polled_at: str | None, source: str) -> Quote:
    validate_symbol(symbol)
    meta: Mapping[str, Any] = chart["meta"]
    instrument = instrument_of_chart(meta, symbol)
    signed = instrument.signed
    price = required_price("price", meta.get("regularMarketPrice"), signed=signed)
    seconds = event_seconds(meta.get("regularMarketTime"))
    bars = _Bars(chart, signed=signed)
    if not bars.last_is_of_day(seconds, meta.get("gmtoffset")):
        raise FieldRejectedError("chart_not_current", bars.times[-1:])
    hint = meta.get("priceHint")
    hint = hint if type(hint) is int else None
    high, low = meta.get("regularMarketDayHigh"), meta.get("regularMarketDayLow")
    if not high and not low:
        raise FieldRejectedError("no_intraday_range", high)
    timestamp = format_epoch_ms(seconds * 1000)
    volume, volume_kind = counted_volume(volume_of(meta.get("regularMarketVolume")), instrument)
    return Quote(
        symbol=symbol,
        timestamp=timestamp,
        open=bars.price("open", -1, hint),
        high=required_price("high", high, signed=signed),
        low=required_price("low", low, signed=signed),
        price=price,
        previous_close=_previous_close(meta, bars, hint),
        volume=volume,
        currency=text_or_none(meta.get("currency")),
        exchange=text_or_none(meta.get("exchangeName")),
        polled_at=polled_at,
        source=source,
        session_date=None if instrument.rule is None else session_date_of(timestamp, instrument.rule),
        volume_kind=volume_kind,
        kind=instrument.wire_kind,
    )


def _previous_close(meta: Mapping[str, Any], bars: "_Bars", hint: int | None) -> Decimal:
    if meta.get("previousClose") is not None:  # intraday charts have it
        return required_price("previous_close", meta["previousClose"], signed=bars.signed)
    if len(bars.times) > 1:
        return bars.price("close", -2, hint)
    return required_price("previous_close", meta.get("chartPreviousClose"), signed=bars.signed)


class _Bars:
    """The chart's columns; prices in them are float32 written as doubles."""

    def __init__(self, chart: Mapping[str, Any], *, signed: bool) -> None:
        self.signed = signed
        times = chart.get("timestamp")
        self.times: list[int] = [t for t in times if type(t) is int] if isinstance(times, list) else []
        try:
            columns = chart["indicators"]["quote"][0]
        except (KeyError, IndexError, TypeError):
            columns = None
        self._columns: Mapping[str, Any] = columns if isinstance(columns, Mapping) else {}

    def last_is_of_day(self, seconds: int, offset: object) -> bool:
        if not self.times:
            return False
        shift = offset if type(offset) is int else 0
        return (self.times[-1] + shift) // _DAY_SECONDS == (seconds + shift) // _DAY_SECONDS

    def price(self, column: str, index: int, hint: int | None) -> Decimal:
        field = "previous_close" if column == "close" else column
        values = self._columns.get(column)
        if not isinstance(values, list) or len(values) < abs(index) or values[index] is None:
            raise FieldRejectedError(f"missing_{field}")
        value = values[index]
        try:
            rounded = float32_decimal(float(value), hint)
        except (NotANumberError, TypeError, ValueError) as exc:
            raise FieldRejectedError(f"{field}_malformed", value) from exc
        return required_price(field, rounded, signed=self.signed)
