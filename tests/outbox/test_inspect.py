"""What a person is told of an outbox, offline: what was sent, what was not, and what cannot be read."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from stockstream.cli._commands import stockstream
from stockstream.outbox import DiskOutbox, OutboxCorruptError, RecordBatch, inspect
from stockstream.outbox.files import open_regular
from stockstream.outbox.inspect import read_files
from stockstream.sender.grid import lane_of_key

_LANES = 4


async def _outbox(folder: Path) -> str:
    """Three frames of three keys each; of one key's lane the first and half of the second are acknowledged."""
    disk = DiskOutbox(
        folder, max_bytes=2**20, lane_of_key=lane_of_key, on_commit=lambda batch, frame: None, now_ms=lambda: 5
    )
    await disk.open()
    await disk.lay_lanes(_LANES)
    keys = ["AAPL", "AAPL", "NVDA"]
    for number in range(3):
        await disk.append(RecordBatch.of([(key, b'{"n":%d}' % number) for key in keys]))
    lane = lane_of_key("AAPL", _LANES)
    assert lane != lane_of_key("NVDA", _LANES)
    disk.acknowledge(lane, 4, 3, 1)
    await disk.close()
    return str(folder)


async def test_what_is_acknowledged_is_told_record_by_record_and_in_sum(tmp_path: Path) -> None:
    folder = await _outbox(tmp_path)
    records = {record.number: record for report, found in read_files(tmp_path, lane_of_key) for record in found}
    assert [number for number, record in records.items() if record.state == "sent"] == [1, 2, 4]
    assert [number for number, record in records.items() if record.state == "unsent"] == [3, 5, 6, 7, 8, 9]
    said = CliRunner().invoke(stockstream, ["outbox", "inspect", folder]).output
    assert "4 lanes, next record 10, 3 acknowledged in this generation, 6 to send" in said
    assert "000000000001.log: segment" in said
    assert "9 records (6 unsent), numbers 1 to 9" in said


async def test_without_acknowledgements_that_can_be_believed_it_says_so_and_nothing_of_what_was_sent(
    tmp_path: Path,
) -> None:
    folder = await _outbox(tmp_path)
    for name in ("acks", "acks-copy"):
        (tmp_path / name).write_bytes(b"")
    said = CliRunner().invoke(stockstream, ["outbox", "inspect", folder]).output
    assert "acknowledgements: none that can be believed; everything intact will be sent" in said
    assert "acks is empty" in said
    assert {record.state for _, found in read_files(tmp_path, lane_of_key) for record in found} == {"unknown"}


async def test_what_is_no_file_and_what_another_release_wrote_are_named(tmp_path: Path) -> None:
    await _outbox(tmp_path)
    (tmp_path / "000000000007.log").mkdir()
    (tmp_path / "000000000008.log").write_bytes(b"SSF1" + bytes(60))
    what = {report.file: report.what for report, _ in read_files(tmp_path, lane_of_key)}
    assert what["000000000007.log"] == "not a file"
    assert what["000000000008.log"] == "of format 1, which this release does not read"


async def test_a_segment_that_the_service_has_just_removed_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _outbox(tmp_path)

    def gone(path: Path, flags: int, *, follow: bool) -> int | None:
        path.unlink(missing_ok=path.name != "000000000001.log") if path.suffix == ".log" else None
        return open_regular(path, flags, follow=follow)

    monkeypatch.setattr(inspect, "open_regular", gone)
    assert "000000000001.log" not in [report.file for report, _ in read_files(tmp_path, lane_of_key)]


async def test_of_a_damaged_frame_whose_columns_do_not_add_up_nothing_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _outbox(tmp_path)
    segment = tmp_path / "000000000001.log"
    data = bytearray(segment.read_bytes())
    data[-1] ^= 1
    segment.write_bytes(data)

    def refuse(*_: object) -> None:
        raise OutboxCorruptError("a frame's columns are cut off")

    monkeypatch.setattr(inspect, "split_damaged", refuse)
    report, found = next(item for item in read_files(tmp_path, lane_of_key) if item[0].file == segment.name)
    assert (report.records, report.damaged_records, len(found)) == (6, 0, 6)
