"""Sources whose symbols are a part of the list, which moves while they run."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest
from websockets.asyncio.server import ServerConnection, serve

from stockstream.clock import SYSTEM_CLOCK
from stockstream.settings import Watchlist
from stockstream.settings._values import read_watchlist_file
from stockstream.sources.simulated import SimulatedSource
from stockstream.sources.stream import StreamConnection, StreamTimings
from stockstream.sources.watchlist import WatchlistChange, WatchlistFollower
from tests.patience import PATIENCE_SECONDS
from tests.sources.shared_list import MovedByHand, follower


def test_only_our_symbols_are_followed_and_a_move_is_told_as_a_change() -> None:
    share = MovedByHand("AAPL", "MSFT")
    watchlist = follower(share, "AAPL", "MSFT", "NVDA")
    assert watchlist.symbols == ("AAPL", "MSFT")
    assert watchlist.refresh() is None

    share.move("MSFT", "NVDA")

    assert watchlist.symbols == ("MSFT", "NVDA")
    assert watchlist.refresh() == WatchlistChange(joined=("NVDA",), left=("AAPL",))
    assert watchlist.refresh() is None


def test_the_file_is_read_again_and_what_is_ours_of_it_is_followed(tmp_path: Path) -> None:
    file = tmp_path / "symbols.txt"
    file.write_text("AAPL\nMSFT\n")
    read = read_watchlist_file(file)
    watchlist = WatchlistFollower(Watchlist(read.symbols, file, share=MovedByHand("AAPL", "NVDA")))
    assert watchlist.symbols == ("AAPL",)

    file.write_text("AAPL\nMSFT\nNVDA\nBA\n")

    assert watchlist.refresh() == WatchlistChange(joined=("NVDA",), left=())
    assert watchlist.listed == ("AAPL", "MSFT", "NVDA", "BA")


async def test_the_simulated_market_gives_what_has_joined_at_once() -> None:
    share = MovedByHand("AAPL")
    source = SimulatedSource(follower(share, "AAPL", "MSFT"), seed=1, interval_seconds=3600, clock=SYSTEM_CLOCK)
    batches = source.batches()
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert [quote.symbol for quote in (await anext(batches)).quotes] == ["AAPL"]

        share.move("AAPL", "MSFT")

        assert [quote.symbol for quote in (await anext(batches)).quotes] == ["MSFT"]
        await source.aclose()
        assert [batch async for batch in batches] == []


@asynccontextmanager
async def listening_server() -> AsyncIterator[tuple[str, list[list[str]], asyncio.Condition]]:
    """A server that keeps the orders of each connection."""
    connections: list[list[str]] = []
    news = asyncio.Condition()

    async def take(connection: ServerConnection) -> None:
        orders: list[str] = []
        connections.append(orders)
        async for order in connection:
            orders.append(str(order))
            async with news:
                news.notify_all()

    async with serve(take, "127.0.0.1", 0) as server:
        host, port = next(iter(server.sockets)).getsockname()[:2]
        yield f"ws://{host}:{port}", connections, news


@pytest.mark.parametrize("repeats", [False, True])
async def test_a_move_of_the_share_sends_the_difference_alone(*, repeats: bool) -> None:
    wanted = ["AAPL", "MSFT"]
    async with listening_server() as (url, connections, news):
        connection = StreamConnection(
            lambda: wanted,
            _unread,
            orders=lambda joined, left: [json.dumps({"joined": joined, "left": left})] if joined or left else [],
            url=url,
            clock=SYSTEM_CLOCK,
            rng=Random(1),
            repeats=repeats,
            timings=StreamTimings(resubscribe_seconds=3600),
        )
        running = asyncio.create_task(connection.run())
        async with asyncio.timeout(PATIENCE_SECONDS), news:
            await news.wait_for(lambda: bool(connections and connections[0]))
            wanted[:] = ["MSFT", "NVDA"]
            connection.resubscribe()
            await news.wait_for(lambda: len(connections[0]) == 2)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    assert [json.loads(order) for order in connections[0]] == [
        {"joined": ["AAPL", "MSFT"], "left": []},
        {"joined": ["NVDA"], "left": ["AAPL"]},
    ]


async def test_a_worker_without_a_symbol_has_no_connection_and_one_with_a_first_has() -> None:
    wanted: list[str] = []
    async with listening_server() as (url, connections, news):
        connection = StreamConnection(
            lambda: wanted,
            _unread,
            orders=lambda joined, left: [*joined, *left],
            url=url,
            clock=SYSTEM_CLOCK,
            rng=Random(1),
            timings=StreamTimings(resubscribe_seconds=3600, shortest_wait_seconds=0.01, first_wait_seconds=0.02),
        )
        running = asyncio.create_task(connection.run())
        async with asyncio.timeout(PATIENCE_SECONDS), news:
            await asyncio.sleep(0.05)
            assert connections == []
            wanted[:] = ["AAPL"]
            connection.resubscribe()
            await news.wait_for(lambda: connections == [["AAPL"]])
            wanted.clear()
            connection.resubscribe()
            await news.wait_for(lambda: connections == [["AAPL", "AAPL"]])
            while connection.is_open:  # noqa: ASYNC110 - the server's end of it
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            assert len(connections) == 1
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _unread(_: str | bytes) -> bool:
    return True
