"""Writes that are whole and durable, and files put aside that cannot be used as they are."""

import contextlib
import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from stockstream.outbox.errors import OutboxCorruptError

# macOS has no fdatasync; fsync does more than is needed there.
sync_data: Final = getattr(os, "fdatasync", os.fsync)
# Pieces that POSIX systems take in one call (UIO_MAXIOV of Linux).
_IOV_MAX: Final = 1024
# No room for bytes, for another file (both ENOSPC), or within the user's quota.
_DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
# Not at the file of an attacker's choice, and not waiting for the other end of a pipe.
_SAFE_FLAGS: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def is_disk_full(failure: BaseException | None) -> bool:
    """Whether a failure means that there is no room."""
    return isinstance(failure, OSError) and failure.errno in _DISK_FULL


def write_all(descriptor: int, pieces: Sequence[bytes]) -> None:
    """Write every byte of the pieces; the kernel takes so many at a time, and a large write in parts."""
    for start in range(0, len(pieces), _IOV_MAX):
        some = pieces[start : start + _IOV_MAX]
        written = os.writev(descriptor, some)
        if written < sum(map(len, some)):
            rest = memoryview(b"".join(some))[written:]
            while rest:
                rest = rest[os.write(descriptor, rest) :]


def write_file(path: Path, data: bytes) -> None:
    """Make a file, or replace its content, atomically and durably; nothing is left of a failure."""
    temporary = path.with_name(path.name + ".tmp")
    with contextlib.suppress(FileNotFoundError):
        remove_or_put_aside(temporary)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFE_FLAGS, 0o600)
    try:
        try:
            write_all(descriptor, [data])
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_directory(path.parent)


def open_regular(path: Path, flags: int, *, follow: bool = False) -> int | None:
    """Open a file; None where something else is in its place (a folder, a pipe, a link).

    Args:
        path: Of the file.
        flags: Of `os.open`.
        follow: Whether a link to a file will do.

    Raises:
        FileNotFoundError: nothing is there.
        OutboxCorruptError: it may not be read, or the disk cannot: what is in it is not known to be lost.
    """
    try:
        descriptor = os.open(path, flags | (_SAFE_FLAGS & ~os.O_NOFOLLOW if follow else _SAFE_FLAGS))
    except FileNotFoundError:
        if os.path.lexists(path):
            return None
        raise
    except OSError as exc:
        if exc.errno in {errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.ENODEV}:
            return None
        raise OutboxCorruptError(
            f"cannot open {path}: {exc.strerror}. Remedy: make it readable and writable for this user, or check the "
            "disk; to go on without what is in it, move it away"
        ) from exc
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    return None


def remove_or_put_aside(path: Path) -> None:
    """Remove a file; a folder in its place is somebody's, and is kept."""
    try:
        path.unlink()
    except (IsADirectoryError, PermissionError):
        put_aside(path, "damaged")


def put_aside(path: Path, kind: str) -> Path:
    """Rename what cannot be used to `NAME.KIND`, `NAME.2.KIND` and so on, whatever it is; returns the new path.

    Takes no room, so that it can be done on a full disk.
    """
    aside = free_name(path, kind)
    path.rename(aside)
    sync_directory(path.parent)
    return aside


def put_aside_latest(path: Path, kind: str) -> Path:
    """The same for what holds no quote: a file replaces the one that was put aside before it.

    Else files of no use to anyone would take a small disk's room, or its last inodes, and the outbox would not start.
    """
    aside = path.with_name(f"{path.name}.{kind}")
    if not _is_regular(path) or (os.path.lexists(aside) and not _is_regular(aside)):
        return put_aside(path, kind)
    path.replace(aside)
    sync_directory(path.parent)
    return aside


def _is_regular(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


def free_name(path: Path, kind: str) -> Path:
    """The first of `NAME.KIND`, `NAME.2.KIND`… that nothing has."""
    aside, number = path.with_name(f"{path.name}.{kind}"), 2
    while os.path.lexists(aside):
        aside, number = path.with_name(f"{path.name}.{number}.{kind}"), number + 1
    return aside


def sync_directory(directory: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # Some network file systems do not know how; their names are durable by other means or not at all.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
