"""The source on real sockets: the stand-in closes, falls silent, talks nonsense, refuses and skips."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from random import Random

import pytest

from stockstream.errors import SourceError
from stockstream.gate import Gate
from stockstream.settings import Settings, Watchlist
from stockstream.settings._values import read_watchlist_file
from stockstream.sources.base import Rejection, SourceBatch
from stockstream.sources.coinbase import CoinbaseOptions, CoinbaseSource, probe_source
from stockstream.sources.coinbase import rest as coinbase_rest
from stockstream.sources.stream import StreamTimings
from stockstream.sources.watchlist import WatchlistFollower
from stockstream_wire import Quote
from tests.coinbase_standin import CoinbaseStandin, Fault
from tests.patience import PATIENCE_SECONDS
from tests.sources.shared_list import MovedByHand, follower

PRODUCTS = ("BTC-USD", "ETH-USD")
TIMINGS = StreamTimings(
    first_wait_seconds=0.02,
    longest_wait_seconds=0.1,
    shortest_wait_seconds=0.01,
    proven_after_seconds=0.5,
    ping_interval_seconds=0.3,
    ping_timeout_seconds=0.3,
    resubscribe_seconds=0.1,
)
OPTIONS = CoinbaseOptions(interval_seconds=0.05, mute_after_seconds=0.5)


class Listener:
    def __init__(self, standin: CoinbaseStandin, watchlist: WatchlistFollower, options: CoinbaseOptions) -> None:
        self.source = CoinbaseSource(
            watchlist, options, rng=Random(1), url=standin.url, rest_url=standin.rest_url, timings=TIMINGS
        )
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
            pytest.fail(f"not within {PATIENCE_SECONDS:.0f} s: {what}; {len(self.quotes)} quotes, {self.source.counts}")

    async def next_quotes(self, count: int = 3) -> None:
        """Of every product, so many more."""
        seen = {product: sum(quote.symbol == product for quote in self.quotes) for product in PRODUCTS}
        for product, before in seen.items():
            await self.until(
                lambda product=product, before=before: (  # type: ignore[misc]
                    sum(quote.symbol == product for quote in self.quotes) >= before + count
                ),
                f"{count} more quotes of {product}",
            )


@pytest.fixture
async def standin() -> AsyncIterator[CoinbaseStandin]:
    async with CoinbaseStandin(PRODUCTS, now=time.time) as standin:
        yield standin


@pytest.fixture
def watchlist() -> WatchlistFollower:
    return WatchlistFollower(Watchlist(PRODUCTS))


@pytest.fixture
def options() -> CoinbaseOptions:
    return OPTIONS


@pytest.fixture
async def listener(
    standin: CoinbaseStandin, watchlist: WatchlistFollower, options: CoinbaseOptions
) -> AsyncIterator[Listener]:
    before = len(asyncio.all_tasks())
    listening = Listener(standin, watchlist, options)
    task = asyncio.create_task(listening.read())
    yield listening
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await listening.source.aclose()
    await listening.until(lambda: standin.open_connections == 0, "the connection's end at the server")
    await listening.until(lambda: len(asyncio.all_tasks()) <= before, "the end of every task")


async def test_every_product_comes_with_the_days_figures(listener: Listener) -> None:
    await listener.next_quotes()

    for quote in listener.quotes:
        assert quote.source == "coinbase"
        assert quote.low <= quote.price <= quote.high
        assert (quote.volume, quote.volume_kind, quote.kind) == (12345, "rolling", "crypto")
        assert quote.previous_close < quote.price
    admitted = Gate().admit(listener.quotes)
    assert not admitted.rejected


@pytest.mark.parametrize("options", [CoinbaseOptions(interval_seconds=0.6, mute_after_seconds=30)])
async def test_of_many_ticks_in_an_interval_the_newest_is_sent(listener: Listener) -> None:
    await listener.next_quotes(4)

    assert listener.source.counts["ticks"] > 2 * len(listener.quotes)
    for product in PRODUCTS:
        times = [quote.timestamp for quote in listener.quotes if quote.symbol == product]
        assert times == sorted(set(times))


@pytest.mark.parametrize(
    "fault", [Fault.CLOSE_1000, Fault.CLOSE_1001, Fault.ABORT, Fault.REFUSE, Fault.SILENT, Fault.TICKERS_MUTE]
)
async def test_any_end_and_any_silence_of_a_connection_is_noticed_reconnected_and_resubscribed(
    listener: Listener, standin: CoinbaseStandin, fault: Fault
) -> None:
    await listener.next_quotes()
    connections, requests = standin.connections_total, standin.requests

    standin.faults.add(fault)
    if fault is Fault.REFUSE:
        await listener.source.connection.reconnect("the test says so")
    await listener.until(lambda: standin.connections_total >= connections + 3, "three new connections")
    standin.faults.clear()

    await listener.next_quotes()
    assert standin.subscriptions[-1] == set(PRODUCTS)
    assert standin.requests > requests, "what was missed is asked for"


@pytest.mark.parametrize("fault", [Fault.CLOSE_1000, Fault.ABORT, Fault.GARBAGE, Fault.REFUSE])
async def test_a_server_that_never_works_is_no_busy_loop(
    listener: Listener, standin: CoinbaseStandin, fault: Fault
) -> None:
    await listener.next_quotes(1)
    standin.faults.add(fault)
    await listener.source.connection.reconnect("the test says so")
    connections, cpu_seconds, started = standin.connections_total, time.process_time(), time.monotonic()

    await asyncio.sleep(3)

    passed = time.monotonic() - started
    # The waits of this test are between 0.01 and 0.1 s: 18 a second on average, and 60 would be a loop without any.
    assert standin.connections_total - connections < 60 * passed
    assert time.process_time() - cpu_seconds < 0.9 * passed


async def test_a_connection_that_is_lost_is_told_as_a_failure_and_not_as_an_answer(
    listener: Listener, standin: CoinbaseStandin
) -> None:
    await listener.next_quotes(1)
    standin.faults.add(Fault.REFUSE)
    await listener.source.connection.reconnect("the test says so")

    def says_failure() -> bool:
        return bool(listener.batches[-1].failures) and not listener.batches[-1].quotes

    await listener.until(says_failure, "a failure")

    assert not listener.batches[-1].is_answer
    assert "no connection" in listener.batches[-1].failure


@pytest.mark.parametrize("options", [dataclasses.replace(OPTIONS, mute_after_seconds=1.5, aside_seconds=0.5)])
async def test_a_product_that_alone_falls_mute_is_named_and_keeps_no_other_from_its_quotes(
    listener: Listener, standin: CoinbaseStandin
) -> None:
    await listener.next_quotes(1)
    standin.faults.add(Fault.ONE_PRODUCT_MUTE)

    await listener.until(lambda: bool(listener.rejected), "the rejection")
    assert {(item.subject, item.reason) for item in listener.rejected} == {("BTC-USD", "product_mute")}
    seen = len(listener.quotes)
    await listener.until(lambda: len(listener.quotes) >= seen + 3, "quotes of the other")
    standin.faults.clear()
    await listener.next_quotes()


async def test_garbage_among_messages_costs_nothing(listener: Listener, standin: CoinbaseStandin) -> None:
    await listener.next_quotes(1)
    standin.faults.add(Fault.GARBAGE)
    await listener.until(lambda: listener.source.counts["unreadable"] >= 3, "garbage")
    standin.faults.clear()

    await listener.next_quotes()


async def test_older_messages_and_skipped_trades_are_noticed(listener: Listener, standin: CoinbaseStandin) -> None:
    standin.faults |= {Fault.OLD_SEQUENCE}
    await listener.until(lambda: listener.source.counts["tick_out_of_order"] >= 3, "older messages")
    await listener.next_quotes(1)
    assert min(quote.price for quote in listener.quotes) > 1
    standin.faults = {Fault.TICKERS_MUTE}
    await listener.until(lambda: listener.source.counts["trades_missed"] >= 1, "trades that no ticker told of")


@pytest.mark.parametrize("watchlist", [WatchlistFollower(Watchlist((*PRODUCTS, "AAPL")))])
async def test_an_unknown_product_is_named_once_and_the_others_go_on(
    listener: Listener, standin: CoinbaseStandin
) -> None:
    await listener.next_quotes()

    assert [(item.subject, item.reason) for item in listener.rejected] == [("AAPL", "unknown_symbol")]
    assert standin.subscriptions[-1] == set(PRODUCTS)


async def test_a_product_that_the_feed_refuses_is_left_out_and_the_others_are_subscribed_to(
    standin: CoinbaseStandin,
) -> None:
    standin.refused.add("ETH-USD")
    listening = Listener(standin, WatchlistFollower(Watchlist(PRODUCTS)), OPTIONS)
    task = asyncio.create_task(listening.read())
    await listening.until(lambda: len(listening.quotes) >= 3, "quotes of the other")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert {quote.symbol for quote in listening.quotes} == {"BTC-USD"}
    assert [(item.subject, item.reason) for item in listening.rejected] == [("ETH-USD", "refused_by_feed")]


async def test_a_watchlist_of_which_nothing_is_known_ends_the_run_with_the_remedy(standin: CoinbaseStandin) -> None:
    listening = Listener(standin, WatchlistFollower(Watchlist(("AAPL", "MSFT"))), OPTIONS)

    with pytest.raises(SourceError, match=r"none of the products AAPL, MSFT.*STOCKSTREAM_SYMBOLS"):
        await asyncio.wait_for(listening.read(), PATIENCE_SECONDS)


@pytest.mark.parametrize("fault", [Fault.REST_500, Fault.REST_429, Fault.REST_HTML, Fault.REST_RESET])
async def test_days_that_cannot_be_had_are_failures_with_a_reason_and_come_later(
    standin: CoinbaseStandin, fault: Fault
) -> None:
    standin.faults.add(fault)
    listening = Listener(standin, WatchlistFollower(Watchlist(PRODUCTS)), OPTIONS)
    task = asyncio.create_task(listening.read())
    await listening.until(lambda: any(batch.failures for batch in listening.batches), "a failure")
    assert "Coinbase" in next(batch.failure for batch in listening.batches if batch.failures)
    assert not listening.quotes
    standin.faults.clear()

    await listening.next_quotes(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("options", [CoinbaseOptions(interval_seconds=0.1, stale_after_seconds=1)])
async def test_a_feed_that_falls_silent_is_one_stale_fact_of_all_its_products(
    listener: Listener, standin: CoinbaseStandin
) -> None:
    await listener.next_quotes(15)

    standin.faults.add(Fault.SILENT)

    await listener.until(lambda: any(quote.stale for quote in listener.quotes), "a stale fact")
    stale = [quote for quote in listener.quotes if quote.stale]
    assert {quote.silent_symbols for quote in stale} == {2}
    last = max(quote.timestamp for quote in listener.quotes if quote.symbol == stale[-1].symbol and not quote.stale)
    assert stale[-1].timestamp > last


async def test_the_watchlist_file_is_followed(standin: CoinbaseStandin, tmp_path: Path) -> None:
    file = tmp_path / "coins.txt"
    file.write_text("BTC-USD\n")
    listening = Listener(standin, WatchlistFollower(read_watchlist_file(file)), OPTIONS)
    task = asyncio.create_task(listening.read())
    await listening.until(lambda: {quote.symbol for quote in listening.quotes} == {"BTC-USD"}, "the first")

    file.write_text("ETH-USD\n")

    await listening.until(lambda: standin.subscriptions[-1] == {"ETH-USD"}, "the other in place of it")
    await listening.until(lambda: listening.quotes[-1].symbol == "ETH-USD", "its quotes")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_share_of_the_list_is_followed_and_nothing_is_asked_for_an_empty_one(standin: CoinbaseStandin) -> None:
    share = MovedByHand()
    listening = Listener(standin, follower(share, *PRODUCTS), OPTIONS)
    task = asyncio.create_task(listening.read())
    await listening.until(lambda: len(listening.batches) >= 3, "that it says it has nothing to follow")
    assert all(batch.is_answer for batch in listening.batches)
    assert (standin.requests, standin.connections_total) == (0, 0)

    share.move("ETH-USD")

    await listening.until(lambda: {quote.symbol for quote in listening.quotes} == {"ETH-USD"}, "what it was given")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_doctor_hears_whether_it_answers(standin: CoinbaseStandin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coinbase_rest, "REST_URL", standin.rest_url)
    monkeypatch.setenv("STOCKSTREAM_SOURCE", "coinbase")
    monkeypatch.setenv("STOCKSTREAM_SYMBOLS", "BTC-USD")

    assert (await probe_source(Settings(), PATIENCE_SECONDS)).reachable

    standin.faults.add(Fault.REST_429)
    result = await probe_source(Settings(), PATIENCE_SECONDS)
    assert not result.reachable
    assert "429" in result.detail
    assert result.remedy
