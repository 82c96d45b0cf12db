"""Reading a segment that nobody vouches for: which frames in it are intact, and what lies between them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stockstream.outbox.files import replace_file
from stockstream.outbox.frame import FRAME_MAGIC, HEADER_BYTES, is_intact, parse_header

_MAGIC_BYTES: Final = FRAME_MAGIC.to_bytes(4, "little")


@dataclass(frozen=True, slots=True)
class SegmentScan:
    """What a segment holds.

    Attributes:
        frames: Start and end of each intact frame.
        records: Records in them.
        intact_bytes: Bytes of them.
        bad_bytes_inside: Bytes between intact frames (or before the first) that belong to none.
        bad_bytes_at_end: Bytes after the last intact frame.
    """

    frames: tuple[tuple[int, int], ...]
    records: int
    intact_bytes: int
    bad_bytes_inside: int
    bad_bytes_at_end: int


def scan_segment(path: Path) -> SegmentScan:
    """Find the intact frames of a segment. Damage is stepped over: the next intact frame counts again."""
    data = path.read_bytes()
    frames: list[tuple[int, int]] = []
    records = intact = inside = position = 0
    while position < len(data):
        header = parse_header(data[position : position + HEADER_BYTES])
        if header is not None:
            start = position + HEADER_BYTES
            if is_intact(header, data[start : start + header.payload_bytes]):
                end = start + header.payload_bytes
                frames.append((position, end))
                records += header.records
                intact += end - position
                position = end
                continue
        following = data.find(_MAGIC_BYTES, position + 1)
        position = following if following >= 0 else len(data)
    last_end = frames[-1][1] if frames else 0
    inside = last_end - intact
    return SegmentScan(tuple(frames), records, intact, inside, len(data) - last_end)


def rewrite_intact_frames(path: Path, scan: SegmentScan) -> Path:
    """Replace a damaged segment by its intact frames; returns the path of the copy that keeps the damage."""
    data = path.read_bytes()
    kept = path.with_suffix(".damaged")
    kept.write_bytes(data)
    replace_file(path, b"".join([data[start:end] for start, end in scan.frames]))
    return kept
