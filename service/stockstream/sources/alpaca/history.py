"""Minute bars from Alpaca: the minutes of regular hours, as the feed has them, a page at a time."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

import aiohttp
import msgspec

from stockstream.clock import SYSTEM_CLOCK, Clock
from stockstream.errors import SourceError
from stockstream.sources.alpaca.market_clock import CLOSE_MINUTE, MarketClock, session_of
from stockstream.sources.alpaca.messages import BarFields
from stockstream.sources.alpaca.rest import (
    AlpacaAccess,
    AlpacaRefusedError,
    AlpacaRest,
    AlpacaSymbolError,
    AlpacaUnavailableError,
)
from stockstream.sources.alpaca.spelling import their_spelling
from stockstream.sources.amounts import UNREADABLE, whole
from stockstream.sources.base import Rejection
from stockstream.sources.history import MINUTE_MS, SESSION_MAX, MinuteBar, SymbolHistory
from stockstream.sources.yahoo.hours import TradingHours
from stockstream_wire import format_epoch_ms, normalise_timestamp, timestamp_to_epoch_ms
from stockstream_wire.trading_day import clock_of

# The most that a page holds.
_PAGE_BARS: Final = 10_000
# A month of minutes is two pages: more is an answer that does not end.
_PAGES_MAX: Final = 100
# Enough daily bars to have a close before the first session, over holidays.
_DAILY_LEAD: Final = timedelta(days=14)
# A sixth of the free plan's patience: the source's own requests come first.
_PAUSE_SECONDS: Final = 2.0
_ATTEMPTS_MAX: Final = 4
_BACKOFF_SECONDS: Final = 4.0
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"


class _Page(msgspec.Struct, frozen=True):
    bars: dict[str, list[BarFields] | None] | None = None
    next_page_token: str | None = None


_pages: Final = msgspec.json.Decoder(_Page)


class AlpacaHistory:
    """A `HistoryProvider` on Alpaca's bars.

    Args:
        access: Keys and feed.
        url: The API; Alpaca's where None.
        clock: Pace and waits.
        rng: Randomness of the waits after a failure.
        hours: Calendars.
        pause_seconds: Between two requests.
    """

    label = "Alpaca"
    keeps_days = 1825

    def __init__(
        self,
        access: AlpacaAccess,
        *,
        url: str | None = None,
        clock: Clock = SYSTEM_CLOCK,
        rng: Random | None = None,
        hours: TradingHours | None = None,
        pause_seconds: float = _PAUSE_SECONDS,
    ) -> None:
        self._access = access
        self._url = url
        self._clock = clock
        self._rng = rng or Random()
        self._market = MarketClock(hours or TradingHours())
        self._pause_seconds = pause_seconds
        self._session: aiohttp.ClientSession | None = None

    async def history(self, symbol: str, start: datetime, end: datetime) -> SymbolHistory:
        """Fetch the minutes of the sessions that the range touches.

        Raises:
            AlpacaUnavailableError: Alpaca cannot be reached or limits us, after some patience.
            SourceError: there is no such history, or the keys may not have it.
        """
        theirs = their_spelling(symbol)
        if theirs is None:
            raise SourceError(f"{symbol}: Alpaca has no such symbol")
        now = self._clock.now()
        await self._market.prepare(now)
        known_until = min(now, end + SESSION_MAX)
        known_until_ms = int(known_until.timestamp() * 1000)
        found = await self._bars(theirs, "1Min", start - SESSION_MAX, known_until)
        bars, rejected = self._minutes(symbol, found, known_until_ms)
        days = await self._bars(theirs, "1Day", start - _DAILY_LEAD, end)
        closes = {session_of(normalise_timestamp(day.t)): day.c for day in days}
        previous_closes = {
            session: closes[max(earlier)]
            for session in {bar.session for bar in bars}
            if (earlier := [day for day in closes if day < session])
        }
        return SymbolHistory(
            symbol=symbol,
            bars=bars,
            previous_closes=previous_closes,
            known_until_ms=known_until_ms,
            running_session=_running_session(now),
            currency="USD",
            rejected=rejected,
        )

    async def aclose(self) -> None:
        """Close the connection. Safe to call twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _minutes(
        self, symbol: str, found: Sequence[BarFields], known_until_ms: int
    ) -> tuple[list[MinuteBar], list[Rejection]]:
        """The finished minutes of regular hours, by time; what is no bar by name."""
        bars: dict[int, MinuteBar] = {}
        rejected: list[Rejection] = []
        for one in found:
            try:
                bar = _minute(one)
            except (ValueError, OverflowError) as exc:
                rejected.append(Rejection(f"{symbol}@{one.t[:40]}", "bar_malformed", str(exc)[:200]))
                continue
            if bar.start_ms + MINUTE_MS <= known_until_ms and self._market.is_regular_minute(bar.start_ms):
                bars[bar.start_ms] = bar
        return [bars[key] for key in sorted(bars)], rejected

    async def _bars(self, theirs: str, timeframe: str, start: datetime, end: datetime) -> list[BarFields]:
        params = {
            "symbols": theirs,
            "timeframe": timeframe,
            "start": start.astimezone(UTC).strftime(_TIME),
            "end": end.astimezone(UTC).strftime(_TIME),
            "limit": str(_PAGE_BARS),
            "adjustment": "raw",
        }
        bars: list[BarFields] = []
        for _ in range(_PAGES_MAX):
            page = await self._page(theirs, params)
            bars += (page.bars or {}).get(theirs) or []
            if not page.next_page_token:
                return bars
            params = {**params, "page_token": page.next_page_token}
        raise AlpacaUnavailableError(f"Alpaca's bars of {theirs} do not end after {_PAGES_MAX} pages")

    async def _page(self, theirs: str, params: dict[str, str]) -> _Page:
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=True)
        rest = AlpacaRest(self._session, self._access, url=self._url)
        wait_seconds = self._pause_seconds
        for attempt in range(1, _ATTEMPTS_MAX + 1):
            await self._clock.sleep(wait_seconds)
            try:
                return _pages.decode(await rest.get("/v2/stocks/bars", params, self._clock.now()))
            except (AlpacaSymbolError, AlpacaRefusedError) as exc:
                raise SourceError(f"{theirs}: Alpaca has no such history: {exc}") from exc
            except UNREADABLE as exc:
                failure = AlpacaUnavailableError(f"Alpaca's bars of {theirs} cannot be read: {str(exc)[:100]}")
            except AlpacaUnavailableError as exc:
                failure = exc
            if attempt == _ATTEMPTS_MAX:
                raise failure
            wait_seconds = max(failure.wait_seconds, self._rng.uniform(self._pause_seconds, _BACKOFF_SECONDS * attempt))
        raise AssertionError  # the last attempt returned or raised


def _minute(one: BarFields) -> MinuteBar:
    start_ms = timestamp_to_epoch_ms(normalise_timestamp(one.t))
    if not all(price.is_finite() and price > 0 for price in (one.o, one.h, one.l, one.c)):
        msg = f"one of {one.o}, {one.h}, {one.l}, {one.c} is no price"
        raise ValueError(msg)
    if (volume := whole(one.v)) is None:
        msg = f"{one.v} is no volume"
        raise ValueError(msg)
    return MinuteBar(start_ms, session_of(format_epoch_ms(start_ms)), one.o, one.h, one.l, one.c, volume)


def _running_session(now: datetime) -> str | None:
    local = now.astimezone(clock_of("America/New_York"))
    return local.date().isoformat() if local.hour * 60 + local.minute < CLOSE_MINUTE else None
