"""What the source remembers of its symbols between cycles, and what a reply adds to it. No I/O; times are passed in."""

import dataclasses
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from stockstream.sources.base import Rejection
from stockstream.sources.silence import SilenceWatch, stale_fact
from stockstream.sources.ticks import refusal
from stockstream.sources.yahoo.hours import TradingHours
from stockstream.sources.yahoo.life import SymbolLives
from stockstream.sources.yahoo.mapping import Observation, map_v7_result, observe
from stockstream.sources.yahoo.sessions import Session, Sessions
from stockstream_wire import (
    Quote,
    decode_quote,
    encode_quote,
    format_epoch_ms,
    is_ahead_of_clock,
    timestamp_to_epoch_ms,
)
from stockstream_wire.trading_day import DayRule

# Reasons for which Yahoo has, in effect, no such symbol now.
_ABSENT: Final = frozenset({"no_market"})


class Book:
    """Last quotes, lives, sessions and silences of the watchlist.

    Args:
        extended_hours: Take pre- and post-market prices, and poll for them.
        stale_after_seconds: Shortest silence in an open session worth saying.
        max_price_ratio: Largest credible ratio of price and previous close.
        hours: What is known of the hours of exchanges; nothing where None.
        source: What quotes carry in `source`.
    """

    def __init__(
        self,
        *,
        extended_hours: bool,
        stale_after_seconds: float,
        max_price_ratio: Decimal,
        hours: TradingHours | None = None,
        source: str = "yahoo",
    ) -> None:
        self._hours = hours or TradingHours()
        self._extended_hours = extended_hours
        self._max_price_ratio = max_price_ratio
        self._source = source
        self.lives = SymbolLives()
        self.sessions = Sessions(extended_hours=extended_hours)
        self.silence = SilenceWatch(stale_after_seconds)
        # As bytes: 5,000 quotes of eight decimals each would be 6 MB, and one is wanted again only when it goes stale.
        self._last_quotes: dict[str, bytes] = {}
        self._last_times: dict[str, str] = {}
        self._rules: dict[str, DayRule] = {}
        self._silent_exchanges: set[str] = set()
        self._stale_times: dict[str, str] = {}
        self._told: dict[str, tuple[object, ...]] = {}

    def keep_only(self, symbols: Iterable[str]) -> None:
        """Forget symbols that have left the watchlist."""
        kept = set(symbols)
        self.lives.keep_only(kept)
        self.sessions.keep_only(kept)
        self.silence.keep_only(kept)
        self._last_quotes = {symbol: data for symbol, data in self._last_quotes.items() if symbol in kept}
        self._last_times = {symbol: time for symbol, time in self._last_times.items() if symbol in kept}
        self._rules = {symbol: rule for symbol, rule in self._rules.items() if symbol in kept}
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
                self._observe(seen, polled_at, now_seconds)
            if isinstance(outcome, Quote):
                outcome = self.refusal(outcome) or outcome
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

    def _observe(self, seen: Observation, polled_at: str, now_seconds: float) -> None:
        if seen.rule is not None:
            self._rules[seen.symbol] = seen.rule
        # A time ahead of the clock would keep its exchange open until it has come.
        seconds = seen.event_seconds
        if seconds is not None and is_ahead_of_clock(format_epoch_ms(seconds * 1000), polled_at):
            seen = dataclasses.replace(seen, event_seconds=None)
        self.sessions.observe(seen, now_seconds)

    def refusal(self, quote: Quote) -> Rejection | None:
        """The rejection of a quote that cannot be right, or None; the gate and the consumer hold no other rule."""
        return refusal(quote, self._max_price_ratio)

    def rule_of(self, symbol: str) -> DayRule | None:
        """How the sessions of a symbol count their days, where Yahoo has said so."""
        return self._rules.get(symbol)

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
        if quote.timestamp < self._last_times.get(quote.symbol, ""):
            return False  # the gate refuses it, and a stale fact repeats the last one accepted
        self._last_times[quote.symbol] = quote.timestamp
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

        Where a whole exchange stands still, its busiest symbol speaks for all of it, once; in a known break none does.

        Symbol and event time are a quote's identity all the way down, so the fact that a feed is silent must not carry
        the event time of the quote it repeats: it is one millisecond later. Every true trade is later still, on a
        delayed feed as well, where our own time would have overtaken it.
        """
        by_exchange: dict[str | None, list[str]] = {}
        for symbol in self._last_quotes:
            by_exchange.setdefault(self.sessions.exchange_of(symbol), []).append(symbol)
        sessions = self.sessions.sessions(now_seconds, epoch_seconds)
        stale: list[Quote] = []
        for exchange, symbols in by_exchange.items():
            is_open = exchange is not None and sessions[exchange] is Session.REGULAR
            if exchange is None or not is_open or self._is_closed(exchange, epoch_seconds):
                self.silence.pause(symbols, now_seconds)
                continue
            lively = self.silence.lively(symbols)
            if self._goes_on_silent(exchange, lively, now_seconds):
                self.silence.pause(symbols, now_seconds)
                continue
            silent = self.silence.newly_silent(symbols, now_seconds)
            if len(lively) > 1 and silent and self._has_stood_still(lively, now_seconds):
                self._silent_exchanges.add(exchange)
                self.silence.pause(symbols, now_seconds)
                spokesman = self.sessions.busiest(exchange, among=lively)
                stale.append(self._stale_quote(spokesman, polled_at, silent_symbols=len(lively)))
            else:
                stale += [self._stale_quote(symbol, polled_at) for symbol in silent]
        return stale

    def _is_closed(self, exchange: str, epoch_seconds: float) -> bool:
        # What a delayed feed shows now has happened then.
        then_seconds = epoch_seconds - self.sessions.delay_seconds(exchange)
        return self._hours.is_closed(exchange, then_seconds) or self._hours.is_closed(exchange, epoch_seconds)

    def _has_stood_still(self, lively: list[str], now_seconds: float) -> bool:
        """Whether none of an exchange's symbols has moved for half of a silence: then it is the exchange."""
        moved = self.silence.last_move_seconds(lively)
        return moved is None or now_seconds - moved > self.silence.stale_after_seconds / 2

    def _goes_on_silent(self, exchange: str, lively: list[str], now_seconds: float) -> bool:
        if exchange not in self._silent_exchanges:
            return False
        if self._has_stood_still(lively, now_seconds):
            return True
        self._silent_exchanges.discard(exchange)
        return False

    def _stale_quote(self, symbol: str, polled_at: str, *, silent_symbols: int | None = None) -> Quote:
        fact = stale_fact(decode_quote(self._last_quotes[symbol]), polled_at, silent_symbols)
        self._stale_times[symbol] = fact.timestamp
        return fact

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
