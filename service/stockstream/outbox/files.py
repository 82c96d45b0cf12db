"""Writes that are whole and durable."""

import contextlib
import os
from pathlib import Path
from typing import Final

# macOS has no fdatasync; fsync does more than is needed there.
sync_data: Final = getattr(os, "fdatasync", os.fsync)


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte; the kernel may take a large write in parts."""
    written = os.write(descriptor, data)
    if written < len(data):
        view = memoryview(data)[written:]
        while view:
            view = view[os.write(descriptor, view) :]


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file's content atomically and durably."""
    temporary = path.with_suffix(".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        write_all(descriptor, data)
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
