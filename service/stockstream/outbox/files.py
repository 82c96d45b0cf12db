"""Writes that are whole and durable."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

# macOS has no fdatasync; fsync does more than is needed there.
sync_data: Final = getattr(os, "fdatasync", os.fsync)
# Pieces that POSIX systems take in one call (UIO_MAXIOV of Linux).
_IOV_MAX: Final = 1024


def write_all(descriptor: int, pieces: Sequence[bytes]) -> None:
    """Write every byte of the pieces; the kernel takes so many at a time, and a large write in parts."""
    for start in range(0, len(pieces), _IOV_MAX):
        some = pieces[start : start + _IOV_MAX]
        written = os.writev(descriptor, some)
        if written < sum(map(len, some)):
            rest = memoryview(b"".join(some))[written:]
            while rest:
                rest = rest[os.write(descriptor, rest) :]


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file's content atomically and durably."""
    temporary = path.with_suffix(".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        write_all(descriptor, [data])
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # Some network file systems do not know how; their names are durable by other means or not at all.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
