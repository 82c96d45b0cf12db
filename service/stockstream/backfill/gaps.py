"""When the service saw no market: downtime between runs, and a source that was away (its breaker open, the net gone).

Two small files beside the outbox: `gaps.jsonl`, append-only, one gap a line; and `last-seen.json`, replaced every few
seconds, from which the next start knows how long the service was down. A gap on the Kinesis side is none: accepted
quotes wait in the outbox and arrive later.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from stockstream.clock import SYSTEM_CLOCK, Clock
from stockstream.source_kinds import source_kind
from stockstream.sources.base import Source, SourceBatch
from stockstream_wire import format_timestamp, parse_timestamp

GAPS_FILE: Final = "gaps.jsonl"
LAST_SEEN_FILE: Final = "last-seen.json"
# A poll or two may fail without anyone missing a candle; from here on it is a gap.
GAP_INTERVALS: Final = 3
GAP_MIN_SECONDS: Final = 60.0
_LAST_SEEN_EVERY_SECONDS: Final = 10.0

log = structlog.get_logger("stockstream.gaps")


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of time without answers from the source.

    Attributes:
        kind: `downtime` (the service did not run) or `source_away` (it ran, and the source gave nothing).
        start: Last answer before the gap, in the wire's form of a time.
        end: First answer after it.
        source: Label of the source.
    """

    kind: str
    start: str
    end: str
    source: str

    @property
    def seconds(self) -> float:
        return (parse_timestamp(self.end) - parse_timestamp(self.start)).total_seconds()


class GapLog:
    """The two files in one folder.

    Args:
        folder: Made if missing.
    """

    def __init__(self, folder: Path) -> None:
        self._gaps = folder / GAPS_FILE
        self._last_seen = folder / LAST_SEEN_FILE

    def append(self, gap: Gap) -> None:
        """Add a gap; on disk when it returns.

        Raises:
            OSError: the folder cannot be written.
        """
        self._gaps.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"v": 1, **asdict(gap)}).encode() + b"\n"
        with self._gaps.open("ab+") as file:
            # A line that a crash cut in half must not swallow the next one.
            if file.tell() > 0:
                file.seek(-1, os.SEEK_END)
                line = line if file.read(1) == b"\n" else b"\n" + line
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> list[Gap]:
        """All gaps, oldest first; a line that is none is left out."""
        try:
            lines = self._gaps.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        return [gap for line in lines if (gap := _parse_gap(line)) is not None]

    def note_seen(self, moment: datetime, source: str) -> None:
        """Replace the note of the last answer.

        Raises:
            OSError: the folder cannot be written.
        """
        self._last_seen.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._last_seen.with_suffix(".tmp")
        temporary.write_text(json.dumps({"v": 1, "at": format_timestamp(moment), "source": source}) + "\n")
        temporary.replace(self._last_seen)

    def last_seen(self, source: str) -> datetime | None:
        """The last answer that an earlier run noted of this source; None where there is none."""
        try:
            noted = json.loads(self._last_seen.read_bytes())
            return parse_timestamp(noted["at"]) if noted["source"] == source else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _parse_gap(line: bytes) -> Gap | None:
    try:
        fields = json.loads(line)
        gap = Gap(fields["kind"], fields["start"], fields["end"], fields["source"])
        parse_timestamp(gap.start)
        parse_timestamp(gap.end)
    except (ValueError, KeyError, TypeError):
        return None
    return gap


class GapWatch:
    """Decides what is a gap; no I/O.

    Args:
        threshold: A silence longer than this is one.
        last_seen: Last answer of an earlier run.
    """

    def __init__(self, threshold: timedelta, last_seen: datetime | None) -> None:
        self._threshold = threshold
        self._last_seen = last_seen
        self._is_first = True

    def seen(self, moment: datetime, source: str) -> Gap | None:
        """The source answered; the gap that this answer ends, or None."""
        previous, kind = self._last_seen, "downtime" if self._is_first else "source_away"
        self._is_first = False
        self._last_seen = moment
        if previous is None or moment - previous <= self._threshold:
            return None
        return Gap(kind, format_timestamp(previous), format_timestamp(moment), source)


class GapNotingSource:
    """A source that notes its own silences; everything else is the source's.

    A closed market is no gap: its exchanges are still asked, and answer.

    Args:
        source: The source.
        folder: Where the gaps are noted.
        interval_seconds: Between two polls.
        clock: Time of the notes.
        last_seen: When an earlier run, or another worker, had an answer of the source last; by the folder where None.
    """

    def __init__(
        self,
        source: Source,
        folder: Path,
        *,
        interval_seconds: float,
        clock: Clock = SYSTEM_CLOCK,
        last_seen: Callable[[str], datetime | None] | None = None,
    ) -> None:
        self._source = source
        self._log = GapLog(folder)
        self._last_seen = last_seen or self._log.last_seen
        self._clock = clock
        answers_every_seconds = max(interval_seconds, source_kind(source.label).answers_every_seconds)
        self._threshold = timedelta(seconds=max(GAP_MIN_SECONDS, GAP_INTERVALS * answers_every_seconds))
        self._noted_at = float("-inf")
        self._is_writable = True
        self.label = source.label
        self.is_market_data = source.is_market_data

    @property
    def failure(self) -> str | None:
        """The source's."""
        return self._source.failure

    async def batches(self) -> AsyncIterator[SourceBatch]:
        """Iterate over the batches of the source, unchanged."""
        last_seen = await asyncio.to_thread(self._last_seen, self.label)
        watch = GapWatch(self._threshold, last_seen)
        async for batch in self._source.batches():
            if batch.is_answer:
                await self._note(watch)
            yield batch

    async def aclose(self) -> None:
        await self._source.aclose()

    async def _note(self, watch: GapWatch) -> None:
        moment = self._clock.now()
        gap = watch.seen(moment, self.label)
        if gap is not None:
            log.warning("gap_noted", kind=gap.kind, start=gap.start, end=gap.end, seconds=gap.seconds)
        due = self._clock.monotonic() - self._noted_at >= _LAST_SEEN_EVERY_SECONDS
        if not self._is_writable or (gap is None and not due):
            return
        try:
            if gap is not None:
                await asyncio.to_thread(self._log.append, gap)
            await asyncio.to_thread(self._log.note_seen, moment, self.label)
            self._noted_at = self._clock.monotonic()
        except OSError as exc:
            # Notes are a help, not a duty: the quotes go on. Said once, for it will not get better by itself.
            self._is_writable = False
            log.warning("gaps_not_noted", error=str(exc), remedy="make the outbox's folder writable")
