"""The streaming source: one quote a product and interval, the newest; nothing polled but the products' days."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import aiohttp
import structlog

from stockstream.clock import SYSTEM_CLOCK, Clock
from stockstream.sources.base import Rejection, SourceBatch
from stockstream.sources.coinbase.book import LABEL, CoinbaseBook, Held
from stockstream.sources.coinbase.days import DaysKeeper
from stockstream.sources.coinbase.messages import FeedError, Heartbeat, Ticker, UnreadableError, decode, orders
from stockstream.sources.coinbase.rest import REST_URL, CoinbaseRest
from stockstream.sources.silence import STALE_AFTER_SECONDS_DEFAULT, SilenceWatch, stale_fact
from stockstream.sources.stream import StreamConnection, StreamTimings
from stockstream.sources.ticks import refusal
from stockstream.sources.watchlist import WatchlistFollower
from stockstream.sources.worker import BatchWorker
from stockstream_wire import Quote, QuoteInvalidError, format_timestamp, timestamp_to_epoch_ms

FEED_URL: Final = "wss://ws-feed.exchange.coinbase.com"
# Heartbeats come once a second and product; so long without any is a feed that has forgotten us.
MUTE_AFTER_SECONDS: Final = 15.0
# So many heartbeats in a row with trades that no ticker told of: that channel is mute.
MUTE_AFTER_HEARTBEATS: Final = 10
ASIDE_SECONDS: Final = 600.0
# The first quotes of products do not wait for the interval, but for one another.
GATHER_SECONDS: Final = 0.1

log = structlog.get_logger("stockstream.coinbase")


@dataclass(frozen=True, slots=True, kw_only=True)
class CoinbaseOptions:
    """How to follow products.

    Attributes:
        interval_seconds: At most one quote a product in this time.
        stale_after_seconds: Shortest silence that is said.
        max_price_ratio: Largest credible ratio of price and previous close.
        mute_after_seconds: Without any message, a connection is given up after this.
        aside_seconds: A product that alone is mute, or that the feed refuses, is left out for this long.
    """

    interval_seconds: float = 1.0
    stale_after_seconds: float = STALE_AFTER_SECONDS_DEFAULT
    max_price_ratio: Decimal = Decimal(10)
    mute_after_seconds: float = MUTE_AFTER_SECONDS
    aside_seconds: float = ASIDE_SECONDS


class CoinbaseSource:
    """Pushes quotes of a watchlist of products.

    Args:
        watchlist: The products; read again when its file changes.
        options: How to follow them.
        clock: Time.
        rng: Randomness of the waits.
        url: The feed.
        rest_url: The API of the days.
        timings: The waits of the connection.
    """

    label = LABEL
    is_market_data = True
    failure: str | None = None

    def __init__(
        self,
        watchlist: WatchlistFollower,
        options: CoinbaseOptions,
        *,
        clock: Clock = SYSTEM_CLOCK,
        rng: random.Random | None = None,
        url: str = FEED_URL,
        rest_url: str = REST_URL,
        timings: StreamTimings | None = None,
    ) -> None:
        self._watchlist = watchlist
        self._options = options
        self._clock = clock
        self._rng = rng or random.Random()
        self._rest_url = rest_url
        self._timings = timings or StreamTimings()
        self.book = CoinbaseBook()
        self.connection = StreamConnection(
            self._followed,
            self._on_message,
            orders=orders,
            url=url,
            clock=clock,
            rng=self._rng,
            timings=self._timings,
        )
        self._connections_seen = 0
        self._heard: dict[str, float] = {}
        self._aside: dict[str, float] = {}
        self._latest: dict[str, Quote] = {}
        self._last: dict[str, Quote] = {}
        self._rejected: list[Rejection] = []
        self._silence = SilenceWatch(options.stale_after_seconds)
        self._early = asyncio.Event()
        self._days_wanted = asyncio.Event()
        self._can_listen = asyncio.Event()
        self._keeper: DaysKeeper | None = None
        self._worker = BatchWorker(self._work, LABEL)
        self.counts: Counter[str] = Counter()

    def batches(self) -> AsyncGenerator[SourceBatch, None]:
        """Iterate over the newest quotes, an interval apart.

        Raises:
            SourceError: Coinbase has none of the products.
        """
        return self._worker.batches()

    async def aclose(self) -> None:
        """Close the connection. Safe to call twice."""
        await self._worker.aclose()

    async def _work(self) -> None:
        with self._watchlist.reload_on_sighup():
            async with aiohttp.ClientSession(trust_env=True) as session, asyncio.TaskGroup() as group:
                self._keeper = DaysKeeper(
                    CoinbaseRest(session, url=self._rest_url),
                    self.book,
                    clock=self._clock,
                    rng=self._rng,
                    reject=self._rejected.append,
                    is_part=self._watchlist.is_shared,
                )
                group.create_task(self._keep_days(self._keeper))
                group.create_task(self._follow_share())
                group.create_task(self._listen())
                group.create_task(self._watch())
                group.create_task(self._hand_over(self._keeper))

    # --- what is followed -------------------------------------------------------------------------------------------

    def _followed(self) -> list[str]:
        """The products to subscribe to: those whose day is known. One that is not there has a subscription refused."""
        now_seconds = self._clock.monotonic()
        return [
            symbol
            for symbol in self._watchlist.symbols
            if self.book.knows(symbol) and now_seconds >= self._aside.get(symbol, 0.0)
        ]

    async def _keep_days(self, keeper: DaysKeeper) -> None:
        while True:
            change = self._watchlist.refresh()
            if change is not None:
                for symbol in change.left:
                    self._forget(symbol)
            self._days_wanted.clear()
            known = len(self._followed())
            await keeper.ask(self._watchlist.symbols, is_listening=self.connection.is_open)
            if len(self._followed()) != known or change is not None:
                self.connection.resubscribe()
            if self._followed():
                self._can_listen.set()
            due = self._clock.monotonic() + self._timings.resubscribe_seconds
            await self._clock.sleep_until(due, unless=self._days_wanted)

    async def _follow_share(self) -> None:
        async for _ in self._watchlist.share_changes():
            self._days_wanted.set()

    def _forget(self, symbol: str) -> None:
        self.book.forget(symbol)
        self._silence.keep_only(self._watchlist.symbols)
        for kept in (self._heard, self._aside, self._latest, self._last):
            kept.pop(symbol, None)

    # --- the feed ---------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        await self._can_listen.wait()  # who connects and subscribes to nothing is sent away after five seconds
        await self.connection.run()

    async def _on_message(self, raw: str | bytes) -> bool:
        if self._connections_seen != self.connection.connections_total:
            if self._connections_seen:
                self.book.connection_lost()
                self._days_wanted.set()
            self._connections_seen = self.connection.connections_total
        try:
            message = decode(raw)
        except UnreadableError as exc:
            self.counts["unreadable"] += 1
            if self.counts["unreadable"] == 1:
                log.warning("message_unreadable", detail=str(exc), note="later ones are only counted")
            return False
        if isinstance(message, Ticker):
            await self._take_ticker(message)
        elif isinstance(message, Heartbeat):
            await self._take_heartbeat(message)
        elif isinstance(message, FeedError):
            return await self._take_error(message)
        return True

    async def _take_ticker(self, ticker: Ticker) -> None:
        self.counts["ticks"] += 1
        symbol = ticker.product_id
        self._heard[symbol] = self._clock.monotonic()
        try:
            quote = self.book.quote_of(ticker, self._clock.now())
        except QuoteInvalidError as exc:
            self._rejected.append(Rejection(symbol, exc.code, str(exc)))
            return
        if isinstance(quote, Held):
            self.counts[quote.value] += 1
            if quote is Held.NO_DAY:
                self._days_wanted.set()
            return
        refused = refusal(quote, self._options.max_price_ratio)
        if refused is not None:
            self._rejected.append(refused)
            return
        self.book.take(ticker, quote)
        waiting = self._latest.get(symbol)
        if waiting is not None and waiting.session_date != quote.session_date:
            await self._flush([])  # a session's last price is its close: it is not to be overwritten
        self._latest[symbol] = quote
        if self._silence.observe(symbol, timestamp_to_epoch_ms(quote.timestamp) // 1000, self._clock.monotonic()):
            log.info("feed_resumed", symbols=[symbol], count=1)
        if symbol not in self._last:
            self._early.set()
        self._last[symbol] = quote

    async def _take_heartbeat(self, heartbeat: Heartbeat) -> None:
        self._heard[heartbeat.product_id] = self._clock.monotonic()
        if self.book.take_heartbeat(heartbeat):
            self.counts["trades_missed"] += 1
            self._days_wanted.set()
        if self.book.tickers_are_mute(heartbeat.product_id, MUTE_AFTER_HEARTBEATS):
            await self.connection.reconnect(f"heartbeats tell of trades of {heartbeat.product_id}, and tickers of none")

    async def _take_error(self, error: FeedError) -> bool:
        text = f"{error.message}: {error.reason}" if error.reason else error.message
        self.counts["errors"] += 1
        words = set(re.findall(r"[A-Z0-9-]+", text))
        named = [symbol for symbol in self._followed() if symbol in words]
        log.warning("feed_error", detail=text[:300], symbols=named)
        if not named:
            return False
        for symbol in named:
            self._leave_aside(symbol, "refused_by_feed", text[:300])
        # It has refused the others too, which this connection believes to be subscribed to.
        await self.connection.reconnect(f"the feed refuses {', '.join(named)}")
        return True

    def _leave_aside(self, symbol: str, reason: str, detail: str) -> None:
        # Its silence counts from its return.
        self._aside[symbol] = self._heard[symbol] = self._clock.monotonic() + self._options.aside_seconds
        self._rejected.append(Rejection(symbol, reason, detail))

    async def _watch(self) -> None:
        """Give up a connection that has gone mute, and leave a product aside that has gone mute alone."""
        limit_seconds = self._options.mute_after_seconds
        connection, since_seconds = 0, 0.0
        while True:
            await self._clock.sleep(limit_seconds / 5)
            now_seconds = self._clock.monotonic()
            if not self.connection.is_open or connection != self.connection.connections_total:
                connection, since_seconds = self.connection.connections_total, now_seconds
                continue
            followed = self._followed()
            mute = [
                symbol
                for symbol in followed
                if now_seconds - max(since_seconds, self._heard.get(symbol, 0.0)) > limit_seconds
            ]
            if mute and len(mute) == len(followed):
                self.counts["mute"] += 1
                await self.connection.reconnect(f"connected, and mute for {limit_seconds:g} s")
            elif mute:
                for symbol in mute:
                    self._leave_aside(
                        symbol, "product_mute", f"no heartbeat for {limit_seconds:g} s, while others have"
                    )
                self.connection.resubscribe()

    # --- to the pipeline --------------------------------------------------------------------------------------------

    async def _hand_over(self, keeper: DaysKeeper) -> None:
        due = self._clock.monotonic() + self._options.interval_seconds
        while True:
            if not await self._clock.sleep_until(due, unless=self._early):
                self._early.clear()
                await self._clock.sleep(GATHER_SECONDS)
            await self._flush(self._stale_facts(), keeper)
            while due <= self._clock.monotonic():
                due += self._options.interval_seconds

    async def _flush(self, stale: list[Quote], keeper: DaysKeeper | None = None) -> None:
        batch = SourceBatch([*self._latest.values(), *stale], self._rejected[:])
        self._latest.clear()
        self._rejected.clear()
        if keeper is not None:
            failures, keeper.failures_untold = keeper.failures_untold, 0
            failure = keeper.failure if failures else ""
            # One of several workers may have nothing to follow; that is an answer too.
            is_idle = not self._watchlist.symbols
            if self._can_listen.is_set() and not is_idle and not self.connection.is_open:
                failures, failure = failures + 1, "there is no connection to Coinbase's feed"
            batch = SourceBatch(batch.quotes, batch.rejected, failures, failure)
            if not self._can_listen.is_set() and not is_idle and not failures and not batch.rejected:
                return  # nothing is known yet, neither good nor bad
        await self._worker.put(batch)

    def _stale_facts(self) -> list[Quote]:
        """Each silence once; that of all products is one fact, of the one that traded last."""
        symbols = list(self._last)
        silent = self._silence.newly_silent(symbols, self._clock.monotonic())
        if not silent:
            return []
        log.warning("feed_silent", symbols=silent[:20], count=len(silent))
        now = format_timestamp(self._clock.now())
        lively = self._silence.lively(symbols)
        if len(silent) > 1 and len(silent) == len(lively):
            newest = max(silent, key=lambda symbol: self._last[symbol].timestamp)
            return [stale_fact(self._last[newest], now, len(silent))]
        return [stale_fact(self._last[symbol], now) for symbol in silent]
