"""The life of a symbol on the watchlist: unknown, known, missing, in quarantine. Pure; the time is passed in.

v7 leaves a symbol it does not know, or does not know just now, out of its answer without a word. So absence is counted,
and what we say is "Yahoo has no quote for it", never "delisted".
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MISSES_TO_QUARANTINE: Final = 3
FIRST_RECHECK_SECONDS: Final = 300.0
LONGEST_RECHECK_SECONDS: Final = 21_600.0


class LifeEvent(StrEnum):
    """What is worth saying, once each."""

    UNKNOWN = "unknown_symbol"
    QUARANTINED = "symbol_quarantined"
    RETURNED = "symbol_returned"


@dataclass(slots=True)
class _Life:
    misses: int = 0
    known: bool = False
    confirmed_unknown: bool = False
    recheck_seconds: float = 0.0
    next_check_seconds: float = 0.0

    @property
    def quarantined(self) -> bool:
        return self.misses >= MISSES_TO_QUARANTINE


class SymbolLives:
    """Counts misses per symbol and says when a symbol is due."""

    def __init__(self) -> None:
        self._lives: dict[str, _Life] = {}

    def keep_only(self, symbols: Iterable[str]) -> None:
        """Forget symbols that have left the watchlist."""
        kept = set(symbols)
        self._lives = {symbol: life for symbol, life in self._lives.items() if symbol in kept}

    def is_due(self, symbol: str, now_seconds: float) -> bool:
        """Whether to ask for the symbol; one in quarantine only when its next check has come."""
        life = self._lives.get(symbol)
        return life is None or not life.quarantined or now_seconds >= life.next_check_seconds

    def is_known(self, symbol: str) -> bool:
        """Whether Yahoo has ever answered for the symbol."""
        life = self._lives.get(symbol)
        return life is not None and life.known

    def seen(self, symbol: str) -> LifeEvent | None:
        """Note that Yahoo answered for the symbol."""
        life = self._lives.get(symbol)
        if life is None:
            self._lives[symbol] = _Life(known=True)
            return None
        returned = life.quarantined
        life.misses = 0
        life.known = True
        life.confirmed_unknown = False
        life.recheck_seconds = 0.0
        return LifeEvent.RETURNED if returned else None

    def missed(self, symbol: str, now_seconds: float, *, confirmed: bool = False) -> LifeEvent | None:
        """Note that Yahoo answered, and not for this symbol.

        Args:
            symbol: What was asked for.
            now_seconds: Monotonic time.
            confirmed: The chart endpoint, which does say so, has no such symbol either.

        Returns:
            UNKNOWN at the first miss of a symbol never known, QUARANTINED at the third in a row, otherwise None.
        """
        life = self._lives.setdefault(symbol, _Life())
        life.misses += 1
        life.confirmed_unknown = life.confirmed_unknown or confirmed
        if life.quarantined:
            life.recheck_seconds = min(LONGEST_RECHECK_SECONDS, life.recheck_seconds * 2 or FIRST_RECHECK_SECONDS)
            life.next_check_seconds = now_seconds + life.recheck_seconds
        if life.misses == 1 and not life.known:
            return LifeEvent.UNKNOWN
        return LifeEvent.QUARANTINED if life.misses == MISSES_TO_QUARANTINE else None

    def recheck_seconds(self, symbol: str) -> float:
        """Seconds between the last check of a quarantined symbol and its next."""
        return self._lives[symbol].recheck_seconds

    def all_unknown(self, symbols: Iterable[str]) -> bool:
        """Whether none of the symbols has ever been known, and each is certain not to be."""
        lives = [self._lives.get(symbol) for symbol in symbols]
        return bool(lives) and all(
            life is not None and not life.known and (life.confirmed_unknown or life.quarantined) for life in lives
        )
