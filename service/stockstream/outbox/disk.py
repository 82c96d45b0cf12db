"""The outbox on disk as asyncio sees it: durable appends that share their syncs, reads, and removal from the front."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import structlog

from stockstream.outbox.batch import Record, RecordBatch
from stockstream.outbox.commits import CommitQueue, WrittenFrame
from stockstream.outbox.errors import OutboxWriteError
from stockstream.outbox.files import is_disk_full
from stockstream.outbox.frame import EncodedFrame, decode_records
from stockstream.outbox.lock import OutboxLock
from stockstream.outbox.recovery import LaneOfKey, Recovered, recover
from stockstream.outbox.segment_log import LogView, Position, SegmentLog
from stockstream.outbox.state import MIN_SLOTS, Slot, StateFiles, Values, new_generation
from stockstream.outbox.worker import Worker

_SEGMENT_MAX_BYTES: Final = 64 * 1024 * 1024
_SEGMENT_MIN_BYTES: Final = 64 * 1024
# A segment is the grain of removal, so the bound on the whole must hold several.
_SEGMENTS_AT_BOUND: Final = 16
# A disk that does not answer must not hold the end of the process.
_CLOSE_SECONDS: Final = 5.0

_T = TypeVar("_T")

log = structlog.get_logger("stockstream.outbox")


class StoredBatch(NamedTuple):
    """Records as read back, the number of the first, when they were accepted, and the place after them."""

    records: list[Record]
    first: int
    accepted_at_ms: int
    end: Position


class DiskOutbox:
    """Accepted records on disk.

    Every record has a number, one more than that of the record before it.

    Args:
        directory: Its folder, one for each stream; made where it is missing.
        max_bytes: The bound that the caller keeps; it decides the size of segments.
        lane_of_key: Lane of a partition key among a number of lanes.
        on_commit: Called in the event loop, in order, for every frame that is durable, with its records.
        on_disk_full: Called in the event loop when the disk has no room: what is acknowledged should be removed.
        now_ms: Wall clock, ms since 1970.
        monotonic: Clock by which a commit is fast or slow, seconds.
    """

    def __init__(
        self,
        directory: Path,
        *,
        max_bytes: int,
        lane_of_key: LaneOfKey,
        on_commit: Callable[[RecordBatch, WrittenFrame], None],
        on_disk_full: Callable[[], None] = lambda: None,
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
            directory,
            self._worker,
            write=self._write,
            on_commit=on_commit,
            on_disk_full=on_disk_full,
            now_ms=now_ms,
            monotonic=monotonic,
        )
        self._log: SegmentLog
        self._view: LogView
        self._state: StateFiles
        #: Records of earlier runs that are to be sent.
        self.unacknowledged = 0
        #: Records that opening found gone, not sent before.
        self.lost = 0

    async def open(self) -> None:
        """Lock the folder and read the log.

        Raises:
            OutboxLockedError: another process has it.
            OutboxCorruptError: a file may not be read, or the disk cannot.
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
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._commits.close()
                await self.in_thread(self._resources.close)
        except TimeoutError:
            log.warning("outbox_not_closed", directory=str(self._directory), reason="the disk does not answer")
            return
        self._worker.stop()

    @property
    def lanes(self) -> int:
        """Number of lanes that acknowledgements are counted by; 0 where that is not decided yet."""
        return self._state.values.lanes

    @property
    def view(self) -> LogView:
        """The log as of the last operation that has finished."""
        return self._view

    @property
    def size_bytes(self) -> int:
        """Size of the log on disk, what is about to be appended included."""
        return self._view.size_bytes + self._commits.waiting_bytes

    @property
    def is_disk_full(self) -> bool:
        """Whether appends wait for room on the disk."""
        return self._commits.is_disk_full

    def append(self, batch: RecordBatch) -> "asyncio.Future[None]":
        """Append a batch; the future is done when the batch is durable. Batches keep the order of the calls.

        Batches that arrive together, or while the disk is busy, share a sync.

        Raises (through the future):
            OutboxWriteError: the disk refused; the batch is not accepted.
            OutboxFullError: it is full, and nobody waits any more; the batch is not accepted.
        """
        return self._commits.append(batch)

    def give_up_waiting(self) -> None:
        """Let appends that wait for room on the disk fail, now and from now on."""
        self._commits.give_up_waiting()

    async def read(self, position: Position) -> StoredBatch | None:
        """Read the frame at a place, or the first after it; None at the end."""
        return await self.in_thread(partial(self._read, position))

    def slots(self) -> list[Slot]:
        """How far each lane is acknowledged."""
        return self._state.slots()

    def acknowledge(self, lane: int, first: int, acknowledged: int, within: int) -> None:
        """Note how far a lane is acknowledged; see `Slot`."""
        self._state.note_slot(lane, first, acknowledged, within)

    async def lay_lanes(self, lanes: int) -> int:
        """Count by this many lanes from now on, unless it is decided already; returns the number in force."""
        if not self.lanes:
            await self.in_thread(partial(self._lay_lanes, lanes))
        return self.lanes

    async def drop_first_segment(self, given_up: int = 0) -> None:
        """Remove the oldest segment, in which `given_up` records are neither acknowledged nor to be."""
        await self.in_thread(partial(self._drop_first_segment, given_up))
        self._commits.retry()

    async def end_segment(self) -> None:
        """Write no more to the present segment, so that it can be removed."""
        await self.in_thread(self._end_segment)

    async def in_thread(self, function: Callable[[], _T]) -> _T:
        """Run a blocking function in the outbox's thread, after what was asked of it before."""
        return await self._worker.run(function)

    def _open(self) -> None:
        self._resources.enter_context(OutboxLock(self._directory))
        try:
            found = recover(self._directory, self._lane_of_key)
            self._say(found)
            self._log = SegmentLog(self._directory, self._segment_bytes, found.segments, found.next_segment, found.torn)
            self._resources.callback(self._log.close)
            self.unacknowledged, self.lost = found.unsent, found.lost
            if not found.unsent:
                # Nothing is left to send: the lanes may be laid anew.
                end = found.values.end
                found.values = Values(new_generation(), first=end, end=end, settled=end, revision=found.values.revision)
            self._state = StateFiles(self._directory, found.values)
            self._resources.callback(self._state.close)
            if not found.unsent:
                while self._log.segments:
                    self._log.drop_first()
                self._state.complete()
        except OSError as exc:
            raise OutboxWriteError(
                f"cannot use the outbox folder {self._directory}: {exc}. Remedy: check the disk, or set "
                "STOCKSTREAM_OUTBOX_DIR to another"
            ) from exc
        self._view = self._log.view()

    def _say(self, found: Recovered) -> None:
        if found.torn:
            torn_bytes = sum(bad.end - bad.start for _, bad in found.torn)
            log.warning("outbox_tail_torn", torn_bytes=torn_bytes, reason="the last write was not finished")
        if not found.damage and not found.lost:
            return
        log.error(
            "outbox_damaged",
            directory=str(self._directory),
            damage=found.damage,
            lost=found.lost,
            lost_is_exact=found.is_exact or not found.lost,
            effect="every intact record is sent"
            + ("" if found.is_exact else ", those that were sent before included; downstream is idempotent"),
            remedy="check the disk; `stockstream outbox export` reads what was kept (docs/outbox.md)",
        )

    def _lay_lanes(self, lanes: int) -> None:
        self._state.rewrite(replace(self._state.values, lanes=lanes, slots=[Slot()] * lanes))
        if not self._state.is_complete and lanes > MIN_SLOTS:
            log.warning("outbox_lanes_reduced", wanted=lanes, lanes=MIN_SLOTS, reason="the disk is full")
            self._state.rewrite(replace(self._state.values, lanes=MIN_SLOTS, slots=[Slot()] * MIN_SLOTS))

    def _end_segment(self) -> None:
        self._log.end_segment()
        self._view = self._log.view()

    def _drop_first_segment(self, given_up: int) -> None:
        state = self._state
        if given_up:
            state.note_settled(state.values.settled + given_up)
        # Before the file is gone: a power loss must not bring back what was awaited from it.
        state.flush()
        self._log.drop_first()
        state.complete()
        self._view = self._log.view()

    def _read(self, position: Position) -> StoredBatch | None:
        frame = self._log.read(position)
        if frame is None:
            return None
        header = frame.header
        return StoredBatch(decode_records(header, frame.payload), header.first, header.accepted_at_ms, frame.end)

    def _write(self, frames: Sequence[EncodedFrame]) -> list[WrittenFrame]:
        values = self._state.values
        first = values.end
        try:
            ends = self._log.append(frames, first, values.generation)
        except OSError as exc:
            if is_disk_full(exc):
                # So that what is in it can be removed once it is acknowledged.
                self._log.end_segment()
            raise
        finally:
            self._view = self._log.view()
        written = []
        for frame, end in zip(frames, ends, strict=True):
            written.append(WrittenFrame(first, end))
            first += len(frame.batch)
        self._state.note_end(first)
        return written
