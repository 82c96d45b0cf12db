"""Ticks over snapshots: a tick lacks fields, a v7 snapshot is late; together they are the quote. Pure."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

import msgspec

from stockstream.sources.yahoo_stream.decode import REGULAR_HOURS, Tick
from stockstream_wire import Quote, format_epoch_ms, parse_timestamp, timestamp_to_epoch_ms

# A snapshot's open and previous close belong to its day. A tick this much later is of another session, whatever the
# exchange's hours; Yahoo's longest regular session is the futures' 23 hours, its shortest night about 16.
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


def merge_tick(base: Quote | None, tick: Tick, *, polled_at: str, extended_hours: bool = False) -> Merged:
    """Merge a tick over the last quote of its symbol.

    Args:
        base: The last quote: a v7 snapshot, or a tick merged before.
        tick: What has come.
        polled_at: When it came, in the wire's form.
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
    if _is_new_session(base, tick, timestamp):
        return Merged(held=Held.NEW_SESSION)
    # Only a regular trade may widen the day's range.
    high = tick.high or (max(base.high, tick.price) if regular else base.high)
    low = tick.low or (min(base.low, tick.price) if regular else base.low)
    return Merged(
        msgspec.structs.replace(
            base,
            timestamp=timestamp,
            price=tick.price,
            open=tick.open or base.open,
            high=max(high, low),
            low=min(high, low),
            previous_close=tick.previous_close or base.previous_close,
            volume=max(base.volume or 0, tick.day_volume or 0),
            # A bid or ask of the snapshot is not one of this moment.
            bid=tick.bid,
            ask=tick.ask,
            currency=tick.currency or base.currency,
            exchange=tick.exchange or base.exchange,
            polled_at=polled_at,
            source=SOURCE,
            # The stream is in real time, and a tick ends any silence.
            delayed_by_seconds=None,
            stale=False,
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
    if parse_timestamp(base.timestamp) - parse_timestamp(snapshot.timestamp) > SNAPSHOT_AGE_MAX:
        return base, False
    merged = msgspec.structs.replace(
        base,
        open=snapshot.open,
        previous_close=snapshot.previous_close,
        high=max(base.high, snapshot.high),
        low=min(base.low, snapshot.low),
        volume=max(base.volume or 0, snapshot.volume or 0),
        currency=snapshot.currency,
        exchange=snapshot.exchange,
        market_state=snapshot.market_state,
    )
    return merged, False


def _is_new_session(base: Quote, tick: Tick, timestamp: str) -> bool:
    if parse_timestamp(timestamp) - parse_timestamp(base.timestamp) > SNAPSHOT_AGE_MAX:
        return True
    if tick.previous_close is not None and tick.open is not None:
        return False  # it brings its own
    # Cumulative volume only shrinks overnight; a little, because busts and corrections are real.
    shrunk = tick.day_volume is not None and tick.day_volume * 2 < (base.volume or 0)
    return shrunk and tick.time_ms - timestamp_to_epoch_ms(base.timestamp) > 3_600_000
