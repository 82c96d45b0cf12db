"""Reading an outbox, or a file that one kept, offline: nothing is changed, and the service may be running meanwhile."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stockstream.outbox.batch import Record
from stockstream.outbox.errors import OutboxCorruptError
from stockstream.outbox.files import open_regular
from stockstream.outbox.frame import HEADER_BYTES, FrameHeader, decode_records, split_damaged
from stockstream.outbox.recovery import SEGMENT_NAME, LaneOfKey
from stockstream.outbox.scan import BadBytes, map_file, scan, version_of
from stockstream.outbox.state import ACKS_FILE_NAMES, Values, read_state

_LOCK: Final = "lock"


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A record as it lies in a file.

    Attributes:
        file: Name of the file.
        number: Of the record.
        key: Partition key.
        data: Its bytes.
        state: `unsent`, `sent`, or `unknown` where the acknowledgements do not say.
        is_damaged: Whether the checksum over it and its neighbours is wrong: it may not be what was accepted.
    """

    file: str
    number: int
    key: str
    data: bytes
    state: str
    is_damaged: bool


@dataclass(slots=True)
class FileReport:
    """What one file holds."""

    file: str
    size_bytes: int
    what: str
    records: int = 0
    unsent: int = 0
    damaged_records: int = 0
    first: int | None = None
    end: int | None = None
    bad_bytes: int = 0


def outbox_folders(folder: Path) -> list[Path]:
    """The outboxes at a path: the folder itself, or those of the streams in it."""
    candidates = [folder, *sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())]
    return [path for path in candidates if any(_is_ours(entry.name) for entry in path.iterdir())]


def read_files(folder: Path, lane_of_key: LaneOfKey) -> Iterator[tuple[FileReport, list[FoundRecord]]]:
    """Read every file of one outbox: segments in their order, what was kept, then the rest.

    Raises:
        OutboxCorruptError: a file may not be read.
    """
    values = read_state(folder, keep=False).values
    names = sorted(path.name for path in folder.iterdir() if _is_ours(path.name))
    segments = [name for name in names if SEGMENT_NAME.fullmatch(name)]
    for name in segments + [name for name in names if name not in segments]:
        path = folder / name
        try:
            yield _read(path, values if name in segments else None, lane_of_key)
        except FileNotFoundError:
            continue  # the service has just removed it


def state_lines(folder: Path) -> list[str]:
    """What is known beside the log, for a person."""
    found = read_state(folder, keep=False)
    values = found.values
    if values is None:
        return ["acknowledgements: none that can be believed; everything intact will be sent", *found.damage]
    acknowledged = sum(slot.acknowledged for slot in values.slots)
    to_send = values.end - values.settled - acknowledged
    line = f"generation {values.generation:016x}, {values.lanes} lanes, next record {values.end}"
    return [f"{line}, {acknowledged} acknowledged in this generation, {to_send} to send", *found.damage]


def _is_ours(name: str) -> bool:
    stem = name.split(".", maxsplit=1)[0]
    return stem in {*ACKS_FILE_NAMES, _LOCK, "torn-write", "checkpoint"} or (stem.isdigit() and ".log" in name)


def _read(path: Path, values: Values | None, lane_of_key: LaneOfKey) -> tuple[FileReport, list[FoundRecord]]:
    descriptor = open_regular(path, os.O_RDONLY, follow=True)
    if descriptor is None:
        return FileReport(path.name, 0, "not a file"), []
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        data = map_file(file.fileno())
        report = FileReport(path.name, len(data), "segment" if values is not None else "kept")
        if not path.name.split(".")[0].isdigit() and not path.name.startswith("torn-write"):
            report.what = "acknowledgements" if path.name.startswith(ACKS_FILE_NAMES[0]) else "beside the log"
            return report, []
        version = version_of(data)
        records: list[FoundRecord] = []
        seen: dict[int, int] = {}
        for piece in scan(data):
            if isinstance(piece, BadBytes):
                report.bad_bytes += piece.end - piece.start
                records += _damaged(path.name, piece, data[piece.start : piece.end])
                continue
            header = piece.header
            report.first = header.first if report.first is None else report.first
            report.end = header.end
            seen.clear()
            decoded = decode_records(header, data[piece.start + HEADER_BYTES : piece.end])
            records += _intact(path.name, header, decoded, values, lane_of_key, seen)
    if version is not None and not records:
        report.what = f"of format {version}, which this release does not read"
    report.records = sum(not record.is_damaged for record in records)
    report.damaged_records = len(records) - report.records
    report.unsent = sum(record.state == "unsent" for record in records)
    return report, records


def _intact(  # noqa: PLR0917 (one call)
    name: str,
    header: FrameHeader,
    records: list[Record],
    values: Values | None,
    lane_of_key: LaneOfKey,
    seen: dict[int, int],
) -> Iterator[FoundRecord]:
    for index, (key, data) in enumerate(records):
        state = "unknown"
        if values is not None:
            state = "unsent"
            if values.lanes:
                lane = lane_of_key(key, values.lanes)
                seen[lane] = seen.get(lane, 0) + 1
                if values.slots[lane].acknowledged_of(header.first, seen[lane]) == seen[lane]:
                    state = "sent"
        yield FoundRecord(name, header.first + index, key, data, state, is_damaged=False)


def _damaged(name: str, bad: BadBytes, data: bytes) -> Iterator[FoundRecord]:
    """What can still be read of damaged frames: each of the records whose place is known."""
    if bad.header is None:
        return
    try:
        records = split_damaged(bad.header, data[HEADER_BYTES:])
    except (OutboxCorruptError, ValueError):
        return
    for index, (key, record) in enumerate(records):
        yield FoundRecord(name, bad.header.first + index, key, record, "unknown", is_damaged=True)
