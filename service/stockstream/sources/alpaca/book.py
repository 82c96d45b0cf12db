"""What is known of each share, and the quote that a snapshot or a trade makes of it. Pure.

A session is New York's day. Open, range, previous close and volume are the daily bar's, which counts trades as the
tapes' rules have it; between two bars the feed's trades carry them on. A price outside regular hours is marked so and
brings no volume: what the daily bar then counts is not of the session.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from stockstream.sources.alpaca.market_clock import OPEN_MINUTE, ZONE, close_of, market_state, session_of
from stockstream.sources.alpaca.messages import BarFields, DailyBar, Snapshot, Trade, TradeFields
from stockstream.sources.amounts import whole
from stockstream.sources.base import Rejection
from stockstream.sources.ticks import ahead_of_clock
from stockstream_wire import (
    Quote,
    QuoteInvalidError,
    format_epoch_ms,
    format_timestamp,
    normalise_timestamp,
    timestamp_to_epoch_ms,
    validate_quote,
)
from stockstream_wire.trading_day import local_minute_of

_MINUTE_MS: Final = 60_000
DELAY_SECONDS: Final[Mapping[str, int]] = {"delayed_sip": 900}


class Held(StrEnum):
    """Why something made no quote, and need not; the values are names of counters."""

    NO_LAST_PRICE = "trade_without_last_price"
    NO_SNAPSHOT = "trade_without_snapshot"
    OUT_OF_ORDER = "trade_out_of_order"
    EXTENDED = "trade_of_extended_hours"
    NOTHING_NEW = "snapshot_without_news"


class _LastPrice(NamedTuple):
    price: Decimal
    timestamp: str
    regular: bool


@dataclass(slots=True)
class _Day:
    open: Decimal
    high: Decimal
    low: Decimal


@dataclass(slots=True)
class _Share:
    """What is known of a share.

    Attributes:
        session: That the figures are of.
        day: None before its first regular trade.
        volume: Of the session so far; None where no bar has told it.
        counted_since: The newest trade that the newest snapshot has counted, to the nanosecond.
        told_until: The newest trade that snapshots have told of.
        heard_until: The newest trade that the feed has told of.
        last: Time of the newest price that was taken.
    """

    session: str
    previous_close: Decimal
    day: _Day | None
    volume: int | None
    bid: Decimal | None = None
    ask: Decimal | None = None
    counted_since: str = ""
    told_until: str = ""
    heard_until: str = ""
    last: str = ""


class AlpacaBook:
    """The shares followed.

    Args:
        label: Name of the source.
        feed: Of the prices.
        extended_hours: Whether prices of pre- and post-market are taken.
    """

    def __init__(self, label: str, feed: str, *, extended_hours: bool = False) -> None:
        self._label = label
        self._delay_seconds = DELAY_SECONDS.get(feed)
        self._extended_hours = extended_hours
        self._shares: dict[str, _Share] = {}

    def knows(self, symbol: str) -> bool:
        """Whether trades of the share can be made quotes."""
        return symbol in self._shares

    def forget(self, symbol: str) -> None:
        """Drop a share that has left the watchlist."""
        self._shares.pop(symbol, None)

    def take_snapshot(self, symbol: str, snapshot: Snapshot, now: datetime) -> Quote | Held | Rejection:
        """Take a snapshot in, and make a quote of it where it has a newer price.

        Args:
            symbol: In our spelling.
            snapshot: What Alpaca says.
            now: The wall clock.
        """
        try:
            trade = snapshot.latest_trade
            # Before anything is noted: a session that is yet to come would make the share deaf until then.
            ahead = ahead_of_clock(symbol, normalise_timestamp(trade.t), format_timestamp(now)) if trade else None
            return ahead or self._quote_of_snapshot(symbol, snapshot, now)
        except QuoteInvalidError as exc:
            return Rejection(symbol, exc.code, str(exc))
        except (ValueError, OverflowError) as exc:  # a time that is none
            return Rejection(symbol, "time_malformed", str(exc)[:200])

    def take_trade(self, symbol: str, trade: Trade, now: datetime) -> Quote | Held | Rejection:
        """Take a trade of the feed in, and make a quote of it where it moves the last price."""
        try:
            return self._quote_of_trade(symbol, trade, now)
        except QuoteInvalidError as exc:
            return Rejection(symbol, exc.code, str(exc))
        except (ValueError, OverflowError) as exc:
            return Rejection(symbol, "time_malformed", str(exc)[:200])

    def take_daily_bar(self, symbol: str, bar: DailyBar) -> None:
        """Correct a session's figures by its bar; one of another session, or that cannot be read, changes nothing."""
        share = self._shares.get(symbol)
        try:
            is_of_session = share is not None and _session_of_bar(bar) == share.session
        except (ValueError, OverflowError):
            return
        if share is not None and is_of_session:
            _merge_bar(share, bar)

    def is_kept_from_us(self, symbol: str, since: str) -> bool:
        """Whether a snapshot has told of a trade after a wire timestamp, and the feed of none as new."""
        share = self._shares.get(symbol)
        return share is not None and share.told_until > max(share.heard_until, since)

    def _quote_of_snapshot(self, symbol: str, snapshot: Snapshot, now: datetime) -> Quote | Held | Rejection:
        last = self._last_price(snapshot, now)
        if last is None:
            if snapshot.latest_trade is None and snapshot.daily_bar is None:
                return Rejection(symbol, "missing_price", "its snapshot has neither a trade nor a day")
            return Held.NO_LAST_PRICE
        session = session_of(last.timestamp)
        known = self._shares.get(symbol)
        if known is not None and session < known.session:
            return Held.NOTHING_NEW
        daily, daily_session = snapshot.daily_bar, _session_of_bar(snapshot.daily_bar)
        if daily is not None and daily_session > session:
            return Held.NOTHING_NEW  # the day has begun with trades that move no price
        before = snapshot.prev_daily_bar if daily_session == session else daily or snapshot.prev_daily_bar
        if before is None or _session_of_bar(before) >= session:
            return Rejection(symbol, "missing_previous_close", f"its snapshot has no day before {session}")
        share = self._share(symbol, session, before.c)
        share.previous_close = before.c
        if daily is not None and daily_session == session and not _is_before_opening(last):
            _merge_bar(share, daily)
        best = snapshot.latest_quote
        share.bid, share.ask = (_positive(best.bp), _positive(best.ap)) if best is not None else (None, None)
        if snapshot.latest_trade is not None:
            share.counted_since = max(share.counted_since, _nanosecond(snapshot.latest_trade.t))
            share.told_until = max(share.told_until, normalise_timestamp(snapshot.latest_trade.t))
        if last.timestamp <= share.last:
            return Held.NOTHING_NEW
        return self._quote(symbol, share, last, now)

    def _quote_of_trade(self, symbol: str, trade: Trade, now: datetime) -> Quote | Held | Rejection:
        share = self._shares.get(symbol)
        timestamp = normalise_timestamp(trade.t)
        if (ahead := ahead_of_clock(symbol, timestamp, format_timestamp(now))) is not None:
            return ahead
        session = session_of(timestamp)
        if share is not None:
            share.heard_until = max(share.heard_until, timestamp)
            if share.volume is not None and session == share.session and _nanosecond(trade.t) > share.counted_since:
                share.volume += trade.volume
        if not trade.moves_last_price:
            return Held.NO_LAST_PRICE
        last = _LastPrice(trade.p, timestamp, _is_regular(trade, timestamp))
        if not self._wants(last):
            return Held.EXTENDED
        if share is None or session > share.session:
            return Held.NO_SNAPSHOT
        if timestamp <= share.last or session < share.session:
            return Held.OUT_OF_ORDER
        return self._quote(symbol, share, last, now)

    def _share(self, symbol: str, session: str, previous_close: Decimal) -> _Share:
        known = self._shares.get(symbol)
        if known is None or known.session != session:
            heard_until, last = (known.heard_until, known.last) if known is not None else ("", "")
            known = _Share(session, previous_close, None, None, heard_until=heard_until, last=last)
            self._shares[symbol] = known
        return known

    def _last_price(self, snapshot: Snapshot, now: datetime) -> _LastPrice | None:
        """The last price, and its time: the trade's; else the minute's before it; else the day's, at the close."""
        trade, minute, daily = snapshot.latest_trade, snapshot.minute_bar, snapshot.daily_bar
        if trade is not None:
            timestamp = normalise_timestamp(trade.t)
            last = _LastPrice(trade.p, timestamp, _is_regular(trade, timestamp))
            if trade.moves_last_price and self._wants(last):
                return last
            if minute is not None and not trade.moves_last_price:
                last = _close_of_minute(minute, trade, timestamp)
                if self._wants(last):
                    return last
        if daily is None or (closed_at := close_of(_session_of_bar(daily))) > format_timestamp(now):
            return None
        return _LastPrice(daily.c, closed_at, regular=True)

    def _wants(self, last: _LastPrice) -> bool:
        return last.regular or self._extended_hours

    def _quote(self, symbol: str, share: _Share, last: _LastPrice, now: datetime) -> Quote:
        day = share.day
        price = last.price
        if day is None:
            day = _Day(price, price, price)
        elif last.regular and price.is_finite():
            day = _Day(day.open, max(day.high, price), min(day.low, price))
        quote = Quote(
            symbol=symbol,
            timestamp=last.timestamp,
            open=day.open,
            high=day.high,
            low=day.low,
            price=price,
            previous_close=share.previous_close,
            volume=share.volume if last.regular else None,
            bid=share.bid,
            ask=share.ask,
            currency="USD",
            market_state="REGULAR" if last.regular else market_state(last.timestamp),
            polled_at=format_timestamp(now),
            source=self._label,
            delayed_by_seconds=self._delay_seconds,
            session_date=share.session,
            regular=last.regular,
        )
        validate_quote(quote)
        return quote

    def accept(self, quote: Quote) -> None:
        """Remember a quote that nothing else was wrong with."""
        share = self._shares[quote.symbol]
        share.last = quote.timestamp
        if quote.regular and quote.session_date == share.session:
            share.day = _Day(quote.open, quote.high, quote.low)


def _merge_bar(share: _Share, bar: BarFields) -> None:
    is_range = all(price.is_finite() and price > 0 for price in (bar.o, bar.h, bar.l)) and bar.l <= bar.o <= bar.h
    if not is_range or whole(bar.h) is None:  # it would be the session's for all of it: a range only grows
        return
    day = share.day
    share.day = _Day(bar.o, bar.h, bar.l) if day is None else _Day(bar.o, max(day.high, bar.h), min(day.low, bar.l))
    if (volume := whole(bar.v)) is not None:
        share.volume = max(share.volume or 0, volume)


def _close_of_minute(minute: BarFields, trade: TradeFields, timestamp: str) -> _LastPrice:
    """The price that stood when a trade was made that moves none: at its time, or at its minute's end before it."""
    start_ms = timestamp_to_epoch_ms(normalise_timestamp(minute.t))
    last_of_minute = format_epoch_ms(start_ms + _MINUTE_MS - 1)
    is_same_minute = timestamp <= last_of_minute
    at = timestamp if is_same_minute else last_of_minute
    regular = market_state(at) == "REGULAR" and not (is_same_minute and trade.is_extended)
    return _LastPrice(minute.c, at, regular)


def _is_regular(trade: TradeFields, timestamp: str) -> bool:
    # The end of regular hours is the venue's to say: closing prints come after four, and half days end at one.
    return not trade.is_extended and local_minute_of(timestamp[:16], ZONE) >= OPEN_MINUTE


def _is_before_opening(last: _LastPrice) -> bool:
    return not last.regular and local_minute_of(last.timestamp[:16], ZONE) < OPEN_MINUTE


def _session_of_bar(bar: BarFields | None) -> str:
    return session_of(normalise_timestamp(bar.t)) if bar is not None else ""


def _nanosecond(time: str) -> str:
    """A time of Alpaca's, always in UTC, as text whose order is that of time: the digits of its second are padded."""
    second, _, digits = time.rstrip("Zz").partition(".")
    return f"{second}.{digits:0<9}"


def _positive(price: Decimal) -> Decimal | None:
    return price if price.is_finite() and price > 0 else None
