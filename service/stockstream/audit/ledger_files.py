"""The ledger's files: how they are named, packed, kept within bounds and given up.

| Name | What |
|---|---|
| `2026-11-22.ledger` | the part of the day that is being written |
| `2026-11-22.000001.ledger` | a part that is full, or of a day that is over; about to be packed |
| `2026-11-22.000001.ledger.gz` | the same, packed: about a third |
| `2026-11-22.dropped` | empty: a part of this day was given up |

A mark takes the place of the file that is given up, so that a disk without a free byte or inode can be told from.
"""

import gzip
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BufferedIOBase
from pathlib import Path
from typing import Final, NamedTuple

_NAME: Final = re.compile(r"(\d{4}-\d{2}-\d{2})(?:\.(\d{6}))?\.(ledger|ledger\.gz|ledger\.gz\.part|dropped)")
_CHUNK_BYTES: Final = 1024 * 1024
# Digests do not compress, so that the slower levels gain a twelfth for three times the time.
_GZIP_LEVEL: Final = 1
# What the ledger leaves free for the quotes themselves, on whatever disk it shares with them.
DISK_FREE_MIN_BYTES: Final = 128 * 1024 * 1024
_DISK_FREE_MIN_SHARE: Final = 0.1


class LedgerFile(NamedTuple):
    """One file of the ledger; `part` is 0 of the one being written, which is the last of its day."""

    path: Path
    day: str
    part: int
    kind: str
    size_bytes: int
    written_at: float

    @property
    def is_readable(self) -> bool:
        return self.kind in {"ledger", "ledger.gz"}

    @property
    def is_live(self) -> bool:
        return self.kind == "ledger" and not self.part


class Bounds(NamedTuple):
    """What the ledger may take.

    Attributes:
        max_bytes: All files together.
        written_after: Seconds since 1970; files not written since then are removed.
        shortage_bytes: How much the disk is short of now.
    """

    max_bytes: int
    written_after: float
    shortage_bytes: Callable[[], int]


class Tended(NamedTuple):
    """What a round left: bytes on disk, days of which something was given up, whether the disk is still short."""

    size_bytes: int
    dropped_days: list[str]
    is_short: bool


def live_path(directory: Path, day: str) -> Path:
    """The file that the day's lines are appended to."""
    return directory / f"{day}.ledger"


def marker_path(directory: Path, day: str) -> Path:
    """The file whose being there says that not all of the day's lines are."""
    return directory / f"{day}.dropped"


def list_files(directory: Path) -> list[LedgerFile]:
    """Every file of the ledger, by day and in the order of its lines."""
    return sorted(_scan(directory), key=lambda file: (file.day, file.part == 0, file.part, file.kind))


def open_part(file: LedgerFile) -> BufferedIOBase:
    """Open a part for reading, unpacked. The lines of a day are those of its parts, one after the other."""
    return gzip.open(file.path, "rb") if file.kind == "ledger.gz" else file.path.open("rb")


def plain_bytes(file: LedgerFile) -> int:
    """How long a part's lines are, unpacked: packing does not change it."""
    if file.kind != "ledger.gz":
        return file.size_bytes
    with file.path.open("rb") as packed:
        # RFC 1952, 2.3.1: the last four bytes are the length modulo 2^32, and a part is far smaller.
        packed.seek(max(0, file.size_bytes - 4))
        return int.from_bytes(packed.read(4), "little")


def seal(directory: Path, day: str) -> None:
    """End the part that is being written: what follows goes into a file of its own."""
    parts = [file.part for file in _scan(directory) if file.day == day]
    live_path(directory, day).rename(directory / f"{day}.{max(parts, default=0) + 1:06d}.ledger")


def shortage_of(directory: Path) -> int:
    """Bytes that the disk has too few of; 0 or less where it has enough."""
    usage = shutil.disk_usage(directory)
    return min(DISK_FREE_MIN_BYTES, int(usage.total * _DISK_FREE_MIN_SHARE)) - usage.free


def tend(directory: Path, bounds: Bounds, *, stopping: Callable[[], bool]) -> Tended:
    """One round of housekeeping: tidy up after a crash, purge by age, pack, and keep within the bounds.

    Files that are being written are left alone: end their part first (`seal`).

    Args:
        directory: The ledger's folder.
        bounds: What it may take.
        stopping: True ends the round early; what is half done is done by the next.
    """
    _tidy(directory)
    for file in list_files(directory):
        if file.written_at < bounds.written_after and not file.is_live:
            file.path.unlink(missing_ok=True)
    dropped = _keep_within(directory, bounds)
    for file in list_files(directory):
        if file.kind == "ledger" and not file.is_live and not stopping():
            with suppress(OSError):  # no room to pack: the next round tries again, or gives it up
                _pack(file, stopping)
    dropped |= _keep_within(directory, bounds)
    size_bytes = sum(file.size_bytes for file in _scan(directory))
    return Tended(size_bytes, sorted(dropped), bounds.shortage_bytes() > 0)


def _scan(directory: Path) -> Iterator[LedgerFile]:
    if not directory.is_dir():
        return
    for entry in os.scandir(directory):
        match = _NAME.fullmatch(entry.name)
        with suppress(FileNotFoundError):
            if match is not None and entry.is_file():
                status = entry.stat()
                part = int(match[2] or 0)
                yield LedgerFile(Path(entry.path), match[1], part, match[3], status.st_size, status.st_mtime)


def _tidy(directory: Path) -> None:
    """What a crash left: a packed file that was never finished, or one whose plain twin was not yet removed."""
    for file in list_files(directory):
        if file.kind == "ledger.gz.part":
            file.path.unlink(missing_ok=True)
        elif file.kind == "ledger.gz":
            file.path.with_suffix("").unlink(missing_ok=True)


def _pack(file: LedgerFile, stopping: Callable[[], bool]) -> None:
    packed = file.path.with_name(f"{file.path.name}.gz")
    unfinished = packed.with_name(f"{packed.name}.part")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as raw, file.path.open("rb") as plain:
            with gzip.GzipFile("", "wb", _GZIP_LEVEL, raw, mtime=0) as out:
                while chunk := plain.read(_CHUNK_BYTES):
                    if stopping():
                        return
                    out.write(chunk)
            raw.flush()
            os.fsync(raw.fileno())
        os.utime(unfinished, (file.written_at, file.written_at))
        unfinished.rename(packed)
        file.path.unlink()
    finally:
        unfinished.unlink(missing_ok=True)


def _keep_within(directory: Path, bounds: Bounds) -> set[str]:
    dropped: set[str] = set()
    files = [file for file in _scan(directory) if file.is_readable]
    size_bytes = sum(file.size_bytes for file in files)
    # Well below the bound, so that it is not reached anew by the next quote.
    target_bytes = bounds.max_bytes if size_bytes <= bounds.max_bytes else bounds.max_bytes * 7 // 8
    for file in sorted(files, key=lambda file: (file.written_at, file.day, file.part)):
        if size_bytes <= target_bytes and bounds.shortage_bytes() <= 0:
            break
        if not file.is_live:
            _drop(file)
            size_bytes -= file.size_bytes
            dropped.add(file.day)
    return dropped


def _drop(file: LedgerFile) -> None:
    os.truncate(file.path, 0)
    file.path.rename(marker_path(file.path.parent, file.day))
