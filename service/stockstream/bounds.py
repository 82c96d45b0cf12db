"""Unpacking within a bound: a few kilobytes of gzip may be gigabytes of nothing."""

import gzip
import io
from typing import Final

from stockstream.errors import AnswerTooLargeError

# An archive object holds the quotes of one symbol of one Lambda batch, and a batch is at most 6 MB.
UNPACKED_MAX_BYTES: Final = 32 * 1024 * 1024


def gunzip(packed: bytes, what: str, max_bytes: int = UNPACKED_MAX_BYTES) -> bytes:
    """Unpack gzip.

    Args:
        packed: One or more members.
        what: Its name, for the error.
        max_bytes: The most that it may hold.

    Raises:
        OSError, EOFError, zlib.error: it is damaged, as `gzip.decompress` says it.
        AnswerTooLargeError: it holds more; not more than that was unpacked.
    """
    with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
        data = file.read(max_bytes)
        if file.read(1):
            raise AnswerTooLargeError(f"{what}, unpacked,", max_bytes)
    return data
