"""Appends to the outbox: in order, those that arrive together in one sync, in the thread that costs least."""

import asyncio
import errno
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from stockstream.outbox.batch import RecordBatch
from stockstream.outbox.errors import OutboxWriteError
from stockstream.outbox.frame import EncodedFrame, encode_frame
from stockstream.outbox.segment_log import Position
from stockstream.outbox.worker import Worker, attempt

_DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_DISK_FULL_RETRY_SECONDS: Final = 1.0
# A disk that commits within this time, as a rule, does so in the event loop's own thread: the way to another thread and
# back takes more CPU than the commit, and stops the loop as long. One slow commit sends those after it to the thread.
_FAST_COMMIT_SECONDS: Final = 0.002
_FAST_COMMIT_MAX_BYTES: Final = 1024 * 1024
# Until the disk has shown what it is.
_ASSUMED_COMMIT_SECONDS: Final = 0.01

log = structlog.get_logger("stockstream.outbox")


class _Append(NamedTuple):
    batch: RecordBatch
    frames: list[EncodedFrame]
    done: "asyncio.Future[None]"


class CommitQueue:
    """Commits batches in the order of `append`.

    Args:
        directory: Of the outbox, for messages.
        worker: The thread for all else that touches the log.
        write: Writes frames and syncs them; returns the place after each. It is never called twice at a time, nor while
            the worker is at work.
        on_commit: Called in the event loop, in order, for every batch that is durable, with the place after it.
        now_ms: Wall clock, ms since 1970.
        monotonic: Clock by which a commit is fast or slow, seconds.
    """

    def __init__(
        self,
        directory: Path,
        worker: Worker,
        *,
        write: Callable[[Sequence[EncodedFrame]], list[Position]],
        on_commit: Callable[[RecordBatch, Position], None],
        now_ms: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        self._directory = directory
        self._worker = worker
        self._write = write
        self._on_commit = on_commit
        self._now_ms = now_ms
        self._monotonic = monotonic
        self._queue: list[_Append] = []
        self._running = False
        self._closing = False
        self._next: asyncio.Handle | None = None
        self._usual_seconds = _ASSUMED_COMMIT_SECONDS
        #: Bytes of the batches that are not durable yet.
        self.waiting_bytes = 0

    def append(self, batch: RecordBatch) -> "asyncio.Future[None]":
        """See `DiskOutbox.append`."""
        accepted_at_ms = self._now_ms()
        # Encoded here and not in the thread: two threads that want the interpreter wait for each other.
        frames = [encode_frame(part, accepted_at_ms) for part in batch.parts()]
        loop = asyncio.get_running_loop()
        append = _Append(batch, frames, loop.create_future())
        self._queue.append(append)
        self.waiting_bytes += batch.size_bytes
        if not self._running:
            self._running = True
            self._next = loop.call_soon(self._start)
        return append.done

    async def close(self) -> None:
        """Commit all that waits, even on a full disk; what cannot be written fails."""
        self._closing = True
        if self._next is not None:
            self._next.cancel()
            self._start()
        while self._running and not self._worker.idle:
            # What came while the disk was busy is committed after that.
            await self._worker.run(_nothing)

    def _start(self) -> None:
        self._next = None
        batch, self._queue = self._queue, []
        commit = partial(self._commit, batch)
        is_fast = self._usual_seconds <= _FAST_COMMIT_SECONDS
        if is_fast and self._worker.idle and self.waiting_bytes <= _FAST_COMMIT_MAX_BYTES:
            self._on_committed(batch, *attempt(commit))
        else:
            self._worker.call(commit, partial(self._on_committed, batch))

    def _commit(self, batch: list[_Append]) -> list[Position]:
        """Write and sync the batches; returns the place after each."""
        began = self._monotonic()
        try:
            ends = self._write([frame for append in batch for frame in append.frames])
        finally:
            # A disk that takes its time to fail is slow too.
            self._usual_seconds += (self._monotonic() - began - self._usual_seconds) / 8
        last_frames = accumulate(len(append.frames) for append in batch)
        return [ends[number - 1] for number in last_frames]

    def _on_committed(self, batch: list[_Append], ends: list[Position] | None, failure: BaseException | None) -> None:
        if isinstance(failure, OSError) and failure.errno in _DISK_FULL and not self._closing:
            # The thread stays free: removing what is acknowledged is what makes room.
            log.error("outbox_disk_full", directory=str(self._directory), effect="send waits", remedy="free space")
            self._queue[:0] = batch
            self._next = asyncio.get_running_loop().call_later(_DISK_FULL_RETRY_SECONDS, self._start)
            return
        self.waiting_bytes -= sum(append.batch.size_bytes for append in batch)
        if failure is not None or ends is None:
            self._fail(batch, failure or RuntimeError("a commit without a result"))
        else:
            for append, end in zip(batch, ends, strict=True):
                self._on_commit(append.batch, end)
                if not append.done.done():
                    append.done.set_result(None)
        self._running = bool(self._queue)
        if self._queue:
            self._start()

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


def _nothing() -> None:
    """Take a turn in the worker's thread."""
