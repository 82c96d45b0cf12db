"""The streaming source on real sockets: the stand-in closes, falls silent and talks nonsense."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from random import Random

import pytest

from stockstream.clock import SYSTEM_CLOCK
from stockstream.settings._values import Watchlist, read_watchlist_file
from stockstream.sources.stream import StreamTimings
from stockstream.sources.watchlist import WatchlistFollower
from stockstream.sources.yahoo.client import YahooClient
from stockstream.sources.yahoo.source import YahooOptions, YahooSource
from stockstream.sources.yahoo_stream.source import YahooStreamSource
from stockstream_wire import Quote
from tests.patience import PATIENCE_SECONDS
from tests.sources.shared_list import MovedByHand, follower
from tests.yahoo_standin import Fault, ScriptedMarket, YahooStandin

TIMINGS = StreamTimings(
    first_wait_seconds=0.02,
    longest_wait_seconds=0.1,
    shortest_wait_seconds=0.01,
    proven_after_seconds=0.5,
    ping_interval_seconds=0.3,
    ping_timeout_seconds=0.3,
    resubscribe_seconds=0.1,
)


@pytest.fixture
def market() -> ScriptedMarket:
    return ScriptedMarket(now=time.time)


class Listener:
    def __init__(self, source: YahooStreamSource) -> None:
        self.source = source
        self.quotes: list[Quote] = []

    async def read(self) -> None:
        async with aclosing(self.source.batches()) as batches:
            async for batch in batches:
                self.quotes += batch.quotes

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not condition():  # noqa: ASYNC110 - the conditions are other programs' counters
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pytest.fail(f"not within {PATIENCE_SECONDS:.0f} s: {what}; {len(self.quotes)} quotes, {self.source.counts}")

    def ticks(self) -> list[Quote]:
        return [quote for quote in self.quotes if quote.source == "yahoo-stream"]

    async def next_ticks(self, count: int = 3) -> None:
        seen = len(self.ticks())
        await self.until(lambda: len(self.ticks()) >= seen + count, f"{count} more ticks")


@pytest.fixture
def watchlist() -> WatchlistFollower:
    return WatchlistFollower(Watchlist(("AAPL", "MSFT")))


@pytest.fixture
async def listener(
    standin: YahooStandin, fresh_yfinance: None, tmp_path: Path, watchlist: WatchlistFollower
) -> AsyncIterator[Listener]:
    market = standin.market
    assert isinstance(market, ScriptedMarket)
    # Event times with a tick in each: v7 counts in seconds, and the clock of a test is short.
    started = time.time()
    market.now = lambda: started + (time.time() - started) * 50
    options = YahooOptions(interval_seconds=0.5, requests_per_second=50)
    backstop = YahooSource(watchlist, options, api=YahooClient(cache_dir=tmp_path / "cache", timeout_seconds=30))
    source = YahooStreamSource(
        watchlist, options, backstop=backstop, clock=SYSTEM_CLOCK, rng=Random(1), timings=TIMINGS
    )
    listening = Listener(source)
    task = asyncio.create_task(listening.read())
    yield listening
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await source.aclose()
    assert not {task.get_name() for task in asyncio.all_tasks()} & {"yahoo-stream", "yahoo-poller"}


async def test_ticks_of_every_symbol_come_merged_over_v7(listener: Listener) -> None:
    await listener.until(lambda: {quote.symbol for quote in listener.ticks()} == {"AAPL", "MSFT"}, "both symbols")

    for quote in listener.ticks():
        assert quote.previous_close > 0
        assert quote.low <= quote.price <= quote.high
    times = [quote.timestamp for quote in listener.ticks() if quote.symbol == "AAPL"]
    assert times == sorted(set(times))


@pytest.mark.parametrize(
    "fault", [Fault.WS_CLOSE_1000, Fault.WS_CLOSE_1001, Fault.WS_CLOSE_1006, Fault.WS_CLOSE_1011, Fault.WS_SILENT]
)
async def test_any_end_of_a_connection_is_reconnected_and_resubscribed(
    listener: Listener, standin: YahooStandin, fault: Fault
) -> None:
    await listener.next_ticks()
    connections = standin.streamer.connections_total

    standin.faults.order(fault, times=1)

    await listener.until(lambda: standin.streamer.connections_total > connections, "a new connection")
    await listener.next_ticks()
    assert standin.streamer.subscriptions[-1] == {"AAPL", "MSFT"}


@pytest.mark.parametrize("fault", [Fault.WS_CLOSE_1000, Fault.WS_CLOSE_1006])
async def test_a_server_that_closes_every_connection_is_no_busy_loop(
    listener: Listener, standin: YahooStandin, fault: Fault
) -> None:
    await listener.next_ticks()
    standin.faults.order(fault)
    connections, started = standin.streamer.connections_total, time.monotonic()

    await listener.until(lambda: standin.streamer.connections_total > connections + 10, "ten more connections")

    # Each after a wait, of at least 0.01 s here; Yahoo's are a hundred times as long.
    waits = standin.streamer.connections_total - connections - 1
    assert waits * TIMINGS.shortest_wait_seconds <= time.monotonic() - started
    standin.faults.clear()
    await listener.next_ticks()


async def test_garbage_between_ticks_is_counted_and_the_rest_goes_on(listener: Listener, standin: YahooStandin) -> None:
    await listener.next_ticks()
    standin.faults.order(Fault.WS_GARBAGE, times=3)

    await listener.until(lambda: listener.source.counts["not_json"] >= 3, "garbage counted")
    await listener.next_ticks()


async def test_the_backstop_goes_on_while_the_stream_is_away(listener: Listener, standin: YahooStandin) -> None:
    await listener.next_ticks()
    standin.faults.order(Fault.WS_CLOSE_1001)
    await listener.until(lambda: "1001" in str(standin.faults.in_force()), "the fault")
    before = len(listener.quotes)

    await listener.until(
        lambda: any(quote.source == "yahoo" for quote in listener.quotes[before:]), "quotes of the backstop"
    )


class TestOfAShare:
    @pytest.fixture
    def share(self) -> MovedByHand:
        return MovedByHand("AAPL")

    @pytest.fixture
    def watchlist(self, share: MovedByHand) -> WatchlistFollower:
        return follower(share, "AAPL", "NVDA")

    async def test_the_subscription_follows_the_share(
        self, listener: Listener, standin: YahooStandin, share: MovedByHand
    ) -> None:
        await listener.next_ticks()

        share.move("NVDA")

        await listener.until(lambda: "NVDA" in {quote.symbol for quote in listener.ticks()}, "ticks of the new symbol")
        assert standin.streamer.subscriptions[-1] == {"NVDA"}


class TestFromAFile:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        path = tmp_path / "symbols.txt"
        path.write_text("AAPL\n")
        return path

    @pytest.fixture
    def watchlist(self, file: Path) -> WatchlistFollower:
        return WatchlistFollower(read_watchlist_file(file))

    async def test_the_subscription_follows_the_watchlist(
        self, listener: Listener, standin: YahooStandin, file: Path
    ) -> None:
        await listener.next_ticks()

        file.write_text("NVDA\nBA\n")  # noqa: ASYNC240 - a few bytes of a test's own file

        await listener.until(
            lambda: {"NVDA", "BA"} <= {quote.symbol for quote in listener.ticks()}, "ticks of the new symbols"
        )
        assert standin.streamer.subscriptions[-1] == {"NVDA", "BA"}
