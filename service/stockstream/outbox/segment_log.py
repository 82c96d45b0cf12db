"""The log on disk: numbered segment files of frames, appended and synced, read in order, dropped from the front.

Blocking and single-threaded: `disk` calls it from one thread of its own.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from stockstream.outbox.errors import OutboxCorruptError
from stockstream.outbox.files import sync_data, sync_directory, write_all
from stockstream.outbox.frame import HEADER_BYTES, EncodedFrame, FrameHeader, is_intact, parse_header
from stockstream.outbox.recovery import SegmentScan, rewrite_intact_frames, scan_segment

_SUFFIX: Final = ".log"


class Position(NamedTuple):
    """A place between two frames."""

    segment: int
    offset: int


class LogView(NamedTuple):
    """The log at one moment, safe to look at from other threads.

    Attributes:
        first: The place before the oldest frame.
        end: The place after the newest.
        size_bytes: Size of all segments.
        segments: Their number.
    """

    first: Position
    end: Position
    size_bytes: int
    segments: int


class Frame(NamedTuple):
    """A frame as read, and the place after it."""

    header: FrameHeader
    payload: bytes
    end: Position


@dataclass(slots=True)
class SegmentInfo:
    """What is known of one segment."""

    size_bytes: int
    records: int


@dataclass(frozen=True, slots=True)
class Recovery:
    """What opening the log found.

    Attributes:
        torn_bytes: Half-written bytes cut off the end, as a power loss in mid-write leaves them.
        damaged: Files with bytes in the middle that are no frames, or a segment missing: the counting is lost.
    """

    torn_bytes: int
    damaged: tuple[str, ...]


class SegmentLog:
    """An append-only log of frames.

    Args:
        directory: Where the segments lie.
        segment_bytes: Size at which the next segment begins.
        first_segment: Older segments are what a crash left of a removal, and are removed.
    """

    def __init__(self, directory: Path, segment_bytes: int, first_segment: int) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self.segments: dict[int, SegmentInfo] = {}
        self._write_descriptor = -1
        self._read_descriptor = -1
        self._read_segment = -1
        self.recovery = self._recover(first_segment)
        if self.segments:
            self._open_last()
        else:
            self._start_segment(first_segment)

    @property
    def end(self) -> Position:
        """The place after the last frame."""
        last = next(reversed(self.segments))
        return Position(last, self.segments[last].size_bytes)

    @property
    def first(self) -> Position:
        """The place before the first frame."""
        return Position(next(iter(self.segments)), 0)

    def view(self) -> LogView:
        """The log as it is now."""
        size_bytes = sum(segment.size_bytes for segment in self.segments.values())
        return LogView(self.first, self.end, size_bytes, len(self.segments))

    def append(self, frames: Sequence[EncodedFrame]) -> list[Position]:
        """Write frames and sync them; returns the place after each.

        Raises:
            OSError: nothing of it counts; the log ends where it did before.
        """
        if self.end.offset >= self._segment_bytes:
            self._start_segment(self.end.segment + 1)
        segment, start = self.end
        try:
            write_all(self._write_descriptor, [piece for frame in frames for piece in frame.pieces])
            sync_data(self._write_descriptor)
        except BaseException:
            # An interrupt included: half a frame in the middle of the log would be damage.
            self._give_up_tail(segment, start)
            raise
        ends = []
        info = self.segments[segment]
        for frame in frames:
            info.size_bytes += frame.size_bytes
            info.records += frame.records
            ends.append(Position(segment, info.size_bytes))
        return ends

    def read(self, position: Position) -> Frame | None:
        """Read the frame at a place; None at the end of the log.

        Raises:
            OutboxCorruptError: the bytes are not the frame that was there when the log was opened.
        """
        while position.offset >= self.segments[position.segment].size_bytes:
            if position.segment == self.end.segment:
                return None
            position = Position(self._after(position.segment), 0)
        if self._read_segment != position.segment:
            self._close_reader()
            self._read_descriptor = os.open(self._path(position.segment), os.O_RDONLY | os.O_CLOEXEC)
            self._read_segment = position.segment
        header = parse_header(os.pread(self._read_descriptor, HEADER_BYTES, position.offset))
        payload = b""
        if header is not None:
            payload = os.pread(self._read_descriptor, header.payload_bytes, position.offset + HEADER_BYTES)
        if header is None or not is_intact(header, payload):
            raise OutboxCorruptError(
                f"{self._path(position.segment)} is damaged at byte {position.offset}. Remedy: check the disk, then "
                "start again; the sender keeps a copy and goes on with what is intact"
            )
        end = Position(position.segment, position.offset + HEADER_BYTES + header.payload_bytes)
        return Frame(header, payload, end)

    def start_new_segment(self) -> Position:
        """End the present segment, so that it can be dropped once it is acknowledged."""
        if self.end.offset:
            self._start_segment(self.end.segment + 1)
        return self.end

    def drop_first(self) -> None:
        """Remove the oldest segment; the checkpoint must have left it behind already."""
        number = next(iter(self.segments))
        if number == self._read_segment:
            self._close_reader()
        del self.segments[number]
        self._path(number).unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the files."""
        self._close_reader()
        if self._write_descriptor >= 0:
            os.close(self._write_descriptor)
            self._write_descriptor = -1

    def _path(self, number: int) -> Path:
        return self._directory / f"{number:012d}{_SUFFIX}"

    def _after(self, number: int) -> int:
        return next(other for other in self.segments if other > number)

    def _start_segment(self, number: int) -> None:
        if self._write_descriptor >= 0:
            os.close(self._write_descriptor)
            self._write_descriptor = -1
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._write_descriptor = os.open(self._path(number), flags, 0o600)
        sync_directory(self._directory)
        self.segments[number] = SegmentInfo(0, 0)

    def _open_last(self) -> None:
        self._write_descriptor = os.open(self._path(self.end.segment), os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def _give_up_tail(self, segment: int, start: int) -> None:
        """Forget a failed write. After a failed sync the kernel may have dropped the pages, so a new file begins."""
        os.close(self._write_descriptor)
        self._write_descriptor = -1
        os.truncate(self._path(segment), start)
        if start:
            self._start_segment(segment + 1)
        else:
            self._open_last()

    def _recover(self, first_segment: int) -> Recovery:
        numbers = sorted(int(path.stem) for path in self._directory.glob(f"*{_SUFFIX}") if path.stem.isdigit())
        for number in [n for n in numbers if n < first_segment]:
            self._path(number).unlink()
        numbers = [n for n in numbers if n >= first_segment]
        damaged = []
        torn_bytes = 0
        for index, number in enumerate(numbers):
            expected = first_segment if index == 0 else numbers[index - 1] + 1
            if number != expected:
                damaged.append(f"{self._path(expected).name} is missing")
            scan = scan_segment(self._path(number))
            is_last = index == len(numbers) - 1
            if scan.bad_bytes_inside or (scan.bad_bytes_at_end and not is_last):
                kept = rewrite_intact_frames(self._path(number), scan)
                damaged.append(f"{self._path(number).name}, kept as {kept.name}")
            elif scan.bad_bytes_at_end:
                torn_bytes = scan.bad_bytes_at_end
                _truncate(self._path(number), scan)
            self.segments[number] = SegmentInfo(scan.intact_bytes, scan.records)
        return Recovery(torn_bytes, tuple(damaged))

    def _close_reader(self) -> None:
        if self._read_descriptor >= 0:
            os.close(self._read_descriptor)
        self._read_descriptor = self._read_segment = -1


def _truncate(path: Path, scan: SegmentScan) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.ftruncate(descriptor, scan.intact_bytes)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
