"""What Alpaca says, in snapshots and on the feed, and what we say to the feed. Pure."""

import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Final

import msgspec

from stockstream.sources.amounts import UNREADABLE, whole

# On the free plan a feed takes thirty symbols. An order that leads past the limit is refused as a whole, so small
# orders find the limit from below.
ORDER_SYMBOLS: Final = 10
# Sale conditions of trades that move no last price, on all tapes: of another time, another day, another way to a price,
# odd lots, and the messages of official opens and closes. https://alpaca.markets/learn/stock-minute-bars
_NO_LAST_PRICE: Final = frozenset("479CGHIMNPQRUVWZ")
# "B" is an average price on tapes A and B, and a bunched trade, which counts, on tape C.
_AVERAGE_PRICE: Final = "B"
_NASDAQ_TAPE: Final = "C"
# These repeat what was told as a trade already; all others are volume.
_NO_VOLUME: Final = frozenset("9MQ")
_EXTENDED_HOURS: Final = frozenset("TU")


class TradeFields(msgspec.Struct, frozen=True, kw_only=True):
    """A trade.

    Attributes:
        p: Price.
        t: When it was made, RFC 3339 with up to nine digits of a second.
        s: Shares.
        c: Sale conditions, one character each.
        z: Tape: A (NYSE), B (other exchanges), C (Nasdaq).
    """

    p: Decimal
    t: str
    s: Decimal = Decimal(0)
    c: tuple[str, ...] | None = None
    z: str | None = None

    @property
    def moves_last_price(self) -> bool:
        """Whether the trade is one that last prices are made of."""
        conditions = set(self.c or ())
        return not conditions & _NO_LAST_PRICE and not (_AVERAGE_PRICE in conditions and self.z != _NASDAQ_TAPE)

    @property
    def is_extended(self) -> bool:
        """Whether it was made outside regular hours, as its venue says."""
        return not _EXTENDED_HOURS.isdisjoint(self.c or ())

    @property
    def volume(self) -> int:
        """Shares that it adds to the day's."""
        return whole(self.s) or 0 if _NO_VOLUME.isdisjoint(self.c or ()) else 0


class BarFields(msgspec.Struct, frozen=True, kw_only=True):
    """A minute or a day of trades, by the time at which it began."""

    t: str
    o: Decimal
    h: Decimal
    l: Decimal  # noqa: E741 - the name on the wire
    c: Decimal
    v: Decimal = Decimal(0)


class BestQuote(msgspec.Struct, frozen=True, kw_only=True):
    """Best bid and offer; 0 where there is none."""

    bp: Decimal = Decimal(0)
    ap: Decimal = Decimal(0)


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A share as it stands; each part is absent where there was nothing of its kind."""

    latest_trade: TradeFields | None = None
    latest_quote: BestQuote | None = None
    minute_bar: BarFields | None = None
    daily_bar: BarFields | None = None
    prev_daily_bar: BarFields | None = None


class Trade(TradeFields, frozen=True, kw_only=True, tag="t", tag_field="T"):
    """A trade on the feed."""

    S: str


class DailyBar(BarFields, frozen=True, kw_only=True, tag="d", tag_field="T"):
    """The day so far, each minute."""

    S: str


class Success(msgspec.Struct, frozen=True, tag="success", tag_field="T"):
    """`connected`, then `authenticated`."""

    msg: str


class FeedError(msgspec.Struct, frozen=True, tag="error", tag_field="T"):
    """The feed refuses something."""

    code: int
    msg: str = ""


class Subscription(msgspec.Struct, frozen=True, tag="subscription", tag_field="T"):
    """All that is subscribed to now."""

    trades: tuple[str, ...] | None = None


class _Other(msgspec.Struct, frozen=True):
    T: str


Message = Trade | DailyBar | Success | FeedError | Subscription
_messages: Final[msgspec.json.Decoder[list[Message]]] = msgspec.json.Decoder(list[Message])
_parts: Final = msgspec.json.Decoder(list[msgspec.Raw])
_message: Final[msgspec.json.Decoder[Message]] = msgspec.json.Decoder(Message)
_other: Final = msgspec.json.Decoder(_Other)
_snapshots: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_snapshot: Final = msgspec.json.Decoder(Snapshot | None)
_KNOWN: Final = frozenset({"t", "d", "success", "error", "subscription"})


class UnreadableError(ValueError):
    """Not a message, or one of a known type that lacks what its type has."""


def decode(message: str | bytes, on_damaged: Callable[[UnreadableError], None] = lambda _: None) -> list[Message]:
    """Read what one frame says, without types that are not ours: Alpaca adds such at any time.

    Args:
        message: The frame.
        on_damaged: Told of each damaged message beside which others could be read.

    Raises:
        UnreadableError: not JSON, no list, or damaged, with nothing in it to be read.
    """
    try:
        return _messages.decode(message)
    except UNREADABLE:
        pass
    try:
        parts = _parts.decode(message)
    except UNREADABLE as exc:
        raise UnreadableError(f"no message: {str(exc)[:200]}") from exc
    found: list[Message] = []
    damaged: list[UnreadableError] = []
    for part in parts:
        try:
            if _other.decode(part).T in _KNOWN:
                found.append(_message.decode(part))
        except UNREADABLE as exc:
            damaged.append(UnreadableError(f"{bytes(part)[:50]!r}: {str(exc)[:200]}"))
    if damaged and not found:
        raise damaged[0]
    for one in damaged:
        on_damaged(one)
    return found


def decode_snapshots(body: bytes) -> Mapping[str, Snapshot | UnreadableError | None]:
    """Read an answer; a damaged snapshot keeps no other from being read.

    Raises:
        UnreadableError: the answer as a whole is none.
    """
    try:
        parts = _snapshots.decode(body)
    except UNREADABLE as exc:
        raise UnreadableError(f"no snapshots: {str(exc)[:200]}") from exc
    found: dict[str, Snapshot | UnreadableError | None] = {}
    for symbol, part in parts.items():
        try:
            found[symbol] = _snapshot.decode(part)
        except UNREADABLE as exc:
            found[symbol] = UnreadableError(str(exc)[:200])
    return found


def login(key_id: str, secret_key: str) -> str:
    """The first message of ours."""
    return json.dumps({"action": "auth", "key": key_id, "secret": secret_key})


def orders(joined: list[str], left: list[str]) -> Iterator[str]:
    """What to send to follow `joined` and to leave `left`."""
    if left:
        yield _order("unsubscribe", left)
    for start in range(0, len(joined), ORDER_SYMBOLS):
        yield _order("subscribe", joined[start : start + ORDER_SYMBOLS])


def _order(action: str, symbols: list[str]) -> str:
    return json.dumps({"action": action, "trades": symbols, "dailyBars": symbols})
