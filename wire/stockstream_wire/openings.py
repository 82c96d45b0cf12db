"""When the exchanges of a zone usually open: the first volume of a session counts from there, unless told otherwise."""

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Final

from stockstream_wire.trading_day import DayRule, clock_of

# Minute of the exchange's own day. Days that open later are told by their first quote: it is then joined late.
_OPENINGS: Final[dict[str, str]] = {
    "00:00": "UTC",
    "08:00": "Europe/London Europe/Dublin Europe/Lisbon",
    "08:30": "America/Mexico_City America/Lima",
    "09:00": "Europe/Paris Europe/Brussels Europe/Amsterdam Europe/Berlin Europe/Zurich Europe/Rome Europe/Vienna "
    "Europe/Madrid Europe/Stockholm Europe/Copenhagen Europe/Oslo Europe/Warsaw Europe/Prague Europe/Budapest "
    "Africa/Johannesburg Asia/Tokyo Asia/Seoul Asia/Taipei Asia/Singapore Asia/Kuala_Lumpur Asia/Jakarta "
    "Asia/Ho_Chi_Minh Asia/Kuwait America/Caracas",
    "09:15": "Asia/Kolkata",
    "09:30": "America/New_York America/Toronto America/Santiago America/Bogota Asia/Hong_Kong Asia/Shanghai "
    "Asia/Manila Asia/Karachi Asia/Colombo Asia/Qatar",
    "10:00": "Europe/Helsinki Europe/Tallinn Europe/Riga Europe/Vilnius Europe/Istanbul Europe/Bucharest Asia/Riyadh "
    "Europe/Moscow Asia/Jerusalem America/Sao_Paulo Asia/Bangkok Asia/Dubai Australia/Sydney Pacific/Auckland "
    "Africa/Cairo",
    "10:15": "Europe/Athens",
    "11:00": "America/Argentina/Buenos_Aires",
}
_OPENING_OF_ZONE: Final = {
    zone: time.fromisoformat(opening) for opening, zones in _OPENINGS.items() for zone in zones.split()
}
_ONE_DAY: Final = timedelta(days=1)


@lru_cache(maxsize=1024)
def session_opening(session_date: str, rule: DayRule) -> str:
    """The UTC minute (`2026-03-09T13:30`) at which a session usually opens; empty where that is not known.

    Args:
        session_date: Date of the session.
        rule: How the instrument counts its days.
    """
    day = date.fromisoformat(session_date)
    if rule.turn_minute:
        day -= _ONE_DAY
        opening: time | None = time(rule.turn_minute // 60, rule.turn_minute % 60)
    else:
        opening = _OPENING_OF_ZONE.get(rule.zone)
    if opening is None:
        return ""
    local = datetime.combine(day, opening, clock_of(rule.zone))
    return (local.replace(tzinfo=None) - (local.utcoffset() or timedelta())).isoformat()[:16]
