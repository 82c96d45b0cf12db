"""The log on disk: numbered segment files of frames, appended and synced, read in order, dropped from the front.

Blocking and single-threaded: `disk` calls it from one thread of its own. A process writes to files of its own making
only, and makes one when there is something to write: opening an outbox needs no room.
"""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from stockstream.outbox.errors import OutboxCorruptError
from stockstream.outbox.files import free_name, put_aside, sync_data, sync_directory, write_all, write_file
from stockstream.outbox.frame import HEADER_BYTES, EncodedFrame, FrameHeader, is_intact, parse_header
from stockstream.outbox.recovery import Segment, segment_path
from stockstream.outbox.scan import BadBytes

#: What is left of the last write that was not finished; no record in it was ever accepted.
TORN_FILE_NAME: Final = "torn-write.damaged"

log = structlog.get_logger("stockstream.outbox")


class Position(NamedTuple):
    """A place between two frames."""

    segment: int
    offset: int


class LogView(NamedTuple):
    """The log at one moment, safe to look at from other threads.

    Attributes:
        first: The place before the oldest frame.
        first_end: The place after the last frame of the first segment.
        first_number_end: The number after that of its last record.
        end: The place after the newest.
        size_bytes: Size of all segments.
        segments: Their number.
        is_open: Whether the last of them is still written to.
    """

    first: Position
    first_end: Position
    first_number_end: int
    end: Position
    size_bytes: int
    segments: int
    is_open: bool

    @property
    def droppable(self) -> int:
        """Segments that nothing is written to any more."""
        return self.segments - self.is_open


class Frame(NamedTuple):
    """A frame as read, and the place after it."""

    header: FrameHeader
    payload: bytes
    end: Position


class SegmentLog:
    """An append-only log of frames.

    Args:
        directory: Where the segments lie.
        segment_bytes: Size at which the next segment begins.
        segments: Those that are there, in their order.
        next_segment: Number of the next file.
        torn: Which bad bytes are writes that were not finished.
    """

    def __init__(
        self,
        directory: Path,
        segment_bytes: int,
        segments: Sequence[Segment] = (),
        next_segment: int = 1,
        torn: Sequence[tuple[Segment, BadBytes]] = (),
    ) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self.segments = {segment.number: segment for segment in segments}
        self._torn = {(segment.number, bad.start) for segment, bad in torn}
        self._next_segment = next_segment
        # The segment that is written to, and its descriptor; -1 where the next append makes one.
        self._written = self._write_descriptor = -1
        self._read_segment = self._read_descriptor = -1

    @property
    def end(self) -> Position:
        """The place after the last frame."""
        if self._written < 0:
            return Position(self._next_segment, 0)
        return Position(self._written, self.segments[self._written].size_bytes)

    @property
    def first(self) -> Position:
        """The place before the first frame."""
        return Position(next(iter(self.segments)), 0) if self.segments else self.end

    def view(self) -> LogView:
        """The log as it is now."""
        segments = self.segments
        end = self.end
        if not segments:
            return LogView(end, end, 0, end, 0, 0, is_open=False)
        first = next(iter(segments.values()))
        size_bytes = sum([segment.size_bytes for segment in segments.values()])
        first_end = Position(first.number, first.size_bytes)
        is_open = self._written >= 0
        return LogView(Position(first.number, 0), first_end, first.end, end, size_bytes, len(segments), is_open)

    def append(self, frames: Sequence[EncodedFrame], number: int, generation: int) -> list[Position]:
        """Write frames and sync them; returns the place after each.

        Args:
            frames: Of records that follow one another.
            number: Of the first record.
            generation: Of the numbers.

        Raises:
            OSError: nothing of it counts; the log ends where it did before.
        """
        if self._written < 0 or self.end.offset >= self._segment_bytes:
            self.end_segment()
            self._start_segment()
        segment = self.segments[self._written]
        start, end = segment.size_bytes, number
        pieces: list[bytes] = []
        for frame in frames:
            pieces.append(frame.header(end, generation))
            pieces += frame.pieces
            end += len(frame.batch)
        try:
            write_all(self._write_descriptor, pieces)
        except BaseException:
            # An interrupt included: half a frame in the middle of the log would be damage.
            self._take_back(segment)
            raise
        try:
            sync_data(self._write_descriptor)
        except BaseException:
            # The kernel may have dropped pages of what it failed to write, so nothing more goes into this file.
            self._take_back(segment)
            self.end_segment()
            raise
        ends = []
        for frame in frames:
            start += frame.size_bytes
            ends.append(Position(segment.number, start))
        segment.size_bytes, segment.end = start, end
        segment.records += end - number
        return ends

    def read(self, position: Position) -> Frame | None:
        """Read the frame at a place, or the first one after it; None at the end of the log.

        Raises:
            OutboxCorruptError: the bytes are not the frame that was there when the log was opened.
        """
        found = self._next_frame_at(position)
        if found is None:
            return None
        if self._read_segment != found.segment:
            self._close_reader()
            self._read_descriptor = os.open(segment_path(self._directory, found.segment), os.O_RDONLY | os.O_CLOEXEC)
            self._read_segment = found.segment
        header = parse_header(os.pread(self._read_descriptor, HEADER_BYTES, found.offset))
        payload = b""
        if header is not None:
            payload = os.pread(self._read_descriptor, header.payload_bytes, found.offset + HEADER_BYTES)
        if header is None or not is_intact(header, payload):
            raise OutboxCorruptError(
                f"{segment_path(self._directory, found.segment)} is damaged at byte {found.offset}. Remedy: check the "
                "disk, then start again; the sender keeps what is damaged and goes on with what is intact"
            )
        return Frame(header, payload, Position(found.segment, found.offset + header.frame_bytes))

    def end_segment(self) -> None:
        """Write no more to the present segment, so that it can be dropped once it is acknowledged."""
        if self._write_descriptor >= 0:
            os.close(self._write_descriptor)
        self._written = self._write_descriptor = -1

    def drop_first(self) -> None:
        """Remove the oldest segment, but for bytes in it that are no intact frame: they are kept beside."""
        number = next(iter(self.segments))
        segment = self.segments.pop(number)
        if number == self._read_segment:
            self._close_reader()
        if number == self._written:
            self.end_segment()
        path = segment_path(self._directory, number)
        torn = [bad for bad in segment.bad.values() if (number, bad.start) in self._torn]
        damaged = [bad for bad in segment.bad.values() if bad not in torn]
        if sum(bad.end - bad.start for bad in damaged) == segment.size_bytes > 0:
            with contextlib.suppress(FileNotFoundError):
                put_aside(path, "damaged")
            return
        kept = [(self._kept_path(path, bad), _read(path, bad)) for bad in damaged]
        kept += [(self._directory / TORN_FILE_NAME, _read(path, bad)) for bad in torn]
        left = [(aside, data) for aside, data in kept if not _keep(aside, data)]
        path.unlink(missing_ok=True)
        # On a full disk there is room for them now.
        for aside, data in left:
            if not _keep(aside, data):
                log.error("outbox_damage_not_kept", file=str(aside), size_bytes=len(data), reason="the disk is full")

    def close(self) -> None:
        """Let go of the files."""
        self._close_reader()
        self.end_segment()

    def _kept_path(self, path: Path, bad: BadBytes) -> Path:
        return free_name(path.with_name(f"{path.name}.at-{bad.start}"), "damaged")

    def _next_frame_at(self, position: Position) -> Position | None:
        number, offset = position
        numbers = list(self.segments)
        index = numbers.index(number) if number in self.segments else len(numbers)
        while index < len(numbers):
            segment = self.segments[numbers[index]]
            bad = segment.bad.get(offset)
            if bad is not None:
                offset = bad.end
            elif offset < segment.size_bytes:
                return Position(segment.number, offset)
            else:
                index, offset = index + 1, 0
        return None

    def _start_segment(self) -> None:
        number = self._next_segment
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        while self._write_descriptor < 0:
            try:
                self._write_descriptor = os.open(segment_path(self._directory, number), flags, 0o600)
            except FileExistsError:
                number += 1  # whatever it is, it is not ours
        self._written, self._next_segment = number, number + 1
        self.segments[number] = Segment(number)
        sync_directory(self._directory)

    def _take_back(self, segment: Segment) -> None:
        """Cut a failed write off; where the disk refuses even that, nothing more goes into the file."""
        try:
            os.ftruncate(self._write_descriptor, segment.size_bytes)
        except OSError:
            size_bytes = os.fstat(self._write_descriptor).st_size
            if size_bytes > segment.size_bytes:
                segment.bad[segment.size_bytes] = BadBytes(segment.size_bytes, size_bytes, None)
                self._torn.add((segment.number, segment.size_bytes))
                segment.size_bytes = size_bytes
            self.end_segment()

    def _close_reader(self) -> None:
        if self._read_descriptor >= 0:
            os.close(self._read_descriptor)
        self._read_descriptor = self._read_segment = -1


def _read(path: Path, bad: BadBytes) -> bytes:
    try:
        with path.open("rb", buffering=0) as file:
            return os.pread(file.fileno(), bad.end - bad.start, bad.start)
    except OSError:
        return b""


def _keep(path: Path, data: bytes) -> bool:
    try:
        write_file(path, data)
    except OSError:
        return False
    return True
