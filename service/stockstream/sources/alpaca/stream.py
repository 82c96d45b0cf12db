"""The streaming source: trades as they come, at most one quote a share and interval, with snapshots behind them.

Snapshots give what trades do not say (previous close, open, range, volume), serve the shares that the feed does not
(its limit of symbols, itself away), and bear witness: a feed that is mute while they have newer trades is given up.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Final

import structlog

from stockstream.clock import SYSTEM_CLOCK, Clock
from stockstream.sources.alpaca.book import Held
from stockstream.sources.alpaca.messages import (
    DailyBar,
    FeedError,
    Message,
    Subscription,
    Success,
    Trade,
    UnreadableError,
    decode,
    login,
    orders,
)
from stockstream.sources.alpaca.poller import Polled, SnapshotPoller
from stockstream.sources.alpaca.shares import AlpacaOptions, Shares
from stockstream.sources.base import Rejection, SourceBatch
from stockstream.sources.stream import StreamConnection, StreamTimings
from stockstream.sources.watchlist import WatchlistFollower
from stockstream.sources.worker import BatchWorker
from stockstream.sources.yahoo.hours import TradingHours
from stockstream_wire import Quote

LABEL: Final = "alpaca-stream"
FEED_URL: Final = "wss://stream.data.alpaca.markets/v2/"
# A frame holds many messages where we have been slow, and a subscription names every symbol once a channel.
FRAME_MAX_BYTES: Final = 4 * 1024**2
# A share whose trades no snapshot fits is asked for once in this long.
SNAPSHOT_RETRY_SECONDS: Final = 10.0
# The first quotes of shares do not wait for the interval, but for one another.
GATHER_SECONDS: Final = 0.1

_SYMBOL_LIMIT: Final = 405
_ALREADY_AUTHENTICATED: Final = 403
# What the feed refuses a connection for, and what to do about it.
_REMEDIES: Final = {
    401: "see whether the keys are right",
    402: "see whether the keys are right, and of the account that has the feed",
    404: "see whether the network is slow",
    406: "another connection uses these keys, and the plan allows one: end the other, or use STOCKSTREAM_SOURCE=alpaca",
    407: "give the service more CPU, or fewer symbols",
    409: "STOCKSTREAM_ALPACA_FEED=iex, or a plan that holds the feed",
}

log = structlog.get_logger("stockstream.alpaca")


class AlpacaStreamSource:
    """Pushes quotes of a watchlist.

    Args:
        watchlist: The symbols; read again when its file changes.
        options: How to follow them.
        clock: Time.
        rng: Randomness of the waits.
        url: The API; Alpaca's where None.
        feed_url: The feed; that of the options where None.
        hours: Calendars.
        timings: The waits of the connection.
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
        feed_url: str | None = None,
        hours: TradingHours | None = None,
        timings: StreamTimings | None = None,
    ) -> None:
        self._watchlist = watchlist
        self._options = options
        self._clock = clock
        self._rng = rng or random.Random()
        self._url = url
        self.shares = Shares(LABEL, watchlist, options, clock=clock, hours=hours)
        self.connection = StreamConnection(
            self._followed,
            self._on_message,
            orders=orders,
            url=feed_url or FEED_URL + options.access.feed,
            clock=clock,
            rng=self._rng,
            awaits_admission=True,
            message_max_bytes=FRAME_MAX_BYTES,
            timings=timings,
        )
        self._ours: Mapping[str, str] = {}
        self._streamed: frozenset[str] = frozenset()
        self._subscribed_at = ""
        self._limit: int | None = None
        self._connections_seen = 0
        self._refusal_said = 0
        self._heard_seconds = 0.0
        self._latest: dict[str, Quote] = {}
        self._seen: set[str] = set()
        self._rejected: list[Rejection] = []
        self._asked_seconds: dict[str, float] = {}
        self._wanted: set[str] = set()
        self._wanting = asyncio.Event()
        self._can_listen = asyncio.Event()
        self._early = asyncio.Event()
        self._worker = BatchWorker(self._work, LABEL)

    @property
    def counts(self) -> Counter[str]:
        """What was heard and not made a quote, by name."""
        return self.shares.counts

    def batches(self) -> AsyncGenerator[SourceBatch, None]:
        """Iterate over the newest quotes, an interval apart.

        Raises:
            SourceError: Alpaca has none of the symbols.
            SettingsError: it refuses the keys, or their plan lacks the feed.
        """
        return self._worker.batches()

    async def aclose(self) -> None:
        """Close the connection. Safe to call twice."""
        await self._worker.aclose()

    async def _work(self) -> None:
        with self._watchlist.reload_on_sighup():
            async with self.shares.open_poller(self._url, self._rng) as poller, asyncio.TaskGroup() as group:
                group.create_task(self.shares.keep_calendar())
                group.create_task(self._poll(poller))
                group.create_task(self._follow_share())
                group.create_task(self._listen())
                group.create_task(self._hand_over())

    # --- the feed ---------------------------------------------------------------------------------------------------

    def _followed(self) -> list[str]:
        """What to subscribe to, in Alpaca's spelling: shares that a snapshot has told of, as many as the plan takes."""
        known = [theirs for theirs, symbol in self._ours.items() if self.shares.book.knows(symbol)]
        return known[: self._limit]

    async def _listen(self) -> None:
        await self._can_listen.wait()
        await self.connection.run()

    def _note_connection(self) -> None:
        if self._connections_seen != self.connection.connections_total:
            self._connections_seen = self.connection.connections_total
            self._streamed = frozenset()
            self._heard_seconds = self._clock.monotonic()

    async def _on_message(self, raw: str | bytes) -> bool:
        self._note_connection()
        try:
            messages = decode(raw, self._note_unreadable)
        except UnreadableError as exc:
            self._note_unreadable(exc)
            return False
        for message in messages:
            await self._take(message)
        return True

    def _note_unreadable(self, exc: UnreadableError) -> None:
        self.counts["unreadable"] += 1
        if self.counts["unreadable"] == 1:
            log.warning("message_unreadable", detail=str(exc), note="later ones are only counted")

    async def _take(self, message: Message) -> None:
        if isinstance(message, Trade):
            await self._take_trade(message)
        elif isinstance(message, DailyBar):  # no sign of life: trades may be mute while bars go on
            if (symbol := self._ours.get(message.S)) is not None:
                self.shares.book.take_daily_bar(symbol, message)
        elif isinstance(message, Subscription):
            self._refusal_said = 0
            self._heard_seconds = self._clock.monotonic()
            self._streamed = frozenset(message.trades or ())
            self._subscribed_at = self.shares.market_time()
        elif isinstance(message, Success):
            if message.msg == "connected":
                access = self._options.access
                await self.connection.say(login(access.key_id, access.secret_key))
            elif message.msg == "authenticated":
                self.connection.admit()
        else:
            await self._take_error(message)

    async def _take_trade(self, trade: Trade) -> None:
        self.counts["trades"] += 1
        self._heard_seconds = self._clock.monotonic()
        symbol = self._ours.get(trade.S)
        if symbol is None:
            return
        taken = self.shares.book.take_trade(symbol, trade, self._clock.now())
        if taken is Held.NO_SNAPSHOT:
            self._want(symbol)
        quotes, rejected = self.shares.sift([taken])
        self._rejected += rejected
        await self._gather(quotes)

    async def _take_error(self, error: FeedError) -> None:
        self.counts["errors"] += 1
        if error.code == _ALREADY_AUTHENTICATED:
            return
        if error.code == _SYMBOL_LIMIT:
            # What the feed confirmed before is what it takes; snapshots serve the rest.
            limit, self._limit = self._limit, max(1, len(self._streamed))
            if limit == self._limit:
                return
            polled = [symbol for theirs, symbol in self._ours.items() if theirs not in self._streamed]
            log.warning(
                "symbols_not_streamed",
                reason=f"{error.code} {error.msg}",
                streamed=len(self._streamed),
                polled=len(polled),
                symbols=polled[:20],
                meaning="the plan's feed takes no more: the rest comes by snapshots",
            )
            return
        if error.code != self._refusal_said:
            self._refusal_said = error.code
            log.error(
                "feed_refused",
                code=error.code,
                reason=error.msg[:200],
                remedy=_REMEDIES.get(error.code, "none: it is tried again"),
                meaning="snapshots are polled meanwhile",
            )
        if error.code in _REMEDIES:
            await self.connection.reconnect(f"the feed refuses: {error.code} {error.msg[:100]}")

    def _want(self, symbol: str) -> None:
        now_seconds = self._clock.monotonic()
        if now_seconds - self._asked_seconds.get(symbol, float("-inf")) >= SNAPSHOT_RETRY_SECONDS:
            self._asked_seconds[symbol] = now_seconds
            self._wanted.add(symbol)
            self._wanting.set()

    # --- the snapshots behind it ------------------------------------------------------------------------------------

    async def _poll(self, poller: SnapshotPoller) -> None:
        clock, options, shares = self._clock, self._options, self.shares
        due_seconds = float("-inf")
        while True:
            await clock.sleep(poller.wait_seconds)
            has_changed = shares.refresh_watchlist()
            symbols = self._watchlist.symbols
            self._ours = poller.spellings(symbols)
            if has_changed:
                self.connection.resubscribe()
                # Who comes again, from another worker say, is handed over as soon as who comes first.
                self._seen.intersection_update(symbols)
                self._asked_seconds = {one: at for one, at in self._asked_seconds.items() if one in self._seen}
            only: frozenset[str] | None = None
            if clock.monotonic() >= due_seconds or has_changed:
                due_seconds = clock.monotonic() + options.unhurried_seconds
            else:
                only = frozenset(self._wanted.union(self._unstreamed() if shares.trades_now else ()))
            self._wanted.clear()
            self._wanting.clear()
            if only is None or only:
                await self._take_polled(await poller.ask(symbols, only))
            next_seconds = min(due_seconds, clock.monotonic() + options.interval_seconds)
            if not await clock.sleep_until(next_seconds, unless=self._wanting):
                await clock.sleep(GATHER_SECONDS)  # the others that lack one come within the moment

    async def _follow_share(self) -> None:
        async for _ in self._watchlist.share_changes():
            self._wanting.set()

    def _unstreamed(self) -> Iterable[str]:
        self._note_connection()
        streamed = self._streamed if self.connection.is_open else frozenset[str]()
        return (symbol for theirs, symbol in self._ours.items() if theirs not in streamed)

    async def _take_polled(self, polled: Polled) -> None:
        followed, is_mute = self._followed(), self._is_mute()
        quotes, rejected = self.shares.take_polled(polled)
        await self._gather(quotes)
        await self._worker.put(SourceBatch([], rejected, int(bool(polled.failure)), polled.failure))
        if self._followed() != followed:
            self.connection.resubscribe()
        if self._followed():
            self._can_listen.set()
        if is_mute:
            self.counts["mute"] += 1
            await self.connection.reconnect(f"connected, and mute for {self._options.mute_after_seconds:g} s")

    def _is_mute(self) -> bool:
        """Whether the feed keeps trades from us that snapshots have told of, or has not let us in."""
        self._note_connection()
        silent_seconds = self._clock.monotonic() - self._heard_seconds
        if not self.connection.is_open or silent_seconds <= self._options.mute_after_seconds or not self._followed():
            return False
        # What snapshots told of at an earlier look: of the newest trades the feed may be about to tell.
        return not self._streamed or any(
            self.shares.book.is_kept_from_us(symbol, self._subscribed_at)
            for theirs, symbol in self._ours.items()
            if theirs in self._streamed
        )

    # --- to the pipeline --------------------------------------------------------------------------------------------

    async def _gather(self, quotes: list[Quote]) -> None:
        for quote in quotes:
            waiting = self._latest.get(quote.symbol)
            if waiting is not None and (waiting.session_date, waiting.regular) != (quote.session_date, quote.regular):
                await self._flush([])  # a session's last price is its close: it is not to be overwritten
            self._latest[quote.symbol] = quote
            if quote.symbol not in self._seen:
                self._seen.add(quote.symbol)
                self._early.set()

    async def _hand_over(self) -> None:
        due_seconds = self._clock.monotonic() + self._options.interval_seconds
        while True:
            if not await self._clock.sleep_until(due_seconds, unless=self._early):
                self._early.clear()
                await self._clock.sleep(GATHER_SECONDS)
            await self._flush(self.shares.stale_facts())
            while due_seconds <= self._clock.monotonic():
                due_seconds += self._options.interval_seconds

    async def _flush(self, stale: list[Quote]) -> None:
        batch = SourceBatch([*self._latest.values(), *stale], self._rejected[:])
        self._latest.clear()
        self._rejected.clear()
        if batch.quotes or batch.rejected:
            await self._worker.put(batch)
