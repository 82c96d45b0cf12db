"""The outbox on disk as asyncio sees it: durable appends that share their syncs, reads, and removal from the front."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import structlog

from stockstream.outbox.acks import AckTable
from stockstream.outbox.batch import Record, RecordBatch
from stockstream.outbox.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from stockstream.outbox.commits import CommitQueue
from stockstream.outbox.frame import EncodedFrame, decode_keys, decode_records
from stockstream.outbox.lock import OutboxLock
from stockstream.outbox.segment_log import LogView, Position, SegmentLog
from stockstream.outbox.worker import Worker

_ACKS_FILE_NAME: Final = "acks"
_SEGMENT_MAX_BYTES: Final = 64 * 1024 * 1024
_SEGMENT_MIN_BYTES: Final = 64 * 1024
# A segment is the grain of removal, so the bound on the whole must hold several.
_SEGMENTS_AT_BOUND: Final = 16

_T = TypeVar("_T")

log = structlog.get_logger("stockstream.outbox")


class StoredBatch(NamedTuple):
    """Records as read back, when they were accepted, and the place after them."""

    records: list[Record]
    accepted_at_ms: int
    end: Position


class DiskOutbox:
    """Accepted records on disk.

    Args:
        directory: Its folder, one for each stream; made where it is missing.
        max_bytes: The bound that the caller keeps; it decides the size of segments.
        lane_of_key: Lane of a partition key among a number of lanes.
        on_commit: Called in the event loop, in order, for every batch that is durable, with the place after it.
        now_ms: Wall clock, ms since 1970.
        monotonic: Clock by which a commit is fast or slow, seconds.
    """

    def __init__(
        self,
        directory: Path,
        *,
        max_bytes: int,
        lane_of_key: Callable[[str, int], int],
        on_commit: Callable[[RecordBatch, Position], None],
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._segment_bytes = max(_SEGMENT_MIN_BYTES, min(_SEGMENT_MAX_BYTES, max_bytes // _SEGMENTS_AT_BOUND))
        self._lane_of_key = lane_of_key
        self._resources = ExitStack()
        # One thread: the log is not made for more, and order is the point.
        self._worker = Worker("outbox")
        self._commits = CommitQueue(
            directory, self._worker, write=self._write, on_commit=on_commit, now_ms=now_ms, monotonic=monotonic
        )
        self._log: SegmentLog
        self._view: LogView
        self._acks: AckTable | None = None
        self._checkpoint = Checkpoint(lanes=0, generation=1, first_segment=1, counts=[])
        self.unacknowledged = 0

    async def open(self) -> None:
        """Lock the folder, read the log and repair its tail.

        Raises:
            OutboxLockedError: another process has it.
            OutboxCorruptError: the checkpoint is damaged.
            OutboxWriteError: the folder cannot be written.
        """
        try:
            await self.in_thread(self._open)
        except BaseException:
            self._resources.close()
            self._worker.stop()
            raise

    async def close(self) -> None:
        """Finish the commits of what was appended and let go of the folder."""
        await self._commits.close()
        await self.in_thread(self._close)
        self._worker.stop()

    @property
    def lanes(self) -> int:
        """Number of lanes that the log is counted by; 0 where that is not decided yet."""
        return self._checkpoint.lanes

    @property
    def view(self) -> LogView:
        """The log as of the last operation that has finished."""
        return self._view

    @property
    def size_bytes(self) -> int:
        """Size of the log on disk, what is about to be appended included."""
        return self._view.size_bytes + self._commits.waiting_bytes

    def append(self, batch: RecordBatch) -> "asyncio.Future[None]":
        """Append a batch; the future is done when the batch is durable. Batches keep the order of the calls.

        Batches that arrive together, or while the disk is busy, share a sync.

        Raises (through the future):
            OutboxWriteError: the disk refused; the batch is not accepted.
        """
        return self._commits.append(batch)

    async def read(self, position: Position) -> StoredBatch | None:
        """Read the batch at a place; None at the end."""
        return await self.in_thread(partial(self._read, position))

    def base_count(self, lane: int) -> int:
        """Records of the lane that lie before the first segment."""
        return self._checkpoint.counts[lane]

    def acknowledged_count(self, lane: int) -> int:
        """Records of the lane that are acknowledged, those before the first segment included."""
        known = self._acks.get(lane) if self._acks is not None else 0
        return max(known, self._checkpoint.counts[lane])

    def acknowledge(self, lane: int, count: int) -> None:
        """Note that the first `count` records of the lane need not be sent again."""
        if self._acks is not None:
            self._acks.set(lane, count)

    async def lay_lanes(self, lanes: int) -> int:
        """Count by this many lanes from now on, unless the log is counted already; returns the number in force."""
        if not self.lanes:
            await self.in_thread(partial(self._restart_counting, lanes))
        return self.lanes

    async def drop_first_segment(self, counts_after: list[int]) -> None:
        """Remove the oldest segment; `counts_after` are the records of each lane up to its end."""
        await self.in_thread(partial(self._drop_first_segment, counts_after))

    async def start_new_segment(self) -> None:
        """End the present segment, so that it can be removed."""
        await self.in_thread(self._start_new_segment)

    async def in_thread(self, function: Callable[[], _T]) -> _T:
        """Run a blocking function in the outbox's thread, after what was asked of it before."""
        return await self._worker.run(function)

    def _open(self) -> None:
        self._resources.enter_context(OutboxLock(self._directory))
        checkpoint = read_checkpoint(self._directory)
        is_new = checkpoint is None
        checkpoint = checkpoint or self._checkpoint
        self._log = SegmentLog(self._directory, self._segment_bytes, checkpoint.first_segment)
        self._resources.callback(self._log.close)
        recovery = self._log.recovery
        if recovery.torn_bytes:
            log.warning("outbox_tail_cut", torn_bytes=recovery.torn_bytes, reason="the last write was not finished")
        damaged = list(recovery.damaged)
        self._checkpoint = checkpoint
        self._open_acks()
        totals = self._count_records()
        if any(self.acknowledged_count(lane) > total for lane, total in enumerate(totals)):
            damaged.append("more records are acknowledged than the log holds")
        if damaged or is_new:
            self._restart_counting(checkpoint.lanes)
        if damaged:
            log.error(
                "outbox_damaged",
                damage=damaged,
                effect="every intact record in the log is sent again, duplicates included",
                remedy="check the disk; downstream is idempotent",
            )
        records = sum(segment.records for segment in self._log.segments.values())
        before = sum(self._checkpoint.counts)
        acknowledged = sum(self.acknowledged_count(lane) for lane in range(self.lanes)) - before
        self.unacknowledged = records - acknowledged
        if not self.unacknowledged:
            self._begin_anew()
        self._view = self._log.view()

    def _count_records(self) -> list[int]:
        totals = list(self._checkpoint.counts)
        if not totals:
            return totals
        lane_of: dict[str, int] = {}
        position = self._log.first
        while (frame := self._log.read(position)) is not None:
            for key in decode_keys(frame.header, frame.payload):
                lane = lane_of.get(key)
                if lane is None:
                    lane = lane_of[key] = self._lane_of_key(key, self.lanes)
                totals[lane] += 1
            position = frame.end
        return totals

    def _begin_anew(self) -> None:
        """Nothing is left to send: leave the old segments, and how they were counted, behind."""
        self._log.start_new_segment()
        self._set_checkpoint(
            Checkpoint(lanes=0, generation=self._checkpoint.generation, first_segment=self._log.end.segment, counts=[])
        )
        while self._log.first.segment < self._log.end.segment:
            self._log.drop_first()
        self._open_acks()

    def _restart_counting(self, lanes: int) -> None:
        """Begin a new generation at the log's first segment, in which nothing is acknowledged."""
        self._set_checkpoint(
            Checkpoint(
                lanes=lanes,
                generation=self._checkpoint.generation + 1,
                first_segment=self._log.first.segment,
                counts=[0] * lanes,
            )
        )
        self._open_acks()

    def _start_new_segment(self) -> None:
        self._log.start_new_segment()
        self._view = self._log.view()

    def _open_acks(self) -> None:
        if self._acks is not None:
            self._acks.close()
            self._acks = None
        if self.lanes:
            path = self._directory / _ACKS_FILE_NAME
            self._acks = AckTable(path, self.lanes, self._checkpoint.generation)

    def _set_checkpoint(self, checkpoint: Checkpoint) -> None:
        write_checkpoint(self._directory, checkpoint)
        self._checkpoint = checkpoint

    def _drop_first_segment(self, counts_after: list[int]) -> None:
        following = sorted(self._log.segments)[1]
        self._set_checkpoint(
            Checkpoint(
                lanes=self.lanes,
                generation=self._checkpoint.generation,
                first_segment=following,
                counts=counts_after,
            )
        )
        self._log.drop_first()
        self._view = self._log.view()

    def _read(self, position: Position) -> StoredBatch | None:
        frame = self._log.read(position)
        if frame is None:
            return None
        return StoredBatch(decode_records(frame.header, frame.payload), frame.header.accepted_at_ms, frame.end)

    def _close(self) -> None:
        if self._acks is not None:
            self._acks.close()
            self._acks = None
        self._resources.close()

    def _write(self, frames: Sequence[EncodedFrame]) -> list[Position]:
        ends = self._log.append(frames)
        self._view = self._log.view()
        return ends
