"""The quote: what one poll, tick or replayed line says of one symbol, and its JSON form on the stream."""

import re
from decimal import Clamped, Context, Decimal, DecimalException, InvalidOperation, Overflow, Rounded
from functools import lru_cache
from typing import Final

import msgspec

from stockstream_wire.errors import QuoteDecodeError, QuoteInvalidError, SchemaVersionError
from stockstream_wire.timestamps import parse_timestamp

SCHEMA_VERSION: Final = 1

# ISO 8601 has more ways to write a moment (week dates among them) whose text order is not the order of time.
_MINUTE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:")
_SECONDS: Final = re.compile(r"[0-5][0-9]\.[0-9]{3}Z")

SYMBOL_MAX_LENGTH: Final = 32
# Yahoo's alphabet: BRK-B, ^VIX, GC=F, M&M.NS, 0P000071W8.TO. Upper case only, so that a symbol has one spelling.
_SYMBOL: Final = re.compile(r"[A-Z0-9^][A-Z0-9.^=&_$\-]{0,31}")

# DynamoDB numbers hold 38 significant digits. Twenty leave room for exact differences and means of four.
PRICE_MAX_DIGITS: Final = 20
PRICE_MAX_EXPONENT: Final = 15
# The same limits as one C call: `plus` in this context signals for any number that has more digits or another exponent
# (with clamp=1 the largest exponent is Emax - prec + 1; the smallest is Emin - prec + 1).
_LIMITS: Final = Context(
    prec=PRICE_MAX_DIGITS,
    Emin=-1,
    Emax=PRICE_MAX_EXPONENT + PRICE_MAX_DIGITS - 1,
    clamp=1,
    traps=[Clamped, Rounded, InvalidOperation, Overflow],
)
_within_limits: Final = _LIMITS.plus
_ZERO: Final = Decimal(0)
_INFINITY: Final = Decimal("Infinity")
# The largest integer that every reader of the archive (Athena bigint, Parquet int64) holds.
VOLUME_MAX: Final = 2**63 - 1
# A year. Exchanges delay by minutes; what is unbounded would not fit a store's number.
DELAY_MAX_SECONDS: Final = 365 * 86_400


def _schema_version() -> int:
    return SCHEMA_VERSION


class Quote(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One symbol at one event time. Prices are exact decimals in `currency`; `volume` counts since the session opened.

    Attributes:
        symbol: Ticker as Yahoo spells it, upper case.
        timestamp: Event time given by the exchange, ISO 8601 UTC with milliseconds (`2026-11-22T14:30:00.000Z`).
        open: First price of the session.
        high: Highest price of the session so far.
        low: Lowest price of the session so far.
        price: Last trade.
        previous_close: Close of the previous session.
        volume: Shares traded in the session so far (cumulative); 0 where the market has no volume (FX, indices).
        bid: Best bid, where known.
        ask: Best offer, where known.
        currency: ISO 4217 code, or Yahoo's minor unit (`GBp`).
        exchange: Exchange code as Yahoo names it (`NMS`).
        market_state: PRE, REGULAR, POST, CLOSED and their kin, as Yahoo names them.
        polled_at: When the service saw the quote, in the form of `timestamp`.
        source: Where it comes from: yahoo, yahoo-stream, replay, simulated, backfill.
        delayed_by_seconds: Delay that the exchange imposes on the feed.
        stale: True when the feed is silent in an open session and this repeats the last known quote.
        v: Schema version, 1. Always on the wire.
    """

    symbol: str
    timestamp: str
    open: Decimal
    high: Decimal
    low: Decimal
    price: Decimal
    previous_close: Decimal
    volume: int
    bid: Decimal | None = None
    ask: Decimal | None = None
    currency: str | None = None
    exchange: str | None = None
    market_state: str | None = None
    polled_at: str | None = None
    source: str | None = None
    delayed_by_seconds: int | None = None
    stale: bool = False
    # A factory and not a plain default: omit_defaults would leave the version out.
    v: int = msgspec.field(default_factory=_schema_version)

    @property
    def quote_id(self) -> str:
        """Stable identity of the quote, the same on every delivery: `symbol@timestamp`."""
        return f"{self.symbol}@{self.timestamp}"


class _VersionOnly(msgspec.Struct):
    v: int = SCHEMA_VERSION


_encoder: Final = msgspec.json.Encoder(decimal_format="number")
_decoder: Final = msgspec.json.Decoder(Quote)
_version_decoder: Final = msgspec.json.Decoder(_VersionOnly)


def encode_quote(quote: Quote) -> bytes:
    """Encode a quote as one compact JSON object, prices as JSON numbers with the digits they have."""
    return _encoder.encode(quote)


def decode_quote(data: bytes) -> Quote:
    """Decode and validate one quote. Unknown fields are ignored; a newer major version is refused.

    Raises:
        QuoteDecodeError: not JSON, or not of the quote's shape.
        SchemaVersionError: `v` is newer than `SCHEMA_VERSION`.
        QuoteInvalidError: a value that no market has.
    """
    try:
        quote = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        _refuse_newer_version(data)
        raise QuoteDecodeError(str(exc)) from exc
    if quote.v > SCHEMA_VERSION:
        raise SchemaVersionError(quote.v, SCHEMA_VERSION)
    validate_quote(quote)
    return quote


def validate_quote(quote: Quote) -> None:
    """Check what the types do not say: a known symbol form, a real UTC time, positive finite prices, high ≥ low.

    Raises:
        QuoteInvalidError: naming the field, its value and the reason.
    """
    # Each check is one or two C calls for a good quote; which field is wrong, and why, is worked out for a bad one.
    if not (quote.v >= 1 and _is_symbol(quote.symbol) and _is_timestamp(quote.timestamp) and _has_good_numbers(quote)):
        _explain(quote)
    if quote.polled_at is not None and not _is_timestamp(quote.polled_at):
        _check_timestamp("polled_at", quote.polled_at)
    delay = quote.delayed_by_seconds
    if delay is not None and not 0 <= delay <= DELAY_MAX_SECONDS:
        raise QuoteInvalidError("delayed_by_seconds", delay, f"must be between 0 and {DELAY_MAX_SECONDS}")


def _has_good_numbers(quote: Quote) -> bool:
    low, high, bid, ask = quote.low, quote.high, quote.bid, quote.ask
    try:
        _within_limits(quote.open)
        _within_limits(high)
        _within_limits(low)
        _within_limits(quote.price)
        _within_limits(quote.previous_close)
        return (
            _ZERO < low <= high < _INFINITY
            and _ZERO < quote.open < _INFINITY
            and _ZERO < quote.price < _INFINITY
            and _ZERO < quote.previous_close < _INFINITY
            and 0 <= quote.volume <= VOLUME_MAX
            and (bid is None or _ZERO < _within_limits(bid) < _INFINITY)
            and (ask is None or _ZERO < _within_limits(ask) < _INFINITY)
        )
    except DecimalException:  # a limit, or a NaN, which has no order
        return False


def _explain(quote: Quote) -> None:
    if quote.v < 1:
        raise QuoteInvalidError("v", quote.v, "a schema version starts at 1")
    validate_symbol(quote.symbol)
    _check_timestamp("timestamp", quote.timestamp)
    _check_price("open", quote.open)
    _check_price("high", quote.high)
    _check_price("low", quote.low)
    _check_price("price", quote.price)
    _check_price("previous_close", quote.previous_close)
    if quote.high < quote.low:
        raise QuoteInvalidError("high", quote.high, f"is below low={quote.low}")
    if not 0 <= quote.volume <= VOLUME_MAX:
        raise QuoteInvalidError("volume", quote.volume, f"must be between 0 and {VOLUME_MAX}")
    if quote.bid is not None:
        _check_price("bid", quote.bid)
    if quote.ask is not None:
        _check_price("ask", quote.ask)


def validate_symbol(symbol: str) -> None:
    """Check the form of a symbol.

    Raises:
        QuoteInvalidError: the symbol is not 1 to 32 characters of Yahoo's alphabet, upper case.
    """
    if not _is_symbol(symbol):
        raise QuoteInvalidError(
            "symbol", ascii(symbol), f"must be 1 to {SYMBOL_MAX_LENGTH} of A-Z 0-9 . - = ^ & _ $, upper case"
        )


@lru_cache(maxsize=16_384)
def _is_symbol(symbol: str) -> bool:
    return _SYMBOL.fullmatch(symbol) is not None


def _is_timestamp(text: str) -> bool:
    # Quotes come in the order of time, so nearly all share their minute with one before them.
    return _is_minute(text[:17]) and _SECONDS.fullmatch(text, 17) is not None


@lru_cache(maxsize=4096)
def _is_minute(start: str) -> bool:
    if _MINUTE.fullmatch(start) is None:
        return False
    try:
        parse_timestamp(f"{start}00.000Z")
    except ValueError:
        return False
    return True


def _check_timestamp(field: str, text: str) -> None:
    if _is_timestamp(text):
        return
    try:
        parse_timestamp(text)
    except ValueError as exc:
        raise QuoteInvalidError(field, ascii(text), str(exc)) from exc
    raise QuoteInvalidError(field, ascii(text), "is not of the form 2026-11-22T14:30:00.000Z")


def _check_price(field: str, price: Decimal) -> None:
    sign, digits, exponent = price.as_tuple()
    if not isinstance(exponent, int):
        raise QuoteInvalidError(field, price, "must be a finite number")
    if sign or not any(digits):
        raise QuoteInvalidError(field, price, "must be above 0")
    if len(digits) > PRICE_MAX_DIGITS or not -PRICE_MAX_DIGITS <= exponent <= PRICE_MAX_EXPONENT:
        raise QuoteInvalidError(
            field, price, f"must have at most {PRICE_MAX_DIGITS} digits, exponent at most {PRICE_MAX_EXPONENT}"
        )


def _refuse_newer_version(data: bytes) -> None:
    try:
        version = _version_decoder.decode(data).v
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    if version > SCHEMA_VERSION:
        raise SchemaVersionError(version, SCHEMA_VERSION)
