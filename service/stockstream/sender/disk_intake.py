"""Accepted records on disk: what fits memory goes straight to the lanes, the rest is read back when there is room."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from stockstream.outbox import DiskOutbox, Position, RecordBatch, StoredBatch, WrittenFrame
from stockstream.sender.config import SenderConfig
from stockstream.sender.grid import lane_of_key
from stockstream.sender.lane import Lane
from stockstream.sender.progress import Progress
from stockstream.sender.room import Room
from stockstream.sender.scheduler import Scheduler
from stockstream.sender.stats import Counters

# How often, at most, acknowledged segments are looked for.
RECLAIM_INTERVAL_SECONDS: Final = 0.2

log = structlog.get_logger("stockstream.sender")


class DiskIntake:
    """Keeps accepted records in an outbox on disk until Kinesis has them.

    Every record lies in the log once, in the order of acceptance, and the lanes are fed in that order: at once while
    memory has room, else by `run`, which reads from `_cursor`. What is acknowledged of each frame is noted beside the
    log, and says at the next start which records need not be sent again.

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
            on_disk_full=self._on_disk_full,
            now_ms=now_ms,
        )
        self._scheduler: Scheduler | None = None
        self._progress: Progress | None = None
        self._wake_dispatcher: Callable[[], None] = lambda: None
        self._work = asyncio.Event()
        self._room = Room(config.outbox_max_bytes, monotonic)
        self._cursor = Position(0, 0)
        self._committed = Position(0, 0)
        # Bytes on disk beyond the cursor, and when the first of them was accepted.
        self._behind_bytes = 0
        self._behind_since: float | None = None
        self._next_reclaim_at = 0.0
        # Reading back and giving up both move the cursor, and both wait for the disk.
        self._cursor_lock = asyncio.Lock()
        self._given_up = 0

    async def open(self) -> None:
        """See `Intake`.

        Raises:
            OutboxError: locked, not readable, or not writable.
        """
        await self._outbox.open()
        view = self._outbox.view
        self._cursor, self._committed = view.first, view.end
        self._counters.replayed = self._outbox.unacknowledged
        self._counters.lost = self._outbox.lost
        if self.unsent:
            self._behind_bytes = view.size_bytes
            first = await self._outbox.read(view.first)
            self._behind_since = self._monotonic() if first is None else self._accepted_at(first)
            log.info("outbox_replay", records=self.unsent, size_bytes=view.size_bytes)

    def accept(self, batch: RecordBatch) -> Awaitable[None]:
        """See `Intake`.

        Raises (when awaited):
            OutboxWriteError: the disk refused; the records are not accepted.
            OutboxFullError: there is no room, and `give_up_waiting` was called; they are not accepted.
        """
        return self._outbox.append(batch) if self._has_room(batch) else self._accept_when_room(batch)

    def _has_room(self, batch: RecordBatch) -> bool:
        fits = self._outbox.size_bytes + batch.size_bytes <= self._config.outbox_max_bytes
        # One larger than the bound goes alone.
        return fits or not self.unsent

    async def _accept_when_room(self, batch: RecordBatch) -> None:
        while not self._has_room(batch):
            if self._config.outbox_policy == "drop_oldest" and self._outbox.view.segments:
                await self._drop_oldest_segment()
                continue
            self._work.set()
            await self._room.wait(self._outbox.size_bytes, self.unsent)
        await self._outbox.append(batch)

    def give_up_waiting(self) -> None:
        """See `Intake`."""
        self._room.give_up_waiting()
        self._outbox.give_up_waiting()

    @property
    def is_waiting(self) -> bool:
        """See `Intake`."""
        return self._room.is_at_bound or self._outbox.is_disk_full

    async def lay_lanes(self, wanted: int) -> int:
        """See `Intake`."""
        return await self._outbox.lay_lanes(wanted)

    def start(self, scheduler: Scheduler, wake: Callable[[], None]) -> None:
        """See `Intake`."""
        lanes = len(scheduler.lanes)
        self._progress = Progress(self._outbox.slots(), lambda key: lane_of_key(key, lanes))
        self._scheduler, self._wake_dispatcher = scheduler, wake
        self._work.set()

    async def run(self) -> None:
        """Read back what memory had no room for, and remove what is acknowledged."""
        while True:
            await self._work.wait()
            self._work.clear()
            scheduler, progress = self._scheduler, self._progress
            if scheduler is None or progress is None:
                continue
            while self._cursor != self._committed and scheduler.pending_bytes < self._low_water_bytes:
                await self._read_back(scheduler, progress)
            await self._reclaim(progress)
            self._room.changed(self._outbox.size_bytes, self.unsent)

    def on_resolved(self, lane: Lane) -> None:
        """See `Intake`."""
        scheduler, progress = self._scheduler, self._progress
        if scheduler is None or progress is None:
            return
        self._outbox.acknowledge(lane.index, *progress.resolved(lane.index, lane.resolved))
        is_behind = self._cursor != self._committed and scheduler.pending_bytes < self._low_water_bytes
        reclaim_due = self._outbox.view.droppable and self._monotonic() >= self._next_reclaim_at
        if is_behind or reclaim_due or self._room.waiting or self._outbox.is_disk_full:
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
        self._room.abort(failure)
        self._outbox.give_up_waiting()

    async def close(self) -> None:
        """See `Intake`."""
        if self._progress is not None and not self.unsent and self._cursor == self._committed:
            # Nothing is left to send: the next run begins with an empty log.
            await self._outbox.end_segment()
            await self._reclaim(self._progress)
        await self._outbox.close()

    @property
    def _low_water_bytes(self) -> int:
        return self._config.memory_max_bytes // 2

    def _on_commit(self, batch: RecordBatch, frame: WrittenFrame) -> None:
        was_current = self._cursor == self._committed
        self._committed = frame.end
        self._counters.accepted += len(batch)
        scheduler, progress = self._scheduler, self._progress
        fits = scheduler is not None and scheduler.pending_bytes < self._config.memory_max_bytes
        if was_current and scheduler is not None and progress is not None and fits:
            self._cursor = frame.end
            progress.fed(batch.keys, frame.first)
            scheduler.enqueue(batch, self._monotonic())
            self._wake_dispatcher()
            return
        if was_current:
            self._behind_since = self._monotonic()
        self._behind_bytes += batch.size_bytes
        self._work.set()

    def _on_disk_full(self) -> None:
        # At once: what is acknowledged may be all that fills it.
        self._work.set()

    async def _read_back(self, scheduler: Scheduler, progress: Progress) -> None:
        async with self._cursor_lock:
            committed = self._committed
            if self._cursor == committed:
                return
            batch = await self._outbox.read(self._cursor)
            if batch is None:
                # Nothing but damage lay between.
                self._cursor = committed
                self._behind_bytes = 0 if committed == self._committed else self._behind_bytes
                return
            self._cursor = batch.end
            records = progress.fed_again(batch.records, batch.first)
            accepted_at = self._accepted_at(batch)
            if records:
                scheduler.enqueue(RecordBatch.of(records), self._monotonic(), accepted_at)
            is_current = self._cursor == self._committed
            # What was there at start was known by the size of its files, which is a little more than its data.
            self._behind_bytes = 0 if is_current else max(0, self._behind_bytes - _data_bytes(batch))
            self._behind_since = None if is_current else accepted_at
            self._wake_dispatcher()

    async def _reclaim(self, progress: Progress) -> None:
        self._next_reclaim_at = self._monotonic() + RECLAIM_INTERVAL_SECONDS
        while (view := self._outbox.view).droppable:
            first = view.first.segment
            is_fed = self._cursor.segment != first or self._cursor >= view.first_end
            if not (is_fed and progress.is_done_before(view.first_number_end)):
                return
            await self._drop_first()

    async def _drop_first(self, given_up: int = 0) -> None:
        first = self._outbox.view.first.segment
        await self._outbox.drop_first_segment(given_up)
        if self._cursor.segment == first:
            was_current = self._cursor == self._committed
            self._cursor = self._outbox.view.first
            self._committed = self._cursor if was_current else self._committed

    async def _drop_oldest_segment(self) -> None:
        async with self._cursor_lock:
            if not self._outbox.view.droppable:
                await self._outbox.end_segment()
            view = self._outbox.view
            first = view.first.segment
            given_up = await self._give_up_segment(first) if self._cursor.segment == first else 0
            await self._drop_first(given_up)
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
        # Before the lanes are laid nothing is fed, and what earlier runs had acknowledged is known by their lanes.
        slots = self._outbox.slots()
        progress = self._progress or Progress(slots, lambda key: lane_of_key(key, len(slots)) if slots else 0)
        while (batch := await self._outbox.read(self._cursor)) is not None and batch.end.segment == segment:
            self._cursor = batch.end
            given_up += progress.unacknowledged(batch.records, batch.first)
            self._behind_bytes = max(0, self._behind_bytes - _data_bytes(batch))
        return given_up

    def _accepted_at(self, batch: StoredBatch) -> float:
        return self._monotonic() - max(0, self._now_ms() - batch.accepted_at_ms) / 1000


def _data_bytes(batch: StoredBatch) -> int:
    return sum([len(data) for _, data in batch.records])
