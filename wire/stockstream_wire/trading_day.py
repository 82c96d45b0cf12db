"""Which trading session a moment belongs to, for each kind of instrument, and what a quote that says nothing means.

Equities, funds, indices, options: the local day of the exchange. Futures of CME, CBOT, NYMEX, COMEX, Cboe and ICE US:
the session opens at 18:00 New York on the evening before its date. Currencies: at 17:00 New York. Coins: the UTC day.
A weekend's hours of futures and currencies belong to Monday, whose session Sunday evening begins.
"""

import re
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from stockstream_wire.exchanges import DEFAULT_ZONE, known_zone_of
from stockstream_wire.instruments import VolumeKind, guess_kind, usual_volume_kind
from stockstream_wire.quote import Quote

_NEW_YORK: Final = "America/New_York"
_FUTURES_TURN_MINUTE: Final = 18 * 60
_CURRENCY_TURN_MINUTE: Final = 17 * 60
# American futures keep New York's clock, or Chicago's beside it; the turn is one and the same moment.
_AMERICAN_FUTURES_ZONES: Final = frozenset({_NEW_YORK, "America/Chicago"})
_SATURDAY: Final = 5
_ONE_DAY: Final = timedelta(days=1)
_FIXED_OFFSET: Final = re.compile(r"UTC([+-])([0-9]{2}):([0-9]{2})")

# What Yahoo's `marketState` says of a price outside regular hours.
EXTENDED_STATES: Final = frozenset({"PRE", "PREPRE", "POST", "POSTPOST"})


class DayRule(NamedTuple):
    """How moments become sessions.

    Attributes:
        zone: IANA name, or a fixed offset as `UTC+05:45`, of the clock that the session keeps.
        turn_minute: Minute of that clock's day at which the next session opens; 0 for local midnight.
        weekend: Whether Saturday and Sunday have sessions of their own.
    """

    zone: str
    turn_minute: int = 0
    weekend: bool = True


class SessionFacts(NamedTuple):
    """What a quote's session is.

    Attributes:
        session_date: `2026-03-10`.
        volume_kind: What its volume counts.
        regular: Whether its price is of regular hours.
        guessed: The source did not say, and the table had no entry: it is New York's day for want of a better.
    """

    session_date: str
    volume_kind: VolumeKind
    regular: bool
    guessed: bool


# All quotes of a session's hours share them.
_facts: Final = lru_cache(maxsize=1024)(SessionFacts)


@lru_cache(maxsize=1024)
def day_rule(kind: str, zone: str) -> DayRule:
    """How an instrument of the kind, on an exchange of the zone, counts its days.

    Args:
        kind: One of `instruments.KINDS`.
        zone: Time zone of its exchange.
    """
    if kind == "future" and zone in _AMERICAN_FUTURES_ZONES:
        return DayRule(_NEW_YORK, _FUTURES_TURN_MINUTE, weekend=False)
    if kind == "currency":
        return DayRule(_NEW_YORK, _CURRENCY_TURN_MINUTE, weekend=False)
    if kind == "crypto":
        return DayRule("UTC")
    return DayRule(zone)


def session_date_of(timestamp: str, rule: DayRule) -> str:
    """The date of the session that a wire timestamp lies in (`2026-03-10`).

    Args:
        timestamp: Event time in the wire form.
        rule: How the instrument counts its days.
    """
    return _session_date(timestamp[:16], rule)


@lru_cache(maxsize=8192)
def _session_date(utc_minute: str, rule: DayRule) -> str:
    local = _local(utc_minute, rule.zone)
    day = local.date()
    if rule.turn_minute and local.hour * 60 + local.minute >= rule.turn_minute:
        day += _ONE_DAY
    if not rule.weekend and day.weekday() >= _SATURDAY:
        day += _ONE_DAY * (7 - day.weekday())
    return day.isoformat()


@lru_cache(maxsize=8192)
def local_minute_of(utc_minute: str, zone: str) -> int:
    """Minute of the zone's day, 0 to 1439, of the first 16 characters of a wire timestamp (`2026-11-20T14:30`)."""
    local = _local(utc_minute, zone)
    return local.hour * 60 + local.minute


def _local(utc_minute: str, zone: str) -> datetime:
    return datetime.fromisoformat(utc_minute + ":00+00:00").astimezone(clock_of(zone))


@lru_cache(maxsize=256)
def clock_of(zone: str) -> tzinfo:
    """The clock of a `DayRule`'s zone."""
    offset = _FIXED_OFFSET.fullmatch(zone)
    if offset is None:
        return ZoneInfo(zone)
    sign, hours, minutes = offset.groups()
    return timezone(timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1))


def fixed_offset_zone(offset_seconds: int) -> str:
    """Name a clock by its offset from UTC alone (`UTC+05:45`), for a zone whose name this machine does not know."""
    sign = "-" if offset_seconds < 0 else "+"
    hours, minutes = divmod(abs(offset_seconds) // 60, 60)
    return f"UTC{sign}{hours:02d}:{minutes:02d}"


@lru_cache(maxsize=256)
def is_zone(name: str) -> bool:
    """Tell whether a text names a time zone that this machine knows."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def is_regular(quote: Quote) -> bool:
    """Tell whether a quote's price is of regular hours: as its source says, else by its market state."""
    if quote.session_date is not None:
        return quote.regular
    return quote.regular and quote.market_state not in EXTENDED_STATES


def session_facts(quote: Quote) -> SessionFacts:
    """The session of a quote: as its source says, else by its exchange, its index, its suffix, else New York's.

    A source that gives `session_date` has said all there is to say: fields left out then have their defaults.
    """
    if quote.session_date is not None:
        return _facts(quote.session_date, quote.volume_kind, quote.regular, False)
    rule, usual, is_guessed = _customs_of(quote.symbol, quote.exchange, quote.kind)
    volume_kind = quote.volume_kind if quote.volume_kind != "session" else usual
    return _facts(_session_date(quote.timestamp[:16], rule), volume_kind, is_regular(quote), is_guessed)


@lru_cache(maxsize=16_384)
def _customs_of(symbol: str, exchange: str | None, kind: str | None) -> tuple[DayRule, VolumeKind, bool]:
    """How an instrument counts its days, what its volume counts, and whether the former is a guess."""
    kind = kind or guess_kind(symbol, exchange)
    known = known_zone_of(symbol, exchange)
    rule = day_rule(kind, known or DEFAULT_ZONE)
    # A future, a currency and a coin keep their clocks whatever the exchange.
    return rule, usual_volume_kind(kind), known is None and rule == DayRule(DEFAULT_ZONE)
