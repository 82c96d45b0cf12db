"""Which exchanges trade now, and so which symbols are worth a request. Pure; the times are passed in.

Yahoo's `marketState` is wrong at times for thinly traded symbols, so an exchange's state is what most of its symbols
say, checked against its trades: an exchange whose event times still move is open whatever the flag says, and one that
says REGULAR and has not moved for an hour, with a last trade as old, is a holiday.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from stockstream.sources.yahoo.mapping import Observation

SENTINEL_SECONDS: Final = 60.0
# After the flag has turned, the last prints are still on their way: this long beyond the feed's own delay.
CLOSING_GRACE_SECONDS: Final = 60.0
# A move this recent keeps an exchange open against its flag; two sentinel turns and a bit.
MOVED_LATELY_SECONDS: Final = 150.0
# REGULAR without a trade for this long is a holiday, or a flag that nobody turned.
HOLIDAY_AFTER_SECONDS: Final = 3600.0
# A sentinel due within this share of a minute is due now, not one whole interval later.
_EARLY_FRACTION: Final = 0.1

_EXTENDED_STATES: Final = frozenset({"PRE", "POST"})


class Session(StrEnum):
    """REGULAR and EXTENDED are polled; CLOSED is watched by one symbol."""

    REGULAR = "regular"
    EXTENDED = "extended"
    CLOSED = "closed"


@dataclass(slots=True)
class _Exchange:
    first_seen_seconds: float
    last_seen_seconds: float = 0.0
    freshest_event_seconds: int = 0
    delay_seconds: int = 0
    moved_at_seconds: float | None = None
    sentinel_asked_seconds: float | None = None
    members: dict[str, Observation] = field(default_factory=dict)


def session_of(
    states: Counter[str | None],
    *,
    trade_age_seconds: float,
    delay_seconds: int,
    unmoved_seconds: float,
    moved_lately: bool,
    extended_hours: bool,
) -> Session:
    """Decide one exchange's session.

    Args:
        states: How many of its symbols say which `marketState`.
        trade_age_seconds: Age of its most recent trade, by the wall clock.
        delay_seconds: Delay the exchange imposes on the feed.
        unmoved_seconds: How long we have watched without an event time moving.
        moved_lately: An event time has moved within the last turns of the sentinel.
        extended_hours: Whether pre- and post-market are wanted.
    """
    fresh = moved_lately or trade_age_seconds <= delay_seconds + CLOSING_GRACE_SECONDS
    majority = states.most_common(1)[0][0] if states else None
    if majority == "REGULAR" or majority is None:
        holiday = min(trade_age_seconds - delay_seconds, unmoved_seconds) > HOLIDAY_AFTER_SECONDS
        return Session.CLOSED if holiday else Session.REGULAR
    if majority in _EXTENDED_STATES and extended_hours:
        return Session.EXTENDED
    return Session.EXTENDED if fresh else Session.CLOSED


class Sessions:
    """What is known of each exchange, and which symbols are due.

    Args:
        extended_hours: Poll in pre- and post-market too.
    """

    def __init__(self, *, extended_hours: bool = False) -> None:
        self._extended_hours = extended_hours
        self._exchanges: dict[str, _Exchange] = {}
        self._exchange_of: dict[str, str] = {}

    def keep_only(self, symbols: Iterable[str]) -> None:
        """Forget symbols that have left the watchlist, and exchanges left without one."""
        kept = set(symbols)
        for symbol in [symbol for symbol in self._exchange_of if symbol not in kept]:
            del self._exchanges[self._exchange_of.pop(symbol)].members[symbol]
        self._exchanges = {name: exchange for name, exchange in self._exchanges.items() if exchange.members}

    def observe(self, seen: Observation, now_seconds: float) -> None:
        """Note what a reply says of a symbol's market.

        Args:
            seen: From the reply.
            now_seconds: Monotonic time.
        """
        if seen.exchange is None:
            return
        before = self._exchange_of.get(seen.symbol)
        if before is not None and before != seen.exchange:
            self._exchanges[before].members.pop(seen.symbol, None)
        self._exchange_of[seen.symbol] = seen.exchange
        exchange = self._exchanges.get(seen.exchange)
        if exchange is None:
            exchange = self._exchanges[seen.exchange] = _Exchange(now_seconds, sentinel_asked_seconds=now_seconds)
        last = exchange.members.get(seen.symbol)
        event = seen.event_seconds or 0
        if last is not None and event > (last.event_seconds or 0):
            exchange.moved_at_seconds = now_seconds
        exchange.freshest_event_seconds = max(exchange.freshest_event_seconds, event)
        exchange.delay_seconds = max(exchange.delay_seconds, seen.delay_seconds)
        exchange.members[seen.symbol] = seen
        exchange.last_seen_seconds = now_seconds

    def sessions(self, now_seconds: float, epoch_seconds: float) -> dict[str, Session]:
        """The session of every exchange seen so far.

        Args:
            now_seconds: Monotonic time.
            epoch_seconds: Wall clock, seconds since 1970.
        """
        return {name: self._session(exchange, now_seconds, epoch_seconds) for name, exchange in self._exchanges.items()}

    def exchanges(self) -> list[str]:
        """The exchanges seen so far, by Yahoo's code."""
        return list(self._exchanges)

    def delay_seconds(self, exchange: str) -> int:
        """The delay that an exchange imposes on the feed."""
        return self._exchanges[exchange].delay_seconds

    def exchange_of(self, symbol: str) -> str | None:
        """The exchange a symbol was last seen on."""
        return self._exchange_of.get(symbol)

    def busiest(self, exchange: str, among: Iterable[str]) -> str:
        """The symbol with the largest volume among some of an exchange's."""
        members = self._exchanges[exchange].members
        return max(among, key=lambda symbol: (members[symbol].volume, symbol))

    def due(self, symbols: Iterable[str], now_seconds: float, epoch_seconds: float) -> list[str]:
        """Which symbols to ask for now: all of an open or unknown exchange, and a closed one's sentinel each minute."""
        sessions = self.sessions(now_seconds, epoch_seconds)
        sentinels: set[str] = set()
        for name, session in sessions.items():
            exchange = self._exchanges[name]
            if session is not Session.CLOSED:
                exchange.sentinel_asked_seconds = now_seconds
                continue
            asked = exchange.sentinel_asked_seconds
            if asked is None or now_seconds - asked >= SENTINEL_SECONDS * (1 - _EARLY_FRACTION):
                exchange.sentinel_asked_seconds = now_seconds
                sentinels.add(_sentinel(exchange))
        return [
            symbol
            for symbol in symbols
            if (home := self._exchange_of.get(symbol)) is None
            or sessions[home] is not Session.CLOSED
            or symbol in sentinels
        ]

    def _session(self, exchange: _Exchange, now_seconds: float, epoch_seconds: float) -> Session:
        moved = exchange.moved_at_seconds
        return session_of(
            Counter(seen.market_state for seen in exchange.members.values()),
            trade_age_seconds=epoch_seconds - exchange.freshest_event_seconds,
            delay_seconds=exchange.delay_seconds,
            # Up to the last answer: an hour in which Yahoo could not be asked is no hour without a trade.
            unmoved_seconds=exchange.last_seen_seconds - (exchange.first_seen_seconds if moved is None else moved),
            moved_lately=moved is not None and now_seconds - moved <= MOVED_LATELY_SECONDS,
            extended_hours=self._extended_hours,
        )


def _sentinel(exchange: _Exchange) -> str:
    # The busiest symbol sees the opening first.
    return max(exchange.members.values(), key=lambda seen: (seen.volume, seen.symbol)).symbol
