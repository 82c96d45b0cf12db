"""The polling source: snapshots of the watchlist on a grid, slower where no market trades."""

import asyncio
import random
from collections.abc import AsyncGenerator
from typing import Final

from stockstream.clock import SYSTEM_CLOCK, Clock
from stockstream.schedule import Ticker
from stockstream.sources.alpaca.poller import SnapshotPoller
from stockstream.sources.alpaca.shares import AlpacaOptions, Shares
from stockstream.sources.base import SourceBatch
from stockstream.sources.watchlist import WatchlistFollower
from stockstream.sources.worker import BatchWorker
from stockstream.sources.yahoo.hours import TradingHours

LABEL: Final = "alpaca"


class AlpacaSource:
    """Polls snapshots of a watchlist.

    Args:
        watchlist: The symbols; read again when its file changes.
        options: How to follow them.
        clock: Time.
        rng: Randomness of the waits.
        url: The API; Alpaca's where None.
        hours: Calendars.
    """

    label = LABEL
    is_market_data = True
    failure: str | None = None

    def __init__(
        self,
        watchlist: WatchlistFollower,
        options: AlpacaOptions,
        *,
        clock: Clock = SYSTEM_CLOCK,
        rng: random.Random | None = None,
        url: str | None = None,
        hours: TradingHours | None = None,
    ) -> None:
        self._watchlist = watchlist
        self._options = options
        self._clock = clock
        self._rng = rng or random.Random()
        self._url = url
        self.shares = Shares(LABEL, watchlist, options, clock=clock, hours=hours)
        self._asking = asyncio.Lock()
        self._worker = BatchWorker(self._work, LABEL)

    def batches(self) -> AsyncGenerator[SourceBatch, None]:
        """Iterate over what each poll gave.

        Raises:
            SourceError: Alpaca has none of the symbols.
            SettingsError: it refuses the keys, or their plan lacks the feed.
        """
        return self._worker.batches()

    async def aclose(self) -> None:
        """Stop polling. Safe to call twice."""
        await self._worker.aclose()

    async def _work(self) -> None:
        with self._watchlist.reload_on_sighup():
            async with self.shares.open_poller(self._url, self._rng) as poller, asyncio.TaskGroup() as group:
                group.create_task(self.shares.keep_calendar())
                group.create_task(self._poll(poller))
                group.create_task(self._take_over(poller))

    async def _poll(self, poller: SnapshotPoller) -> None:
        clock, shares = self._clock, self.shares
        ticker = Ticker(self._options.interval_seconds, monotonic=clock.monotonic, sleep=clock.sleep)
        closed_until_seconds = float("-inf")
        while True:
            await ticker.wait()
            has_changed = shares.refresh_watchlist()
            if clock.monotonic() < closed_until_seconds and not has_changed and not shares.trades_now:
                continue
            closed_until_seconds = clock.monotonic() + self._options.unhurried_seconds
            await self._ask(poller)

    async def _take_over(self, poller: SnapshotPoller) -> None:
        """Ask at once for what another worker has left to us."""
        followed = self._watchlist.symbol_set
        async for _ in self._watchlist.share_changes():
            joined, followed = self._watchlist.symbol_set - followed, self._watchlist.symbol_set
            if joined:
                await self._ask(poller, joined)

    async def _ask(self, poller: SnapshotPoller, only: frozenset[str] | None = None) -> None:
        async with self._asking:
            await self._clock.sleep(poller.wait_seconds)
            polled = await poller.ask(self._watchlist.symbols, only)
            quotes, rejected = self.shares.take_polled(polled)
            stale = self.shares.stale_facts()
            await self._worker.put(SourceBatch([*quotes, *stale], rejected, int(bool(polled.failure)), polled.failure))
