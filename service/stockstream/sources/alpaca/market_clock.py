"""The hours of the shares of the United States: New York's clock, and its calendar where that can be read."""

from datetime import UTC, datetime
from typing import Final

from stockstream.sources.yahoo.hours import TradingHours
from stockstream_wire import format_timestamp
from stockstream_wire.trading_day import DayRule, clock_of, local_minute_of, session_date_of

ZONE: Final = "America/New_York"
RULE: Final = DayRule(ZONE)
PRE_MINUTE: Final = 4 * 60
OPEN_MINUTE: Final = 9 * 60 + 30
CLOSE_MINUTE: Final = 16 * 60
POST_END_MINUTE: Final = 20 * 60
# One code of the exchanges that keep this calendar.
_CALENDAR: Final = "NMS"
_SATURDAY: Final = 5


def market_state(timestamp: str) -> str:
    """PRE, REGULAR, POST or CLOSED, by the clock alone, of a wire timestamp."""
    minute = local_minute_of(timestamp[:16], ZONE)
    if not PRE_MINUTE <= minute < POST_END_MINUTE:
        return "CLOSED"
    return "PRE" if minute < OPEN_MINUTE else "REGULAR" if minute < CLOSE_MINUTE else "POST"


def session_of(timestamp: str) -> str:
    """The date of the session that a wire timestamp lies in."""
    return session_date_of(timestamp, RULE)


def close_of(session: str) -> str:
    """The wire timestamp of four in the afternoon of a session."""
    local = datetime.fromisoformat(session).replace(hour=CLOSE_MINUTE // 60, tzinfo=clock_of(ZONE))
    return format_timestamp(local)


class MarketClock:
    """Tells whether the market trades at a moment.

    Args:
        hours: Calendars; read in a process of their own.
        extended: Whether pre- and post-market count.
    """

    def __init__(self, hours: TradingHours, *, extended: bool = False) -> None:
        self._hours = hours
        self._extended = extended

    async def prepare(self, now: datetime) -> None:
        """Read the calendar where it is not at hand."""
        await self._hours.prepare([_CALENDAR], now.timestamp())

    def is_open(self, moment: datetime) -> bool:
        """Whether trades of the kind that is wanted are made at this moment."""
        local = moment.astimezone(clock_of(ZONE))
        if local.weekday() >= _SATURDAY:
            return False
        state = market_state(format_timestamp(moment))
        if self._extended:  # a calendar has regular hours alone; noon is in those of every day that has any
            noon = local.replace(hour=12, minute=0, second=0, microsecond=0)
            return state != "CLOSED" and not self._hours.is_closed(_CALENDAR, noon.timestamp())
        return state == "REGULAR" and not self._hours.is_closed(_CALENDAR, moment.timestamp())

    def is_regular_minute(self, start_ms: int) -> bool:
        """Whether the minute that begins then is one of regular hours."""
        moment = datetime.fromtimestamp(start_ms / 1000, UTC)
        if (
            market_state(format_timestamp(moment)) != "REGULAR"
            or moment.astimezone(clock_of(ZONE)).weekday() >= _SATURDAY
        ):
            return False
        # A calendar's edges are a minute wide: the minute after this one is outside them, where this one is.
        return not self._hours.is_closed(_CALENDAR, start_ms / 1000 + 60)
