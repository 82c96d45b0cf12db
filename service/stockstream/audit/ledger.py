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
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from stockstream.audit.errors import AuditError
from stockstream_wire import Quote, encode_quote

DIGEST_BYTES: Final = 8
KEEP_DAYS: Final = 30
_SUFFIX: Final = ".ledger"
_NAME: Final = re.compile(r"\d{4}-\d{2}-\d{2}\.ledger")
_SECONDS_A_DAY: Final = 86_400
# A replay may jump between days; this many files stay open.
_OPEN_MAX: Final = 4
# Time of day and digest: `14:30:00.000` and 16 hexadecimal digits.
_PACKED_BYTES: Final = 12 + 2 * DIGEST_BYTES

_log = structlog.get_logger(__name__)


class LedgerEntry(NamedTuple):
    """One accepted quote: event time and digest of its bytes."""

    timestamp: str
    digest: str


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
        for path in directory.glob(f"*{_SUFFIX}"):
            if _NAME.fullmatch(path.name) and path.stat().st_mtime < oldest_seconds:
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
            path = self._directory / f"{day}{_SUFFIX}"
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


class DayLedger:
    """What was accepted of some symbols and one day. Packed: 28 bytes a quote, for days of millions."""

    def __init__(self, day: str) -> None:
        self._day = day
        self._accepted: dict[str, bytearray] = {}
        self._newer: dict[str, bytearray] = {}
        self.torn = 0

    @property
    def symbols(self) -> AbstractSet[str]:
        """Symbols with quotes accepted up to the cut."""
        return self._accepted.keys()

    def accepted(self, symbol: str) -> list[LedgerEntry]:
        """Quotes accepted up to the cut, in order."""
        return self._unpack(self._accepted.get(symbol, b""))

    def newer(self, symbol: str) -> list[LedgerEntry]:
        """Quotes accepted behind it."""
        return self._unpack(self._newer.get(symbol, b""))

    def last_accepted(self) -> set[tuple[str, str]]:
        """The last quote of each symbol (symbol, event time) up to the cut."""
        return {
            (symbol, self._unpack(packed[-_PACKED_BYTES:])[0].timestamp) for symbol, packed in self._accepted.items()
        }

    def add(self, line: str, is_wanted: Callable[[str], bool], *, is_newer: bool) -> None:
        parts = line.split()
        if not line.endswith("\n") or len(parts) != 3 or len(parts[1]) != 24 or len(parts[2]) != 2 * DIGEST_BYTES:
            self.torn += bool(parts)
        elif is_wanted(parts[0]):
            packed = self._newer if is_newer else self._accepted
            packed.setdefault(parts[0], bytearray()).extend(f"{parts[1][11:23]}{parts[2]}".encode())

    def _unpack(self, packed: bytes | bytearray) -> list[LedgerEntry]:
        texts = (packed[at : at + _PACKED_BYTES].decode() for at in range(0, len(packed), _PACKED_BYTES))
        return [LedgerEntry(f"{self._day}T{text[:12]}Z", text[12:]) for text in texts]


@dataclass(frozen=True, slots=True)
class LedgerCut:
    """The ledger as it stood at one moment: what is behind it was accepted later.

    Attributes:
        directory: Its folder.
        sizes_bytes: Length of each day's file at that moment.
        written_at: When each was written last, seconds since 1970.
    """

    directory: Path
    sizes_bytes: Mapping[str, int]
    written_at: Mapping[str, float]

    def read(self, day: str, is_wanted: Callable[[str], bool] = lambda _: True) -> DayLedger | None:
        """Read one day; None where it had no file.

        Args:
            day: Day of event time.
            is_wanted: Tells whether a symbol is to be read.

        Raises:
            AuditError: the file cannot be read.
        """
        if day not in self.sizes_bytes:
            return None
        path = self.directory / f"{day}{_SUFFIX}"
        found, position = DayLedger(day), 0
        try:
            with path.open("rb") as lines:
                for line in lines:
                    is_newer = position >= self.sizes_bytes[day]
                    found.add(line.decode(errors="replace"), is_wanted, is_newer=is_newer)
                    position += len(line)
        except OSError as exc:
            raise AuditError(f"the ledger {path} cannot be read: {exc}") from exc
        if found.torn:
            _log.warning("ledger_lines_torn", path=str(path), lines=found.torn)
        return found


def cut_ledger(directory: Path) -> LedgerCut:
    """Fix the moment: note how long each day's file is now.

    Raises:
        AuditError: there is no such folder.
    """
    if not directory.is_dir():
        raise AuditError(
            f"there is no ledger folder {directory}. Remedy: name the one that the service writes (--ledger DIR, "
            "STOCKSTREAM_LEDGER_DIR); local mode keeps it in its state folder"
        )
    stats = {path.stem: path.stat() for path in directory.glob(f"*{_SUFFIX}") if _NAME.fullmatch(path.name)}
    return LedgerCut(
        directory,
        {day: stat.st_size for day, stat in sorted(stats.items())},
        {day: stat.st_mtime for day, stat in stats.items()},
    )


def _write_whole(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
