"""The ledger, read as it stood at one moment: what was accepted by then, what came behind, and whether that is all."""

import gzip
import hashlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from stockstream.audit.errors import AuditError
from stockstream.audit.ledger_files import LedgerFile, list_files, open_part, plain_bytes
from stockstream.settings.paths import worker_folders

DIGEST_BYTES: Final = 8
_TIMESTAMP_CHARACTERS: Final = len("2026-11-22T14:30:00.000Z")
# Time of day and digest: `14:30:00.000` and 16 hexadecimal digits.
_PACKED_BYTES: Final = 12 + 2 * DIGEST_BYTES

# The running service packs a part in a second; a listing is read in less.
_TRIES: Final = 5
_GIVEN_UP: Final = "a part was given up, or not written, for want of room (STOCKSTREAM_LEDGER_MAX_BYTES, or the disk)"

_log = structlog.get_logger(__name__)


class LedgerEntry(NamedTuple):
    """One accepted quote: event time and digest of its bytes."""

    timestamp: str
    digest: str


def digest_of(data: bytes) -> str:
    """Digest of a quote's bytes on the stream, 16 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).hexdigest()


class DayLedger:
    """What was accepted of some symbols and one day. Packed: 28 bytes a quote, for days of millions.

    Attributes:
        gaps: Why it is not all of it, a sentence each; empty where it is.
    """

    def __init__(self, day: str) -> None:
        self._day = day
        self._accepted: dict[str, bytearray] = {}
        self._newer: dict[str, bytearray] = {}
        self.gaps: list[str] = []
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
        if (
            not line.endswith("\n")
            or len(parts) != 3
            or len(parts[1]) != _TIMESTAMP_CHARACTERS
            or len(parts[2]) != 2 * DIGEST_BYTES
        ):
            self.torn += bool(parts)
        elif is_wanted(parts[0]):
            packed = self._newer if is_newer else self._accepted
            packed.setdefault(parts[0], bytearray()).extend(f"{parts[1][11:23]}{parts[2]}".encode())

    def take(self, other: "DayLedger") -> None:
        """Take in what another worker's ledger has of the day."""
        for ours, theirs in ((self._accepted, other._accepted), (self._newer, other._newer)):
            for symbol, packed in theirs.items():
                if symbol not in ours:
                    ours[symbol] = packed
                    continue
                both = ours[symbol] + packed
                ours[symbol] = bytearray().join(
                    sorted(both[at : at + _PACKED_BYTES] for at in range(0, len(both), _PACKED_BYTES))
                )
        self.gaps += other.gaps
        self.torn += other.torn

    def _unpack(self, packed: bytes | bytearray) -> list[LedgerEntry]:
        texts = (packed[at : at + _PACKED_BYTES].decode() for at in range(0, len(packed), _PACKED_BYTES))
        return [LedgerEntry(f"{self._day}T{text[:12]}Z", text[12:]) for text in texts]


@dataclass(frozen=True, slots=True)
class LedgerCut:
    """The ledger as it stood at one moment: what is behind it was accepted later.

    Attributes:
        directory: Its folder.
        sizes_bytes: Length of each day's lines at that moment; packing a part does not change it.
        written_at: When each was written last, seconds since 1970.
        parts: The ledgers of several workers in place of one; the other attributes are of all of them together.
    """

    directory: Path
    sizes_bytes: Mapping[str, int]
    written_at: Mapping[str, float]
    parts: Sequence["LedgerCut"] = ()

    def read(self, day: str, is_wanted: Callable[[str], bool] = lambda _: True) -> DayLedger | None:
        """Read one day; None where the ledger knew nothing of it.

        Args:
            day: Day of event time.
            is_wanted: Tells whether a symbol is to be read.

        Raises:
            AuditError: a file cannot be read.
        """
        if day not in self.sizes_bytes:
            return None
        if self.parts:
            return _of_several(day, [found for part in self.parts if (found := part.read(day, is_wanted)) is not None])
        for _ in range(_TRIES):
            try:
                return self._read(day, is_wanted)
            except FileNotFoundError:
                # Packed or given up between the listing and the reading, by the service that runs.
                continue
            except OSError as exc:
                raise AuditError(f"the ledger of {day} in {self.directory} cannot be read: {exc}") from exc
        raise AuditError(f"the ledger of {day} in {self.directory} changes all the time; audit again")

    def hole(self, day: str) -> list[str]:
        """A day without a ledger between days that have one is a hole; before or after them nothing is known."""
        days = list(self.sizes_bytes)
        is_hole = bool(days) and day not in self.sizes_bytes and days[0] < day < days[-1]
        return [f"it has no file of this day, but of {days[0]} and {days[-1]}"] if is_hole else []

    def _read(self, day: str, is_wanted: Callable[[str], bool]) -> DayLedger:
        found, position = DayLedger(day), 0
        parts, was_given_up = _parts_of(self.directory, day)
        if was_given_up:
            found.gaps.append(_GIVEN_UP)
        for file in parts:
            end = position + plain_bytes(file)
            try:
                with open_part(file) as lines:
                    for line in lines:
                        is_newer = position >= self.sizes_bytes[day]
                        found.add(line.decode(errors="replace"), is_wanted, is_newer=is_newer)
                        position += len(line)
            except (EOFError, zlib.error, gzip.BadGzipFile) as exc:
                found.gaps.append(f"{file.path.name} is damaged: {exc}")
                position = end
        if found.torn:
            _log.warning("ledger_lines_torn", day=day, directory=str(self.directory), lines=found.torn)
        return found


def cut_ledger(directory: Path) -> LedgerCut:
    """Fix the moment: note how long each day's lines are now, those of workers below the folder included.

    Raises:
        AuditError: there is no such folder.
    """
    if not directory.is_dir():
        raise AuditError(
            f"there is no ledger folder {directory}. Remedy: name the one that the service writes (--ledger DIR, "
            "STOCKSTREAM_LEDGER_DIR); local mode keeps it in its state folder"
        )
    of_workers = [_cut_one(folder) for folder in worker_folders(directory)]
    own = _cut_one(directory)
    if not of_workers:
        return own
    parts = [own, *of_workers]
    days = sorted({day for part in parts for day in part.sizes_bytes})
    return LedgerCut(
        directory,
        {day: sum(part.sizes_bytes.get(day, 0) for part in parts) for day in days},
        {day: max(part.written_at.get(day, 0.0) for part in parts) for day in days},
        parts,
    )


def _of_several(day: str, found: Sequence[DayLedger]) -> DayLedger:
    """What several workers accepted of one day.

    Who polls accepts in the order of event time, so that of two workers, each with a part of a symbol's quotes, the
    order is that of event time too; in the minute in which both had it, quotes were accepted twice.
    """
    whole = DayLedger(day)
    for ledger in found:
        whole.take(ledger)
    return whole


def _cut_one(directory: Path) -> LedgerCut:
    sizes: dict[str, int] = {}
    written_at: dict[str, float] = {}
    files = list_files(directory)
    for day in sorted({file.day for file in files}):
        parts, _ = _parts_of(directory, day, files)
        sizes[day] = sum(plain_bytes(file) for file in parts)
        written_at[day] = max((file.written_at for file in files if file.day == day), default=0.0)
    return LedgerCut(directory, sizes, written_at)


def _parts_of(directory: Path, day: str, files: Sequence[LedgerFile] | None = None) -> tuple[list[LedgerFile], bool]:
    """The readable parts of a day in order, and whether some of it was given up."""
    of_day = [file for file in (list_files(directory) if files is None else files) if file.day == day]
    packed = {file.part for file in of_day if file.kind == "ledger.gz"}
    # A plain part beside its packed twin is what a crash left in between.
    parts = [file for file in of_day if file.kind == "ledger.gz" or (file.kind == "ledger" and file.part not in packed)]
    return parts, any(file.kind == "dropped" for file in of_day)
