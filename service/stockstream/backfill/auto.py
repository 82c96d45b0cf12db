"""Gaps fill themselves: what the source missed comes from its history, once the source is well again, and unhurried.

One gap at a time and one symbol at a time, a fifth of the time at most, and never while the source fails. What is done
and tried is noted on disk, so that a restart goes on where it was; what is refused is left to a person, with the
command. Of several workers on one disk one fills at a time, whoever noted the gap.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from stockstream.aws import AwsConfig
from stockstream.backfill.filled import FILLED, GIVEN_UP, Tries, key_of, read_filled
from stockstream.backfill.gaps import Gap
from stockstream.backfill.notes import AGE_MAX, FILLING_LOCK, FolderNotes, NotedGap, noted_gaps
from stockstream.backfill.run import SymbolOutcome, backfill
from stockstream.backfill.ways import Ways, open_ways
from stockstream.clock import Clock
from stockstream.errors import OutboxError, PermanentError
from stockstream.outbox import OutboxLockedError
from stockstream.outbox.lock import OutboxLock
from stockstream.settings import Settings
from stockstream.source_kinds import at_place, source_kind
from stockstream.sources.history import HistoryProvider, oldest_start
from stockstream.sources.watchlist import current_symbols
from stockstream_wire import format_timestamp, parse_timestamp

# How often the list of gaps is looked at; the source has to be well at each look from this long on.
LOOK_SECONDS: Final = 30.0
WELL_SECONDS: Final = 60.0
# The last minutes of a gap are history only when they are over, and their late trades are in.
SETTLED_SECONDS: Final = 180.0
SYMBOLS_MAX: Final = 500
# After each symbol, so many times as long as it took, and at least so long: polls come first.
_REST_TIMES: Final = 4.0
_REST_SECONDS: Final = 5.0
# A gap whose history cannot be had is tried again after 5, 10, 20, ... minutes, and then left to a person.
_RETRY_SECONDS: Final = 300.0
_ATTEMPTS_MAX: Final = 6
_DRAIN_SECONDS: Final = 60.0

log = structlog.get_logger("stockstream.backfill")


@dataclass(slots=True)
class FillCounters:
    """What was filled since the start, and what waits."""

    quotes: int = 0
    gaps_filled: int = 0
    gaps_waiting: int = 0


class GapFiller:
    """Fills the gaps of one source.

    Args:
        state: Where gaps are noted, in this folder and in those of workers below; what is filled is noted beside them.
        source: Label of the source.
        symbols: The watchlist as it is.
        is_well: Whether the source answers now.
        provider: Makes the history; asked for with the first gap.
        ways: Opens sender and candles for a gap.
        clock: Time.
        look_seconds: Between two looks at the list.
        well_seconds: How long the source has to be well before.
        rest_seconds: Between two symbols, at least.
    """

    def __init__(
        self,
        state: Path,
        *,
        source: str,
        symbols: Callable[[], Sequence[str]],
        is_well: Callable[[], bool],
        provider: Callable[[], HistoryProvider],
        ways: Callable[[], AbstractAsyncContextManager[Ways]],
        clock: Clock,
        look_seconds: float = LOOK_SECONDS,
        well_seconds: float = WELL_SECONDS,
        rest_seconds: float = _REST_SECONDS,
    ) -> None:
        self._state = state
        self._source = source
        self._symbols = symbols
        self._is_well = is_well
        self._make_provider = provider
        self._ways = ways
        self._clock = clock
        self._look_seconds = look_seconds
        self._well_for_seconds = well_seconds
        self._rest_seconds = rest_seconds
        self._provider: HistoryProvider | None = None
        self._well_since: float | None = None
        self.counters = FillCounters()

    async def run(self) -> None:
        """Fill gaps until cancelled, or until something refuses that only a person can change."""
        try:
            while True:
                await self._clock.sleep(self._look_seconds)
                await self._look()
        except (PermanentError, OSError) as exc:
            log.warning(
                "backfill_stopped",
                reason=str(exc)[:300],
                remedy="put that right and restart, or STOCKSTREAM_BACKFILL=off and `stockstream backfill --gaps`",
                meaning="gaps are noted and not filled; quotes go on",
            )
        except Exception:  # a help, not a duty: it must not end without a word, nor end the service
            log.exception("backfill_failed", meaning="gaps are noted and not filled; quotes go on")
        finally:
            if self._provider is not None:
                await self._provider.aclose()

    async def _look(self) -> None:
        waiting = self._waiting(await asyncio.to_thread(noted_gaps, self._state))
        self.counters.gaps_waiting = len(waiting)
        if not self._is_well():
            self._well_since = None
            return
        now_seconds = self._clock.monotonic()
        if self._well_since is None:
            self._well_since = now_seconds
        if now_seconds - self._well_since < self._well_for_seconds:
            return
        due = [noted for noted in waiting if self._is_due(noted.tries)]
        if due:
            begun = [noted for noted in due if noted.is_begun]
            await self._take((begun or due)[-1])

    def _is_due(self, tries: Tries) -> bool:
        now = self._clock.now()
        longest = timedelta(seconds=_wait_seconds(_ATTEMPTS_MAX))
        # Farther ahead than we ever wait it was noted by a clock that was wrong.
        return not format_timestamp(now) < tries.not_before <= format_timestamp(now + longest)

    def _waiting(self, gaps: Sequence[NotedGap]) -> list[NotedGap]:
        """Gaps of this source to be filled, the newest last: what is missed longest may not be had any more."""
        now = self._clock.now()
        settled, oldest = now - timedelta(seconds=SETTLED_SECONDS), now - AGE_MAX
        return [
            noted
            for noted in gaps
            if noted.gap.source == self._source
            and not noted.outcome
            and oldest < parse_timestamp(noted.gap.end) <= settled
        ]

    async def _take(self, noted: NotedGap) -> None:
        try:
            with OutboxLock(self._state, FILLING_LOCK):
                # Another worker may have filled it since we looked.
                filled = await asyncio.to_thread(read_filled, noted.folder)
                if not filled.outcome(noted.gap):
                    await self._try(noted.gap, FolderNotes(noted.folder, filled))
        except OutboxLockedError:
            return  # another worker fills a gap

    async def _try(self, gap: Gap, notes: FolderNotes) -> None:
        before = notes.filled.tries.get(key_of(gap), Tries())
        if before.times >= _ATTEMPTS_MAX:  # it never came to an end: the service was killed, again and again
            await self._give_up(gap, notes, f"begun {before.times} times, and never a symbol further")
            return
        await notes.put_off(gap, Tries(before.times + 1, self._in_seconds(_wait_seconds(before.times + 1))))
        if not await self._fill(gap, notes):
            await notes.put_off(gap, before)

    async def _fill(self, gap: Gap, notes: FolderNotes) -> bool:
        """Fill it, or some of it; False where the source was not well, so that nothing was tried."""
        filled = notes.filled
        if filled.current != key_of(gap):
            filled.current, filled.done = key_of(gap), set()
        provider = self._provider = self._provider or self._make_provider()
        start = max(parse_timestamp(gap.start), oldest_start(self._clock.now(), provider.keeps_days))
        symbols = [symbol for symbol in self._symbols() if symbol not in filled.done]
        left = symbols[SYMBOLS_MAX:]
        log.info("gap_filling", start=gap.start, end=gap.end, symbols=len(symbols) - len(left), left_to_hand=len(left))
        quotes = failed = 0
        has_come_further = False
        rest_seconds = 0.0
        for symbol in symbols[:SYMBOLS_MAX]:
            await self._clock.sleep(rest_seconds)
            if not self._is_well():
                self._well_since = None
                log.info("gap_paused", start=gap.start, end=gap.end, reason="the source fails")
                return has_come_further
            began_seconds = self._clock.monotonic()
            outcome = await self._fill_symbol(provider, symbol, start, parse_timestamp(gap.end))
            if outcome.error and outcome.is_retryable:
                await self._put_off(gap, notes, outcome.error)
                return True
            quotes += outcome.quotes
            failed += bool(outcome.error)
            self.counters.quotes += outcome.quotes
            filled.done.add(symbol)
            has_come_further = True
            await notes.put_off(gap, Tries(1))
            rest_seconds = max(self._rest_seconds, _REST_TIMES * (self._clock.monotonic() - began_seconds))
        await notes.over(gap, FILLED, self._clock.now())
        self.counters.gaps_filled += 1
        log.info(
            "gap_filled", start=gap.start, end=gap.end, quotes=quotes, symbols_failed=failed, **_by_hand(gap, left)
        )
        return True

    async def _fill_symbol(
        self, provider: HistoryProvider, symbol: str, start: datetime, end: datetime
    ) -> SymbolOutcome:
        try:
            async with self._ways() as ways:
                report = await backfill(
                    [symbol],
                    start,
                    end,
                    provider=provider,
                    sender=ways.sender,
                    candles=ways.candles,
                    drain_seconds=_DRAIN_SECONDS,
                )
        except OutboxError as exc:  # `stockstream backfill` is running
            return SymbolOutcome(symbol, error=str(exc), is_retryable=True)
        except (PermanentError, OSError):
            raise
        except Exception as exc:  # noqa: BLE001 - AWS away in one of its many ways: tried again, and said
            return SymbolOutcome(symbol, error=f"{type(exc).__name__}: {exc}", is_retryable=True)
        if report.unsent:
            return SymbolOutcome(symbol, error=f"{report.unsent} quotes are not in Kinesis yet", is_retryable=True)
        return report.outcomes[0]

    async def _put_off(self, gap: Gap, notes: FolderNotes, reason: str) -> None:
        times = notes.filled.tries[key_of(gap)].times
        if times >= _ATTEMPTS_MAX:
            await self._give_up(gap, notes, reason)
            return
        wait_seconds = _wait_seconds(times)
        await notes.put_off(gap, Tries(times, self._in_seconds(wait_seconds)))
        log.warning("gap_put_off", start=gap.start, end=gap.end, reason=reason[:300], wait_seconds=wait_seconds)

    async def _give_up(self, gap: Gap, notes: FolderNotes, reason: str) -> None:
        await notes.over(gap, GIVEN_UP, self._clock.now())
        log.warning("gap_given_up", start=gap.start, end=gap.end, reason=reason[:300], **_by_hand(gap, ["all"]))

    def _in_seconds(self, seconds: float) -> str:
        return format_timestamp(self._clock.now() + timedelta(seconds=seconds))


def _wait_seconds(tries: int) -> float:
    return _RETRY_SECONDS * 2.0 ** (tries - 1)


def _by_hand(gap: Gap, left: Sequence[str]) -> dict[str, str]:
    """The command for what is left, for the log; nothing where nothing is."""
    if not left:
        return {}
    return {"command": f"stockstream backfill --from {gap.start} --to {gap.end}"}


def gap_filler(
    settings: Settings, aws: AwsConfig, *, state: Path, source: str, is_well: Callable[[], bool], clock: Clock
) -> GapFiller | None:
    """Make what fills the gaps of a source; None where none are noted, there is no history, or nobody wants it.

    Args:
        settings: Of the service.
        aws: Where Kinesis and the candles are.
        state: Where the gaps of all are noted: the folder of the outbox that a service alone would have.
        source: Label of the source.
        is_well: Whether it answers now.
        clock: Time.
    """
    history = source_kind(source).history
    if settings.backfill == "off" or settings.outbox != "disk" or history is None:
        return None
    return GapFiller(
        state,
        source=source,
        symbols=lambda: current_symbols(settings.symbols),
        is_well=is_well,
        provider=lambda: at_place(history)(settings),
        ways=open_ways(settings, aws),
        clock=clock,
    )
