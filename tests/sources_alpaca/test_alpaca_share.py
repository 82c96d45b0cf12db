"""One of several workers: it follows its share of the list, takes over at once, and asks nothing for an empty one."""

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stockstream.clock import Clock
from stockstream.settings import Watchlist
from stockstream.sources.alpaca.messages import Snapshot
from stockstream.sources.alpaca.poller import Polled
from stockstream.sources.alpaca.shares import Shares
from stockstream.sources.watchlist import current_symbols
from tests.alpaca_standin import AlpacaStandin
from tests.sources.shared_list import MovedByHand, follower
from tests.sources_alpaca.alpaca_listening import NOON, OPTIONS, SYMBOLS, Listener, clock_from, reading, standin_of

# Nothing that comes within a test is of the grid.
SELDOM = dataclasses.replace(OPTIONS, interval_seconds=3600.0, unhurried_seconds=3600.0)


@pytest.fixture
def clock() -> Clock:
    return clock_from(NOON)


@pytest.fixture
async def standin(clock: Clock) -> AsyncIterator[AlpacaStandin]:
    async with standin_of(clock=clock) as standin:
        yield standin


async def test_what_another_worker_left_is_asked_for_at_once_and_alone(standin: AlpacaStandin, clock: Clock) -> None:
    share = MovedByHand("AAPL")
    listener = Listener(standin, clock, streams=False, watchlist=follower(share, *SYMBOLS), options=SELDOM)
    async with reading(listener):
        await listener.next_quotes(1, ("AAPL",))
        share.move(*SYMBOLS)
        await listener.next_quotes(1, ("MSFT",))
    assert standin.snapshots_asked == [{"AAPL"}, {"MSFT"}]


async def test_an_empty_share_is_an_answer_and_no_request(standin: AlpacaStandin, clock: Clock) -> None:
    share = MovedByHand()
    listener = Listener(standin, clock, streams=False, watchlist=follower(share, *SYMBOLS))
    async with reading(listener):
        await listener.until(lambda: len(listener.batches) >= 3, "that it says it has nothing to follow")
        assert all(batch.is_answer for batch in listener.batches)
        assert standin.snapshots_asked == []


async def test_of_a_share_that_alpaca_has_nothing_of_the_worker_goes_on(standin: AlpacaStandin, clock: Clock) -> None:
    share = MovedByHand("NOPE")
    async with reading(
        Listener(standin, clock, streams=False, watchlist=follower(share, "NOPE", *SYMBOLS))
    ) as listener:
        await listener.until(lambda: bool(listener.rejected), "that it is named")
        share.move("NOPE", "AAPL")
        await listener.next_quotes(1, ("AAPL",))


async def test_a_share_that_comes_back_from_another_worker_does_not_wait_for_the_interval(
    standin: AlpacaStandin, clock: Clock
) -> None:
    share = MovedByHand("AAPL", "MSFT")
    async with reading(Listener(standin, clock, watchlist=follower(share, *SYMBOLS), options=SELDOM)) as listener:
        await listener.next_quotes(1, ("AAPL", "MSFT"))
        share.move("AAPL")
        await listener.until(lambda: standin.subscriptions[-1:] == [{"AAPL"}], "MSFT is left to another")
        share.move("AAPL", "MSFT")
        await listener.next_quotes(1, ("MSFT",))


async def test_an_answer_that_comes_when_its_share_has_left_is_nobodys(clock: Clock) -> None:
    share = MovedByHand("AAPL", "MSFT")
    shares = Shares("alpaca", follower(share, *SYMBOLS), OPTIONS, clock=clock)
    shares.refresh_watchlist()
    both = {symbol: Snapshot() for symbol in SYMBOLS}
    share.move("AAPL")
    _, rejected = shares.take_polled(Polled(both))
    assert {rejection.subject for rejection in rejected} == {"AAPL"}


async def test_the_feed_follows_the_share(standin: AlpacaStandin, clock: Clock) -> None:
    share = MovedByHand()
    listener = Listener(standin, clock, watchlist=follower(share, *SYMBOLS), options=SELDOM)
    async with reading(listener):
        await listener.until(lambda: any(batch.is_answer for batch in listener.batches), "an answer")
        assert (standin.requests, standin.subscriptions) == (0, [])
        share.move("AAPL")
        await listener.until(lambda: standin.subscriptions[-1:] == [{"AAPL"}], "one")
        share.move("MSFT")
        await listener.until(lambda: standin.subscriptions[-1] == {"MSFT"}, "the other in place of it")


def test_what_fills_gaps_fills_those_of_the_whole_list_for_a_share_moves_before_that(
    tmp_path: Path,
) -> None:
    share = MovedByHand("MSFT")
    assert current_symbols(Watchlist(SYMBOLS, share=share)) == SYMBOLS
    file = tmp_path / "symbols.txt"
    file.write_text("NVDA\nAAPL\n")
    assert current_symbols(Watchlist(SYMBOLS, file, share=share)) == ("NVDA", "AAPL")
    file.write_text("")
    assert current_symbols(Watchlist(SYMBOLS, file, share=share)) == SYMBOLS
