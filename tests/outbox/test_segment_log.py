"""The log's files where the disk is at its worst: what rots, what is cut off, and what can't even be kept."""

import errno
import os
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stockstream.outbox import OutboxCorruptError, Position, RecordBatch
from stockstream.outbox.files import write_all
from stockstream.outbox.frame import EncodedFrame, decode_records, encode_frame, parse_header
from stockstream.outbox.recovery import Segment
from stockstream.outbox.scan import BadBytes, ScannedFrame, scan
from stockstream.outbox.segment_log import TORN_FILE_NAME, SegmentLog


def _frame(text: bytes, records: int = 1) -> EncodedFrame:
    return encode_frame(RecordBatch.of([("A", text)] * records), 5)


def _contents(log: SegmentLog) -> list[bytes]:
    found, position = [], log.first
    while (frame := log.read(position)) is not None:
        found += [data for _, data in decode_records(frame.header, frame.payload)]
        position = frame.end
    return found


def test_a_header_that_rots_after_opening_is_refused_when_read(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, 1_000_000)
    log.append([_frame(b"one")], 1, 0)
    path = tmp_path / "000000000001.log"
    path.write_bytes(b"none" + path.read_bytes()[4:])
    with pytest.raises(OutboxCorruptError, match=r"damaged at byte 0\. Remedy"):
        log.read(Position(1, 0))
    log.close()


def test_the_segment_that_is_written_to_can_be_dropped_and_the_next_append_makes_another(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, 1_000_000)
    log.append([_frame(b"given up")], 1, 0)
    assert _contents(log) == [b"given up"]
    log.drop_first()
    log.append([_frame(b"kept")], 2, 0)
    assert (_contents(log), [path.name for path in tmp_path.iterdir()]) == ([b"kept"], ["000000000002.log"])
    log.close()


def test_a_failed_write_that_the_disk_will_not_cut_off_is_passed_over_and_kept_as_torn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = SegmentLog(tmp_path, 1_000_000)
    log.append([_frame(b"before")], 1, 0)

    def write_half(descriptor: int, pieces: list[bytes]) -> None:
        os.write(descriptor, b"".join(pieces)[:50])
        raise OSError(errno.EIO, "Input/output error")

    def refuse(descriptor: int, length: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("stockstream.outbox.segment_log.write_all", write_half)
        patch.setattr(os, "ftruncate", refuse)
        with pytest.raises(OSError, match="Input/output error"):
            log.append([_frame(b"refused")], 2, 0)
    log.append([_frame(b"after")], 2, 0)
    assert _contents(log) == [b"before", b"after"]
    log.drop_first()
    assert (tmp_path / TORN_FILE_NAME).stat().st_size == 50
    log.close()


def test_where_the_disk_refuses_to_cut_off_and_nothing_was_written_nothing_is_bad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = SegmentLog(tmp_path, 1_000_000)
    log.append([_frame(b"before")], 1, 0)

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("stockstream.outbox.segment_log.write_all", refuse)
        patch.setattr(os, "ftruncate", refuse)
        with pytest.raises(OSError, match="Input/output error"):
            log.append([_frame(b"refused")], 2, 0)
    assert [segment.bad for segment in log.segments.values()] == [{}]
    log.append([_frame(b"after")], 2, 0)
    assert _contents(log) == [b"before", b"after"]
    log.close()


@pytest.mark.parametrize(("tries", "said"), [(1, 0), (2, 1)])
def test_damage_that_there_is_no_room_to_keep_is_kept_once_its_segment_is_gone_or_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tries: int, said: int
) -> None:
    frame = _frame(b"intact")
    data = b"".join([frame.header(1, 0), *frame.pieces])
    (tmp_path / "000000000001.log").write_bytes(data + b"damage")
    segment = Segment(1, size_bytes=len(data) + 6, bad={len(data): BadBytes(len(data), len(data) + 6, None)})
    log = SegmentLog(tmp_path, 1_000_000, [segment], 2)
    left = tries

    def write_file(path: Path, data: bytes) -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        path.write_bytes(data)

    monkeypatch.setattr("stockstream.outbox.segment_log.write_file", write_file)
    with capture_logs() as logs:
        log.drop_first()
    assert [entry["event"] for entry in logs] == ["outbox_damage_not_kept"] * said
    kept = tmp_path / f"000000000001.log.at-{len(data)}.damaged"
    assert kept.exists() is not bool(said)
    assert not (tmp_path / "000000000001.log").exists()
    log.close()


def test_a_write_that_the_kernel_takes_in_parts_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writev, write = os.writev, os.write
    monkeypatch.setattr(os, "writev", lambda descriptor, pieces: writev(descriptor, [b"".join(pieces)[:3]]))
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:2]))
    pieces = [b"%d," % number for number in range(3000)]
    descriptor = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    write_all(descriptor, pieces)
    os.close(descriptor)
    assert (tmp_path / "file").read_bytes() == b"".join(pieces)


def test_what_lies_before_a_frame_whose_payload_is_damaged_is_told_apart_from_it() -> None:
    first, second = _frame(b"damaged"), _frame(b"intact")
    header = first.header(1, 0)
    damaged = bytearray(b"".join([header, *first.pieces]))
    damaged[-1] ^= 1
    data = b"noise" + bytes(damaged) + b"".join([second.header(2, 0), *second.pieces])
    found = list(scan(data))
    assert [(piece.start, piece.end) for piece in found] == [
        (0, 5),
        (5, 5 + len(damaged)),
        (5 + len(damaged), len(data)),
    ]
    assert isinstance(found[2], ScannedFrame)
    assert isinstance(found[1], BadBytes)
    assert found[1].header == parse_header(header)


def test_frames_are_the_same_bytes_on_a_machine_of_the_other_byte_order(monkeypatch: pytest.MonkeyPatch) -> None:
    here = b"".join(_frame(b"data", 3).pieces)
    with monkeypatch.context() as patch:
        # What `array` holds is this machine's order still: so each column has to come out turned round.
        patch.setattr(sys, "byteorder", "big" if sys.byteorder == "little" else "little")
        frame = _frame(b"data", 3)
        there = b"".join(frame.pieces)
        header = parse_header(frame.header(1, 0))
        assert header is not None
        assert decode_records(header, there) == [("A", b"data")] * 3
    assert there != here
    assert sorted(there) == sorted(here)
