"""The simulated market as a source: one batch of all symbols each interval."""

import asyncio
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from stockstream.clock import SYSTEM_CLOCK, Clock
from stockstream.errors import SourceError
from stockstream.schedule import Ticker
from stockstream.settings import Watchlist
from stockstream.sources.base import SourceBatch
from stockstream.sources.simulated._movers import MoverPlan, Movers
from stockstream.sources.simulated._parameters import random_for, share_parameters
from stockstream.sources.simulated._share import Share
from stockstream.sources.watchlist import WatchlistFollower
from stockstream_wire import Quote, format_timestamp

_SECONDS_PER_DAY: Final = 86_400
_ONE_MS: Final = timedelta(milliseconds=1)
# The loop gets a turn this often while thousands of shares are moved on.
_SHARES_PER_TURN: Final = 250
# GARCH of the market's common factor.
_MARKET_ALPHA: Final = 0.08
_MARKET_BETA: Final = 0.9


class _ClosedError(Exception):
    """The source was closed while it waited; it ends the iteration and never leaves this module."""


class _ShareMovedError(Exception):
    """This worker's share of the watchlist moved while it waited; it never leaves this module either."""


class SimulatedSource:
    """A market without an exchange: the same seed and symbols give the same prices, step by step.

    It trades around the clock, in sessions of one UTC day, so that a demonstration works at any hour. Event times are
    the wall clock's. Every quote carries `source: "simulated"` and exchange `SIM`.

    Args:
        symbols: Followed symbols, or a watchlist that is read again when its file changes.
        seed: Of all chance.
        interval_seconds: Between batches.
        clock: Event times and waiting.
        movers: Break-outs that set alerts off; None for a market with its ordinary volatility only.

    Raises:
        SourceError: no symbol.
    """

    label = "simulated"
    is_market_data = False
    failure: str | None = None

    def __init__(
        self,
        symbols: Sequence[str] | WatchlistFollower,
        *,
        seed: int,
        interval_seconds: float,
        clock: Clock = SYSTEM_CLOCK,
        movers: MoverPlan | None = MoverPlan(),  # noqa: B008 - frozen
    ) -> None:
        if not isinstance(symbols, WatchlistFollower):
            symbols = WatchlistFollower(Watchlist(tuple(dict.fromkeys(symbols))))
        self._watchlist = symbols
        if not self._watchlist.listed:
            raise SourceError("simulated: no symbols. Remedy: STOCKSTREAM_SYMBOLS")
        self._seed = seed
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._market_random = random_for(seed, "", "market")
        self._market_variance = 1.0
        followed = list(self._watchlist.listed)
        self._movers = None if movers is None else Movers(movers, followed, random_for(seed, "", "movers"))
        self._is_closed = False
        self._woken = asyncio.Event()

    async def batches(self) -> AsyncIterator[SourceBatch]:
        """One batch of all symbols at once, then one each interval, until closed."""
        following = asyncio.create_task(self._follow_share())
        try:
            with self._watchlist.reload_on_sighup():
                async for batch in self._steps():
                    yield batch
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _steps(self) -> AsyncIterator[SourceBatch]:
        ticker = Ticker(self._interval_seconds, monotonic=self._clock.monotonic, sleep=self._sleep)
        moment = self._clock.now()
        shares = self._make_shares(moment, {})
        step = 0
        while not self._is_closed:
            try:
                await ticker.wait()
            except _ClosedError:
                return
            except _ShareMovedError:
                # What another worker has left to us does not wait for the next step.
                known, shares = shares, self._make_shares(moment, shares)
                timestamp = format_timestamp(max(self._clock.now(), moment + _ONE_MS))
                yield SourceBatch([share.quote(timestamp) for symbol, share in shares.items() if symbol not in known])
                continue
            # A wall clock that was set back must not make time run backwards for a symbol.
            session = moment.astimezone(UTC).date()
            moment = max(self._clock.now(), moment + _ONE_MS) if step else moment
            if self._watchlist.refresh() is not None:
                shares = self._make_shares(moment, shares)
            is_new_session = moment.astimezone(UTC).date() != session
            yield SourceBatch(await self._move(shares, moment, step, is_new_session=is_new_session))
            step += 1

    async def aclose(self) -> None:
        """End the iteration; a wait for the next interval ends at once."""
        self._is_closed = True
        self._woken.set()

    def _make_shares(self, moment: datetime, known: Mapping[str, Share]) -> dict[str, Share]:
        fraction = _fraction_of_day(moment)
        return {
            symbol: known.get(symbol)
            or Share(symbol, share_parameters(self._seed, symbol), random_for(self._seed, symbol, "path"), fraction)
            for symbol in self._watchlist.symbols
        }

    async def _move(
        self, shares: dict[str, Share], moment: datetime, step: int, *, is_new_session: bool
    ) -> list[Quote]:
        fraction = _fraction_of_day(moment)
        timestamp = format_timestamp(moment)
        market_return = self._market_return()
        if self._movers is not None:
            starting = self._movers.starting(step * self._interval_seconds)
            if starting is not None and starting[0] in shares:
                shares[starting[0]].head_for(starting[1])
        quotes = []
        for number, share in enumerate(shares.values(), start=1):
            if is_new_session:
                share.start_session(fraction)
            elif step:
                share.step(self._interval_seconds, market_return, fraction)
            quotes.append(share.quote(timestamp))
            if number % _SHARES_PER_TURN == 0:
                await asyncio.sleep(0)
        return quotes

    def _market_return(self) -> float:
        value = math.sqrt(self._market_variance) * self._market_random.gauss(0, 1)
        omega = 1 - _MARKET_ALPHA - _MARKET_BETA
        self._market_variance = omega + _MARKET_ALPHA * value * value + _MARKET_BETA * self._market_variance
        return value

    async def _sleep(self, seconds: float) -> None:
        deadline = self._clock.monotonic() + seconds
        if await self._clock.sleep_until(deadline, unless=self._woken):
            return
        if self._is_closed:
            raise _ClosedError
        self._woken.clear()
        raise _ShareMovedError

    async def _follow_share(self) -> None:
        async for _ in self._watchlist.share_changes():
            self._woken.set()


def _fraction_of_day(moment: datetime) -> float:
    utc = moment.astimezone(UTC)
    return (utc.hour * 3600 + utc.minute * 60 + utc.second + utc.microsecond / 1e6) / _SECONDS_PER_DAY
