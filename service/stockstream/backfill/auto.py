"""Gaps fill themselves: what the source missed comes from its history, once the source is well again, and unhurried.

One gap at a time and one symbol at a time, a fifth of the time at most, and never while the source fails. What is done
is noted on disk, so that a restart goes on where it was; what is refused is left to a person, with the command.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from stockstream.aws import AwsConfig
from stockstream.backfill.candles import CandleStore, open_candles
from stockstream.backfill.filled import FILLED, GIVEN_UP, FilledGaps, key_of, read_filled, write_filled
from stockstream.backfill.gaps import Gap, GapLog
from stockstream.backfill.run import QuoteSender, SymbolOutcome, backfill
from stockstream.clock import Clock
from stockstream.errors import OutboxError, PermanentError
from stockstream.sender import Sender, SenderConfig
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
# An older gap is left to a person.
AGE_MAX: Final = timedelta(days=7)
SYMBOLS_MAX: Final = 500
# After each symbol, so many times as long as it took, and at least so long: polls come first.
_REST_TIMES: Final = 4.0
_REST_SECONDS: Final = 5.0
# A gap whose history cannot be had is tried again after 5, 10, 20, ... minutes, and then left to a person.
_RETRY_SECONDS: Final = 300.0
_ATTEMPTS_MAX: Final = 6
_DRAIN_SECONDS: Final = 60.0
# Of a service that is told to stop, this takes little of the time.
_CLOSE_SECONDS: Final = 2.0

log = structlog.get_logger("stockstream.backfill")


class Ways(NamedTuple):
    """Where backfilled quotes and candles go."""

    sender: QuoteSender
    candles: CandleStore


@dataclass(slots=True)
class FillCounters:
    """What was filled since the start, and what waits."""

    quotes: int = 0
    gaps_filled: int = 0
    gaps_waiting: int = 0


class GapFiller:
    """Fills the gaps of one source.

    Args:
        folder: Where gaps are noted; what is filled is noted there too.
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
        folder: Path,
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
        self._folder = folder
        self._log = GapLog(folder)
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
        self._attempts: dict[str, int] = {}
        self._not_before: dict[str, float] = {}
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
        filled = await asyncio.to_thread(read_filled, self._folder)
        waiting = self._waiting(await asyncio.to_thread(self._log.read), filled)
        self.counters.gaps_waiting = len(waiting)
        if not self._is_well():
            self._well_since = None
            return
        now_seconds = self._clock.monotonic()
        if self._well_since is None:
            self._well_since = now_seconds
        if now_seconds - self._well_since < self._well_for_seconds:
            return
        due = [gap for gap in waiting if now_seconds >= self._not_before.get(key_of(gap), float("-inf"))]
        if due:
            begun = [gap for gap in due if key_of(gap) == filled.current]
            await self._fill((begun or due)[-1], filled)

    def _waiting(self, gaps: Sequence[Gap], filled: FilledGaps) -> list[Gap]:
        """Gaps of this source to be filled, the newest last: what is missed longest may not be had any more."""
        now = self._clock.now()
        settled, oldest = now - timedelta(seconds=SETTLED_SECONDS), now - AGE_MAX
        return [
            gap
            for gap in dict.fromkeys(gaps)
            if gap.source == self._source and oldest < parse_timestamp(gap.end) <= settled and not filled.outcome(gap)
        ]

    async def _fill(self, gap: Gap, filled: FilledGaps) -> None:
        key = key_of(gap)
        if filled.current != key:
            filled.current, filled.done = key, set()
        provider = self._provider = self._provider or self._make_provider()
        start = max(parse_timestamp(gap.start), oldest_start(self._clock.now(), provider.keeps_days))
        symbols = [symbol for symbol in self._symbols() if symbol not in filled.done]
        left = symbols[SYMBOLS_MAX:]
        log.info("gap_filling", start=gap.start, end=gap.end, symbols=len(symbols) - len(left), left_to_hand=len(left))
        quotes = failed = 0
        rest_seconds = 0.0
        for symbol in symbols[:SYMBOLS_MAX]:
            await self._clock.sleep(rest_seconds)
            if not self._is_well():
                self._well_since = None
                log.info("gap_paused", start=gap.start, end=gap.end, reason="the source fails")
                return
            began_seconds = self._clock.monotonic()
            outcome = await self._fill_symbol(provider, symbol, start, parse_timestamp(gap.end))
            if outcome.error and outcome.is_retryable:
                await self._put_off(gap, filled, outcome.error)
                return
            quotes += outcome.quotes
            failed += bool(outcome.error)
            self.counters.quotes += outcome.quotes
            filled.done.add(symbol)
            await asyncio.to_thread(write_filled, self._folder, filled)
            rest_seconds = max(self._rest_seconds, _REST_TIMES * (self._clock.monotonic() - began_seconds))
        await self._over(gap, filled, FILLED)
        self.counters.gaps_filled += 1
        log.info(
            "gap_filled", start=gap.start, end=gap.end, quotes=quotes, symbols_failed=failed, **_by_hand(gap, left)
        )

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

    async def _put_off(self, gap: Gap, filled: FilledGaps, reason: str) -> None:
        key = key_of(gap)
        attempts = self._attempts[key] = self._attempts.get(key, 0) + 1
        if attempts >= _ATTEMPTS_MAX:
            await self._over(gap, filled, GIVEN_UP)
            log.warning("gap_given_up", start=gap.start, end=gap.end, reason=reason[:300], **_by_hand(gap, ["all"]))
            return
        wait_seconds = _RETRY_SECONDS * 2.0 ** (attempts - 1)
        self._not_before[key] = self._clock.monotonic() + wait_seconds
        log.warning("gap_put_off", start=gap.start, end=gap.end, reason=reason[:300], wait_seconds=wait_seconds)

    async def _over(self, gap: Gap, filled: FilledGaps, outcome: str) -> None:
        filled.over[key_of(gap)] = outcome
        filled.current, filled.done = "", set()
        oldest = format_timestamp(self._clock.now() - AGE_MAX)
        filled.over = {key: kept for key, kept in filled.over.items() if key.rpartition(" ")[2] > oldest}
        self._attempts.pop(key_of(gap), None)
        await asyncio.to_thread(write_filled, self._folder, filled)


def _by_hand(gap: Gap, left: Sequence[str]) -> dict[str, str]:
    """The command for what is left, for the log; nothing where nothing is."""
    if not left:
        return {}
    return {"command": f"stockstream backfill --from {gap.start} --to {gap.end}"}


def gap_filler(
    settings: Settings, aws: AwsConfig, *, source: str, is_well: Callable[[], bool], clock: Clock
) -> GapFiller | None:
    """Make what fills the gaps of a source; None where none are noted, there is no history, or nobody wants it.

    Args:
        settings: Of the service.
        aws: Where Kinesis and the candles are.
        source: Label of the source.
        is_well: Whether it answers now.
        clock: Time.
    """
    history = source_kind(source).history
    if settings.backfill == "off" or settings.outbox != "disk" or history is None:
        return None
    return GapFiller(
        settings.outbox_dir.parent,
        source=source,
        symbols=lambda: current_symbols(settings.symbols),
        is_well=is_well,
        provider=lambda: at_place(history)(settings),
        ways=open_ways(settings, aws),
        clock=clock,
    )


def open_ways(settings: Settings, aws: AwsConfig) -> Callable[[], AbstractAsyncContextManager[Ways]]:
    """Sender and candles as `stockstream backfill` has them: an outbox of their own beside the service's."""
    config = SenderConfig(stream=settings.stream, outbox_dir=backfill_outbox(settings), close_seconds=_CLOSE_SECONDS)

    @asynccontextmanager
    async def ways() -> AsyncIterator[Ways]:
        async with (
            open_candles(aws, settings.candles_table, retention_days=settings.retention_days) as candles,
            Sender(config, aws=aws) as sender,
        ):
            yield Ways(sender, candles)

    return ways


def backfill_outbox(settings: Settings) -> Path | None:
    """The outbox of backfilled quotes; None where accepted quotes wait in memory."""
    if settings.outbox != "disk":
        return None
    return settings.outbox_dir.with_name(settings.outbox_dir.name + "-backfill")
