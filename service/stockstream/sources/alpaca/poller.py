"""Asks for the snapshots of a watchlist: in few requests, a pause between them, and patiently where that fails."""

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from stockstream.clock import Clock
from stockstream.errors import SourceError
from stockstream.sources.alpaca.messages import Snapshot, UnreadableError
from stockstream.sources.alpaca.rest import (
    AlpacaRefusedError,
    AlpacaRest,
    AlpacaSymbolError,
    AlpacaUnavailableError,
)
from stockstream.sources.alpaca.spelling import Spellings, spell
from stockstream.sources.base import Rejection

# Keeps an address below 2 KB, and an answer below 200 KB.
REQUEST_SYMBOLS: Final = 200
FIRST_WAIT_SECONDS: Final = 1.0
LONGEST_WAIT_SECONDS: Final = 60.0
SHORTEST_WAIT_SECONDS: Final = 0.5
# A symbol of a form that Alpaca refuses is asked for again after this.
REFUSED_AGAIN_SECONDS: Final = 3600.0

log = structlog.get_logger("stockstream.alpaca")


@dataclass(slots=True)
class Polled:
    """What one round gave.

    Attributes:
        snapshots: By our spelling.
        rejected: What has none, said once.
        failure: Why the round ended early, or empty.
    """

    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    rejected: list[Rejection] = field(default_factory=list)
    failure: str = ""


class SnapshotPoller:
    """Asks for snapshots, and remembers what Alpaca has not.

    Args:
        rest: Alpaca.
        clock: Time.
        rng: Randomness of the waits after a failure.
        pause_seconds: Between two requests.
        is_part: What is asked for is a part of a list: that Alpaca has none of it is no reason to end.
    """

    def __init__(
        self, rest: AlpacaRest, *, clock: Clock, rng: random.Random, pause_seconds: float, is_part: bool = False
    ) -> None:
        self._rest = rest
        self._clock = clock
        self._rng = rng
        self._pause_seconds = pause_seconds
        self._is_part = is_part
        self._spellings_of: tuple[str, ...] | None = None
        self._spellings = Spellings({}, ())
        self._said: set[str] = set()
        self._refused: dict[str, float] = {}
        self._failures_in_a_row = 0
        self._not_before_seconds = float("-inf")
        self._next_request_seconds = float("-inf")
        self._has_answered = False
        self._has_known_any = False
        self.requests_total = 0

    def spellings(self, symbols: tuple[str, ...]) -> Mapping[str, str]:
        """Alpaca's spellings of a watchlist, to ours."""
        if symbols is not self._spellings_of:
            self._spellings_of, self._spellings = symbols, spell(symbols)
            self._said.intersection_update(symbols)
            self._refused = {symbol: due for symbol, due in self._refused.items() if symbol in self._spellings.ours}
        return self._spellings.ours

    @property
    def wait_seconds(self) -> float:
        """Seconds until Alpaca may be asked again."""
        return max(0.0, self._not_before_seconds - self._clock.monotonic())

    async def ask(self, symbols: tuple[str, ...], only: Collection[str] | None = None) -> Polled:
        """Ask for a watchlist, or for some of it; a failure ends the round, and says until when to wait.

        Args:
            symbols: The watchlist.
            only: Some of it, in our spelling.

        Raises:
            SourceError: Alpaca has none of the symbols.
            AlpacaRefusedError: it has refused the keys from the first.
        """
        ours = self.spellings(symbols)
        polled = Polled()
        for rejection in self._spellings.refused:
            self._say(polled, rejection)
        now_seconds = self._clock.monotonic()
        wanted = [
            theirs
            for theirs, symbol in ours.items()
            if now_seconds >= self._refused.get(theirs, float("-inf")) and (only is None or symbol in only)
        ]
        try:
            for start in range(0, len(wanted), REQUEST_SYMBOLS):
                await self._ask_some(wanted[start : start + REQUEST_SYMBOLS], ours, polled)
        except AlpacaUnavailableError as exc:
            self._note_failure(polled, str(exc), exc.wait_seconds)
        except AlpacaRefusedError as exc:
            if not self._has_answered:
                raise
            self._note_failure(polled, str(exc), 0.0)
        else:
            self._failures_in_a_row = 0
            if not self._is_part and not self._has_known_any and self._said.issuperset(symbols):
                named = ", ".join(symbols[:5])
                raise SourceError(f"Alpaca has none of the symbols {named}. Remedy: STOCKSTREAM_SYMBOLS=AAPL,SPY")
        return polled

    async def _ask_some(self, wanted: list[str], ours: Mapping[str, str], polled: Polled) -> None:
        while wanted:
            await self._clock.sleep(max(0.0, self._next_request_seconds - self._clock.monotonic()))
            self._next_request_seconds = self._clock.monotonic() + self._pause_seconds
            self.requests_total += 1
            try:
                found = await self._rest.snapshots(wanted, self._clock.now())
            except AlpacaSymbolError as exc:
                if exc.symbol not in wanted:  # it names what was not asked for: asking again would be for ever
                    raise AlpacaUnavailableError(f"Alpaca: {exc}") from exc
                self._has_answered = True
                wanted = [symbol for symbol in wanted if symbol != exc.symbol]
                self._refused[exc.symbol] = self._clock.monotonic() + REFUSED_AGAIN_SECONDS
                self._say(polled, Rejection(ours[exc.symbol], "unknown_symbol", f"Alpaca: {exc}"))
                continue
            self._has_answered = True
            for theirs in wanted:
                symbol, snapshot = ours[theirs], found.get(theirs)
                if isinstance(snapshot, Snapshot):
                    self._has_known_any = True
                    self._said.discard(symbol)
                    polled.snapshots[symbol] = snapshot
                elif isinstance(snapshot, UnreadableError):
                    polled.rejected.append(Rejection(symbol, "snapshot_malformed", str(snapshot)))
                else:
                    self._say(polled, Rejection(symbol, "unknown_symbol", "Alpaca's feed has nothing of it"))
            return

    def _say(self, polled: Polled, rejection: Rejection) -> None:
        if rejection.subject not in self._said:
            self._said.add(rejection.subject)
            polled.rejected.append(rejection)

    def _note_failure(self, polled: Polled, reason: str, asked_seconds: float) -> None:
        polled.failure = reason
        if not self._failures_in_a_row:
            log.warning("snapshots_unavailable", reason=reason)
        cap = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** min(self._failures_in_a_row, 10))
        self._failures_in_a_row += 1
        wait_seconds = max(asked_seconds, self._rng.uniform(min(SHORTEST_WAIT_SECONDS, cap), cap))
        self._not_before_seconds = self._clock.monotonic() + wait_seconds
