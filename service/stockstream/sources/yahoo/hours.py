"""Known hours of exchanges: lunch breaks, nights, half days and holidays are no silence of a feed.

From `exchange_calendars` where it has the exchange, and from a table of breaks that it lacks. Calendars are read in a
child process, for a fortnight at a time; of each only its hours are kept. One that fails is logged and tried again the
next day; its exchange is until then known by its break alone.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
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
_TRY_AGAIN_SECONDS: Final = 86_400
# Importing the library and building calendars takes seconds on a busy machine.
_READ_TIMEOUT_SECONDS: Final = 120.0
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


ReadCalendars = Callable[[Sequence[str], date, date], Awaitable[Mapping[str, Hours]]]


class TradingHours:
    """What is known of the hours of exchanges.

    Args:
        read: Reads calendars by name, from one day to another; leaves out those that cannot be read.
    """

    def __init__(self, read: ReadCalendars | None = None) -> None:
        self._read = read or read_in_child
        self._hours: dict[str, Hours] = {}
        self._read_next: dict[str, float] = {}

    async def prepare(self, exchanges: Iterable[str], epoch_seconds: float) -> None:
        """Read the calendars of these exchanges where they are not at hand.

        Args:
            exchanges: Yahoo's codes.
            epoch_seconds: Now, seconds since 1970.
        """
        names = [
            name
            for name in sorted({_CALENDARS[code] for code in exchanges if code in _CALENDARS})
            if epoch_seconds >= self._read_next.get(name, 0.0)
        ]
        if names:
            today = datetime.fromtimestamp(epoch_seconds, UTC).date()
            found = await self._read(names, today - _READ_BEHIND, today + _READ_AHEAD)
            self._hours.update(found)
            for name in names:
                wait_seconds = _READ_EVERY_SECONDS if name in found else _TRY_AGAIN_SECONDS
                self._read_next[name] = epoch_seconds + wait_seconds

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


async def read_in_child(names: Sequence[str], first: date, last: date) -> dict[str, Hours]:
    """Read calendars in a process of its own; those that cannot be read are logged and left out."""
    module = "stockstream.sources.yahoo._calendars"
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", "-m", module, first.isoformat(), last.isoformat(), *names,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_READ_TIMEOUT_SECONDS):
            output, errors = await child.communicate()
        found = json.loads(output) if child.returncode == 0 else {}
    except TimeoutError:
        found, errors = {}, f"no answer within {_READ_TIMEOUT_SECONDS:.0f} s".encode()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    hours: dict[str, Hours] = {}
    for name in names:
        calendar = found.get(name) or {"error": errors.decode(errors="replace")[-200:]}
        if "error" in calendar:
            log.warning("calendar_unusable", calendar=name, error=calendar["error"], meaning="no holidays known for it")
            continue
        until = date.fromisoformat(calendar["last"]) + timedelta(days=1)
        spans = [(opens, closes) for opens, closes in calendar["spans"]]
        hours[name] = Hours(spans, _midnight(first), _midnight(until))
    return hours


def _midnight(day: date) -> float:
    return datetime.combine(day, datetime.min.time(), UTC).timestamp()
