"""One WebSocket message of Yahoo's streamer as a `Tick`. Pure.

A message is JSON, `{"type": "pricing", "message": "<base64 of a protobuf PricingData>"}`. The message class is
yfinance's own, so that its field numbers are theirs to keep right.
"""

import base64
import binascii
import functools
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import msgspec
from google.protobuf.message import DecodeError

from stockstream.sources.yahoo.numbers import NotANumberError, float32_decimal
from stockstream_wire.instruments import guess_kind, may_be_negative

# Yahoo's market_hours: 0 pre-market (and 0 is also "not said", protobuf drops zeros), 1 regular, 2 post, 3 extended.
REGULAR_HOURS: Final = 1
POST_MARKET_HOURS: Final = 2

_TIME_MIN_MS: Final = 946_684_800_000  # 2000-01-01
_TIME_MAX_MS: Final = 4_102_444_800_000  # 2100-01-01


class TickUnreadableError(ValueError):
    """The message is no tick; `reason` is a stable name."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Tick:
    """What one message says; None is what it does not say, for zero fields vanish from it.

    Attributes:
        symbol: Ticker.
        time_ms: Event time, milliseconds since 1970.
        price: Last trade, rounded to the price hint.
        market_hours: Yahoo's number; 0 where it is not said.
        day_volume: Cumulative in the session.
    """

    symbol: str
    time_ms: int
    price: Decimal
    market_hours: int
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    previous_close: Decimal | None = None
    day_volume: int | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None
    currency: str | None = None
    exchange: str | None = None


class _Envelope(msgspec.Struct):
    message: str
    type: str = "pricing"


_envelopes: Final = msgspec.json.Decoder(_Envelope)


@functools.cache
def _pricing_data() -> Callable[[], Any]:
    from yfinance.pricing_pb2 import PricingData  # noqa: PLC0415 - yfinance costs most of a second and 99 MB

    return PricingData  # type: ignore[no-any-return]


def preload() -> None:
    """Import the message class, which blocks for most of a second; call it in a thread before the first message."""
    _pricing_data()


def decode_tick(message: str | bytes) -> Tick | None:
    """Decode one message; None for a well-formed one that is no price.

    Raises:
        TickUnreadableError: `not_json`, `not_base64`, `not_protobuf`, `no_symbol`, `no_time`, `no_price` or
            `price_not_finite`.
    """
    try:
        envelope = _envelopes.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise TickUnreadableError("not_json", str(exc)[:100]) from exc
    if envelope.type != "pricing":
        return None
    try:
        payload = base64.b64decode(envelope.message, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise TickUnreadableError("not_base64", str(exc)) from exc
    data = _pricing_data()()
    try:
        data.ParseFromString(payload)
    except DecodeError as exc:
        raise TickUnreadableError("not_protobuf", str(exc)[:100]) from exc
    return _tick(data)


def _tick(data: Any) -> Tick:
    if not data.id:
        raise TickUnreadableError("no_symbol")
    if not _TIME_MIN_MS <= data.time < _TIME_MAX_MS:
        raise TickUnreadableError("no_time", f"{data.id} time={data.time}")
    hint = int(data.price_hint)
    try:
        price = float32_decimal(data.price, hint)
    except NotANumberError as exc:
        raise TickUnreadableError("price_not_finite", f"{data.id} {exc}") from exc
    symbol = str(data.id).upper()
    # Protobuf drops zeros, so a price of 0 is one that was not said; below 0 it is one where the kind has such.
    signed = may_be_negative(guess_kind(symbol, data.exchange or None))
    if price == 0 or (price < 0 and not signed):
        raise TickUnreadableError("no_price", f"{data.id} price={data.price}")
    return Tick(
        symbol=symbol,
        time_ms=int(data.time),
        price=price,
        market_hours=int(data.market_hours),
        open=_optional(data.open_price, hint, signed=signed),
        high=_optional(data.day_high, hint, signed=signed),
        low=_optional(data.day_low, hint, signed=signed),
        previous_close=_optional(data.previous_close, hint, signed=signed),
        day_volume=int(data.day_volume) if data.day_volume > 0 else None,
        bid=_optional(data.bid, hint, signed=signed),
        ask=_optional(data.ask, hint, signed=signed),
        currency=data.currency or None,
        exchange=data.exchange or None,
    )


def _optional(value: float, hint: int, *, signed: bool) -> Decimal | None:
    try:
        price = float32_decimal(value, hint)
    except NotANumberError:
        return None
    return price if price > 0 or (signed and price) else None
