"""The ledger: a list of every accepted quote, by day of event time.

The outbox forgets a quote when Kinesis has it, so it cannot say later what was accepted; this can. A line is
`SYMBOL TIMESTAMP DIGEST`, about 50 bytes, where the digest is of the bytes that went to the stream. Written after the
outbox has the quotes and without a sync of its own: after a power loss the newest lines may be missing, which the audit
reports as quotes that are stored and not listed, never as a loss.

It lies on the outbox's disk, and the quotes matter more: past its bound, or where the disk runs short, its oldest parts
are given up, which the audit tells. Nothing waits for it.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from stockstream.audit.errors import AuditError
from stockstream.audit.ledger_files import Bounds, Tended, live_path, marker_path, seal, shortage_of, tend
from stockstream.audit.ledger_reader import digest_of
from stockstream_wire import Quote, encode_quote

KEEP_DAYS: Final = 30
MAX_BYTES: Final = 1024 * 1024 * 1024
# A part that is full is packed; at 1,000 quotes a second that is every eleven minutes.
PART_BYTES: Final = 32 * 1024 * 1024
_SECONDS_A_DAY: Final = 86_400
# A replay may jump between days; this many files stay open.
_OPEN_MAX: Final = 4
# The last part of a day that is over is packed when no late quote has come for so long.
_IDLE_SECONDS: Final = 600.0
_LOOK_AT_DISK_SECONDS: Final = 1.0
_TEND_SECONDS: Final = 600.0

_log = structlog.get_logger(__name__)


def ledger_line(quote: Quote) -> str:
    """The ledger's line of a quote, with its line end."""
    return f"{quote.symbol} {quote.timestamp} {digest_of(encode_quote(quote))}\n"


class Ledger:
    """Writes the ledger; an observer of the pipeline (`on_accepted`). Housekeeping has a thread of its own.

    Args:
        directory: Its folder; made where it is missing.
        keep_days: Files not written for so long are removed.
        max_bytes: Bound of all its files; past it the oldest parts are given up.
        part_bytes: A day's file that is larger is ended and packed.
        now_seconds: Wall clock.
        shortage_bytes: How many bytes the disk has too few of.

    Raises:
        AuditError: the folder cannot be made.
    """

    def __init__(
        self,
        directory: Path,
        *,
        keep_days: int = KEEP_DAYS,
        max_bytes: int = MAX_BYTES,
        part_bytes: int = PART_BYTES,
        now_seconds: Callable[[], float] = time.time,
        shortage_bytes: Callable[[Path], int] = shortage_of,
    ) -> None:
        self._directory = directory
        self._keep_seconds = keep_days * _SECONDS_A_DAY
        self._max_bytes = max_bytes
        # Several parts to the bound: a part is the grain of giving up.
        self._part_bytes = min(part_bytes, max(1, max_bytes // 8))
        self._now_seconds = now_seconds
        self._shortage_bytes = shortage_bytes
        self._files: dict[str, int] = {}
        self._part_sizes: dict[str, int] = {}
        self._has_failed = False
        # Days of which lines could not be written, where that is not on disk yet.
        self._unmarked: set[str] = set()
        self._is_short = False
        self._looked_at = self._tended_at = float("-inf")
        self._stopping = threading.Event()
        self._keeper = ThreadPoolExecutor(1, "ledger")
        self._round: Future[Tended] | None = None
        self.size_bytes = 0
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise AuditError(f"the ledger's folder {directory} cannot be made: {exc}") from exc
        self._look_after()

    def append(self, quotes: Sequence[Quote]) -> None:
        """Note accepted quotes, in their order: one write for each day among them.

        A disk that refuses is logged once and does not stop the pipeline: the quotes themselves are safe.
        """
        lines: dict[str, list[str]] = {}
        for quote in quotes:
            lines.setdefault(quote.timestamp[:10], []).append(ledger_line(quote))
        failure: OSError | None = None
        for day, of_day in lines.items():
            try:
                self._write(day, "".join(of_day).encode())
            except OSError as exc:
                failure = exc
                self._unmarked.add(day)
                self._let_go(day)  # half a line may be there: opening the file again ends it
        try:
            self._look_after()
            for day in list(self._unmarked):
                marker_path(self._directory, day).touch()
                self._unmarked.discard(day)
        except OSError as exc:
            failure = exc
        if failure is not None and not self._has_failed:
            _log.error("ledger_not_written", directory=str(self._directory), error=str(failure))
        self._has_failed = failure is not None

    def on_accepted(self, quotes: Sequence[Quote]) -> None:
        """The pipeline's observer interface."""
        self.append(quotes)

    def on_rejected(self, rejections: Sequence[object]) -> None:
        """Refused quotes are not accepted: nothing to note."""

    def close(self) -> None:
        self._stopping.set()
        self._keeper.shutdown(wait=True)
        for day in list(self._files):
            self._let_go(day)

    def tended(self) -> None:
        """Wait for the housekeeping under way."""
        if self._round is not None:
            self._round.result()

    def _look_after(self) -> None:
        """Give the thread something to do where there is something."""
        now = self._now_seconds()
        is_due = now - self._tended_at >= _TEND_SECONDS or self.size_bytes > self._max_bytes
        for day, size_bytes in list(self._part_sizes.items()):
            if size_bytes >= self._part_bytes:
                self._seal(day)
                is_due = True
        if now - self._looked_at >= _LOOK_AT_DISK_SECONDS:
            self._looked_at = now
            is_short = self._shortage_bytes(self._directory) > 0
            is_due = is_due or is_short
        if is_due and (self._round is None or self._round.done()):
            self._tended_at = now
            # What is closed is packed or given up; where that was not enough, so is what is being written.
            self._seal_parts(now, all_of_them=self._is_short or self.size_bytes > self._max_bytes)
            self._round = self._keeper.submit(self._tend, now)

    def _tend(self, now: float) -> Tended:
        bounds = Bounds(self._max_bytes, now - self._keep_seconds, lambda: self._shortage_bytes(self._directory))
        try:
            result = tend(self._directory, bounds, stopping=self._stopping.is_set)
        except OSError as exc:
            _log.warning("ledger_not_tended", directory=str(self._directory), error=str(exc))
            return Tended(self.size_bytes, [], self._is_short)
        if result.dropped_days and not (self._is_short and result.is_short):
            _log.warning(
                "ledger_given_up",
                days=result.dropped_days,
                reason="the disk runs short" if result.is_short else "STOCKSTREAM_LEDGER_MAX_BYTES",
                meaning="the audit cannot say of these days that nothing is missing; no quote is lost by it",
            )
        self._is_short = result.is_short
        self.size_bytes = result.size_bytes
        return result

    def _seal_parts(self, now: float, *, all_of_them: bool) -> None:
        today = datetime.fromtimestamp(now, UTC).date().isoformat()
        for path in self._directory.glob("????-??-??.ledger"):
            is_over = path.stem != today and now - path.stat().st_mtime >= _IDLE_SECONDS
            if all_of_them or is_over:
                self._seal(path.stem)

    def _seal(self, day: str) -> None:
        self._let_go(day)
        seal(self._directory, day)

    def _write(self, day: str, data: bytes) -> None:
        _write_whole(self._file(day), data)
        self.size_bytes += len(data)
        self._part_sizes[day] += len(data)

    def _let_go(self, day: str) -> None:
        if day in self._files:
            os.close(self._files.pop(day))
            self._part_sizes.pop(day)

    def _file(self, day: str) -> int:
        descriptor = self._files.get(day)
        if descriptor is None:
            while len(self._files) >= _OPEN_MAX:
                self._let_go(next(iter(self._files)))
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            descriptor = os.open(live_path(self._directory, day), flags, 0o600)
            self._files[day] = descriptor
            size = self._part_sizes[day] = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                _write_whole(descriptor, b"\n")  # a write that a crash cut off must not spoil the next line
        return descriptor


@contextmanager
def open_ledger(directory: Path, *, keep_days: int = KEEP_DAYS, max_bytes: int = MAX_BYTES) -> Iterator[Ledger]:
    """A ledger that is closed at the end of the context."""
    ledger = Ledger(directory, keep_days=keep_days, max_bytes=max_bytes)
    try:
        yield ledger
    finally:
        ledger.close()


def _write_whole(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
