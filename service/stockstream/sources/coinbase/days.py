"""Keeps each product's day known: asked at the start, after trades were missed, and now and then; politely."""

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Final, Protocol

import structlog

from stockstream.clock import Clock
from stockstream.errors import SourceError
from stockstream.sources.base import Rejection
from stockstream.sources.coinbase.book import CoinbaseBook
from stockstream.sources.coinbase.rest import CoinbaseUnavailableError, Day

# The public API takes 10 requests a second of one address.
PAUSE_SECONDS: Final = 0.2
FIRST_WAIT_SECONDS: Final = 1.0
LONGEST_WAIT_SECONDS: Final = 60.0
SHORTEST_WAIT_SECONDS: Final = 0.5
# The feed tells several trades of one order in one message, so that an extreme may be missed; the candles have it.
REFRESH_SECONDS: Final = 900.0
UNKNOWN_AGAIN_SECONDS: Final = 3600.0

log = structlog.get_logger("stockstream.coinbase")


class Days(Protocol):
    """Where days come from."""

    async def days(self, product: str, now: datetime) -> Mapping[date, Day] | None: ...


class DaysKeeper:
    """Asks for the days of products that need them.

    Args:
        rest: Gives them.
        book: Takes them.
        clock: Time.
        rng: Randomness of the waits after a failure.
        reject: Told of products that Coinbase does not have.
        is_part: What is asked for is a part of a list: that Coinbase has none of it is no reason to end.
    """

    def __init__(
        self,
        rest: Days,
        book: CoinbaseBook,
        *,
        clock: Clock,
        rng: random.Random,
        reject: Callable[[Rejection], None],
        is_part: bool = False,
    ) -> None:
        self._rest = rest
        self._book = book
        self._clock = clock
        self._rng = rng
        self._reject = reject
        self._is_part = is_part
        self._due: dict[str, float] = {}
        self._unknown: set[str] = set()
        self._failures_in_a_row = 0
        self.requests_total = 0
        self.failures_untold = 0
        self.failure = ""

    async def ask(self, symbols: Sequence[str], *, is_listening: bool) -> None:
        """Ask for all that are due, one after the other.

        Args:
            symbols: The watchlist.
            is_listening: The feed is connected: only then do days make up for what was missed.

        Raises:
            SourceError: Coinbase has none of the products.
        """
        self._due = {symbol: due for symbol, due in self._due.items() if symbol in symbols}
        self._unknown &= set(symbols)
        for symbol in symbols:
            if self._is_due(symbol, is_listening=is_listening):
                await self._ask_one(symbol)
        if self._unknown and len(self._unknown) == len(symbols) and not self._is_part:
            named = ", ".join(symbols[:5])
            raise SourceError(f"Coinbase has none of the products {named}. Remedy: STOCKSTREAM_SYMBOLS=BTC-USD,ETH-USD")

    def _is_due(self, symbol: str, *, is_listening: bool) -> bool:
        is_over = self._clock.monotonic() >= self._due.get(symbol, float("-inf"))
        if symbol in self._unknown or not self._book.knows(symbol):
            return is_over
        return is_listening and (is_over or self._book.needs_days(symbol))

    async def _ask_one(self, symbol: str) -> None:
        self.requests_total += 1
        try:
            days = await self._rest.days(symbol, self._clock.now())
        except CoinbaseUnavailableError as exc:
            self.failures_untold += 1
            self.failure = str(exc)
            if not self._failures_in_a_row:
                log.warning("days_unavailable", symbol=symbol, reason=self.failure)
            cap = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** min(self._failures_in_a_row, 10))
            self._failures_in_a_row += 1
            await self._clock.sleep(self._rng.uniform(min(SHORTEST_WAIT_SECONDS, cap), cap))
            return
        self._failures_in_a_row = 0
        now_seconds = self._clock.monotonic()
        if days is None:
            if symbol not in self._unknown:
                self._reject(
                    Rejection(symbol, "unknown_symbol", "Coinbase has no such product; they look like BTC-USD")
                )
            self._unknown.add(symbol)
            self._due[symbol] = now_seconds + UNKNOWN_AGAIN_SECONDS
        elif self._book.set_days(symbol, days, self._clock.now()):
            self._unknown.discard(symbol)
            self._due[symbol] = now_seconds + REFRESH_SECONDS
        else:
            self._reject(
                Rejection(symbol, "missing_previous_close", "it traded on one day of the last seven, or on none")
            )
            self._due[symbol] = now_seconds + UNKNOWN_AGAIN_SECONDS
        await self._clock.sleep(PAUSE_SECONDS)
