"""Appends to the outbox: in order, those that arrive together in one sync, in the thread that costs least."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from stockstream.outbox.batch import RecordBatch
from stockstream.outbox.errors import OutboxFullError, OutboxWriteError
from stockstream.outbox.files import is_disk_full
from stockstream.outbox.frame import EncodedFrame, encode_frame
from stockstream.outbox.segment_log import Position
from stockstream.outbox.worker import Worker, attempt

# Room that we make ourselves is used at once; this is for room that others make.
_DISK_FULL_RETRY_SECONDS: Final = 1.0
_DISK_FULL_SAY_SECONDS: Final = 60.0
# A disk that commits within this time, as a rule, does so in the event loop's own thread: the way to another thread and
# back takes more CPU than the commit, and stops the loop as long. One slow commit sends those after it to the thread.
_FAST_COMMIT_SECONDS: Final = 0.002
_FAST_COMMIT_MAX_BYTES: Final = 1024 * 1024
# Batches of this size at most share a frame with those that are committed together: most of what a frame costs it costs
# for itself, and not for its records.
_SMALL_RECORDS: Final = 64
_SMALL_BYTES: Final = 64 * 1024
# Until the disk has shown what it is.
_ASSUMED_COMMIT_SECONDS: Final = 0.01

log = structlog.get_logger("stockstream.outbox")


class WrittenFrame(NamedTuple):
    """Where a frame lies: the number of its first record, and the place after it."""

    first: int
    end: Position


# A batch that waits for its commit, its frames (a small one has none of its own), when it came, and who waits. A plain
# tuple: there is one for every call of `send`.
_Append = tuple[RecordBatch, list[EncodedFrame], int, "asyncio.Future[None]"]


class CommitQueue:
    """Commits batches in the order of `append`.

    Args:
        directory: Of the outbox, for messages.
        worker: The thread for all else that touches the log.
        write: Writes frames and syncs them; returns where each lies. It is never called twice at a time, nor while the
            worker is at work.
        on_commit: Called in the event loop, in order, for every frame that is durable, with its records.
        on_disk_full: Called in the event loop when the disk has no room: whoever can make some is to try.
        now_ms: Wall clock, ms since 1970.
        monotonic: Clock by which a commit is fast or slow, seconds.
    """

    def __init__(
        self,
        directory: Path,
        worker: Worker,
        *,
        write: Callable[[Sequence[EncodedFrame]], list[WrittenFrame]],
        on_commit: Callable[[RecordBatch, WrittenFrame], None],
        on_disk_full: Callable[[], None],
        now_ms: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        self._directory = directory
        self._worker = worker
        self._write = write
        self._on_commit = on_commit
        self._on_disk_full = on_disk_full
        self._now_ms = now_ms
        self._monotonic = monotonic
        self._queue: list[_Append] = []
        self._running = False
        self._giving_up = False
        self._next: asyncio.Handle | None = None
        self._full_since: float | None = None
        self._full_said_at = 0.0
        self._usual_seconds = _ASSUMED_COMMIT_SECONDS
        #: Bytes of the batches that are not durable yet.
        self.waiting_bytes = 0

    def append(self, batch: RecordBatch) -> "asyncio.Future[None]":
        """See `DiskOutbox.append`."""
        frames: list[EncodedFrame] = []
        if _is_small(batch):
            queue = self._queue
            accepted_at_ms = queue[-1][2] if queue else self._now_ms()
        else:
            # Encoded here and not in the thread: two threads that want the interpreter wait for each other.
            accepted_at_ms = self._now_ms()
            frames = [encode_frame(part, accepted_at_ms) for part in batch.parts()]
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._queue.append((batch, frames, accepted_at_ms, done))
        self.waiting_bytes += batch.size_bytes
        if not self._running:
            self._running = True
            self._next = loop.call_soon(self._start)
        return done

    @property
    def is_disk_full(self) -> bool:
        """Whether the disk had no room when it was last written to."""
        return self._full_since is not None

    def retry(self) -> None:
        """Try again at once what there was no room for."""
        if self.is_disk_full and self._next is not None:
            self._next.cancel()
            self._next = asyncio.get_running_loop().call_soon(self._start)

    def give_up_waiting(self) -> None:
        """Wait for room no more: what there is none for fails, now and from now on."""
        self._giving_up = True
        self.retry()

    async def close(self) -> None:
        """Commit all that waits; what cannot be written fails, on a full disk too."""
        self._giving_up = True
        if self._next is not None:
            self._next.cancel()
            self._start()
        while self._running and not self._worker.idle:
            # What came while the disk was busy is committed after that.
            await self._worker.run(_nothing)

    def _start(self) -> None:
        self._next = None
        batch, self._queue = self._queue, []
        try:
            frames = _frames_of(batch)
        except Exception:  # noqa: BLE001 (whatever a caller's records raise belongs to that caller, and to no other)
            batch = self._without_faulty(batch)
            if not batch:
                self._running = False
                return
            frames = _frames_of(batch)
        commit = partial(self._commit, frames)
        is_fast = self._usual_seconds <= _FAST_COMMIT_SECONDS
        if is_fast and self._worker.idle and self.waiting_bytes <= _FAST_COMMIT_MAX_BYTES:
            self._on_committed(batch, frames, *attempt(commit))
        else:
            self._worker.call(commit, partial(self._on_committed, batch, frames))

    def _without_faulty(self, batch: list[_Append]) -> list[_Append]:
        """Fail the small batches that cannot be encoded; returns the others."""
        good = []
        for append in batch:
            records, frames, _, done = append
            _, fault = (None, None) if frames else attempt(partial(_shared_frames, [append]))
            if fault is None:
                good.append(append)
                continue
            self.waiting_bytes -= records.size_bytes
            if not done.done():
                done.set_exception(fault)
        return good

    def _commit(self, frames: list[EncodedFrame]) -> list[WrittenFrame]:
        """Write and sync frames; returns where each lies."""
        began = self._monotonic()
        try:
            return self._write(frames)
        finally:
            # A disk that takes its time to fail is slow too.
            self._usual_seconds += (self._monotonic() - began - self._usual_seconds) / 8

    def _on_committed(
        self,
        batch: list[_Append],
        frames: list[EncodedFrame],
        written: list[WrittenFrame] | None,
        failure: BaseException | None,
    ) -> None:
        if is_disk_full(failure) and not self._giving_up:
            # The thread stays free: removing what is acknowledged is what makes room.
            self._queue[:0] = batch
            self._next = asyncio.get_running_loop().call_later(_DISK_FULL_RETRY_SECONDS, self._start)
            self._say_disk_full()
            self._on_disk_full()
            return
        self.waiting_bytes -= sum([frame.batch.size_bytes for frame in frames])
        if failure is not None or written is None:
            self._fail(batch, failure or RuntimeError("a commit without a result"))
        else:
            self._say_disk_has_room()
            for frame, place in zip(frames, written, strict=True):
                self._on_commit(frame.batch, place)
            for _, _, _, done in batch:
                if not done.done():
                    done.set_result(None)
        self._running = bool(self._queue)
        if self._queue:
            self._start()

    def _say_disk_full(self) -> None:
        now = self._monotonic()
        if self._full_since is None:
            self._full_since = now
        elif now - self._full_said_at < _DISK_FULL_SAY_SECONDS:
            return
        self._full_said_at = now
        log.error(
            "outbox_disk_full",
            directory=str(self._directory),
            seconds=round(now - self._full_since, 1),
            effect="send waits until acknowledged records can be removed",
            remedy="free space on the disk, or files (inodes)",
        )

    def _say_disk_has_room(self) -> None:
        if self._full_since is not None:
            log.info("outbox_disk_has_room", seconds=round(self._monotonic() - self._full_since, 1))
            self._full_since = None

    def _fail(self, batch: list[_Append], cause: BaseException) -> None:
        for _, _, _, done in batch:
            if done.done():
                continue
            kind = OutboxFullError if is_disk_full(cause) else OutboxWriteError
            error = kind(
                f"cannot write to the outbox {self._directory}: {cause}. Remedy: check the disk, or set "
                "STOCKSTREAM_OUTBOX_DIR to another"
            )
            error.__cause__ = cause
            done.set_exception(error)


def _is_small(batch: RecordBatch) -> bool:
    return len(batch) <= _SMALL_RECORDS and batch.size_bytes <= _SMALL_BYTES


def _frames_of(appends: Sequence[_Append]) -> list[EncodedFrame]:
    """The frames of batches, in order; small ones that follow one another share frames."""
    frames: list[EncodedFrame] = []
    small: list[_Append] = []
    for append in appends:
        if append[1]:
            frames += _shared_frames(small)
            frames += append[1]
            small = []
        else:
            small.append(append)
    return frames + _shared_frames(small)


def _shared_frames(appends: Sequence[_Append]) -> list[EncodedFrame]:
    if not appends:
        return []
    joined = RecordBatch.joined([batch for batch, _, _, _ in appends])
    _, _, accepted_at_ms, _ = appends[0]
    return [encode_frame(part, accepted_at_ms) for part in joined.parts()]


def _nothing() -> None:
    """Take a turn in the worker's thread."""
