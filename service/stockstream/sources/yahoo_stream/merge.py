"""Ticks over snapshots: a tick lacks fields, a v7 snapshot is late; together they are the quote. Pure."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from stockstream.sources.yahoo_stream.decode import POST_MARKET_HOURS, REGULAR_HOURS, Tick
from stockstream_wire import Quote, format_epoch_ms, parse_timestamp, timestamp_to_epoch_ms
from stockstream_wire.trading_day import DayRule, session_date_of

# A snapshot's open and previous close belong to its session. Where nobody said how the exchange counts its days, a tick
# this much later is of another one, whatever its hours.
SNAPSHOT_AGE_MAX: Final = timedelta(hours=12)
SOURCE: Final = "yahoo-stream"


class Held(StrEnum):
    """Why a tick makes no quote; counted, never guessed around."""

    NO_SNAPSHOT = "no_snapshot"
    NEW_SESSION = "new_session"
    OUTSIDE_HOURS = "outside_hours"
    OUT_OF_ORDER = "out_of_order"


@dataclass(frozen=True, slots=True)
class Merged:
    """A quote, or the reason there is none; and whether the symbol needs a fresh snapshot."""

    quote: Quote | None = None
    held: Held | None = None

    @property
    def needs_snapshot(self) -> bool:
        return self.held in {Held.NO_SNAPSHOT, Held.NEW_SESSION}


class _SessionSoFar(NamedTuple):
    """What a quote says of its session."""

    open: Decimal
    high: Decimal
    low: Decimal
    previous_close: Decimal
    volume: int | None


def merge_tick(
    base: Quote | None, tick: Tick, *, polled_at: str, rule: DayRule | None = None, extended_hours: bool = False
) -> Merged:
    """Merge a tick over the last quote of its symbol.

    Args:
        base: The last quote: a v7 snapshot, or a tick merged before.
        tick: What has come.
        polled_at: When it came, in the wire's form.
        rule: How the symbol's sessions count their days, where that is known.
        extended_hours: Whether pre- and post-market ticks are wanted.
    """
    if base is None:
        return Merged(held=Held.NO_SNAPSHOT)
    regular = tick.market_hours == REGULAR_HOURS or (tick.market_hours == 0 and base.market_state == "REGULAR")
    if not regular and not extended_hours:
        return Merged(held=Held.OUTSIDE_HOURS)
    timestamp = format_epoch_ms(tick.time_ms)
    if timestamp <= base.timestamp:
        return Merged(held=Held.OUT_OF_ORDER)
    session_date = base.session_date if rule is None else session_date_of(timestamp, rule)
    if _opens_session(base, tick, timestamp, session_date, regular=regular):
        if tick.open is None or tick.previous_close is None or not regular:
            return Merged(held=Held.NEW_SESSION)
        session = _opening(tick, tick.open, tick.previous_close)
    else:
        session = _going_on(base, tick, regular=regular)
    if base.volume_kind != "session":
        # A rolling figure goes up and down; what is no figure stays none.
        rolling = base.volume if tick.day_volume is None else tick.day_volume
        session = session._replace(volume=rolling if base.volume_kind == "rolling" else None)
    return Merged(
        msgspec.structs.replace(
            base,
            **session._asdict(),
            timestamp=timestamp,
            price=tick.price,
            # A bid or ask of the snapshot is not one of this moment.
            bid=tick.bid,
            ask=tick.ask,
            currency=tick.currency or base.currency,
            exchange=tick.exchange or base.exchange,
            market_state=_market_state(tick, regular=regular),
            polled_at=polled_at,
            source=SOURCE,
            # The stream is in real time, and a tick ends any silence.
            delayed_by_seconds=None,
            stale=False,
            silent_symbols=None,
            session_date=session_date,
            regular=regular,
        )
    )


def merge_snapshot(base: Quote | None, snapshot: Quote) -> tuple[Quote, bool]:
    """Merge a v7 snapshot under what the stream has said since.

    Args:
        base: The last quote of the symbol, or None.
        snapshot: What v7 says now; it may be older than the last tick.

    Returns:
        The base for the next tick, and whether the snapshot itself is news to send on.
    """
    if base is None or snapshot.timestamp > base.timestamp:
        return snapshot, True
    if _is_of_earlier_session(snapshot, base):
        return base, False
    merged = msgspec.structs.replace(
        base,
        open=snapshot.open,
        previous_close=snapshot.previous_close,
        high=max(base.high, snapshot.high),
        low=min(base.low, snapshot.low),
        volume=_higher(base.volume, snapshot.volume) if base.volume_kind == "session" else base.volume,
        currency=snapshot.currency,
        exchange=snapshot.exchange,
        market_state=snapshot.market_state,
        session_date=snapshot.session_date,
    )
    return merged, False


def _is_of_earlier_session(snapshot: Quote, base: Quote) -> bool:
    if snapshot.session_date is not None and base.session_date is not None:
        return snapshot.session_date < base.session_date
    return parse_timestamp(base.timestamp) - parse_timestamp(snapshot.timestamp) > SNAPSHOT_AGE_MAX


def _opens_session(base: Quote, tick: Tick, timestamp: str, session_date: str | None, *, regular: bool) -> bool:
    """Whether what the base says of its session says nothing of the tick's."""
    if regular and not base.regular and base.market_state == "PRE":
        return True  # before the opening there was no session yet, on whatever date
    if session_date is not None and base.session_date is not None:
        return session_date != base.session_date
    if parse_timestamp(timestamp) - parse_timestamp(base.timestamp) > SNAPSHOT_AGE_MAX:
        return True
    # Cumulative volume only shrinks overnight; a little, because busts and corrections are real.
    shrunk = base.volume_kind == "session" and tick.day_volume is not None and tick.day_volume * 2 < (base.volume or 0)
    return shrunk and tick.time_ms - timestamp_to_epoch_ms(base.timestamp) > 3_600_000


def _opening(tick: Tick, session_open: Decimal, previous_close: Decimal) -> _SessionSoFar:
    prices = [session_open, tick.price]
    high = max(prices) if tick.high is None else tick.high
    low = min(prices) if tick.low is None else tick.low
    return _SessionSoFar(session_open, max(high, low), min(high, low), previous_close, tick.day_volume)


def _going_on(base: Quote, tick: Tick, *, regular: bool) -> _SessionSoFar:
    # Only a regular trade may widen the day's range.
    high = tick.high if tick.high is not None else (max(base.high, tick.price) if regular else base.high)
    low = tick.low if tick.low is not None else (min(base.low, tick.price) if regular else base.low)
    return _SessionSoFar(
        base.open if tick.open is None else tick.open,
        max(high, low),
        min(high, low),
        base.previous_close if tick.previous_close is None else tick.previous_close,
        _higher(base.volume, tick.day_volume),
    )


def _higher(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else max(one, other)


def _market_state(tick: Tick, *, regular: bool) -> str:
    if regular:
        return "REGULAR"
    return "POST" if tick.market_hours == POST_MARKET_HOURS else "PRE"
