"""Reading the ledger: what was accepted on a day, and whether that is all of it."""

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from stockstream.audit.errors import AuditError
from stockstream.audit.ledger_files import LedgerFile, list_files, open_part

DIGEST_BYTES: Final = 8

# The running service packs a part in a second; a listing is read in less.
_TRIES: Final = 5
_GIVEN_UP: Final = "a part was given up, or not written, for want of room (STOCKSTREAM_LEDGER_MAX_BYTES, or the disk)"

_log = structlog.get_logger(__name__)


class LedgerEntry(NamedTuple):
    """One accepted quote: event time and digest of its bytes."""

    timestamp: str
    digest: str


class DayLedger(NamedTuple):
    """What the ledger says of a day.

    Attributes:
        by_symbol: Accepted quotes in order.
        gaps: Why it is not all of them, a sentence each; empty where it is.
    """

    by_symbol: Mapping[str, Sequence[LedgerEntry]]
    gaps: Sequence[str]


def digest_of(data: bytes) -> str:
    """Digest of a quote's bytes on the stream, 16 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).hexdigest()


def ledger_days(directory: Path) -> list[str]:
    """Days of event time that the ledger knows of, in order; those that were given up are among them."""
    return sorted({file.day for file in list_files(directory)})


def read_ledger(directory: Path, day: str) -> DayLedger | None:
    """Read one day; None where the ledger knows nothing of it.

    Raises:
        AuditError: a file cannot be read.
    """
    for _ in range(_TRIES):
        try:
            return _read_day(directory, day)
        except FileNotFoundError:
            # Packed or given up between the listing and the reading, by the service that runs.
            continue
        except OSError as exc:
            raise AuditError(f"the ledger of {day} in {directory} cannot be read: {exc}") from exc
    raise AuditError(f"the ledger of {day} in {directory} changes all the time; audit again")


def _read_day(directory: Path, day: str) -> DayLedger | None:
    files = [file for file in list_files(directory) if file.day == day]
    packed = {file.part for file in files if file.kind == "ledger.gz"}
    found: dict[str, list[LedgerEntry]] = {}
    gaps: list[str] = []
    for file in files:
        if file.kind == "dropped":
            gaps.append(_GIVEN_UP)
        elif file.kind == "ledger.gz" or (file.kind == "ledger" and file.part not in packed):
            # A plain part beside its packed twin is what a crash left in between.
            _read_part(file, found, gaps)
    return DayLedger(found, gaps) if files else None


def _read_part(file: LedgerFile, found: dict[str, list[LedgerEntry]], gaps: list[str]) -> None:
    try:
        with open_part(file) as lines:
            _parse((line.decode(errors="replace") for line in lines), file.path, found)
    except (EOFError, zlib.error, gzip.BadGzipFile) as exc:
        gaps.append(f"{file.path.name} is damaged: {exc}")


def _parse(lines: Iterable[str], path: Path, found: dict[str, list[LedgerEntry]]) -> None:
    torn = 0
    for line in lines:
        parts = line.split()
        if line.endswith("\n") and len(parts) == 3 and len(parts[2]) == 2 * DIGEST_BYTES:
            found.setdefault(parts[0], []).append(LedgerEntry(parts[1], parts[2]))
        elif parts:
            torn += 1
    if torn:
        _log.warning("ledger_lines_torn", path=str(path), lines=torn)
