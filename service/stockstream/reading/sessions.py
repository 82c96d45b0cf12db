"""Which moments a session of an exchange has: the range to ask for where a user says `session="2026-11-25"`."""

from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from stockstream.errors import InputError
from stockstream_wire.exchanges import DEFAULT_ZONE, known_zone_of
from stockstream_wire.instruments import guess_kind
from stockstream_wire.openings import session_opening
from stockstream_wire.trading_day import DayRule, day_rule

_ONE_DAY: Final = timedelta(days=1)
_MONDAY: Final = 0
_SATURDAY: Final = 5
# They trade from Sunday to Thursday, or did until lately.
_SUNDAY_ZONES: Final = frozenset({"Asia/Riyadh", "Asia/Qatar", "Asia/Kuwait", "Asia/Jerusalem", "Africa/Cairo"})


class Span(NamedTuple):
    """A range of time: aware, `start` included, `end` not."""

    start: datetime
    end: datetime


def rule_of(symbol: str, exchange: str | None) -> DayRule:
    """How a symbol counts its days: by its exchange where that is known, else by its spelling, else as New York."""
    return day_rule(guess_kind(symbol, exchange), known_zone_of(symbol, exchange) or DEFAULT_ZONE)


def session_span(session: str, rule: DayRule) -> Span:
    """The moments whose session has this date; an empty span where no session does (a future's Saturday).

    Raises:
        InputError: it is no date.
    """
    try:
        day = date.fromisoformat(session)
    except ValueError as exc:
        raise InputError(f"session={session!r} is no date: write 2026-11-25") from exc
    zone = _clock(rule.zone)
    if not rule.weekend and day.weekday() >= _SATURDAY:
        nothing = datetime.combine(day, time(), zone).astimezone(UTC)
        return Span(nothing, nothing)
    turn = time(*divmod(rule.turn_minute, 60))
    first, last = (day - _ONE_DAY, day) if rule.turn_minute else (day, day + _ONE_DAY)
    if not rule.weekend and day.weekday() == _MONDAY:
        # The weekend's hours are Monday's.
        first -= 2 * _ONE_DAY
    return Span(*(datetime.combine(edge, turn, zone).astimezone(UTC) for edge in (first, last)))


def usual_opening(now: datetime, rule: DayRule) -> datetime | None:
    """When a session usually opens next, by the clock and the weekday alone: holidays are not known here.

    None where that is not known (a week that begins on Sunday), or where the market never closes.
    """
    if rule.zone in {"UTC", *_SUNDAY_ZONES}:
        return None
    today = now.astimezone(_clock(rule.zone)).date()
    for day in (today + _ONE_DAY * ahead for ahead in range(5)):
        opening = session_opening(day.isoformat(), rule) if day.weekday() < _SATURDAY else ""
        if opening and (moment := datetime.fromisoformat(opening).replace(tzinfo=UTC)) > now:
            return moment
    return None


def _clock(zone: str) -> tzinfo:
    if not zone.startswith("UTC") or zone == "UTC":
        return ZoneInfo(zone)
    hours, minutes = zone[4:].split(":")
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-offset if zone[3] == "-" else offset)
