"""The outbox's log on disk: frames, segments, what is acknowledged."""

import asyncio
import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from stockstream.outbox import (
    DiskOutbox,
    OutboxCorruptError,
    OutboxFullError,
    OutboxLockedError,
    OutboxWriteError,
    Position,
    RecordBatch,
    Slot,
    WrittenFrame,
)
from stockstream.outbox.frame import (
    HEADER_BYTES,
    EncodedFrame,
    decode_keys,
    decode_records,
    encode_frame,
    is_intact,
    parse_header,
)
from stockstream.outbox.segment_log import SegmentLog
from tests.patience import PATIENCE_SECONDS

_keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
_records = st.lists(st.tuples(_keys, st.binary(max_size=200)), min_size=1, max_size=50)
_LANES = 8


def _lane_of_key(key: str, lanes: int) -> int:
    return sum(key.encode()) % lanes


def _frame(*records: tuple[str, bytes]) -> EncodedFrame:
    return encode_frame(RecordBatch.of(records), 1_700_000_000_000)


def _whole(frame: EncodedFrame) -> bytes:
    return b"".join([frame.header(7, 9), *frame.pieces])


def _contents(log: SegmentLog) -> list[tuple[str, bytes]]:
    found, position = [], log.first
    while (frame := log.read(position)) is not None:
        found += decode_records(frame.header, frame.payload)
        position = frame.end
    return found


@given(_records, st.integers(0, 2**63))
@settings(deadline=None, max_examples=60)
def test_a_frame_comes_back_as_it_was(records: list[tuple[str, bytes]], accepted_at_ms: int) -> None:
    encoded = encode_frame(RecordBatch.of(records), accepted_at_ms)
    frame = _whole(encoded)
    assert encoded.size_bytes == len(frame)
    header = parse_header(frame[:HEADER_BYTES])
    assert header is not None
    payload = frame[HEADER_BYTES:]
    assert is_intact(header, payload)
    assert (header.accepted_at_ms, header.first, header.generation) == (accepted_at_ms, 7, 9)
    assert (header.end, header.frame_bytes) == (7 + len(records), len(frame))
    assert decode_records(header, payload) == records
    assert decode_keys(header, payload) == [key for key, _ in records]


@given(_records, st.data())
@settings(deadline=None, max_examples=60)
def test_any_flipped_byte_of_a_frame_is_found(records: list[tuple[str, bytes]], draw: st.DataObject) -> None:
    frame = bytearray(_whole(encode_frame(RecordBatch.of(records), 1)))
    # The last four bytes of the header mean nothing.
    places = st.integers(0, len(frame) - 1).filter(lambda at: not HEADER_BYTES - 4 <= at < HEADER_BYTES)
    frame[draw.draw(places)] ^= draw.draw(st.integers(1, 255))
    header = parse_header(bytes(frame[:HEADER_BYTES]))
    assert header is None or not is_intact(header, bytes(frame[HEADER_BYTES:]))


def test_a_batch_is_parted_so_that_every_part_can_be_read_whole() -> None:
    records = [(f"K{i}", b"x" * 100_000) for i in range(100)]
    parts = list(RecordBatch.of(records).parts())
    assert [record for part in parts for record in part.records] == records
    assert max(part.size_bytes for part in parts) <= 4 * 1024 * 1024
    assert len(parts) == 3


def test_segments_follow_one_another_and_the_oldest_goes_first(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, 200)
    for i in range(10):
        log.append([_frame(("A", b"%d" % i * 50))], 1 + i, 0)
    assert len(log.segments) == 5
    log.drop_first()
    assert [data[:1] for _, data in _contents(log)] == [b"%d" % i for i in range(2, 10)]
    assert min(tmp_path.glob("*.log")).name == "000000000002.log"
    log.close()


def test_bytes_that_rot_after_opening_are_refused_when_read(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, 1_000_000)
    log.append([_frame(("A", b"one"))], 1, 0)
    path = tmp_path / "000000000001.log"
    data = bytearray(path.read_bytes())
    data[-1] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(OutboxCorruptError, match="Remedy"):
        log.read(Position(1, 0))
    log.close()


class Outbox:
    """An outbox with what was committed, as its owner sees it."""

    def __init__(self, directory: Path, max_bytes: int = 2**20) -> None:
        self.committed: list[tuple[str, bytes]] = []
        self.disk = DiskOutbox(
            directory, max_bytes=max_bytes, lane_of_key=_lane_of_key, on_commit=self._on_commit, now_ms=lambda: 5
        )

    def _on_commit(self, batch: RecordBatch, frame: WrittenFrame) -> None:
        self.committed += batch.records
        self.end = frame.end

    async def append(self, *records: tuple[str, bytes]) -> None:
        await self.disk.append(RecordBatch.of(records))

    async def contents(self) -> list[tuple[str, bytes]]:
        found, position = [], self.disk.view.first
        while (batch := await self.disk.read(position)) is not None:
            found += batch.records
            position = batch.end
        return found


async def test_batches_that_arrive_together_share_a_sync_and_keep_their_order(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    await outbox.disk.open()
    batches = [(("A", b"%d" % i), ("B", b"%d" % i)) for i in range(50)]
    await asyncio.gather(*(outbox.append(*batch) for batch in batches))
    expected = [record for batch in batches for record in batch]
    assert outbox.committed == expected
    assert await outbox.contents() == expected
    assert outbox.end == outbox.disk.view.end
    await outbox.disk.close()


async def test_what_is_acknowledged_is_not_counted_as_left_at_the_next_start(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    await outbox.disk.open()
    assert await outbox.disk.lay_lanes(_LANES) == _LANES
    await outbox.append(*[(f"K{i}", b"x") for i in range(100)])
    lane = _lane_of_key("K1", _LANES)
    outbox.disk.acknowledge(lane, 1, 5, 5)
    await outbox.disk.close()
    outbox = Outbox(tmp_path)
    await outbox.disk.open()
    assert (outbox.disk.unacknowledged, outbox.disk.lost) == (95, 0)
    assert outbox.disk.slots()[lane] == Slot(1, 5, 5)
    # Counted already, so it keeps its lanes.
    assert await outbox.disk.lay_lanes(2 * _LANES) == _LANES
    await outbox.disk.close()


async def test_one_process_at_a_time(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    await outbox.disk.open()
    with pytest.raises(OutboxLockedError, match=str(os.getpid())):
        await Outbox(tmp_path).disk.open()
    await outbox.disk.close()
    # The lock is given back.
    outbox = Outbox(tmp_path)
    await outbox.disk.open()
    await outbox.disk.close()


async def test_a_folder_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutboxWriteError, match="STOCKSTREAM_OUTBOX_DIR"):
        await Outbox(tmp_path / "file" / "outbox").disk.open()


class FullDisk:
    """A disk that has no room until it is told to, and takes half of what it is given before it says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: int = errno.ENOSPC) -> None:
        # No file system here is small enough to fill, so the write is where the disk is full.
        monkeypatch.setattr("stockstream.outbox.commits._DISK_FULL_RETRY_SECONDS", 0.01)
        self.tries = 0
        self.has_room = False
        self.code = code
        monkeypatch.setattr("stockstream.outbox.segment_log.write_all", self._write)

    def _write(self, descriptor: int, pieces: list[bytes]) -> None:
        data = b"".join(pieces)
        if not self.has_room:
            self.tries += 1
            os.write(descriptor, data[: len(data) // 2])
            raise OSError(self.code, os.strerror(self.code))
        os.write(descriptor, data)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
async def test_a_full_disk_makes_the_caller_wait_says_so_once_and_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    outbox = Outbox(tmp_path)
    await outbox.disk.open()
    disk = FullDisk(monkeypatch, code)
    with capture_logs() as logs:
        append = asyncio.ensure_future(outbox.append(("A", b"kept")))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while disk.tries < 5:  # noqa: ASYNC110 (the thread has no event of the loop's)
                await asyncio.sleep(0.01)
        assert not append.done()
        assert outbox.disk.is_disk_full
        disk.has_room = True
        await append
    assert [entry["event"] for entry in logs] == ["outbox_disk_full", "outbox_disk_has_room"]
    assert await outbox.contents() == [("A", b"kept")]
    await outbox.disk.close()


async def test_who_waits_no_more_for_a_full_disk_has_nothing_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox(tmp_path)
    await outbox.disk.open()
    disk = FullDisk(monkeypatch)
    append = asyncio.ensure_future(outbox.append(("A", b"given up")))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not outbox.disk.is_disk_full:  # noqa: ASYNC110 (as above)
            await asyncio.sleep(0.01)
    outbox.disk.give_up_waiting()
    with pytest.raises(OutboxFullError, match=r"No space left.*Remedy"):
        await append
    disk.has_room = True
    await outbox.append(("A", b"kept"))
    await outbox.disk.close()
    outbox = Outbox(tmp_path)
    await outbox.disk.open()
    assert await outbox.contents() == [("A", b"kept")]
    await outbox.disk.close()


async def test_a_disk_that_fails_otherwise_refuses_the_batch_and_the_log_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox(tmp_path)
    await outbox.disk.open()
    await outbox.append(("A", b"before"))

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("stockstream.outbox.segment_log.sync_data", fail)
        with pytest.raises(OutboxWriteError, match=r"Input/output error.*Remedy"):
            await outbox.append(("A", b"refused"))
    await outbox.append(("A", b"after"))
    await outbox.disk.close()
    outbox = Outbox(tmp_path)
    await outbox.disk.open()
    assert await outbox.contents() == [("A", b"before"), ("A", b"after")]
    await outbox.disk.close()
