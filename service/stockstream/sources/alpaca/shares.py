"""What both sources have in common: how to follow shares, what is refused, what has fallen silent."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

import aiohttp
import structlog

from stockstream.clock import Clock
from stockstream.sources.alpaca.book import DELAY_SECONDS, AlpacaBook, Held
from stockstream.sources.alpaca.market_clock import MarketClock
from stockstream.sources.alpaca.poller import Polled, SnapshotPoller
from stockstream.sources.alpaca.rest import PAUSE_SECONDS, AlpacaAccess, AlpacaRest
from stockstream.sources.base import Rejection
from stockstream.sources.silence import STALE_AFTER_SECONDS_DEFAULT, SilenceWatch, stale_fact
from stockstream.sources.ticks import refusal
from stockstream.sources.watchlist import WatchlistFollower
from stockstream.sources.yahoo.hours import TradingHours
from stockstream_wire import Quote, format_timestamp, timestamp_to_epoch_ms

# Between two polls where nothing trades, and between two looks of the stream at all snapshots; more often than
# readiness calls a source silent.
UNHURRIED_SECONDS: Final = 20.0
_CALENDAR_SECONDS: Final = 60.0

log = structlog.get_logger("stockstream.alpaca")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlpacaOptions:
    """How to follow shares.

    Attributes:
        access: Keys and feed.
        interval_seconds: Between two polls; of the feed, at most one quote a share in this time.
        extended_hours: Take prices of pre- and post-market.
        stale_after_seconds: Shortest silence in regular hours that is said.
        max_price_ratio: Largest credible ratio of price and previous close.
        unhurried_seconds: Between two polls while nothing trades, at least; between the stream's looks at snapshots.
        mute_after_seconds: A feed is mute that has told nothing for so long while snapshots have newer trades.
        pause_seconds: Between two requests.
    """

    access: AlpacaAccess
    interval_seconds: float = 30.0
    extended_hours: bool = False
    stale_after_seconds: float = STALE_AFTER_SECONDS_DEFAULT
    max_price_ratio: Decimal = Decimal(10)
    unhurried_seconds: float = UNHURRIED_SECONDS
    mute_after_seconds: float = 60.0
    pause_seconds: float = PAUSE_SECONDS


class Shares:
    """The book of a watchlist, and all that goes with it.

    Args:
        label: Name of the source.
        watchlist: The symbols.
        options: How to follow them.
        clock: Time.
        hours: Calendars.
    """

    def __init__(
        self,
        label: str,
        watchlist: WatchlistFollower,
        options: AlpacaOptions,
        *,
        clock: Clock,
        hours: TradingHours | None = None,
    ) -> None:
        self._watchlist = watchlist
        self._options = options
        self._clock = clock
        self._delay = timedelta(seconds=DELAY_SECONDS.get(options.access.feed, 0))
        self._silence = SilenceWatch(options.stale_after_seconds)
        self._last: dict[str, Quote] = {}
        hours = hours or TradingHours()
        self._regular = MarketClock(hours)
        self._wanted = MarketClock(hours, extended=options.extended_hours)
        self.book = AlpacaBook(label, options.access.feed, extended_hours=options.extended_hours)
        self.counts: Counter[str] = Counter()

    @property
    def trades_now(self) -> bool:
        """Whether trades of the kind that is wanted are made now."""
        return self._wanted.is_open(self._clock.now() - self._delay)

    async def keep_calendar(self) -> None:
        """Read the calendar now and then; the first time costs an import, in a process of its own."""
        while True:
            await self._regular.prepare(self._clock.now())
            await self._clock.sleep(_CALENDAR_SECONDS)

    @asynccontextmanager
    async def open_poller(self, url: str | None, rng: random.Random) -> AsyncIterator[SnapshotPoller]:
        """Open what asks for snapshots.

        Args:
            url: The API; Alpaca's where None.
            rng: Randomness of the waits after a failure.
        """
        async with aiohttp.ClientSession(trust_env=True) as session:
            yield SnapshotPoller(
                AlpacaRest(session, self._options.access, url=url),
                clock=self._clock,
                rng=rng,
                pause_seconds=self._options.pause_seconds,
                is_part=self._watchlist.is_shared,
            )

    def refresh_watchlist(self) -> bool:
        """Read the watchlist again; whether it has changed."""
        change = self._watchlist.refresh()
        if change is None:
            return False
        self._silence.keep_only(self._watchlist.symbols)
        for symbol in change.left:
            self.book.forget(symbol)
            self._last.pop(symbol, None)
        return True

    def take_polled(self, polled: Polled) -> tuple[list[Quote], list[Rejection]]:
        """Take a round of snapshots in."""
        now = self._clock.now()
        followed = self._watchlist.symbol_set
        taken = [
            self.book.take_snapshot(symbol, snapshot, now)
            for symbol, snapshot in polled.snapshots.items()
            if symbol in followed  # it may have left while we asked
        ]
        quotes, rejected = self.sift(taken)
        return quotes, polled.rejected + rejected

    def sift(self, taken: Iterable[Quote | Held | Rejection]) -> tuple[list[Quote], list[Rejection]]:
        """Part quotes from what is none, and remember those that nothing is wrong with."""
        quotes: list[Quote] = []
        rejected: list[Rejection] = []
        for item in taken:
            if isinstance(item, Held):
                self.counts[item.value] += 1
            elif isinstance(item, Rejection):
                rejected.append(item)
            elif (refused := refusal(item, self._options.max_price_ratio)) is not None:
                rejected.append(refused)
            else:
                self.book.accept(item)
                self._last[item.symbol] = item
                event_seconds = timestamp_to_epoch_ms(item.timestamp) // 1000
                if self._silence.observe(item.symbol, event_seconds, self._clock.monotonic()):
                    log.info("feed_resumed", symbols=[item.symbol], count=1)
                quotes.append(item)
        return quotes, rejected

    def market_time(self) -> str:
        """Now, less what the feed is delayed by, as a wire timestamp."""
        return format_timestamp(self._clock.now() - self._delay)

    def stale_facts(self) -> list[Quote]:
        """Each silence in regular hours once; that of all shares is one fact, of the one that traded last."""
        symbols, now_seconds = list(self._last), self._clock.monotonic()
        if not self._regular.is_open(self._clock.now() - self._delay):
            self._silence.pause(symbols, now_seconds)
            return []
        silent = self._silence.newly_silent(symbols, now_seconds)
        if not silent:
            return []
        log.warning("feed_silent", symbols=silent[:20], count=len(silent))
        now = format_timestamp(self._clock.now())
        if len(silent) > 1 and len(silent) == len(self._silence.lively(symbols)):
            newest = max(silent, key=lambda symbol: self._last[symbol].timestamp)
            return [stale_fact(self._last[newest], now, len(silent))]
        return [stale_fact(self._last[symbol], now) for symbol in silent]
