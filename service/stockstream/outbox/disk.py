"""The outbox on disk as asyncio sees it: durable appends that share their syncs, reads, and removal from the front."""

import asyncio
import errno
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import structlog

from stockstream.outbox.acks import AckTable
from stockstream.outbox.batch import Record, RecordBatch
from stockstream.outbox.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from stockstream.outbox.errors import OutboxWriteError
from stockstream.outbox.frame import EncodedFrame, decode_keys, decode_records, encode_frame
from stockstream.outbox.lock import OutboxLock
from stockstream.outbox.segment_log import LogView, Position, SegmentLog
from stockstream.outbox.worker import Worker, attempt

_ACKS_FILE_NAME: Final = "acks"
_SEGMENT_MAX_BYTES: Final = 64 * 1024 * 1024
_SEGMENT_MIN_BYTES: Final = 64 * 1024
# A segment is the grain of removal, so the bound on the whole must hold several.
_SEGMENTS_AT_BOUND: Final = 16
_DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_DISK_FULL_RETRY_SECONDS: Final = 1.0
# A disk that commits within this time, as a rule, does so in the event loop's own thread: the way to another thread and
# back takes more CPU than the commit, and stops the loop as long. One slow commit sends those after it to the thread.
_FAST_COMMIT_SECONDS: Final = 0.002
_FAST_COMMIT_MAX_BYTES: Final = 1024 * 1024
# Until the disk has shown what it is.
_ASSUMED_COMMIT_SECONDS: Final = 0.01

_T = TypeVar("_T")

log = structlog.get_logger("stockstream.outbox")


class StoredBatch(NamedTuple):
    """Records as read back, when they were accepted, and the place after them."""

    records: list[Record]
    accepted_at_ms: int
    end: Position


class _Append(NamedTuple):
    batch: RecordBatch
    frames: list[EncodedFrame]
    done: "asyncio.Future[None]"


class DiskOutbox:
    """Accepted records on disk.

    Args:
        directory: Its folder, one for each stream; made where it is missing.
        max_bytes: The bound that the caller keeps; it decides the size of segments.
        lane_of_key: Lane of a partition key among a number of lanes.
        on_commit: Called in the event loop, in order, for every batch that is durable, with the place after it.
        now_ms: Wall clock, ms since 1970.
    """

    def __init__(
        self,
        directory: Path,
        *,
        max_bytes: int,
        lane_of_key: Callable[[str, int], int],
        on_commit: Callable[[RecordBatch, Position], None],
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._directory = directory
        self._segment_bytes = max(_SEGMENT_MIN_BYTES, min(_SEGMENT_MAX_BYTES, max_bytes // _SEGMENTS_AT_BOUND))
        self._lane_of_key = lane_of_key
        self._on_commit = on_commit
        self._now_ms = now_ms
        self._resources = ExitStack()
        # One thread: the log is not made for more, and order is the point.
        self._worker = Worker("outbox")
        self._queue: list[_Append] = []
        self._commit_running = False
        self._usual_commit_seconds = _ASSUMED_COMMIT_SECONDS
        self._next_commit: asyncio.Handle | None = None
        self._appending_bytes = 0
        self._closing = False
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
        """Finish the commits under way and let go of the folder."""
        self._closing = True
        if self._next_commit is not None:
            self._next_commit.cancel()
            self._start_commit()
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
        return self._view.size_bytes + self._appending_bytes

    def append(self, batch: RecordBatch) -> "asyncio.Future[None]":
        """Append a batch; the future is done when the batch is durable. Batches keep the order of the calls.

        Batches that arrive together, or while the disk is busy, share a sync.

        Raises (through the future):
            OutboxWriteError: the disk refused; the batch is not accepted.
        """
        accepted_at_ms = self._now_ms()
        # Encoded here and not in the thread: two threads that want the interpreter wait for each other.
        frames = [encode_frame(part, accepted_at_ms) for part in batch.parts()]
        append = _Append(batch, frames, asyncio.get_running_loop().create_future())
        self._queue.append(append)
        self._appending_bytes += batch.size_bytes
        if not self._commit_running:
            self._commit_running = True
            self._next_commit = asyncio.get_running_loop().call_soon(self._start_commit)
        return append.done

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

    def _start_commit(self) -> None:
        self._next_commit = None
        batch, self._queue = self._queue, []
        commit = partial(self._commit, batch)
        is_fast = self._usual_commit_seconds <= _FAST_COMMIT_SECONDS
        # The log is not made for two threads at a time.
        if is_fast and self._worker.idle and self._appending_bytes <= _FAST_COMMIT_MAX_BYTES:
            self._on_committed(batch, *attempt(commit))
        else:
            self._worker.call(commit, partial(self._on_committed, batch))

    def _commit(self, batch: list[_Append]) -> list[Position]:
        """Write and sync the batches; returns the place after each."""
        began = time.monotonic()
        frames = [frame for append in batch for frame in append.frames]
        ends = self._log.append(frames)
        self._view = self._log.view()
        self._usual_commit_seconds += (time.monotonic() - began - self._usual_commit_seconds) / 8
        last_frames = accumulate(len(append.frames) for append in batch)
        return [ends[number - 1] for number in last_frames]

    def _on_committed(self, batch: list[_Append], ends: list[Position] | None, failure: BaseException | None) -> None:
        if isinstance(failure, OSError) and failure.errno in _DISK_FULL and not self._closing:
            # The thread stays free: removing what is acknowledged is what makes room.
            log.error("outbox_disk_full", directory=str(self._directory), effect="send waits", remedy="free space")
            self._queue[:0] = batch
            self._next_commit = asyncio.get_running_loop().call_later(_DISK_FULL_RETRY_SECONDS, self._start_commit)
            return
        self._appending_bytes -= sum(append.batch.size_bytes for append in batch)
        if failure is not None or ends is None:
            self._fail(batch, failure or RuntimeError("a commit without a result"))
        else:
            for append, end in zip(batch, ends, strict=True):
                self._on_commit(append.batch, end)
                if not append.done.done():
                    append.done.set_result(None)
        self._commit_running = bool(self._queue)
        if self._queue:
            self._start_commit()

    def _fail(self, batch: list[_Append], cause: BaseException) -> None:
        for append in batch:
            if append.done.done():
                continue
            error = OutboxWriteError(
                f"cannot write to the outbox {self._directory}: {cause}. Remedy: check the disk, or set "
                "STOCKSTREAM_OUTBOX_DIR to another"
            )
            error.__cause__ = cause
            append.done.set_exception(error)
