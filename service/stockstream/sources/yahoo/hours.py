"""Known hours of exchanges: lunch breaks, nights, half days and holidays are no silence of a feed.

From `exchange_calendars` where it has the exchange, and from a table of breaks that it lacks. Calendars are read in a
thread, for a fortnight at a time; of each only its hours are kept. One that ends with a year, or that fails, is logged
once, and its exchange is then known by its break alone.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import structlog

from stockstream_wire import format_epoch_ms
from stockstream_wire.trading_day import local_minute_of

# Yahoo's exchange code to a calendar. Indices keep other hours than shares, so their codes are not here.
_CALENDARS: Final[dict[str, str]] = {
    code: calendar
    for calendar, codes in {
        "XNYS": "NMS NGM NCM NAE NYQ ASE PCX BTS",
        "XTSE": "TOR VAN CNQ NEO",
        "BVMF": "SAO",
        "XMEX": "MEX",
        "XBUE": "BUE",
        "XSGO": "SGO",
        "XBOG": "BVC",
        "XLON": "LSE",
        "XDUB": "ISE",
        "XLIS": "LIS",
        "XMAD": "MCE",
        "XPAR": "PAR",
        "XBRU": "BRU",
        "XAMS": "AMS",
        "XETR": "GER",
        "XSWX": "EBS",
        "XMIL": "MIL",
        "XWBO": "VIE",
        "XPRA": "PRA",
        "XBUD": "BUD",
        "XWAR": "WSE",
        "XSTO": "STO",
        "XCSE": "CPH",
        "XOSL": "OSL",
        "XHEL": "HEL",
        "XTAL": "TAL",
        "XRIS": "RIS",
        "XLIT": "LIT",
        "XICE": "ICE",
        "XIST": "IST",
        "XTAE": "TLV",
        "XSAU": "SAU",
        "XJSE": "JNB",
        "XKAR": "KAR",
        "XBOM": "BSE NSI",
        "XBKK": "SET",
        "XIDX": "JKT",
        "XKLS": "KLS",
        "XSES": "SES",
        "XPHS": "PHS PHP",
        "XHKG": "HKG",
        "XSHG": "SHH SHZ",
        "XTAI": "TAI TWO",
        "XKRX": "KSC KOE",
        "XTKS": "JPX",
        "XASX": "ASX CXA",
        "XNZE": "NZE",
        "CMES": "CME CBT NYM CMX",
        "IEPA": "NYB",
    }.items()
    for code in codes.split()
}
# Breaks by the local clock, in minutes of the day; the calendars have those of Tokyo, Hong Kong and Shanghai alone.
_BREAKS: Final[dict[str, tuple[str, int, int]]] = {
    code: (zone, start, end)
    for codes, zone, start, end in (
        ("JPX", "Asia/Tokyo", 690, 750),
        ("HKG", "Asia/Hong_Kong", 720, 780),
        ("SHH SHZ", "Asia/Shanghai", 690, 780),
        ("VSE", "Asia/Ho_Chi_Minh", 690, 780),
        ("SET", "Asia/Bangkok", 750, 840),
        ("KLS", "Asia/Kuala_Lumpur", 750, 870),
        ("JKT", "Asia/Jakarta", 690, 840),
        ("SES", "Asia/Singapore", 720, 780),
        ("PHS PHP", "Asia/Manila", 720, 780),
        # The daily maintenance of American futures exchanges, ICE US and Cboe included.
        ("CME CBT NYM CMX NYB CFE", "America/New_York", 1020, 1080),
    )
    for code in codes.split()
}
_READ_BEHIND: Final = timedelta(days=4)
_READ_AHEAD: Final = timedelta(days=14)
_READ_EVERY_SECONDS: Final = 7 * 86_400
# Auctions and late prints around an opening or a close.
_EDGE_SECONDS: Final = 60

log = structlog.get_logger("stockstream.yahoo")


class Hours(NamedTuple):
    """The hours of one calendar, all in seconds since 1970.

    Attributes:
        spans: From opening to close; a session with a break is two.
        since: From when on they are known.
        until: Until when.
    """

    spans: Sequence[tuple[int, int]]
    since: float
    until: float


class TradingHours:
    """What is known of the hours of exchanges.

    Args:
        read: Reads a calendar's hours from one moment to another; blocks.
    """

    def __init__(self, read: "Callable[[str, datetime, datetime], Hours] | None" = None) -> None:
        self._read = read or read_calendar
        self._hours: dict[str, Hours] = {}
        self._read_at: dict[str, float] = {}

    async def prepare(self, exchanges: Iterable[str], epoch_seconds: float) -> None:
        """Read the calendars of these exchanges, in a thread, where they are not at hand.

        Args:
            exchanges: Yahoo's codes.
            epoch_seconds: Now, seconds since 1970.
        """
        for name in sorted({_CALENDARS[code] for code in exchanges if code in _CALENDARS}):
            if epoch_seconds - self._read_at.get(name, float("-inf")) >= _READ_EVERY_SECONDS:
                self._read_at[name] = epoch_seconds
                await self._prepare(name, datetime.fromtimestamp(epoch_seconds, UTC))

    async def _prepare(self, name: str, now: datetime) -> None:
        try:
            self._hours[name] = await asyncio.to_thread(self._read, name, now - _READ_BEHIND, now + _READ_AHEAD)
        except Exception as exc:  # noqa: BLE001 - whatever a calendar of others stumbles over, polling goes on
            log.warning("calendar_unusable", calendar=name, error=str(exc)[:200], meaning="its holidays are not known")

    def is_closed(self, exchange: str, epoch_seconds: float) -> bool:
        """Tell whether the exchange is known not to trade at a moment; False where nothing is known.

        Args:
            exchange: Yahoo's code.
            epoch_seconds: The moment, seconds since 1970.
        """
        pause = _BREAKS.get(exchange)
        if pause is not None:
            zone, start, end = pause
            if start <= local_minute_of(format_epoch_ms(int(epoch_seconds) * 1000)[:16], zone) < end:
                return True
        hours = self._hours.get(_CALENDARS.get(exchange, ""))
        if hours is None or not hours.since <= epoch_seconds < hours.until:
            return False
        return not any(opens - _EDGE_SECONDS <= epoch_seconds < closes + _EDGE_SECONDS for opens, closes in hours.spans)


def read_calendar(name: str, start: datetime, end: datetime) -> Hours:
    """Read a calendar's hours.

    Args:
        name: Of `exchange_calendars`.
        start: Aware.
        end: Aware. Some calendars end with a year (XSHG, XBOM in 2026): what is beyond is left out.

    Raises:
        ValueError: the calendar ended before `start`.
    """
    # Here and not above: 7 MB beside the pandas that yfinance brings, which only a process that polls Yahoo should pay.
    import exchange_calendars  # noqa: PLC0415

    first, last = start.date(), end.date()
    try:
        calendar = exchange_calendars.get_calendar(name, start=first, end=last)
    except ValueError:
        last = min(last, first.replace(month=12, day=31))
        calendar = exchange_calendars.get_calendar(name, start=first, end=last)
    spans: list[tuple[int, int]] = []
    for row in calendar.schedule.itertuples():
        opens, closes = int(row.open.timestamp()), int(row.close.timestamp())
        if row.break_start == row.break_start:  # NaT, where there is no break, is not itself
            spans.append((opens, int(row.break_start.timestamp())))
            opens = int(row.break_end.timestamp())
        spans.append((opens, closes))
    midnight = datetime.min.time()
    until = datetime.combine(last + timedelta(days=1), midnight, UTC)
    return Hours(spans, datetime.combine(first, midnight, UTC).timestamp(), until.timestamp())
