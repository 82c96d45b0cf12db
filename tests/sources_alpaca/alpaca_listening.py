"""A source against the stand-in, in regular hours whatever the hour, and what it gave."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from stockstream.clock import Clock
from stockstream.settings import Watchlist
from stockstream.sources.alpaca import AlpacaAccess, AlpacaOptions, AlpacaSource, AlpacaStreamSource
from stockstream.sources.base import Rejection, SourceBatch
from stockstream.sources.stream import StreamTimings
from stockstream.sources.watchlist import WatchlistFollower
from stockstream.sources.yahoo.hours import Hours, TradingHours
from stockstream_wire import Quote
from tests.alpaca_standin import KEY_ID, SECRET_KEY, AlpacaStandin
from tests.patience import PATIENCE_SECONDS

SYMBOLS = ("AAPL", "MSFT")
NOON = datetime(2026, 11, 25, 17, tzinfo=UTC)
ACCESS = AlpacaAccess(KEY_ID, SECRET_KEY)
OPTIONS = AlpacaOptions(
    access=ACCESS,
    interval_seconds=0.1,
    unhurried_seconds=0.2,
    mute_after_seconds=0.5,
    pause_seconds=0.05,
)
TIMINGS = StreamTimings(
    first_wait_seconds=0.02,
    longest_wait_seconds=0.1,
    shortest_wait_seconds=0.01,
    proven_after_seconds=0.5,
    ping_interval_seconds=0.3,
    ping_timeout_seconds=0.3,
    resubscribe_seconds=0.1,
)


async def no_calendars(*_: Any) -> Mapping[str, Hours]:
    return {}


def clock_from(moment: datetime) -> Clock:
    """Real time, but for the date and the hour."""
    started = time.monotonic()
    return Clock(now=lambda: moment + timedelta(seconds=time.monotonic() - started))


def standin_of(*symbols: str, clock: Clock) -> AlpacaStandin:
    return AlpacaStandin(symbols or SYMBOLS, now=lambda: clock.now().timestamp())


class Listener:
    def __init__(
        self,
        standin: AlpacaStandin,
        clock: Clock,
        *,
        streams: bool = True,
        watchlist: WatchlistFollower | None = None,
        options: AlpacaOptions = OPTIONS,
    ) -> None:
        watchlist = watchlist or WatchlistFollower(Watchlist(SYMBOLS))
        hours = TradingHours(no_calendars)
        self.source: AlpacaSource | AlpacaStreamSource
        if streams:
            self.source = AlpacaStreamSource(
                watchlist, options, clock=clock, rng=Random(1), url=standin.url, feed_url=standin.feed_url,
                hours=hours, timings=TIMINGS,
            )  # fmt: skip
        else:
            self.source = AlpacaSource(watchlist, options, clock=clock, rng=Random(1), url=standin.url, hours=hours)
        self.batches: list[SourceBatch] = []

    @property
    def quotes(self) -> list[Quote]:
        return [quote for batch in self.batches for quote in batch.quotes]

    @property
    def rejected(self) -> list[Rejection]:
        return [rejection for batch in self.batches for rejection in batch.rejected]

    async def read(self) -> None:
        async with aclosing(self.source.batches()) as batches:
            async for batch in batches:
                self.batches.append(batch)

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not condition():  # noqa: ASYNC110 - the conditions are other programs' counters
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pytest.fail(f"not within {PATIENCE_SECONDS:.0f} s: {what}; {len(self.quotes)} quotes")

    async def next_quotes(self, count: int = 2, symbols: tuple[str, ...] = SYMBOLS) -> None:
        """Of every symbol, so many more."""
        before = len(self.batches)

        def are_there() -> bool:
            new = [quote.symbol for batch in self.batches[before:] for quote in batch.quotes]
            return all(new.count(symbol) >= count for symbol in symbols)

        await self.until(are_there, f"{count} more quotes of {symbols}")


@asynccontextmanager
async def reading(listener: Listener) -> AsyncIterator[Listener]:
    task = asyncio.create_task(listener.read())
    try:
        yield listener
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
