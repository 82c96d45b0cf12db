"""One result of Yahoo's v7 quote reply as a `Quote`, or as a rejection with a name. Pure.

Reasons are `no_market`, `no_intraday_range`, `missing_*`, `*_not_positive`, `*_not_finite`, `*_malformed`,
`high_below_low`, `invalid_*`; `docs/yahoo.md` explains them, with the recorded reply that gives each.
"""

import functools
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from stockstream.sources.base import Rejection
from stockstream.sources.yahoo.instrument import Instrument, instrument_of_result
from stockstream.sources.yahoo.numbers import NotANumberError, exact_decimal
from stockstream_wire import Quote, QuoteInvalidError, format_epoch_ms, validate_quote, validate_symbol
from stockstream_wire.instruments import VolumeKind
from stockstream_wire.trading_day import DayRule, session_date_of

# What v7 is asked for. Yahoo adds a handful of its own (symbol, quoteType, exchange, marketState, ...) to any list.
V7_FIELDS: Final = (
    "ask",
    "bid",
    "currency",
    "exchange",
    "exchangeDataDelayedBy",
    "exchangeTimezoneName",
    "gmtOffSetMilliseconds",
    "marketState",
    "postMarketPrice",
    "postMarketTime",
    "preMarketPrice",
    "preMarketTime",
    "priceHint",
    "quoteType",
    "regularMarketDayHigh",
    "regularMarketDayLow",
    "regularMarketOpen",
    "regularMarketPreviousClose",
    "regularMarketPrice",
    "regularMarketTime",
    "regularMarketVolume",
    "symbol",
)

# Seconds since 1970: 2000-01-01 to 2100-01-01. Milliseconds where seconds belong fall outside.
_TIME_MIN_SECONDS: Final = 946_684_800
_TIME_MAX_SECONDS: Final = 4_102_444_800

# Yahoo writes 0 where it has no value for these.
_ZERO_IS_ABSENT: Final = frozenset({"open", "high", "low", "previous_close"})


class FieldRejectedError(ValueError):
    """A field that a quote cannot do without is absent or unusable; `reason` is the rejection's name."""

    def __init__(self, reason: str, value: object = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.value = value


@dataclass(frozen=True, slots=True)
class Observation:
    """What a result says of its market, whether or not it makes a quote.

    Attributes:
        symbol: Ticker.
        exchange: Yahoo's code (`NMS`), or None where the reply has none.
        market_state: PRE, REGULAR, POST, CLOSED and their kin, or None.
        event_seconds: Time of the last regular trade, seconds since 1970, or None.
        delay_seconds: Delay that the exchange imposes on the feed.
        volume: Shares traded in the session so far; 0 where it does not say.
        rule: How its sessions count their days, or None.
    """

    symbol: str
    exchange: str | None
    market_state: str | None
    event_seconds: int | None
    delay_seconds: int
    volume: int
    rule: DayRule | None


def required_price(field: str, value: object, *, signed: bool = False) -> Decimal:
    """Return a price: above 0, or any where the kind of instrument has such prices.

    Raises:
        FieldRejectedError: `missing_<field>`, `<field>_not_positive`, `<field>_not_finite` or `<field>_malformed`.
    """
    if type(value) is Decimal and value.is_finite() and value > 0:
        return value  # nearly every price there is
    if value is None:
        raise FieldRejectedError(f"missing_{field}")
    try:
        price = exact_decimal(value)
    except NotANumberError as exc:
        raise FieldRejectedError(f"{field}_{exc.reason}", value) from exc
    if price > 0 or (signed and (price or field == "price")):
        return price
    if not price and field in _ZERO_IS_ABSENT:
        raise FieldRejectedError(f"missing_{field}", value)
    raise FieldRejectedError(f"{field}_not_positive", value)


def optional_price(value: object, *, signed: bool = False) -> Decimal | None:
    """Return a price, or None where Yahoo has none (absent, null, 0, or unusable)."""
    try:
        return required_price("optional", value, signed=signed)
    except FieldRejectedError:
        return None


def event_seconds(value: object) -> int:
    """Return an event time in whole seconds since 1970.

    Raises:
        FieldRejectedError: `missing_time` or `time_malformed`.
    """
    if type(value) is int and _TIME_MIN_SECONDS <= value < _TIME_MAX_SECONDS:
        return value
    if value is None or value == 0:
        raise FieldRejectedError("missing_time", value)
    try:
        seconds = int(exact_decimal(value))
    except NotANumberError as exc:
        raise FieldRejectedError("time_malformed", value) from exc
    if not _TIME_MIN_SECONDS <= seconds < _TIME_MAX_SECONDS:
        raise FieldRejectedError("time_malformed", value)
    return seconds


def volume_of(value: object) -> int | None:
    """Return a volume; None where Yahoo gives none, which is not 0.

    Raises:
        FieldRejectedError: `volume_not_positive`, `volume_not_finite` or `volume_malformed`.
    """
    if value is None:
        return None
    if type(value) is int and value >= 0:
        return value
    try:
        volume = int(exact_decimal(value))
    except NotANumberError as exc:
        raise FieldRejectedError(f"volume_{exc.reason}", value) from exc
    if volume < 0:
        raise FieldRejectedError("volume_not_positive", value)
    return volume


def observe(result: Mapping[str, Any]) -> Observation | None:
    """Read what a result says of its market; None where it does not even name a symbol."""
    symbol = result.get("symbol")
    if not isinstance(symbol, str):
        return None
    try:
        seconds: int | None = event_seconds(result.get("regularMarketTime"))
    except FieldRejectedError:
        seconds = None
    try:
        volume = volume_of(result.get("regularMarketVolume")) or 0
    except FieldRejectedError:
        volume = 0
    symbol = symbol.upper()
    return Observation(
        symbol=symbol,
        exchange=text_or_none(result.get("exchange")),
        market_state=text_or_none(result.get("marketState")),
        event_seconds=seconds,
        delay_seconds=delay_seconds(result.get("exchangeDataDelayedBy")) or 0,
        volume=volume,
        rule=instrument_of_result(result, symbol).rule,
    )


def map_v7_result(
    result: object, *, polled_at: str | None = None, extended_hours: bool = False, source: str = "yahoo"
) -> Quote | Rejection:
    """Map one element of `quoteResponse.result`.

    Args:
        result: The element as decoded: numbers as int, float or Decimal.
        polled_at: When the reply came, in the wire's form.
        extended_hours: Take the pre- or post-market price where the market is in that state and has one.
        source: What the quote carries in `source`.

    Returns:
        A valid quote, its event time the exchange's; or a rejection that names the symbol, the reason and the value.
    """
    if not isinstance(result, Mapping):
        return Rejection("?", "result_malformed", repr(result)[:200])
    symbol = result.get("symbol")
    if not isinstance(symbol, str):
        return Rejection("?", "missing_symbol", repr(symbol)[:200])
    symbol = symbol.upper()
    try:
        quote = _quote(result, symbol, polled_at=polled_at, extended_hours=extended_hours, source=source)
        validate_quote(quote)
    except FieldRejectedError as exc:
        return Rejection(symbol, exc.reason, _explain(exc, result))
    except QuoteInvalidError as exc:
        if exc.field == "high":
            return Rejection(symbol, "high_below_low", str(exc))
        return Rejection(symbol, f"invalid_{exc.field}", str(exc))
    return quote


def _quote(
    result: Mapping[str, Any], symbol: str, *, polled_at: str | None, extended_hours: bool, source: str
) -> Quote:
    validate_symbol(symbol)
    get = result.get
    if get("quoteType") == "NONE" or (get("regularMarketPrice") is None and get("regularMarketTime") is None):
        raise FieldRejectedError("no_market", get("quoteType"))
    instrument = instrument_of_result(result, symbol)
    signed = instrument.signed
    price = required_price("price", get("regularMarketPrice"), signed=signed)
    seconds = event_seconds(get("regularMarketTime"))
    state = text_or_none(get("marketState"))
    extended = _extended_trade(result, state, seconds) if extended_hours else None
    volume: int | None
    if extended is not None and state == "PRE":
        # The session has not opened: its only trade known is this one, and the close before it is the last regular
        # price. Yesterday's range and volume would belong to another day.
        session_open = high = low = extended[0]
        previous_close, volume = price, None
    else:
        session_open, high, low = _day_range(result, signed=signed)
        previous_close = required_price("previous_close", get("regularMarketPreviousClose"), signed=signed)
        volume = volume_of(get("regularMarketVolume"))
    if extended is not None:
        price, seconds = extended
    timestamp = _timestamp(seconds)
    volume, volume_kind = counted_volume(volume, instrument)
    return Quote(
        symbol=symbol,
        timestamp=timestamp,
        open=session_open,
        high=high,
        low=low,
        price=price,
        previous_close=previous_close,
        volume=volume,
        bid=optional_price(get("bid"), signed=signed),
        ask=optional_price(get("ask"), signed=signed),
        currency=text_or_none(get("currency")),
        exchange=text_or_none(get("exchange")),
        market_state=state,
        polled_at=polled_at,
        source=source,
        delayed_by_seconds=delay_seconds(get("exchangeDataDelayedBy")),
        session_date=None if instrument.rule is None else session_date_of(timestamp, instrument.rule),
        volume_kind=volume_kind,
        regular=extended is None,
        kind=instrument.wire_kind,
    )


def counted_volume(volume: int | None, instrument: Instrument) -> tuple[int | None, VolumeKind]:
    """What a volume says for the kind of instrument: the figure, if it is one, and what it counts.

    Yahoo writes 0 where there is no such figure: for every currency pair, and for indices nobody trades.
    """
    if instrument.volume_kind == "none" or (instrument.kind == "index" and not volume):
        return None, "none"
    return volume, instrument.volume_kind


@functools.lru_cache(maxsize=4096)
def _timestamp(seconds: int) -> str:
    # Most symbols of an open market have traded within the same few seconds.
    return format_epoch_ms(seconds * 1000)


def _day_range(result: Mapping[str, Any], *, signed: bool) -> tuple[Decimal, Decimal, Decimal]:
    raw = [result.get(key) for key in ("regularMarketOpen", "regularMarketDayHigh", "regularMarketDayLow")]
    if all(value is None or value == 0 for value in raw):
        # Funds and once-a-day indices: inventing a range from the price would pass for a market that stood still.
        raise FieldRejectedError("no_intraday_range", raw[0])
    session_open, high, low = (
        required_price(field, value, signed=signed) for field, value in zip(("open", "high", "low"), raw, strict=True)
    )
    return session_open, high, low


def _extended_trade(result: Mapping[str, Any], state: str | None, regular_seconds: int) -> tuple[Decimal, int] | None:
    # CLOSED and PREPRE follow POST: the last post-market trade stays the last there was.
    prefix = "preMarket" if state == "PRE" else None if state == "REGULAR" else "postMarket"
    if prefix is None:
        return None
    price = optional_price(result.get(f"{prefix}Price"))
    try:
        seconds = event_seconds(result.get(f"{prefix}Time"))
    except FieldRejectedError:
        return None
    return (price, seconds) if price is not None and seconds > regular_seconds else None


def text_or_none(value: object) -> str | None:
    """Return a non-empty text, or None; the few there are (exchanges, currencies, states) are kept once in memory."""
    return sys.intern(value) if type(value) is str and value else None


def delay_seconds(minutes: object) -> int | None:
    """Return Yahoo's `exchangeDataDelayedBy` (minutes) in seconds, or None where it is no whole number."""
    return minutes * 60 if type(minutes) is int and minutes >= 0 else None


def _explain(exc: FieldRejectedError, result: Mapping[str, Any]) -> str:
    kind = text_or_none(result.get("quoteType")) or "no quoteType"
    if exc.reason == "no_market":
        return f"{kind}: Yahoo knows the symbol and has no market data for it now"
    if exc.reason == "no_intraday_range":
        return f"{kind}: Yahoo gives no open, high and low for it"
    return f"{kind}: {exc.value!r}"[:200]
