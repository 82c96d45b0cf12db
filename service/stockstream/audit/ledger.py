"""The ledger: an append-only list of every accepted quote, one file a day of event time.

The outbox forgets a quote when Kinesis has it, so it cannot say later what was accepted; this can. A line is
`SYMBOL TIMESTAMP DIGEST`, about 60 bytes, where the digest is of the bytes that went to the stream. Written after the
outbox has the quotes and without a sync of its own: after a power loss the newest lines may be missing, which the audit
reports as quotes that are stored and not listed, never as a loss.
"""

import hashlib
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog

from stockstream.audit.errors import AuditError
from stockstream_wire import Quote, encode_quote

DIGEST_BYTES: Final = 8
KEEP_DAYS: Final = 30
LEDGER_SUFFIX: Final = ".ledger"
LEDGER_NAME: Final = re.compile(r"\d{4}-\d{2}-\d{2}\.ledger")
_SECONDS_A_DAY: Final = 86_400
# A replay may jump between days; this many files stay open.
_OPEN_MAX: Final = 4

_log = structlog.get_logger(__name__)


def digest_of(data: bytes) -> str:
    """Digest of a quote's bytes on the stream, 16 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).hexdigest()


def ledger_line(quote: Quote) -> str:
    """The ledger's line of a quote, with its line end."""
    return f"{quote.symbol} {quote.timestamp} {digest_of(encode_quote(quote))}\n"


class Ledger:
    """Writes the ledger; an observer of the pipeline (`on_accepted`).

    Args:
        directory: Its folder; made where it is missing.
        keep_days: Files not written for so long are removed at the start.
        now_seconds: Wall clock, for that.

    Raises:
        AuditError: the folder cannot be made.
    """

    def __init__(self, directory: Path, *, keep_days: int = KEEP_DAYS, now_seconds: float | None = None) -> None:
        self._directory = directory
        self._files: dict[str, int] = {}
        self._has_failed = False
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise AuditError(f"the ledger's folder {directory} cannot be made: {exc}") from exc
        oldest_seconds = (time.time() if now_seconds is None else now_seconds) - keep_days * _SECONDS_A_DAY
        for path in directory.glob(f"*{LEDGER_SUFFIX}"):
            if LEDGER_NAME.fullmatch(path.name) and path.stat().st_mtime < oldest_seconds:
                path.unlink(missing_ok=True)

    def append(self, quotes: Sequence[Quote]) -> None:
        """Note accepted quotes, in their order: one write for each day among them.

        A disk that refuses is logged once and does not stop the pipeline: the quotes themselves are safe.
        """
        lines: dict[str, list[str]] = {}
        for quote in quotes:
            lines.setdefault(quote.timestamp[:10], []).append(ledger_line(quote))
        try:
            for day, of_day in lines.items():
                _write_whole(self._file(day), "".join(of_day).encode())
        except OSError as exc:
            if not self._has_failed:
                _log.error("ledger_not_written", directory=str(self._directory), error=str(exc))
            self._has_failed = True
        else:
            self._has_failed = False

    def on_accepted(self, quotes: Sequence[Quote]) -> None:
        """The pipeline's observer interface."""
        self.append(quotes)

    def on_rejected(self, rejections: Sequence[object]) -> None:
        """Refused quotes are not accepted: nothing to note."""

    def close(self) -> None:
        for descriptor in self._files.values():
            os.close(descriptor)
        self._files.clear()

    def _file(self, day: str) -> int:
        descriptor = self._files.get(day)
        if descriptor is None:
            while len(self._files) >= _OPEN_MAX:
                os.close(self._files.pop(next(iter(self._files))))
            path = self._directory / f"{day}{LEDGER_SUFFIX}"
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._files[day] = descriptor
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                _write_whole(descriptor, b"\n")  # a write that a crash cut off must not spoil the next line
        return descriptor


@contextmanager
def open_ledger(directory: Path) -> Iterator[Ledger]:
    """A ledger that is closed at the end of the context."""
    ledger = Ledger(directory)
    try:
        yield ledger
    finally:
        ledger.close()


def _write_whole(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
