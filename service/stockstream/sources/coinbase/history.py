"""Minute bars of products from Coinbase's public candles: five requests a UTC day, and one for the days before it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import aiohttp

from stockstream.clock import SYSTEM_CLOCK, Clock
from stockstream.errors import SourceError
from stockstream.settings import Settings
from stockstream.sources.coinbase.book import EXCHANGE
from stockstream.sources.coinbase.rest import CANDLES_MAX, DAY_SECONDS, Candle, CoinbaseRest
from stockstream.sources.history import MINUTE_MS, MinuteBar, SymbolHistory

_MINUTE_SECONDS: Final = 60
# A fifth of what the public API takes of one address: the feed's own requests come first.
_PAUSE_SECONDS: Final = 0.5
# Days before the first, in case a thin product saw no trade on the last of them.
_DAYS_BEFORE: Final = 7


def coinbase_history(_settings: Settings) -> "CoinbaseHistory":
    """Make the provider; it needs no setting."""
    return CoinbaseHistory()


class CoinbaseHistory:
    """A `HistoryProvider` on the public candles.

    Args:
        url: The API; Coinbase's where None.
        clock: Pace.
        pause_seconds: Between two requests.
    """

    label = "Coinbase"
    keeps_days = 365

    def __init__(
        self, *, url: str | None = None, clock: Clock = SYSTEM_CLOCK, pause_seconds: float = _PAUSE_SECONDS
    ) -> None:
        self._url = url
        self._clock = clock
        self._pause_seconds = pause_seconds
        self._session: aiohttp.ClientSession | None = None

    async def history(self, symbol: str, start: datetime, end: datetime) -> SymbolHistory:
        """Fetch the minutes of the UTC days that the range touches.

        Raises:
            CoinbaseUnavailableError: no answer, or none that can be read.
            SourceError: there is no such product.
        """
        now = self._clock.now()
        first = start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        last = end.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        # The minute that is still trading is left out: filling it twice must give the same.
        known_until = min(last, now.replace(second=0, microsecond=0))
        minutes: dict[int, Candle] = {}
        since = first
        while since < known_until:
            until = min(known_until, since + timedelta(minutes=CANDLES_MAX))
            # The API's end is included.
            found = await self._candles(symbol, _MINUTE_SECONDS, since, until - timedelta(minutes=1))
            minutes |= {one.start_seconds: one for one in found}
            since = until
        days = await self._candles(symbol, DAY_SECONDS, first - timedelta(days=_DAYS_BEFORE), end)
        bars = _bars([minutes[key] for key in sorted(minutes) if key < known_until.timestamp()])
        closes = {_session(one.start_seconds): one.close for one in days}
        previous_closes = {
            session: closes[max(earlier)]
            for session in {bar.session for bar in bars}
            if (earlier := [day for day in closes if day < session])
        }
        today = now.astimezone(UTC).date().isoformat()
        return SymbolHistory(
            symbol=symbol,
            bars=bars,
            previous_closes=previous_closes,
            known_until_ms=int(known_until.timestamp() * 1000),
            running_session=today if last > now else None,
            currency=symbol.rpartition("-")[2] or None,
            exchange=EXCHANGE,
            kind="crypto",
        )

    async def aclose(self) -> None:
        """Close the connection. Safe to call twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _candles(self, symbol: str, granularity_seconds: int, start: datetime, end: datetime) -> list[Candle]:
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=True)
        await self._clock.sleep(self._pause_seconds)
        found = await CoinbaseRest(self._session, url=self._url).candles(symbol, granularity_seconds, start, end)
        if found is None:
            raise SourceError(f"{symbol}: Coinbase has no such product")
        return list(found)


def _bars(candles: list[Candle]) -> list[MinuteBar]:
    """Minutes with whole coins of volume, which sum to the whole coins of their day."""
    bars: list[MinuteBar] = []
    session, traded = "", Decimal(0)
    for one in candles:
        if _session(one.start_seconds) != session:
            session, traded = _session(one.start_seconds), Decimal(0)
        before, traded = int(traded), traded + one.volume
        bars.append(
            MinuteBar(
                one.start_seconds // _MINUTE_SECONDS * MINUTE_MS, session, one.open, one.high, one.low, one.close,
                int(traded) - before,
            )
        )  # fmt: skip
    return bars


def _session(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
