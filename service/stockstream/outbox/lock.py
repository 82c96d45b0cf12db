"""One process at a time: an advisory lock that the kernel gives back however the process ends."""

import contextlib
import fcntl
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from stockstream.outbox.errors import OutboxLockedError, OutboxWriteError
from stockstream.outbox.files import put_aside

LOCK_FILE_NAME: Final = "lock"


class OutboxLock:
    """Holds the folder's lock file while the context lasts.

    Args:
        directory: Folder of the outbox; made where it is missing.
        name: Of the lock file, where it is not the outbox that is locked.
    """

    def __init__(self, directory: Path, name: str = LOCK_FILE_NAME) -> None:
        self._path = directory / name
        self._descriptor = -1

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(self._path) and not stat.S_ISREG(self._path.lstat().st_mode):
                # A folder or a link is nobody's lock, and writing through a link would write who knows where.
                put_aside(self._path, "damaged")
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o600)
        except OSError as exc:
            raise OutboxWriteError(
                f"cannot write to the outbox folder {self._path.parent}: {exc.strerror}. "
                "Remedy: make it writable, or set STOCKSTREAM_OUTBOX_DIR to a folder that is"
            ) from exc
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip()
            self._close()
            raise OutboxLockedError(
                f"the outbox {self._path.parent} is in use by process {holder or 'unknown'}. "
                "Remedy: stop that process, or give this one another STOCKSTREAM_OUTBOX_DIR"
            ) from exc
        # Whose it is, is for messages alone: a full disk is no reason not to start.
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
