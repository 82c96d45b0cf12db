"""What the source remembers of its symbols between cycles, and what a reply adds to it. No I/O; times are passed in."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from stockstream.sources.base import Rejection
from stockstream.sources.yahoo.life import SymbolLives
from stockstream.sources.yahoo.mapping import map_v7_result, observe
from stockstream.sources.yahoo.sessions import Session, Sessions
from stockstream.sources.yahoo.silence import SilenceWatch
from stockstream.sources.yahoo.ticks import bad_tick
from stockstream_wire import Quote, decode_quote, encode_quote, format_epoch_ms, timestamp_to_epoch_ms

# Reasons for which Yahoo has, in effect, no such symbol now.
_ABSENT: Final = frozenset({"no_market"})


class Book:
    """Last quotes, lives, sessions and silences of the watchlist.

    Args:
        extended_hours: Take pre- and post-market prices, and poll for them.
        stale_after_seconds: Shortest silence in an open session worth saying.
        max_price_ratio: Largest credible ratio of price and previous close.
        source: What quotes carry in `source`.
    """

    def __init__(
        self, *, extended_hours: bool, stale_after_seconds: float, max_price_ratio: Decimal, source: str = "yahoo"
    ) -> None:
        self._extended_hours = extended_hours
        self._max_price_ratio = max_price_ratio
        self._source = source
        self.lives = SymbolLives()
        self.sessions = Sessions(extended_hours=extended_hours)
        self.silence = SilenceWatch(stale_after_seconds)
        # As bytes: 5,000 quotes of eight decimals each would be 6 MB, and one is wanted again only when it goes stale.
        self._last_quotes: dict[str, bytes] = {}
        self._stale_times: dict[str, str] = {}
        self._told: dict[str, tuple[object, ...]] = {}

    def keep_only(self, symbols: Iterable[str]) -> None:
        """Forget symbols that have left the watchlist."""
        kept = set(symbols)
        self.lives.keep_only(kept)
        self.sessions.keep_only(kept)
        self.silence.keep_only(kept)
        self._last_quotes = {symbol: data for symbol, data in self._last_quotes.items() if symbol in kept}
        self._stale_times = {symbol: time for symbol, time in self._stale_times.items() if symbol in kept}
        self._told = {symbol: fact for symbol, fact in self._told.items() if symbol in kept}

    def take_results(
        self, results: Iterable[Mapping[str, Any]], *, polled_at: str, now_seconds: float
    ) -> tuple[list[Quote], list[Rejection], list[str]]:
        """Take the results of a v7 reply.

        Returns:
            Quotes, without those that repeat what a stale fact has said already; rejections, each told once until the
            reply says something else; and symbols whose silence ended.
        """
        quotes: list[Quote] = []
        rejected: list[Rejection] = []
        woken: list[str] = []
        for result in results:
            outcome = map_v7_result(
                result, polled_at=polled_at, extended_hours=self._extended_hours, source=self._source
            )
            seen = observe(result)
            if seen is not None:
                self.sessions.observe(seen, now_seconds)
            if isinstance(outcome, Quote):
                outcome = bad_tick(outcome, self._max_price_ratio) or outcome
            if isinstance(outcome, Rejection):
                self._take_rejection(outcome, result, rejected, now_seconds)
                continue
            # Without extended hours the quote's time is the one observed, and need not be parsed again.
            seconds = seen.event_seconds if seen is not None and not self._extended_hours else None
            if self.take_quote(outcome, now_seconds, event_seconds=seconds):
                woken.append(outcome.symbol)
            if self._is_news(outcome):
                quotes.append(outcome)
        return quotes, rejected, woken

    def take_quote(self, quote: Quote, now_seconds: float, *, event_seconds: int | None = None) -> bool:
        """Remember a quote; True where it ends a silence that was said.

        Args:
            quote: What came.
            now_seconds: Monotonic time.
            event_seconds: Its event time, where the caller has it as a number.
        """
        if event_seconds is None:
            event_seconds = timestamp_to_epoch_ms(quote.timestamp) // 1000
        self.lives.seen(quote.symbol)
        self._told.pop(quote.symbol, None)
        self._last_quotes[quote.symbol] = encode_quote(quote)
        return self.silence.observe(quote.symbol, event_seconds, now_seconds)

    def _is_news(self, quote: Quote) -> bool:
        said = self._stale_times.get(quote.symbol)
        if said is None:
            return True
        if quote.timestamp <= said:
            return False  # the gate would take it for time running backwards, poll after poll
        del self._stale_times[quote.symbol]
        return True

    def stale_quotes(self, now_seconds: float, epoch_seconds: float, polled_at: str) -> list[Quote]:
        """The last known quotes of symbols that have newly gone silent in an open session, marked stale.

        Symbol and event time are a quote's identity all the way down, so the fact that a feed is silent must not carry
        the event time of the quote it repeats: it is one millisecond later. Every true trade is later still, on a
        delayed feed as well, where our own time would have overtaken it.
        """
        sessions = self.sessions.sessions(now_seconds, epoch_seconds)
        open_now: list[str] = []
        closed: list[str] = []
        for symbol in self._last_quotes:
            exchange = self.sessions.exchange_of(symbol)
            is_open = exchange is not None and sessions[exchange] is Session.REGULAR
            (open_now if is_open else closed).append(symbol)
        self.silence.pause(closed, now_seconds)
        stale = []
        for symbol in self.silence.newly_silent(open_now, now_seconds):
            last = decode_quote(self._last_quotes[symbol])
            timestamp = format_epoch_ms(timestamp_to_epoch_ms(last.timestamp) + 1)
            self._stale_times[symbol] = timestamp
            stale.append(msgspec.structs.replace(last, stale=True, timestamp=timestamp, polled_at=polled_at))
        return stale

    def due(self, symbols: Iterable[str], now_seconds: float, epoch_seconds: float) -> list[str]:
        """Which symbols to ask for now: neither in quarantine nor on a closed exchange."""
        alive = [symbol for symbol in symbols if self.lives.is_due(symbol, now_seconds)]
        return self.sessions.due(alive, now_seconds, epoch_seconds)

    def _take_rejection(
        self, rejection: Rejection, result: Mapping[str, Any], rejected: list[Rejection], now_seconds: float
    ) -> None:
        symbol = rejection.subject
        if rejection.reason in _ABSENT:
            self.lives.missed(symbol, now_seconds)
        else:
            self.lives.seen(symbol)
        # A fund is refused at every poll for the same reason; that is one fact, not one per poll.
        fact = (rejection.reason, result.get("regularMarketTime"), result.get("regularMarketPrice"))
        if self._told.get(symbol) != fact:
            self._told[symbol] = fact
            rejected.append(rejection)
