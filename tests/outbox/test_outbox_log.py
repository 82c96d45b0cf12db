"""The outbox's log on disk: frames, torn tails, damage, acknowledgements."""

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
    OutboxLockedError,
    OutboxWriteError,
    Position,
    RecordBatch,
)
from stockstream.outbox.acks import AckTable
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

_keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
_records = st.lists(st.tuples(_keys, st.binary(max_size=200)), min_size=1, max_size=50)
_LANES = 8


def _lane_of_key(key: str, lanes: int) -> int:
    return sum(key.encode()) % lanes


def _frame(*records: tuple[str, bytes]) -> EncodedFrame:
    return encode_frame(RecordBatch.of(records), 1_700_000_000_000)


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
    frame = b"".join(encoded.pieces)
    assert (encoded.size_bytes, encoded.records) == (len(frame), len(records))
    header = parse_header(frame[:HEADER_BYTES])
    assert header is not None
    payload = frame[HEADER_BYTES:]
    assert is_intact(header, payload)
    assert header.accepted_at_ms == accepted_at_ms
    assert decode_records(header, payload) == records
    assert decode_keys(header, payload) == [key for key, _ in records]


@given(_records, st.data())
@settings(deadline=None, max_examples=60)
def test_any_flipped_byte_of_a_frame_is_found(records: list[tuple[str, bytes]], draw: st.DataObject) -> None:
    frame = bytearray(b"".join(encode_frame(RecordBatch.of(records), 1).pieces))
    frame[draw.draw(st.integers(0, len(frame) - 1))] ^= draw.draw(st.integers(1, 255))
    header = parse_header(bytes(frame[:HEADER_BYTES]))
    assert header is None or not is_intact(header, bytes(frame[HEADER_BYTES:]))


def test_a_batch_is_parted_so_that_every_part_can_be_read_whole() -> None:
    records = [(f"K{i}", b"x" * 100_000) for i in range(100)]
    parts = list(RecordBatch.of(records).parts())
    assert [record for part in parts for record in part.records] == records
    assert max(part.size_bytes for part in parts) <= 4 * 1024 * 1024
    assert len(parts) == 3


def test_wherever_a_power_loss_cuts_the_last_write_everything_before_it_is_there(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, 1_000_000, 1)
    log.append([_frame(("A", b"first"), ("B", b"second"))])
    whole = log.end.offset
    log.append([_frame(("A", b"third"))])
    log.close()
    path = tmp_path / "000000000001.log"
    data = path.read_bytes()
    for cut in range(whole, len(data)):
        path.write_bytes(data[:cut])
        reopened = SegmentLog(tmp_path, 1_000_000, 1)
        assert _contents(reopened) == [("A", b"first"), ("B", b"second")]
        assert reopened.recovery.torn_bytes == cut - whole
        assert reopened.recovery.damaged == ()
        # And it goes on after the last whole frame.
        reopened.append([_frame(("C", b"new"))])
        assert _contents(reopened)[-1] == ("C", b"new")
        reopened.close()


def test_damage_in_the_middle_costs_the_damaged_frame_alone_and_keeps_a_copy(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, 1_000_000, 1)
    ends = log.append([_frame(("A", b"one")), _frame(("A", b"two")), _frame(("A", b"three"))])
    log.close()
    path = tmp_path / "000000000001.log"
    data = bytearray(path.read_bytes())
    data[ends[0].offset + HEADER_BYTES + 3] ^= 0xFF
    path.write_bytes(data)
    reopened = SegmentLog(tmp_path, 1_000_000, 1)
    assert _contents(reopened) == [("A", b"one"), ("A", b"three")]
    assert len(reopened.recovery.damaged) == 1
    assert path.with_suffix(".damaged").read_bytes() == bytes(data)
    reopened.close()


def test_segments_follow_one_another_and_the_oldest_goes_first(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, 200, 1)
    for i in range(10):
        log.append([_frame(("A", b"%d" % i * 50))])
    assert len(log.segments) == 4
    log.drop_first()
    assert [data[:1] for _, data in _contents(log)] == [b"%d" % i for i in range(3, 10)]
    log.close()
    # A crash between the checkpoint and the removal leaves a file that no longer counts.
    reopened = SegmentLog(tmp_path, 200, 4)
    assert min(tmp_path.glob("*.log")).name == "000000000004.log"
    reopened.close()


def test_bytes_that_rot_after_opening_are_refused_when_read(tmp_path: Path) -> None:
    log = SegmentLog(tmp_path, 1_000_000, 1)
    log.append([_frame(("A", b"one"))])
    path = tmp_path / "000000000001.log"
    data = bytearray(path.read_bytes())
    data[-1] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(OutboxCorruptError, match="Remedy"):
        log.read(Position(1, 0))
    log.close()


def test_acknowledgements_outlive_the_process_and_a_torn_one_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "acks"
    table = AckTable(path, _LANES, 3)
    table.set(2, 1234)
    table.set(7, 2**40)
    table.close()
    table = AckTable(path, _LANES, 3)
    assert [table.get(lane) for lane in range(_LANES)] == [0, 0, 1234, 0, 0, 0, 0, 2**40]
    table.close()
    data = bytearray(path.read_bytes())
    data[16 + 2 * 16] ^= 1
    path.write_bytes(data)
    table = AckTable(path, _LANES, 3)
    assert (table.get(2), table.get(7)) == (0, 2**40)
    table.close()
    # Another generation counts anew.
    table = AckTable(path, _LANES, 4)
    assert table.get(7) == 0
    table.close()


class Outbox:
    """An outbox with what was committed, as its owner sees it."""

    def __init__(self, directory: Path, max_bytes: int = 2**20) -> None:
        self.committed: list[tuple[str, bytes]] = []
        self.disk = DiskOutbox(
            directory, max_bytes=max_bytes, lane_of_key=_lane_of_key, on_commit=self._on_commit, now_ms=lambda: 5
        )

    def _on_commit(self, batch: RecordBatch, end: Position) -> None:
        self.committed += batch.records
        self.end = end

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
    outbox.disk.acknowledge(lane, 5)
    await outbox.disk.close()
    outbox = Outbox(tmp_path)
    await outbox.disk.open()
    assert outbox.disk.unacknowledged == 95
    assert outbox.disk.acknowledged_count(lane) == 5
    # Counted already, so it keeps its lanes.
    assert await outbox.disk.lay_lanes(2 * _LANES) == _LANES
    await outbox.disk.close()


async def test_more_acknowledgements_than_records_are_not_believed(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    await outbox.disk.open()
    await outbox.disk.lay_lanes(_LANES)
    await outbox.append(("K1", b"x"), ("K2", b"y"))
    for lane in range(_LANES):
        outbox.disk.acknowledge(lane, 50)
    await outbox.disk.close()
    outbox = Outbox(tmp_path)
    with capture_logs() as logs:
        await outbox.disk.open()
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["outbox_damaged"]
    assert outbox.disk.unacknowledged == 2
    assert all(outbox.disk.acknowledged_count(lane) == 0 for lane in range(_LANES))
    await outbox.disk.close()


async def test_a_segment_that_went_missing_sends_the_rest_again(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    await outbox.disk.open()
    await outbox.disk.lay_lanes(_LANES)
    await outbox.append(("K1", b"x"))
    await outbox.disk.start_new_segment()
    await outbox.append(("K1", b"y"))
    outbox.disk.acknowledge(_lane_of_key("K1", _LANES), 1)
    await outbox.disk.close()
    next(iter(sorted(tmp_path.glob("*.log")))).unlink()  # noqa: ASYNC240
    outbox = Outbox(tmp_path)
    with capture_logs() as logs:
        await outbox.disk.open()
    assert any(entry["event"] == "outbox_damaged" for entry in logs)
    assert outbox.disk.unacknowledged == 1
    await outbox.disk.close()


async def test_a_damaged_checkpoint_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.json").write_text("{")
    with pytest.raises(OutboxCorruptError, match=r"checkpoint\.json is damaged.*Remedy"):
        await Outbox(tmp_path).disk.open()
    # The lock is given back with the error.
    (tmp_path / "checkpoint.json").unlink()
    outbox = Outbox(tmp_path)
    await outbox.disk.open()
    with pytest.raises(OutboxLockedError, match=str(os.getpid())):
        await Outbox(tmp_path).disk.open()
    await outbox.disk.close()


async def test_a_folder_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutboxWriteError, match="STOCKSTREAM_OUTBOX_DIR"):
        await Outbox(tmp_path / "file" / "outbox").disk.open()


async def test_a_full_disk_makes_the_caller_wait_and_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No file system here is small enough to fill, so the write is where the disk is full.
    monkeypatch.setattr("stockstream.outbox.commits._DISK_FULL_RETRY_SECONDS", 0.01)
    full = asyncio.Event()
    loop = asyncio.get_running_loop()
    room = False

    def write_or_fail(descriptor: int, pieces: list[bytes]) -> None:
        data = b"".join(pieces)
        if not room:
            os.write(descriptor, data[: len(data) // 2])
            loop.call_soon_threadsafe(full.set)
            raise OSError(errno.ENOSPC, "No space left on device")
        os.write(descriptor, data)

    outbox = Outbox(tmp_path)
    await outbox.disk.open()
    monkeypatch.setattr("stockstream.outbox.segment_log.write_all", write_or_fail)
    with capture_logs() as logs:
        append = asyncio.ensure_future(outbox.append(("A", b"kept")))
        await full.wait()
        assert not append.done()
        room = True
        await append
    assert any(entry["event"] == "outbox_disk_full" for entry in logs)
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
