"""Reading a segment that nobody vouches for: which frames in it are intact, and what lies between them."""

import mmap
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from stockstream.outbox.frame import FRAME_MAGIC, FRAME_VERSION, HEADER_BYTES, FrameHeader, is_intact, parse_header

_ANY_VERSION: Final = re.compile(rb"SSF(\d)")


@dataclass(frozen=True, slots=True)
class ScannedFrame:
    """An intact frame and its place."""

    header: FrameHeader
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class BadBytes:
    """Bytes that are no intact frame.

    Attributes:
        start: Of the first.
        end: After the last.
        header: Of the frame that they were, where it can still be read.
    """

    start: int
    end: int
    header: FrameHeader | None

    @property
    def is_whole_frame(self) -> bool:
        """Whether the frame is there in full: then it was damaged, and no write was cut short."""
        return self.header is not None and self.end - self.start >= self.header.frame_bytes


def map_file(descriptor: int) -> "mmap.mmap | bytes":
    """The bytes of an open file; a map of an empty one cannot be made."""
    size = os.fstat(descriptor).st_size
    return mmap.mmap(descriptor, size, access=mmap.ACCESS_READ) if size else b""


def scan(data: "mmap.mmap | bytes", after: int = 0) -> Iterator[ScannedFrame | BadBytes]:
    """Part the bytes of a segment into intact frames and others. Damage is stepped over: what follows counts again.

    Args:
        data: Bytes of the segment.
        after: Numbers below this one have been read before; frames with such are not taken again.
    """
    view = memoryview(data)
    try:
        position = bad_from = 0
        bad_header: FrameHeader | None = None
        size = len(data)
        while position < size:
            header = parse_header(bytes(view[position : position + HEADER_BYTES]))
            end = position + header.frame_bytes if header is not None else size + 1
            if header is not None and header.first >= after and end <= size:
                if is_intact(header, view[position + HEADER_BYTES : end]):
                    if position > bad_from:
                        yield BadBytes(bad_from, position, bad_header)
                    yield ScannedFrame(header, position, end)
                    position = bad_from = end
                    after, bad_header = header.end, None
                    continue
                if end == size or parse_header(bytes(view[end : end + HEADER_BYTES])) is not None:
                    # Its header says where it ends: nothing inside is a frame, whatever a record holds.
                    if position > bad_from:
                        yield BadBytes(bad_from, position, bad_header)
                    yield BadBytes(position, end, header)
                    position = bad_from = end
                    after, bad_header = header.end, None
                    continue
            if position == bad_from:
                bad_header = header
            is_repeated = header is not None and header.first < after and end <= size
            position = end if is_repeated else _next_magic(data, position + 1)
        if bad_from < size:
            yield BadBytes(bad_from, size, bad_header)
    finally:
        view.release()


def version_of(data: "mmap.mmap | bytes") -> int | None:
    """Format of a segment's first frame, where it is another one than this code's."""
    found = _ANY_VERSION.match(data[:4])
    version = int(found[1]) if found else FRAME_VERSION
    return None if version == FRAME_VERSION else version


def _next_magic(data: "mmap.mmap | bytes", start: int) -> int:
    found = data.find(FRAME_MAGIC, start)
    return found if found >= 0 else len(data)
