"""The streaming source: ticks as they come, v7 behind them for snapshots, silence and the nights."""

import asyncio
import dataclasses
import json
import random
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Final

import structlog

from stockstream.clock import SYSTEM_CLOCK, Clock
from stockstream.sources.base import SourceBatch
from stockstream.sources.stream import SUBSCRIBE_SYMBOLS_MAX, StreamConnection, StreamTimings
from stockstream.sources.watchlist import WatchlistFollower
from stockstream.sources.worker import BatchWorker
from stockstream.sources.yahoo.aliases import by_answer, canonical
from stockstream.sources.yahoo.source import YahooOptions, YahooSource
from stockstream.sources.yahoo_stream.decode import Tick, TickUnreadableError, decode_tick, preload
from stockstream.sources.yahoo_stream.merge import merge_snapshot, merge_tick
from stockstream_wire import Quote, format_timestamp

STREAM_URL: Final = "wss://streamer.finance.yahoo.com/?version=2"
# Ticks are gathered for this long: a batch a tick would be a disk sync a tick.
GATHER_SECONDS: Final = 0.1
GATHERED_MAX: Final = 2000
# A symbol without a usable snapshot is asked for once in this long.
SNAPSHOT_RETRY_SECONDS: Final = 60.0
# The v7 backstop's interval, at least: the stream is the feed, v7 only its witness.
BACKSTOP_SECONDS_MIN: Final = 120.0

log = structlog.get_logger("stockstream.yahoo_stream")


class YahooStreamSource:
    """Pushes ticks for a watchlist.

    Args:
        watchlist: The symbols; the backstop re-reads it, and the subscription follows.
        options: How to take prices; its interval is the backstop's.
        backstop: The polling source behind the stream; closed with this one.
        clock: Time.
        rng: Randomness of the waits.
        url: The streamer.
        timings: The waits of the connection.
    """

    label = "yahoo-stream"
    is_market_data = True
    failure: str | None = None

    def __init__(
        self,
        watchlist: WatchlistFollower,
        options: YahooOptions,
        *,
        backstop: YahooSource,
        clock: Clock = SYSTEM_CLOCK,
        rng: random.Random | None = None,
        url: str = STREAM_URL,
        timings: StreamTimings | None = None,
    ) -> None:
        self._watchlist = watchlist
        self._options = options
        self._backstop = backstop
        self._clock = clock
        self.connection = StreamConnection(
            lambda: watchlist.symbols,
            self._on_message,
            orders=_orders,
            url=url,
            clock=clock,
            rng=rng or random.Random(),
            repeats=True,  # as Yahoo's own page does, and yfinance after it: the server forgets otherwise
            timings=timings,
        )
        self._bases: dict[str, Quote] = {}
        self._spellings_of: tuple[str, ...] = ()
        self._by_answer: dict[str, list[str]] = {}
        self._gathered = SourceBatch([])
        self._news = asyncio.Event()
        self._wanted: set[str] = set()
        self._wanting = asyncio.Event()
        self._worker = BatchWorker(self._work, "yahoo-stream")
        self.counts: Counter[str] = Counter()

    def batches(self) -> AsyncGenerator[SourceBatch, None]:
        """Iterate over bursts of ticks, and what the backstop adds.

        Raises:
            SourceError: Yahoo knows none of the symbols.
        """
        return self._worker.batches()

    async def aclose(self) -> None:
        """Close the connection and the backstop. Safe to call twice."""
        await self._worker.aclose()
        await self._backstop.aclose()

    async def _work(self) -> None:
        await asyncio.to_thread(preload)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_backstop())
            group.create_task(self.connection.run())
            group.create_task(self._follow_share())
            group.create_task(self._hand_over())
            group.create_task(self._fetch_snapshots())

    async def _on_message(self, message: str | bytes) -> bool:
        try:
            tick = decode_tick(message)
        except TickUnreadableError as exc:
            self.counts[exc.reason] += 1
            if self.counts[exc.reason] == 1:
                log.warning("tick_unreadable", reason=exc.reason, detail=str(exc), note="later ones are only counted")
            return False
        if tick is None:
            return True
        # Usually one: who follows USDJPY=X hears of JPY=X, and keeps his spelling.
        for symbol in self._spellings().get(canonical(tick.symbol), ()):
            await self._take_tick(tick if symbol == tick.symbol else dataclasses.replace(tick, symbol=symbol))
        return True

    def _spellings(self) -> dict[str, list[str]]:
        symbols = self._watchlist.symbols
        if self._spellings_of is not symbols:
            self._spellings_of, self._by_answer = symbols, by_answer(symbols)
        return self._by_answer

    async def _take_tick(self, tick: Tick) -> None:
        self.counts["ticks"] += 1
        merged = merge_tick(
            self._bases.get(tick.symbol),
            tick,
            polled_at=format_timestamp(self._clock.now()),
            rule=self._backstop.book.rule_of(tick.symbol),
            extended_hours=self._options.extended_hours,
        )
        if merged.held is not None:
            self.counts[merged.held.value] += 1
        if merged.needs_snapshot:
            self._wanted.add(tick.symbol)
            self._wanting.set()
        if merged.quote is not None:
            await self._gather(merged.quote)

    async def _gather(self, quote: Quote) -> None:
        rejection = self._backstop.book.refusal(quote)
        if rejection is not None:
            self._gathered.rejected.append(rejection)
        else:
            self._bases[quote.symbol] = quote
            if self._backstop.book.take_quote(quote, self._clock.monotonic()):
                log.info("feed_resumed", symbols=[quote.symbol], count=1)
            self._gathered.quotes.append(quote)
        self._news.set()
        if len(self._gathered.quotes) >= GATHERED_MAX:
            await self._flush()

    async def _hand_over(self) -> None:
        while True:
            await self._news.wait()
            await self._clock.sleep(GATHER_SECONDS)
            await self._flush()

    async def _flush(self) -> None:
        self._news.clear()
        batch, self._gathered = self._gathered, SourceBatch([])
        if batch.quotes or batch.rejected:
            await self._worker.put(batch)

    async def _follow_backstop(self) -> None:
        async with aclosing(self._backstop.batches()) as batches:
            async for batch in batches:
                if len(self._bases) > len(self._watchlist.symbol_set):
                    kept = self._watchlist.symbol_set
                    self._bases = {symbol: base for symbol, base in self._bases.items() if symbol in kept}
                news: list[Quote] = []
                for quote in batch.quotes:
                    base = self._bases.get(quote.symbol)
                    if quote.stale:
                        news.append(quote)
                        continue
                    self._bases[quote.symbol], is_news = merge_snapshot(base, quote)
                    if is_news:
                        news.append(quote)
                await self._worker.put(dataclasses.replace(batch, quotes=news))
                await self._suspect_silence(news)

    async def _follow_share(self) -> None:
        async for _ in self._watchlist.share_changes():
            self.connection.resubscribe()

    async def _suspect_silence(self, news: list[Quote]) -> None:
        """Reconnect where v7 has trades that a connected stream has kept from us."""
        last = self.connection.last_message_seconds
        if last is None or not any(quote.market_state == "REGULAR" and not quote.stale for quote in news):
            return
        if self._clock.monotonic() - last > self._options.interval_seconds:
            await self.connection.reconnect("v7 has newer trades and the stream is silent")

    async def _fetch_snapshots(self) -> None:
        asked_seconds: dict[str, float] = {}
        while True:
            await self._wanting.wait()
            await self._clock.sleep(1.0)  # the others that are lacking come within the second
            self._wanting.clear()
            now_seconds = self._clock.monotonic()
            wanted = [
                symbol
                for symbol in sorted(self._wanted)
                if now_seconds - asked_seconds.get(symbol, float("-inf")) >= SNAPSHOT_RETRY_SECONDS
            ]
            self._wanted.clear()
            asked_seconds.update(dict.fromkeys(wanted, now_seconds))
            if wanted:
                await self._backstop.refresh(wanted)


def _orders(joined: list[str], left: list[str]) -> Iterator[str]:
    if left:
        yield json.dumps({"unsubscribe": left})
    for start in range(0, len(joined), SUBSCRIBE_SYMBOLS_MAX):
        yield json.dumps({"subscribe": joined[start : start + SUBSCRIBE_SYMBOLS_MAX]})
