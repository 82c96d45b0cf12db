"""The quote: what one poll, tick or replayed line says of one symbol, and its JSON form on the stream."""

import re
from decimal import Clamped, Context, Decimal, DecimalException, InvalidOperation, Overflow, Rounded
from functools import lru_cache
from typing import Any, Final

import msgspec

from stockstream_wire.errors import QuoteDecodeError, QuoteInvalidError, SchemaVersionError
from stockstream_wire.instruments import VolumeKind, guess_kind, may_be_negative
from stockstream_wire.timestamps import normalise_timestamp, parse_date, parse_timestamp

SCHEMA_VERSION: Final = 1

# ISO 8601 has more ways to write a moment (week dates among them) whose text order is not the order of time.
_MINUTE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:")
_SECONDS: Final = frozenset([f"{second:02d}." for second in range(60)])
_MILLISECONDS: Final = frozenset([f"{millisecond:03d}Z" for millisecond in range(1000)])

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
_NEGATIVE_INFINITY: Final = Decimal("-Infinity")
# The largest integer that every reader of the archive (Athena bigint, Parquet int64) holds.
VOLUME_MAX: Final = 2**63 - 1
# A session's date and the day of an event lie this near each other; the longest holiday bridges are shorter.
SESSION_DATE_MAX_DISTANCE_DAYS: Final = 14
_UTF8_BOM: Final = b"\xef\xbb\xbf"
# A year. Exchanges delay by minutes; what is unbounded would not fit a store's number.
DELAY_MAX_SECONDS: Final = 365 * 86_400


def _schema_version() -> int:
    return SCHEMA_VERSION


class Quote(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One symbol at one event time. Prices are exact decimals in `currency`; docs/market.md says what figures mean.

    Attributes:
        symbol: Ticker as Yahoo spells it, upper case.
        timestamp: Event time given by the exchange, ISO 8601 UTC with milliseconds (`2026-11-22T14:30:00.000Z`).
        open: First price of the session.
        high: Highest price of the session so far.
        low: Lowest price of the session so far.
        price: Last trade.
        previous_close: Close of the previous session.
        volume: What `volume_kind` says; None where the feed gave none, which is not 0.
        bid: Best bid, where known.
        ask: Best offer, where known.
        currency: ISO 4217 code, or Yahoo's minor unit (`GBp`).
        exchange: Exchange code as Yahoo names it (`NMS`).
        market_state: PRE, REGULAR, POST, CLOSED and their kin, as Yahoo names them.
        polled_at: When the service saw the quote, in the form of `timestamp`.
        source: Where it comes from: the name of a source in the settings, or backfill.
        delayed_by_seconds: Delay that the exchange imposes on the feed.
        stale: True when the feed is silent in an open session and this repeats the last known quote.
        silent_symbols: In a stale fact that speaks for a whole exchange: how many of its symbols are silent.
        session_date: Date of the trading session that the figures are of (`2026-11-23`), decided by the source, which
            knows the exchange. Where it is given, the source has said all it has to say of the session: the three
            fields below mean their defaults where they are left out. Where it is not, `session_facts` derives them.
        volume_kind: What `volume` counts: `session` (cumulative in the session), `rolling` (of the last 24 hours),
            `none` (the market has no such figure).
        regular: False where the price is of pre-market or post-market; open, high, low and previous close then are of
            a regular session, and the price may lie anywhere.
        kind: Kind of instrument, one of `instruments.KINDS`, where it is other than a share; futures, indices, rates
            and spreads may have prices at or below 0. One that is not known counts as `other`.
        v: Schema version, 1. Always on the wire.
    """

    symbol: str
    timestamp: str
    open: Decimal
    high: Decimal
    low: Decimal
    price: Decimal
    previous_close: Decimal
    volume: int | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None
    currency: str | None = None
    exchange: str | None = None
    market_state: str | None = None
    polled_at: str | None = None
    source: str | None = None
    delayed_by_seconds: int | None = None
    stale: bool = False
    silent_symbols: int | None = None
    session_date: str | None = None
    volume_kind: VolumeKind = "session"
    regular: bool = True
    kind: str | None = None
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
# Numbers keep their text; whole ones of any spelling become integers where the quote wants them.
_lenient_decoder: Final = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_INTEGER_FIELDS: Final = ("volume", "delayed_by_seconds", "silent_symbols", "v")
_INTEGER_MAX_DIGITS: Final = 20
_NO_TIMESTAMP: Final = "is not ISO 8601 with an offset from UTC, such as 2026-11-22T14:30:00.000Z"
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
    return read_quote(data)[0]


def read_quote(data: bytes) -> tuple[Quote, bytes]:
    """Decode and validate one quote as any plain producer writes it; return it and its bytes in the one form.

    What has one reading is read: any ISO 8601 time with an offset, a symbol in lower case, `"volume": 1001.0`, a BOM.
    The bytes are those that came where they were in the one form already, and else the quote encoded anew, without
    what is unknown to it: so every reader of stored bytes meets one form of a time and one spelling of a symbol.

    Raises:
        As `decode_quote` does.
    """
    came = data
    data = data.removeprefix(_UTF8_BOM)
    try:
        quote = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        _refuse_newer_version(data)
        quote = _with_whole_numbers(data, exc)
        came = b""
    if quote.v > SCHEMA_VERSION:
        raise SchemaVersionError(quote.v, SCHEMA_VERSION)
    if _is_valid(quote):
        return quote, (data if came else encode_quote(quote))
    plain = _in_one_form(quote)
    validate_quote(plain)
    return plain, encode_quote(plain)


def _with_whole_numbers(data: bytes, error: Exception) -> Quote:
    """Decode a quote whose integers were written as `1001.0`, as data frames write them; raise for any other fault."""
    try:
        fields = _lenient_decoder.decode(data)
        for name in _INTEGER_FIELDS:
            value = fields.get(name)
            if isinstance(value, Decimal) and value.adjusted() < _INTEGER_MAX_DIGITS and value == int(value):
                fields[name] = int(value)
        return msgspec.convert(fields, Quote)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ArithmeticError, ValueError):
        raise QuoteDecodeError(str(error)) from error


def _in_one_form(quote: Quote) -> Quote:
    changed: dict[str, str] = {"symbol": quote.symbol.upper()}
    for field in ("timestamp", "polled_at"):
        text = getattr(quote, field)
        if text is not None and not _is_timestamp(text):
            try:
                changed[field] = normalise_timestamp(text)
            except ValueError as exc:
                raise QuoteInvalidError(field, ascii(text), _NO_TIMESTAMP) from exc
    return msgspec.structs.replace(quote, **changed)


def validate_quote(quote: Quote) -> None:
    """Check what the types do not say: a known symbol form, a real UTC time, prices that its kind allows, high ≥ low.

    Raises:
        QuoteInvalidError: naming the field, its value and the reason.
    """
    if not _is_valid(quote):
        _explain(quote)


def _is_valid(quote: Quote) -> bool:
    # Each check is one or two C calls for a good quote; which field is wrong, and why, is worked out for a bad one.
    delay, silent = quote.delayed_by_seconds, quote.silent_symbols
    return (
        quote.v >= 1
        and _is_symbol(quote.symbol)
        and _is_timestamp(quote.timestamp)
        and (_has_good_numbers(quote, _ZERO) or (_is_signed(quote) and _has_good_numbers(quote, _NEGATIVE_INFINITY)))
        and (quote.polled_at is None or _is_timestamp(quote.polled_at))
        and (delay is None or 0 <= delay <= DELAY_MAX_SECONDS)
        and (silent is None or 0 <= silent <= VOLUME_MAX)
        and (quote.session_date is None or _is_session_date(quote.session_date, quote.timestamp[:10]))
    )


def _is_signed(quote: Quote) -> bool:
    return may_be_negative(quote.kind or guess_kind(quote.symbol, quote.exchange))


def _has_good_numbers(quote: Quote, floor: Decimal) -> bool:
    low, high, bid, ask, volume = quote.low, quote.high, quote.bid, quote.ask, quote.volume
    try:
        _within_limits(quote.open)
        _within_limits(high)
        _within_limits(low)
        _within_limits(quote.price)
        _within_limits(quote.previous_close)
        return (
            floor < low <= high < _INFINITY
            and floor < quote.open < _INFINITY
            and floor < quote.price < _INFINITY
            and floor < quote.previous_close < _INFINITY
            and (volume is None or 0 <= volume <= VOLUME_MAX)
            and (bid is None or floor < _within_limits(bid) < _INFINITY)
            and (ask is None or floor < _within_limits(ask) < _INFINITY)
        )
    except DecimalException:  # a limit, or a NaN, which has no order
        return False


def _explain(quote: Quote) -> None:
    if quote.v < 1:
        raise QuoteInvalidError("v", quote.v, "a schema version starts at 1")
    validate_symbol(quote.symbol)
    _check_timestamp("timestamp", quote.timestamp)
    signed = _is_signed(quote)
    for field in ("open", "high", "low", "price", "previous_close"):
        _check_price(field, getattr(quote, field), signed=signed)
    if quote.high < quote.low:
        raise QuoteInvalidError("high", quote.high, f"is below low={quote.low}")
    if quote.volume is not None and not 0 <= quote.volume <= VOLUME_MAX:
        raise QuoteInvalidError("volume", quote.volume, f"must be between 0 and {VOLUME_MAX}")
    for field in ("bid", "ask"):
        if (price := getattr(quote, field)) is not None:
            _check_price(field, price, signed=signed)
    if quote.polled_at is not None:
        _check_timestamp("polled_at", quote.polled_at)
    delay = quote.delayed_by_seconds
    if delay is not None and not 0 <= delay <= DELAY_MAX_SECONDS:
        raise QuoteInvalidError("delayed_by_seconds", delay, f"must be between 0 and {DELAY_MAX_SECONDS}")
    silent = quote.silent_symbols
    if silent is not None and not 0 <= silent <= VOLUME_MAX:
        raise QuoteInvalidError("silent_symbols", silent, f"must be between 0 and {VOLUME_MAX}")
    raise QuoteInvalidError(
        "session_date",
        ascii(quote.session_date),
        f"is no date like 2026-11-23 within {SESSION_DATE_MAX_DISTANCE_DAYS} days of timestamp={quote.timestamp}",
    )


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
    return _is_minute(text[:17]) and text[17:20] in _SECONDS and text[20:] in _MILLISECONDS


@lru_cache(maxsize=4096)
def _is_minute(start: str) -> bool:
    if _MINUTE.fullmatch(start) is None:
        return False
    try:
        parse_timestamp(f"{start}00.000Z")
    except ValueError:
        return False
    return True


@lru_cache(maxsize=1024)
def _is_session_date(text: str, event_day: str) -> bool:
    # A date far away would end the symbol's sessions for ever: sessions only move forward.
    try:
        distance = parse_date(text) - parse_date(event_day)
    except ValueError:
        return False
    return abs(distance.days) <= SESSION_DATE_MAX_DISTANCE_DAYS


def _check_timestamp(field: str, text: str) -> None:
    if _is_timestamp(text):
        return
    try:
        parse_timestamp(text)
    except ValueError as exc:
        raise QuoteInvalidError(field, ascii(text), str(exc)) from exc
    raise QuoteInvalidError(field, ascii(text), _NO_TIMESTAMP)


def _check_price(field: str, price: Decimal, *, signed: bool) -> None:
    sign, digits, exponent = price.as_tuple()
    if not isinstance(exponent, int):
        raise QuoteInvalidError(field, price, "must be a finite number")
    if not signed and (sign or not any(digits)):
        raise QuoteInvalidError(field, price, "must be above 0; only futures, indices, rates and spreads may be below")
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
