"""Lines of a plain or gzipped file in bounded memory; every way of being unreadable is one clear error."""

import codecs
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from stockstream.errors import InputError

LINE_MAX_BYTES: Final = 64 * 1024
_BLOCK_BYTES: Final = 256 * 1024
_GZIP_MAGIC: Final = b"\x1f\x8b"
_UTF16_MARKS: Final = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class ByteFile:
    """A file opened for reading, decompressed when its first bytes are gzip's, whatever its name says.

    Raises:
        InputError: on opening or reading, naming the file, what is wrong with it and the remedy.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.is_dir():
            raise InputError(f"{path}: is a folder. Name the files in it")
        if path.exists() and not path.is_file():
            # A pipe cannot be checked before the run nor read without blocking for as long as its writer likes.
            raise InputError(f"{path}: is not a regular file. Save it to one first")
        try:
            self._raw = path.open("rb")
        except OSError as exc:
            raise InputError(f"{path}: cannot be opened: {exc.strerror}") from exc
        self._stream: IO[bytes] | gzip.GzipFile = self._raw
        try:
            head = self._raw.read(len(_GZIP_MAGIC))
            self._raw.seek(0)
        except OSError as exc:
            self._raw.close()
            raise InputError(f"{path}: cannot be read: {exc.strerror}") from exc
        if head == _GZIP_MAGIC:
            self._stream = gzip.GzipFile(fileobj=self._raw, mode="rb")
        if not head:
            self._raw.close()
            raise InputError(f"{path}: is empty")
        self._decoder: codecs.IncrementalDecoder | None = None
        try:
            self._decoder = self._utf16_decoder()
        except InputError:
            self.close()
            raise

    def _utf16_decoder(self) -> codecs.IncrementalDecoder | None:
        """What Windows calls Unicode: by its mark, or by a first character whose other byte is 0."""
        start = self._read(4)
        self._stream.seek(0)
        encoding = _UTF16_MARKS.get(start[:2])
        if encoding is not None:
            self._read(2)
        elif len(start) == 4 and start[1] == start[3] == 0 and start[0] and start[2]:
            encoding = "utf-16-le"
        elif len(start) == 4 and start[0] == start[2] == 0 and start[1] and start[3]:
            encoding = "utf-16-be"
        return None if encoding is None else codecs.getincrementaldecoder(encoding)()

    def read(self, size_bytes: int = _BLOCK_BYTES) -> bytes:
        """At most about `size_bytes` of content, UTF-16 as UTF-8; empty at the end."""
        block = self._read(size_bytes)
        if self._decoder is None:
            return block
        try:
            return self._decoder.decode(block, final=not block).encode()
        except UnicodeError as exc:
            raise InputError(f"{self.path}: begins like UTF-16 and is none: {exc}. Save it as UTF-8") from exc

    def _read(self, size_bytes: int) -> bytes:
        try:
            return self._stream.read(size_bytes)
        except EOFError as exc:
            raise InputError(f"{self.path}: the gzip file is truncated. Copy or download it again") from exc
        except (gzip.BadGzipFile, zlib.error) as exc:
            raise InputError(f"{self.path}: the gzip file is damaged ({exc}). Copy or download it again") from exc
        except OSError as exc:
            raise InputError(f"{self.path}: cannot be read: {exc.strerror or exc}") from exc

    def lines(self) -> Iterator[tuple[int, bytes | None]]:
        """Yield (line number from 1, line without its end); None for a line above `LINE_MAX_BYTES`.

        A line whose end was cut off by a read error is never yielded: half a number is a wrong number.
        """
        number = 0
        tail = b""
        in_long_line = False
        while block := self.read():
            parts = (tail + block).split(b"\n")
            tail = parts.pop()
            for part in parts:
                number += 1
                if in_long_line:
                    in_long_line = False
                    continue
                yield number, part if len(part) <= LINE_MAX_BYTES else None
            if len(tail) > LINE_MAX_BYTES:
                if not in_long_line:
                    yield number + 1, None
                in_long_line = True
                tail = b""
        if tail and not in_long_line:
            yield number + 1, tail

    def close(self) -> None:
        self._stream.close()
        self._raw.close()
