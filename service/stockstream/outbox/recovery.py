"""Opening the folder of an outbox: what is intact, what of it is to be sent, and what is lost. docs/outbox.md says why.

Nothing here changes a segment: damage is remembered and stepped over, and files that cannot be used are renamed. So a
process that is killed at any line of it leaves to the next one what it found.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from mmap import mmap
from pathlib import Path
from typing import Final

from stockstream.outbox.files import open_regular, put_aside
from stockstream.outbox.frame import HEADER_BYTES, FrameHeader, decode_keys, parse_header
from stockstream.outbox.scan import BadBytes, ScannedFrame, map_file, scan, version_of
from stockstream.outbox.state import Values, new_generation, read_state

_SEGMENT_SUFFIX: Final = ".log"
SEGMENT_NAME: Final = re.compile(r"(\d{12})\.log")
# What earlier releases kept beside the segments; nothing of it counts any more.
_OLD_CHECKPOINT: Final = "checkpoint.json"
# Numbers that a generation leaves free where it does not know how many there were before it.
_UNKNOWN_NUMBERS: Final = 1 << 32

LaneOfKey = Callable[[str, int], int]


@dataclass(slots=True)
class Segment:
    """A segment file.

    Attributes:
        number: Of the file's name.
        size_bytes: Of the file.
        first: Number of its first intact record.
        end: The number after its last.
        records: Intact ones.
        bad: Bytes that are no intact frame, by the offset where they begin.
    """

    number: int
    size_bytes: int = 0
    first: int = 0
    end: int = 0
    records: int = 0
    bad: dict[int, BadBytes] = field(default_factory=dict)


@dataclass(slots=True)
class Recovered:
    """What opening found.

    Attributes:
        values: What is known of the log from now on.
        segments: In the order in which they are read.
        next_segment: Number of the next file.
        unsent: Intact records to send.
        lost: Records that are gone and had not been sent: to the digit where `is_exact`, at most so many otherwise.
        is_exact: Whether the acknowledgements could be believed.
        damage: What was wrong, in words.
        torn: Writes that were not finished, and so of records that were never accepted.
    """

    values: Values
    segments: list[Segment]
    next_segment: int
    unsent: int
    lost: int
    is_exact: bool
    damage: list[str]
    torn: list[tuple[Segment, BadBytes]]


def segment_path(directory: Path, number: int) -> Path:
    """The file of a segment."""
    return directory / f"{number:012d}{_SEGMENT_SUFFIX}"


def recover(directory: Path, lane_of_key: LaneOfKey, *, keep: bool = True) -> Recovered:
    """Read the whole outbox.

    Args:
        directory: Of the outbox.
        lane_of_key: Lane of a partition key among a number of lanes.
        keep: Whether files that cannot be used are put aside; False only looks.

    Raises:
        OutboxCorruptError: a file may not be read, or the disk cannot.
    """
    damage = _old_files(directory, keep=keep)
    state = read_state(directory, keep=keep)
    numbers = sorted(int(path.stem) for path in directory.iterdir() if SEGMENT_NAME.fullmatch(path.name))
    if not (state.values is None and not numbers and all(copy.endswith("is missing") for copy in state.damage)):
        damage += state.damage
    reader = _Reader(directory, state.values, lane_of_key, keep=keep)
    for number in _in_order(directory, numbers):
        reader.read(number)
    values, unsent, lost = _account(state.values, reader)
    torn = reader.torn(state.values.end if state.values is not None else None)
    reader.name_bad_bytes(torn)
    return Recovered(
        values=values,
        segments=reader.segments,
        next_segment=max(numbers, default=0) + 1,
        unsent=unsent,
        lost=lost,
        is_exact=state.values is not None and not reader.is_foreign,
        damage=damage + reader.damage,
        torn=torn,
    )


def _account(state: Values | None, reader: "_Reader") -> tuple[Values, int, int]:
    """Decide what counts from now on, how many records are to be sent, and how many are lost."""
    reach, intact_end = reader.reach, reader.intact_end
    if state is None or reader.is_foreign:
        if state is not None:
            reader.damage.append("the acknowledgements are of another time than the log")
        # Nothing is known to be acknowledged. Numbers that a lost record may have had are not given again.
        first = reach + _UNKNOWN_NUMBERS if reach else 1
        values = Values(new_generation(), first=first, end=first, settled=first - reader.intact)
        lost = reader.missing + max(0, reach - intact_end)
        return values, reader.intact, lost
    end = max(state.end, reach)
    awaited = end - state.settled - sum(slot.acknowledged for slot in state.slots)
    lost = max(0, awaited - reader.unsent)
    if lost and end > intact_end:
        reader.damage.append(f"the log ends before record {end}")
    # What is told is told once; and where less is gone than was thought, more is to be sent.
    return replace(state, end=end, settled=state.settled + awaited - reader.unsent), reader.unsent, lost


def _in_order(directory: Path, numbers: list[int]) -> list[int]:
    """Segments as their records follow one another, whatever their names say."""
    first = 0
    keyed = []
    for number in numbers:
        first = _first_record(segment_path(directory, number)) or first
        keyed.append((first, number))
    return [number for _, number in sorted(keyed)]


def _first_record(path: Path) -> int | None:
    try:
        descriptor = open_regular(path, os.O_RDONLY, follow=True)
    except FileNotFoundError:
        return None
    if descriptor is None:
        return None
    try:
        header = parse_header(os.pread(descriptor, HEADER_BYTES, 0))
    finally:
        os.close(descriptor)
    return header.first if header is not None else None


class _Reader:
    """Reads segments one after the other and adds up what is in them.

    Args:
        directory: Of the outbox.
        state: What the acknowledgements say; None where they cannot be believed.
        lane_of_key: Lane of a partition key among a number of lanes.
        keep: Whether files that cannot be used are put aside.
    """

    def __init__(self, directory: Path, state: Values | None, lane_of_key: LaneOfKey, *, keep: bool) -> None:
        self._directory = directory
        self._state = state
        self._lane_of_key = lane_of_key
        self._keep = keep
        self._lane_cache: dict[str, int] = {}
        slots = state.slots if state is not None else []
        self._acknowledged_from = min((slot.first for slot in slots), default=0)
        self._acknowledged_to = max((slot.first for slot in slots), default=-1)
        self.segments: list[Segment] = []
        self.damage: list[str] = []
        #: Intact records, and those of them that are to be sent.
        self.intact = self.unsent = 0
        #: Numbers that are missing between intact records, sent ones included.
        self.missing = 0
        #: The number after the last intact record, and after the last of which at least a header is left.
        self.intact_end = self.reach = 0
        #: Whether a frame is of another generation than the acknowledgements.
        self.is_foreign = False

    def read(self, number: int) -> None:
        """Read one file; where nothing in it can be used it is put aside."""
        path = segment_path(self._directory, number)
        try:
            descriptor = open_regular(path, os.O_RDONLY, follow=True)
        except FileNotFoundError:
            return
        if descriptor is None:
            self._put_aside(path, "is not a file", "damaged")
            return
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            data = map_file(file.fileno())
            try:
                segment = self._scan(path, number, data)
                version = None if segment.records else version_of(data)
            finally:
                if isinstance(data, mmap):
                    data.close()
        if segment.records or not segment.size_bytes:
            self.segments.append(segment)
        elif version is not None:
            self._put_aside(path, f"is of format {version}, which this release does not read", f"version-{version}")
        elif any(bad.is_whole_frame for bad in segment.bad.values()):
            self._put_aside(path, "holds no intact frame", "damaged")
        else:
            # A write that was not finished, or damage: only the numbers of all segments tell.
            self.segments.append(segment)

    def torn(self, end: int | None) -> list[tuple[Segment, BadBytes]]:
        """Writes that were not finished: no record that was accepted is missing where they are.

        Args:
            end: The number after the last accepted record; None where nobody knows.
        """
        found = []
        for index, segment in enumerate(self.segments):
            following = next((later.first for later in self.segments[index + 1 :] if later.records), end)
            for bad in segment.bad.values():
                is_last = bad.end == segment.size_bytes and not bad.is_whole_frame
                if is_last and (following is None or following <= segment.end):
                    found.append((segment, bad))
        return found

    def name_bad_bytes(self, torn: list[tuple[Segment, BadBytes]]) -> None:
        """Say where bytes are that are nothing at all."""
        for segment in self.segments:
            for bad in segment.bad.values():
                if not bad.is_whole_frame and (segment, bad) not in torn:
                    name = segment_path(self._directory, segment.number).name
                    self.damage.append(f"{name} has {bad.end - bad.start} bytes at {bad.start} that are no record")

    def _scan(self, path: Path, number: int, data: "mmap | bytes") -> Segment:
        segment = Segment(number, len(data), first=self.intact_end, end=self.intact_end)
        for piece in scan(data, self.intact_end):
            header = piece.header
            if isinstance(piece, BadBytes):
                segment.bad[piece.start] = piece
                if header is not None and piece.is_whole_frame:
                    self.reach = max(self.reach, header.end)
                    what = "repeats" if header.first < self.intact_end else "is damaged in"
                    self.damage.append(
                        f"{path.name} {what} records {header.first} to {header.end - 1}, at byte {piece.start}"
                    )
                continue
            self._note_hole(path, piece.header)
            if not segment.records:
                segment.first = piece.header.first
            segment.records += piece.header.records
            segment.end = self.intact_end = piece.header.end
            self.reach = max(self.reach, self.intact_end)
            self._count(piece, data)
        return segment

    def _note_hole(self, path: Path, header: FrameHeader) -> None:
        missing = header.first - self.intact_end
        begins = not self.intact or missing >= _UNKNOWN_NUMBERS
        if missing and not begins:
            self.missing += missing
            self.damage.append(f"records {self.intact_end} to {header.first - 1} are missing before {path.name}")

    def _count(self, frame: ScannedFrame, data: "mmap | bytes") -> None:
        header, state = frame.header, self._state
        self.intact += header.records
        if state is None:
            return
        if header.first >= state.first and header.generation != state.generation:
            self.is_foreign = True
        if header.first > self._acknowledged_to:
            self.unsent += header.records
        elif header.first >= self._acknowledged_from:
            payload = data[frame.start + HEADER_BYTES : frame.end]
            self.unsent += header.records - self._acknowledged(state, header, payload)

    def _acknowledged(self, state: Values, header: FrameHeader, payload: bytes) -> int:
        """How many records of a frame are acknowledged."""
        counts: dict[int, int] = {}
        cache = self._lane_cache
        for key in decode_keys(header, payload):
            lane = cache.get(key)
            if lane is None:
                lane = cache[key] = self._lane_of_key(key, state.lanes)
            counts[lane] = counts.get(lane, 0) + 1
        return sum(state.slots[lane].acknowledged_of(header.first, count) for lane, count in counts.items())

    def _put_aside(self, path: Path, what: str, kind: str) -> None:
        kept = f", kept as {put_aside(path, kind).name}" if self._keep else ""
        self.damage.append(f"{path.name} {what}{kept}")


def _old_files(directory: Path, *, keep: bool) -> list[str]:
    path = directory / _OLD_CHECKPOINT
    if not os.path.lexists(path):
        return []
    kept = f", kept as {put_aside(path, 'version-1').name}" if keep else ""
    return [f"{path.name} is of an earlier format, and nothing in it is needed{kept}"]
