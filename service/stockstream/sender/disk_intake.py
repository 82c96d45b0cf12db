"""Accepted records on disk: what fits memory goes straight to the lanes, the rest is read back when there is room."""

import asyncio
import time
from collections import Counter as CountByKey
from collections.abc import Callable
from typing import Final

import structlog

from stockstream.outbox import DiskOutbox, OutboxCorruptError, Position, Record, RecordBatch, StoredBatch
from stockstream.sender.config import SenderConfig
from stockstream.sender.grid import lane_of_key
from stockstream.sender.lane import Lane
from stockstream.sender.scheduler import Scheduler
from stockstream.sender.stats import Counters

# How often, at most, acknowledged segments are looked for.
RECLAIM_INTERVAL_SECONDS: Final = 0.2

log = structlog.get_logger("stockstream.sender")


class DiskIntake:
    """Keeps accepted records in an outbox on disk until Kinesis has them.

    Every record lies in the log once, in the order of acceptance, and the lanes are fed in that order: at once while
    memory has room, else by `run`, which reads from `_cursor`. A lane counts its records, so the count that is
    acknowledged says at the next start which of them need not be sent again.

    Args:
        config: Folder, bound, policy.
        counters: Counts.
        monotonic: Clock.
        now_ms: Wall clock, ms since 1970.
    """

    def __init__(
        self,
        config: SenderConfig,
        counters: Counters,
        monotonic: Callable[[], float],
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        if config.outbox_dir is None:
            raise ValueError("an outbox on disk needs a folder")
        self._config = config
        self._counters = counters
        self._monotonic = monotonic
        self._now_ms = now_ms
        self._outbox = DiskOutbox(
            config.outbox_dir / config.stream,
            max_bytes=config.outbox_max_bytes,
            lane_of_key=lane_of_key,
            on_commit=self._on_commit,
            now_ms=now_ms,
        )
        self._scheduler: Scheduler | None = None
        self._wake_dispatcher: Callable[[], None] = lambda: None
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._cursor = Position(0, 0)
        self._committed = Position(0, 0)
        # Bytes on disk beyond the cursor, and when the first of them was accepted.
        self._behind_bytes = 0
        self._behind_since: float | None = None
        # Records of each lane up to the end of a segment, for segments that the cursor has left.
        self._counts_at_end: dict[int, list[int]] = {}
        self._next_reclaim_at = 0.0
        self._waiting_for_room = 0
        # Whether some lane has records ahead of the cursor that an earlier run saw acknowledged.
        self._skipping = False
        # Reading back and giving up both move the cursor, and both wait for the disk.
        self._cursor_lock = asyncio.Lock()
        self._given_up = 0
        self._failure: BaseException | None = None

    async def open(self) -> None:
        """See `Intake`.

        Raises:
            OutboxError: locked, damaged beyond repair, or not writable.
        """
        await self._outbox.open()
        view = self._outbox.view
        self._cursor, self._committed = view.first, view.end
        self._counters.replayed = self._outbox.unacknowledged
        if self.unsent:
            self._behind_bytes = view.size_bytes
            first = await self._outbox.read(view.first)
            self._behind_since = self._monotonic() if first is None else self._accepted_at(first)
            log.info("outbox_replay", records=self.unsent, size_bytes=view.size_bytes)

    async def accept(self, batch: RecordBatch) -> None:
        """See `Intake`.

        Raises:
            OutboxWriteError: the disk refused; the records are not accepted.
        """
        while self.unsent and self._outbox.size_bytes + batch.size_bytes > self._config.outbox_max_bytes:
            if self._config.outbox_policy == "drop_oldest":
                await self._drop_oldest_segment()
                continue
            self._room.clear()
            self._waiting_for_room += 1
            self._work.set()
            try:
                await self._room.wait()
            finally:
                self._waiting_for_room -= 1
            if self._failure is not None:
                raise self._failure
        await self._outbox.append(batch)

    async def lay_lanes(self, wanted: int) -> int:
        """See `Intake`."""
        return await self._outbox.lay_lanes(wanted)

    def start(self, scheduler: Scheduler, wake: Callable[[], None]) -> None:
        """See `Intake`."""
        for lane in scheduler.lanes:
            lane.resolved = self._outbox.acknowledged_count(lane.index)
            lane.skip = lane.resolved - self._outbox.base_count(lane.index)
        self._skipping = any(lane.skip for lane in scheduler.lanes)
        self._scheduler, self._wake_dispatcher = scheduler, wake
        self._work.set()

    async def run(self) -> None:
        """Read back what memory had no room for, and remove what is acknowledged."""
        while True:
            await self._work.wait()
            self._work.clear()
            scheduler = self._scheduler
            if scheduler is None:
                continue
            while self._cursor != self._committed and scheduler.pending_bytes < self._low_water_bytes:
                await self._read_back(scheduler)
            await self._reclaim(scheduler)
            self._room.set()

    def on_resolved(self, lane: Lane) -> None:
        """See `Intake`."""
        scheduler = self._scheduler
        if scheduler is None:
            return
        self._outbox.acknowledge(lane.index, lane.resolved)
        is_behind = self._cursor != self._committed and scheduler.pending_bytes < self._low_water_bytes
        reclaim_due = self._outbox.view.segments > 1 and self._monotonic() >= self._next_reclaim_at
        if is_behind or reclaim_due or self._waiting_for_room:
            self._work.set()

    @property
    def unsent(self) -> int:
        """See `Intake`."""
        counters = self._counters
        return counters.replayed + counters.accepted - counters.sent - self._given_up

    @property
    def size_bytes(self) -> int:
        """See `Intake`."""
        return self._behind_bytes + (self._scheduler.pending_bytes if self._scheduler is not None else 0)

    def oldest_at(self, now: float) -> float | None:
        """See `Intake`."""
        in_memory = self._scheduler.oldest_at(now) if self._scheduler is not None else None
        # Memory is fed in order of acceptance, so what is behind it is younger.
        return in_memory if in_memory is not None else self._behind_since

    def abort(self, failure: BaseException) -> None:
        """See `Intake`."""
        self._failure = failure
        self._room.set()

    async def close(self) -> None:
        """See `Intake`."""
        scheduler = self._scheduler
        if scheduler is not None and not self.unsent and self._cursor == self._committed and self._cursor.offset:
            # Nothing is left to send: the next run begins with an empty log.
            await self._outbox.start_new_segment()
            self._leave_segments(self._outbox.view.end.segment, scheduler)
            await self._reclaim(scheduler)
        await self._outbox.close()

    @property
    def _low_water_bytes(self) -> int:
        return self._config.memory_max_bytes // 2

    def _on_commit(self, batch: RecordBatch, end: Position) -> None:
        was_current = self._cursor == self._committed
        self._committed = end
        self._counters.accepted += len(batch)
        scheduler = self._scheduler
        if was_current and scheduler is not None and scheduler.pending_bytes < self._config.memory_max_bytes:
            self._leave_segments(end.segment, scheduler)
            self._cursor = end
            scheduler.enqueue(batch, self._monotonic())
            self._wake_dispatcher()
            return
        if was_current:
            self._behind_since = self._monotonic()
        self._behind_bytes += batch.size_bytes
        self._work.set()

    async def _read_back(self, scheduler: Scheduler) -> None:
        async with self._cursor_lock:
            if self._cursor == self._committed:
                return
            batch = await self._outbox.read(self._cursor)
            if batch is None:
                raise OutboxCorruptError(f"the outbox ends at {self._cursor}, before {self._committed}")
            self._leave_segments(batch.end.segment, scheduler)
            self._cursor = batch.end
            read_bytes = sum([len(data) for _, data in batch.records])
            records = self._without_acknowledged(batch.records, scheduler)
            accepted_at = self._accepted_at(batch)
            if records:
                scheduler.enqueue(RecordBatch.of(records), self._monotonic(), accepted_at)
            is_current = self._cursor == self._committed
            # What was there at start was known by the size of its files, which is a little more than its data.
            self._behind_bytes = 0 if is_current else max(0, self._behind_bytes - read_bytes)
            self._behind_since = None if is_current else accepted_at
            self._wake_dispatcher()

    def _without_acknowledged(self, records: list[Record], scheduler: Scheduler) -> list[Record]:
        if not self._skipping:
            return records
        kept = []
        for record in records:
            lane = scheduler.lane_of(record[0])
            if lane.skip:
                lane.skip -= 1
            else:
                kept.append(record)
        self._skipping = any(lane.skip for lane in scheduler.lanes)
        return kept

    def _leave_segments(self, segment: int, scheduler: Scheduler) -> None:
        """The cursor moves to `segment`: note the lanes' counts at the end of those before it."""
        if segment == self._cursor.segment:
            return
        counts = [lane.passed for lane in scheduler.lanes]
        for left in range(self._cursor.segment, segment):
            self._counts_at_end[left] = counts

    async def _reclaim(self, scheduler: Scheduler) -> None:
        self._next_reclaim_at = self._monotonic() + RECLAIM_INTERVAL_SECONDS
        while (view := self._outbox.view).segments > 1:
            counts = self._counts_at_end.get(view.first.segment)
            if counts is None or any(
                lane.resolved < count for lane, count in zip(scheduler.lanes, counts, strict=True)
            ):
                return
            await self._outbox.drop_first_segment(counts)
            del self._counts_at_end[view.first.segment]

    async def _drop_oldest_segment(self) -> None:
        async with self._cursor_lock:
            if self._outbox.view.segments == 1:
                await self._outbox.start_new_segment()
            first = self._outbox.view.first.segment
            given_up = 0
            if self._cursor.segment == first:
                given_up = await self._give_up_segment(first)
            counts = self._counts_at_end.pop(first)
            await self._outbox.drop_first_segment(counts)
            self._given_up += given_up
            self._counters.dropped += given_up
            log.error(
                "outbox_dropped_oldest",
                records=given_up,
                segment=first,
                reason="the outbox on disk is full; records of the segment that memory holds are still sent",
            )

    async def _give_up_segment(self, segment: int) -> int:
        """Walk the cursor over the rest of a segment without feeding it; returns the records given up."""
        given_up = 0
        scheduler = self._scheduler
        counts = [self._outbox.base_count(lane) for lane in range(self._outbox.lanes)]
        acknowledged = [self._outbox.acknowledged_count(lane) for lane in range(self._outbox.lanes)]
        while (batch := await self._outbox.read(self._cursor)) is not None and batch.end.segment == segment:
            self._cursor = batch.end
            given_up += len(batch.records)
            self._behind_bytes = max(0, self._behind_bytes - sum([len(data) for _, data in batch.records]))
            by_lane = CountByKey(key for key, _ in batch.records)
            for key, count in by_lane.items():
                if scheduler is None:
                    if counts:
                        index = lane_of_key(key, len(counts))
                        given_up -= max(0, min(count, acknowledged[index] - counts[index]))
                        counts[index] += count
                    continue
                lane = scheduler.lane_of(key)
                skipped = min(lane.skip, count)
                lane.skip -= skipped
                given_up -= skipped
                if count > skipped:
                    lane.give_up(count - skipped)
        self._counts_at_end[segment] = counts if scheduler is None else [lane.passed for lane in scheduler.lanes]
        was_last = self._committed.segment == segment
        self._cursor = Position(segment + 1, 0)
        if was_last:
            self._committed = self._cursor
        return given_up

    def _accepted_at(self, batch: StoredBatch) -> float:
        return self._monotonic() - max(0, self._now_ms() - batch.accepted_at_ms) / 1000
