"""What the feed says, message by message, and what we say to it. Pure."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Literal

import msgspec

from stockstream.sources.amounts import UNREADABLE
from stockstream.sources.stream import SUBSCRIBE_SYMBOLS_MAX

_CHANNELS: Final = ("ticker", "heartbeat")


class Ticker(msgspec.Struct, frozen=True, tag="ticker", tag_field="type"):
    """A trade, and the product as it stands after it. Amounts are decimals as text.

    Attributes:
        sequence: Grows with every event of the product; the channel shows only some of them, so it has gaps.
        trade_id: Of the newest trade, one higher each; several trades of one order may come as one message.
        volume_24h: Of the base currency, in the last 24 hours.
    """

    product_id: str
    sequence: int
    time: datetime
    price: Decimal
    volume_24h: Decimal | None = None
    best_bid: Decimal | None = None
    best_ask: Decimal | None = None
    trade_id: int = 0


class Heartbeat(msgspec.Struct, frozen=True, tag="heartbeat", tag_field="type"):
    """Once a second and product, whether anything trades or not."""

    product_id: str
    sequence: int
    last_trade_id: int = 0


class FeedError(msgspec.Struct, frozen=True, tag="error", tag_field="type"):
    """The server refuses something; a subscription that names an unknown product is refused as a whole."""

    message: str
    reason: str = ""


class Subscriptions(msgspec.Struct, frozen=True, tag="subscriptions", tag_field="type"):
    """The answer to a subscription: all that is subscribed to now."""


class _Other(msgspec.Struct, frozen=True):
    type: str


Message = Ticker | Heartbeat | FeedError | Subscriptions
_decoder: Final[msgspec.json.Decoder[Message]] = msgspec.json.Decoder(Message)
_other_decoder: Final = msgspec.json.Decoder(_Other)
_KNOWN: Final = frozenset({"ticker", "heartbeat", "error", "subscriptions"})


class UnreadableError(ValueError):
    """Not a message, or one of a known type that lacks what its type has."""


def decode(message: str | bytes) -> Message | None:
    """Read one message; None for one of a type that is not ours: Coinbase adds such at any time.

    Raises:
        UnreadableError: not JSON, or a message of a known type that is damaged.
    """
    try:
        return _decoder.decode(message)
    except UNREADABLE as exc:
        try:
            kind = _other_decoder.decode(message).type
        except UNREADABLE:
            raise UnreadableError(f"no message: {str(exc)[:200]}") from exc
        if kind in _KNOWN:
            raise UnreadableError(f"{kind}: {str(exc)[:200]}") from exc
        return None


def orders(joined: list[str], left: list[str]) -> Iterator[str]:
    """What to send to follow `joined` and to leave `left`."""
    if left:
        yield _order("unsubscribe", left)
    for start in range(0, len(joined), SUBSCRIBE_SYMBOLS_MAX):
        yield _order("subscribe", joined[start : start + SUBSCRIBE_SYMBOLS_MAX])


def _order(what: Literal["subscribe", "unsubscribe"], products: list[str]) -> str:
    return json.dumps({"type": what, "product_ids": products, "channels": _CHANNELS})


def event_time(ticker: Ticker) -> datetime:
    """The moment of the trade, aware; the feed writes it in UTC."""
    return ticker.time if ticker.time.tzinfo is not None else ticker.time.replace(tzinfo=UTC)
