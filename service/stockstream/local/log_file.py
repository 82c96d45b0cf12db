"""A log file that is kept within bounds: at its bound it becomes FILE.1, in place of the one before."""

import io
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 10_000_000


class RotatingFile(io.TextIOBase):
    """A text file for lines; each is on its way to the disk when `write` returns.

    Args:
        path: The file; what it holds already stays.
        max_bytes: Its bound, and that of the one kept beside it.
    """

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        super().__init__()
        self._path = path
        self._max_bytes = max_bytes
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def write(self, text: str) -> int:
        """Write text, whole lines together in one file."""
        if self._file.tell() > self._max_bytes:
            self._file.close()
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            self._file = self._path.open("a", encoding="utf-8", buffering=1)
        return self._file.write(text)

    def flush(self) -> None:
        if not self._file.closed:
            self._file.flush()

    def close(self) -> None:
        self._file.close()
        super().close()
