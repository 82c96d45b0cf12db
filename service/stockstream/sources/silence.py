"""When a symbol has gone silent in an open session: said once a silence. Pure; the time is passed in."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from stockstream_wire import Quote, format_epoch_ms, timestamp_to_epoch_ms

STALE_AFTER_SECONDS_DEFAULT: Final = 300.0
# A thinly traded symbol is not silent until it has been quiet for this many of its usual gaps.
GAPS_OF_SILENCE: Final = 5.0
# Weight of the newest gap in the usual one.
_GAP_WEIGHT: Final = 0.2


@dataclass(slots=True)
class _Pulse:
    event_seconds: int
    moved_at_seconds: float
    traded_at_seconds: float | None = None
    moves: int = 0
    usual_gap_seconds: float = 0.0
    said: bool = False


class SilenceWatch:
    """Remembers when each symbol's event time last moved.

    A symbol that has never moved while we watched cannot fall silent: it may simply not trade today.

    Args:
        stale_after_seconds: Shortest silence worth saying.
    """

    def __init__(self, stale_after_seconds: float = STALE_AFTER_SECONDS_DEFAULT) -> None:
        self.stale_after_seconds = stale_after_seconds
        self._pulses: dict[str, _Pulse] = {}

    def keep_only(self, symbols: Iterable[str]) -> None:
        """Forget symbols that have left the watchlist."""
        kept = set(symbols)
        self._pulses = {symbol: pulse for symbol, pulse in self._pulses.items() if symbol in kept}

    def observe(self, symbol: str, event_seconds: int, now_seconds: float) -> bool:
        """Note an event time.

        Returns:
            True where it ends a silence that was said.
        """
        pulse = self._pulses.get(symbol)
        if pulse is None:
            self._pulses[symbol] = _Pulse(event_seconds, now_seconds)
            return False
        if event_seconds <= pulse.event_seconds:
            return False
        gap = now_seconds - pulse.moved_at_seconds
        if not pulse.said:  # the gap of an outage is not the symbol's own
            usual = pulse.usual_gap_seconds
            pulse.usual_gap_seconds = gap if not pulse.moves else usual + _GAP_WEIGHT * (gap - usual)
        pulse.event_seconds = event_seconds
        pulse.moved_at_seconds = pulse.traded_at_seconds = now_seconds
        pulse.moves += 1
        ended, pulse.said = pulse.said, False
        return ended

    def newly_silent(self, symbols: Iterable[str], now_seconds: float) -> list[str]:
        """Which of `symbols` (those of open sessions) have fallen silent and were not said to be before."""
        silent = []
        for symbol in symbols:
            pulse = self._pulses.get(symbol)
            if pulse is None or pulse.said or not pulse.moves:
                continue
            limit_seconds = max(self.stale_after_seconds, GAPS_OF_SILENCE * pulse.usual_gap_seconds)
            if now_seconds - pulse.moved_at_seconds > limit_seconds:
                pulse.said = True
                silent.append(symbol)
        return silent

    def lively(self, symbols: Iterable[str]) -> list[str]:
        """Which of `symbols` have been seen to move, and so could fall silent."""
        return [symbol for symbol in symbols if (pulse := self._pulses.get(symbol)) is not None and pulse.moves]

    def last_move_seconds(self, symbols: Iterable[str]) -> float | None:
        """When one of `symbols` last moved, monotonic; None where none has while we watched."""
        moved = [
            pulse.traded_at_seconds
            for symbol in symbols
            if (pulse := self._pulses.get(symbol)) is not None and pulse.traded_at_seconds is not None
        ]
        return max(moved, default=None)

    def pause(self, symbols: Iterable[str], now_seconds: float) -> None:
        """Note that the session of `symbols` is closed: the night is no silence, and tomorrow starts afresh."""
        for symbol in symbols:
            pulse = self._pulses.get(symbol)
            if pulse is not None:
                pulse.moved_at_seconds = now_seconds
                pulse.said = False


def stale_fact(last: Quote, polled_at: str, silent_symbols: int | None = None) -> Quote:
    """The last known quote once more, a millisecond later: an identity of its own, before any trade to come.

    Args:
        last: The last accepted quote.
        polled_at: Now, in the wire's form.
        silent_symbols: Where it speaks for an exchange, how many of its symbols are silent.
    """
    timestamp = format_epoch_ms(timestamp_to_epoch_ms(last.timestamp) + 1)
    return msgspec.structs.replace(
        last, stale=True, silent_symbols=silent_symbols, timestamp=timestamp, polled_at=polled_at
    )
