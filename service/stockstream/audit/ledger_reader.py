"""The ledger, read as it stood at one moment: what was accepted by then, and what came behind."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from stockstream.audit.errors import AuditError
from stockstream.audit.ledger import DIGEST_BYTES, LEDGER_NAME, LEDGER_SUFFIX

_TIMESTAMP_CHARACTERS: Final = len("2026-11-22T14:30:00.000Z")
# Time of day and digest: `14:30:00.000` and 16 hexadecimal digits.
_PACKED_BYTES: Final = 12 + 2 * DIGEST_BYTES

_log = structlog.get_logger(__name__)


class LedgerEntry(NamedTuple):
    """One accepted quote: event time and digest of its bytes."""

    timestamp: str
    digest: str


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
        path = self.directory / f"{day}{LEDGER_SUFFIX}"
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
    stats = {path.stem: path.stat() for path in directory.glob(f"*{LEDGER_SUFFIX}") if LEDGER_NAME.fullmatch(path.name)}
    return LedgerCut(
        directory,
        {day: stat.st_size for day, stat in sorted(stats.items())},
        {day: stat.st_mtime for day, stat in stats.items()},
    )
