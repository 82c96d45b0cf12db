"""The polling source: cycles on a drift-free grid, charts for the few that v7 misses, facts said once."""

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import structlog

from stockstream.clock import SYSTEM_CLOCK, Clock
from stockstream.errors import SourceError
from stockstream.schedule import Ticker
from stockstream.sources.base import Rejection, SourceBatch
from stockstream.sources.silence import STALE_AFTER_SECONDS_DEFAULT
from stockstream.sources.watchlist import WatchlistFollower
from stockstream.sources.worker import BatchWorker
from stockstream.sources.yahoo._memory import return_freed_pages
from stockstream.sources.yahoo.aliases import hint
from stockstream.sources.yahoo.batches import BATCH_SYMBOLS_DEFAULT, SPREAD_FRACTION, BatchSizer
from stockstream.sources.yahoo.book import Book
from stockstream.sources.yahoo.breaker import BreakerState
from stockstream.sources.yahoo.bucket import BURST_DEFAULT, REQUESTS_PER_SECOND_DEFAULT, TokenBucket
from stockstream.sources.yahoo.chart import map_chart_reply
from stockstream.sources.yahoo.client import QuoteApi
from stockstream.sources.yahoo.hours import TradingHours
from stockstream.sources.yahoo.life import LifeEvent
from stockstream.sources.yahoo.poller import CycleReport, Poller
from stockstream_wire import Quote, format_timestamp
from stockstream_wire.market_rules import MAX_PRICE_RATIO

# Charts cost one request a symbol; more missing than this is an outage, and the next cycle asks again.
CHARTS_PER_CYCLE_MAX: Final = 10
_TURN_PLACES: Final = 7
# While the breaker is open, silences are still said and the watchlist still read, this often.
_HOUSEKEEPING_SECONDS: Final = 30.0

log = structlog.get_logger("stockstream.yahoo")


@dataclass(frozen=True, slots=True, kw_only=True)
class YahooOptions:
    """How to poll.

    Attributes:
        interval_seconds: From one cycle to the next.
        extended_hours: Poll in pre- and post-market, and take their prices.
        requests_per_second: Ration of HTTP requests for this address.
        burst_requests: Requests that may be sent at once after a pause.
        batch_symbols: Symbols in a request, 99 at most.
        stale_after_seconds: Shortest silence in an open session that is said.
        max_price_ratio: Largest credible ratio of price and previous close.
        spread: Spread a cycle's requests over 80% of the interval; off, a cycle is as fast as the ration lets it.
    """

    interval_seconds: float = 30.0
    extended_hours: bool = False
    requests_per_second: float = REQUESTS_PER_SECOND_DEFAULT
    burst_requests: float = BURST_DEFAULT
    batch_symbols: int = BATCH_SYMBOLS_DEFAULT
    stale_after_seconds: float = STALE_AFTER_SECONDS_DEFAULT
    max_price_ratio: Decimal = MAX_PRICE_RATIO
    spread: bool = True


class YahooSource:
    """Polls Yahoo's v7 quotes for a watchlist, for weeks.

    Args:
        watchlist: The symbols; re-read between cycles.
        options: How to poll.
        api: Yahoo; closed with the source.
        clock: Time.
        rng: Randomness of the breaker's waits.
        hours: What is known of the hours of exchanges.
    """

    label = "yahoo"
    is_market_data = True
    failure: str | None = None

    def __init__(
        self,
        watchlist: WatchlistFollower,
        options: YahooOptions,
        *,
        api: QuoteApi,
        clock: Clock = SYSTEM_CLOCK,
        rng: random.Random | None = None,
        hours: TradingHours | None = None,
    ) -> None:
        self._hours = hours or TradingHours()
        self._watchlist = watchlist
        self._options = options
        self._api = api
        self._clock = clock
        self.poller = Poller(
            api,
            clock=clock,
            rng=rng or random.Random(),
            bucket=TokenBucket(options.requests_per_second, options.burst_requests),
            sizer=BatchSizer(options.batch_symbols),
        )
        self.book = Book(
            extended_hours=options.extended_hours,
            stale_after_seconds=options.stale_after_seconds,
            max_price_ratio=options.max_price_ratio,
            hours=self._hours,
        )
        self._worker = BatchWorker(self._work, "yahoo-poller")
        self._polling = asyncio.Lock()
        self._exchanges_said: dict[str, str] = {}
        self.cycles_total = 0
        self.last_cycle_seconds = 0.0

    def batches(self) -> AsyncGenerator[SourceBatch, None]:
        """Iterate over what each reply gave.

        Raises:
            SourceError: Yahoo knows none of the symbols.
        """
        return self._worker.batches()

    async def aclose(self) -> None:
        """Stop polling and let the threads go. Safe to call twice."""
        await self._worker.aclose()
        await self._api.aclose()

    async def refresh(self, symbols: Sequence[str]) -> None:
        """Ask for these symbols now, beside the cycles; the stream does so for symbols without a snapshot."""
        async with self._polling:
            await self.poller.poll(
                symbols, spread_seconds=0.0, is_known=self.book.lives.is_known, deliver=self._deliver
            )

    async def _work(self) -> None:
        with self._watchlist.reload_on_sighup():
            async with asyncio.TaskGroup() as group:
                beside = [group.create_task(self._keep_hours()), group.create_task(self._take_over())]
                await self._cycles()
                for task in beside:
                    task.cancel()

    async def _keep_hours(self) -> None:
        """Read the calendars of the exchanges seen, beside the cycles: the first costs an import."""
        while True:
            await self._hours.prepare(self.book.sessions.exchanges(), self._clock.now().timestamp())
            await self._clock.sleep(_HOUSEKEEPING_SECONDS)

    async def _take_over(self) -> None:
        """Ask at once for what another worker has left to us; from the next cycle on it is one of the others."""
        followed = self._watchlist.symbol_set
        async for _ in self._watchlist.share_changes():
            joined = [symbol for symbol in self._watchlist.symbols if symbol not in followed]
            followed = self._watchlist.symbol_set
            if self._watchlist.refresh() is not None:
                self.book.keep_only(followed)
            now_seconds = self._clock.monotonic()
            due = self.book.due(joined, now_seconds, self._clock.now().timestamp())
            state = self.poller.breaker.state(now_seconds)
            if due and state is not BreakerState.OPEN:
                # Not behind a cycle that is under way, which is spread over most of the interval; a probe goes alone.
                async with nullcontext() if state is BreakerState.CLOSED else self._polling:
                    report = await self.poller.poll(
                        due, spread_seconds=0.0, is_known=self.book.lives.is_known, deliver=self._deliver
                    )
                if report.failures_untold:
                    await self._worker.put(SourceBatch([], [], report.failures_untold, report.failure))

    async def _cycles(self) -> None:
        clock, breaker = self._clock, self.poller.breaker
        ticker = Ticker(self._options.interval_seconds, monotonic=clock.monotonic, sleep=clock.sleep)
        waited_for_breaker = False
        while True:
            if self._watchlist.refresh() is not None:
                self.book.keep_only(self._watchlist.symbols)
            wait_seconds = breaker.wait_seconds(clock.monotonic())
            if wait_seconds > 0:
                waited_for_breaker = True
                await clock.sleep(min(wait_seconds, _HOUSEKEEPING_SECONDS))
                await self._say_stale()
                continue
            if not waited_for_breaker:  # after a wait the probe goes at once, not at the next place on the grid
                tick = await ticker.wait()
                if tick.skipped:
                    log.warning("cycles_skipped", skipped=tick.skipped, skipped_total=ticker.skipped_total)
            waited_for_breaker = False
            await self._cycle()

    async def _cycle(self) -> None:
        clock = self._clock
        started_seconds = clock.monotonic()
        symbols = self._watchlist.symbols
        due = self.book.due(symbols, started_seconds, clock.now().timestamp())
        # Turned by a few places each cycle: what Yahoo does to the first of a batch must not always meet the same one.
        turn = self.cycles_total * _TURN_PLACES % max(1, len(due))
        due = due[turn:] + due[:turn]
        self.poller.sizer.fit(len(due), self._options.requests_per_second * self._options.interval_seconds / 2)
        # The first cycle is not spread: whoever starts the service wants to see quotes.
        spread = self._options.spread and self.cycles_total > 0
        spread_seconds = self._options.interval_seconds * SPREAD_FRACTION if spread else 0.0
        async with self._polling:
            report = await self.poller.poll(
                due, spread_seconds=spread_seconds, is_known=self.book.lives.is_known, deliver=self._deliver
            )
        rejected = await self._fall_back(report)
        self.last_cycle_seconds = clock.monotonic() - started_seconds
        self.cycles_total += 1
        if self.cycles_total == 1:
            return_freed_pages()  # what starting took: the AWS models, the first replies
        await self._worker.put(SourceBatch([], rejected, report.failures_untold, report.failure))
        await asyncio.sleep(0)  # each of these walks the whole watchlist; the loop is not theirs for all of them
        self._say_sessions()
        await asyncio.sleep(0)
        await self._say_stale()
        await asyncio.sleep(0)
        log.debug(
            "yahoo_cycle",
            symbols=len(due),
            calls=report.calls,
            failures=report.failures,
            missing=len(report.missing),
            duration_ms=round(self.last_cycle_seconds * 1000),
        )
        # Of a part of the list nothing follows: the typing errors may all be in it.
        if not self._watchlist.is_shared and self.book.lives.all_unknown(self._watchlist.symbols):
            named = ", ".join(self._watchlist.symbols[:10])
            msg = f"Yahoo knows none of the symbols ({named}); check STOCKSTREAM_SYMBOLS against finance.yahoo.com"
            raise SourceError(msg)

    async def _deliver(self, results: list[Mapping[str, Any]], failures: int) -> None:
        polled_at = format_timestamp(self._clock.now())
        quotes, rejected, woken = self.book.take_results(
            results, polled_at=polled_at, now_seconds=self._clock.monotonic()
        )
        if woken:
            log.info("feed_resumed", symbols=woken[:20], count=len(woken))
        await self._worker.put(SourceBatch(quotes, rejected, failures))

    async def _fall_back(self, report: CycleReport) -> list[Rejection]:
        """Ask for the charts of the few that v7 left out or failed on; count the absent."""
        lacking = [*report.failed, *report.doubtful]
        wanted = [*report.missing, *(lacking if len(lacking) <= CHARTS_PER_CYCLE_MAX else [])][:CHARTS_PER_CYCLE_MAX]
        found: set[str] = set()
        confirmed: set[str] = set()
        for symbol in wanted:
            if self.poller.breaker.state(self._clock.monotonic()) is not BreakerState.CLOSED:
                break
            reply = await self.poller.chart(symbol)
            if reply is None:
                continue
            outcome = map_chart_reply(reply.value, symbol, polled_at=format_timestamp(self._clock.now()))
            if isinstance(outcome, Quote) and self.book.refusal(outcome) is None:
                self.book.take_quote(outcome, self._clock.monotonic())
                found.add(symbol)
                await self._worker.put(SourceBatch([outcome]))
            elif isinstance(outcome, Rejection) and outcome.reason == "chart_empty":
                confirmed.add(symbol)
        return [
            rejection
            for symbol in [*report.missing, *(lost for lost in report.doubtful if lost in confirmed)]
            if symbol not in found and (rejection := self._missed(symbol, confirmed=symbol in confirmed)) is not None
        ]

    def _missed(self, symbol: str, *, confirmed: bool) -> Rejection | None:
        event = self.book.lives.missed(symbol, self._clock.monotonic(), confirmed=confirmed)
        if event is LifeEvent.QUARANTINED:
            log.warning("symbol_quarantined", symbol=symbol, next_check_seconds=self.book.lives.recheck_seconds(symbol))
        if event is LifeEvent.UNKNOWN:
            detail = "Yahoo has no quote for it; the other symbols go on"
            return Rejection(symbol, event.value, "; ".join(filter(None, (detail, hint(symbol)))))
        return None

    def _say_sessions(self) -> None:
        sessions = self.book.sessions.sessions(self._clock.monotonic(), self._clock.now().timestamp())
        for exchange, session in sessions.items():
            if self._exchanges_said.get(exchange) != session.value:
                self._exchanges_said[exchange] = session.value
                log.info("exchange_session", exchange=exchange, session=session.value)

    async def _say_stale(self) -> None:
        now = self._clock.now()
        stale = self.book.stale_quotes(self._clock.monotonic(), now.timestamp(), format_timestamp(now))
        if stale:
            single = [quote.symbol for quote in stale if quote.silent_symbols is None]
            if single:
                log.warning("feed_silent", symbols=single[:20], count=len(single))
            for quote in stale:
                if quote.silent_symbols is not None:
                    log.warning("exchange_silent", exchange=quote.exchange, symbols=quote.silent_symbols)
            await self._worker.put(SourceBatch(stale))
