"""What opening makes of damage: what is intact is sent, what is lost is told to the digit, what is cut off is kept."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from benchmarks import outbox_kills, outbox_mutilated
from stockstream.cli._commands import stockstream
from stockstream.outbox import DiskOutbox, OutboxCorruptError, Position, RecordBatch
from stockstream.outbox.frame import HEADER_BYTES

_ROOT = Path(__file__).resolve().parents[2]
_LANES = 8


class Life:
    """One life of an outbox."""

    def __init__(self, directory: Path) -> None:
        self.disk = DiskOutbox(
            directory,
            max_bytes=2**20,
            lane_of_key=lambda key, lanes: sum(key.encode()) % lanes,
            on_commit=lambda batch, frame: None,
            now_ms=lambda: 5,
        )

    async def append(self, *records: tuple[str, bytes]) -> None:
        await self.disk.append(RecordBatch.of(records))

    async def contents(self) -> list[tuple[str, bytes]]:
        found, position = [], self.disk.view.first
        while (batch := await self.disk.read(position)) is not None:
            found += batch.records
            position = batch.end
        return found


_FRAMES = [[("A", b'{"a":%d}' % number), ("B", b'{"b":%d}' % number)] for number in range(6)]


async def _outbox_of_frames(directory: Path) -> tuple[Path, list[int]]:
    """An outbox with a frame for each of `_FRAMES`; returns its segment and where each frame ends."""
    life = Life(directory)
    await life.disk.open()
    ends = [0]
    for records in _FRAMES:
        await life.append(*records)
        ends.append(life.disk.view.end.offset)
    await life.disk.close()
    return directory / "000000000001.log", ends


async def _reopen(directory: Path) -> tuple[Life, list[tuple[str, bytes]], list[dict[str, object]]]:
    life = Life(directory)
    with capture_logs() as logs:
        await life.disk.open()
    return life, await life.contents(), [dict(entry) for entry in logs if entry["log_level"] in {"error", "warning"}]


def _records(*numbers: int) -> list[tuple[str, bytes]]:
    return [record for number in numbers for record in _FRAMES[number]]


@pytest.mark.parametrize("frame", range(6))
@pytest.mark.parametrize("where", ["header", "payload"])
async def test_a_flipped_bit_costs_its_frame_alone_is_told_and_its_bytes_are_kept(
    tmp_path: Path, frame: int, where: str
) -> None:
    segment, ends = await _outbox_of_frames(tmp_path)
    data = bytearray(segment.read_bytes())
    data[ends[frame] + (8 if where == "header" else HEADER_BYTES + 25)] ^= 4
    segment.write_bytes(data)
    life, found, said = await _reopen(tmp_path)
    assert found == _records(*(number for number in range(6) if number != frame))
    assert (life.disk.lost, life.disk.unacknowledged) == (2, 10)
    assert [(entry["event"], entry["lost"], entry["lost_is_exact"]) for entry in said] == [("outbox_damaged", 2, True)]
    await life.disk.drop_first_segment(given_up=10)
    await life.disk.close()
    kept = tmp_path / f"{segment.name}.at-{ends[frame]}.damaged"
    assert kept.read_bytes() == bytes(data[ends[frame] : ends[frame + 1]])
    # It was told once.
    life, found, said = await _reopen(tmp_path)
    assert (found, life.disk.lost, said) == ([], 0, [])
    await life.disk.close()


async def test_a_cut_anywhere_is_told_to_the_digit_and_what_is_before_it_is_sent(tmp_path: Path) -> None:
    template, ends = await _outbox_of_frames(tmp_path / "template")
    data = template.read_bytes()
    for cut in range(0, len(data), 7):
        folder = tmp_path / str(cut)
        folder.mkdir()
        for name in ("acks", "acks-copy"):
            (folder / name).write_bytes((template.parent / name).read_bytes())
        (folder / template.name).write_bytes(data[:cut])
        life, found, _ = await _reopen(folder)
        whole = sum(end <= cut for end in ends[1:])
        assert (found, life.disk.lost) == (_records(*range(whole)), 12 - 2 * whole), cut
        await life.disk.close()


async def test_a_write_that_was_not_finished_is_no_loss_and_its_bytes_are_kept(tmp_path: Path) -> None:
    segment, ends = await _outbox_of_frames(tmp_path)
    data = segment.read_bytes()
    # What follows the last accepted frame was never accepted, wherever the write of it ended.
    unfinished = data[: ends[1] - 5]
    segment.write_bytes(data + unfinished)
    life, found, said = await _reopen(tmp_path)
    assert (found, life.disk.lost) == (_records(*range(6)), 0)
    assert [entry["event"] for entry in said] == ["outbox_tail_torn"]
    # A later life appends to a file of its own.
    await life.append(("C", b"new"))
    await life.disk.drop_first_segment()
    assert await life.contents() == [("C", b"new")]
    await life.disk.close()
    assert (tmp_path / "torn-write.damaged").read_bytes() == unfinished


async def test_without_the_acknowledgements_everything_intact_is_sent_and_no_number_is_given_twice(
    tmp_path: Path,
) -> None:
    for life_number in range(3):
        life = Life(tmp_path)
        await life.disk.open()
        await life.disk.lay_lanes(_LANES)
        await life.append(("A", b"%d" % life_number), ("B", b"%d" % life_number))
        # All lanes are acknowledged to the end, by what is destroyed now.
        position: Position | None = life.disk.view.first
        while position is not None and (batch := await life.disk.read(position)) is not None:
            position = batch.end
        life.disk.acknowledge(sum(b"A") % _LANES, batch.first if batch else 2**40, 5, 1)
        await life.disk.close()
        for name in ("acks", "acks-copy"):
            (tmp_path / name).unlink()
    life, found, said = await _reopen(tmp_path)
    assert found == [(key, b"%d" % number) for number in range(3) for key in "AB"]
    assert [entry["event"] for entry in said] == ["outbox_damaged"]
    assert life.disk.lost == 0
    await life.disk.close()


async def test_acknowledgements_of_another_outbox_are_not_believed(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    for folder in (mine, other):
        life = Life(folder)
        await life.disk.open()
        await life.disk.lay_lanes(_LANES)
        await life.append(("A", b"1"), ("A", b"2"))
        if folder is other:
            life.disk.acknowledge(sum(b"A") % _LANES, 1, 2, 2)
        await life.disk.close()
    for name in ("acks", "acks-copy"):
        (mine / name).write_bytes((other / name).read_bytes())
    life, found, said = await _reopen(mine)
    assert (found, life.disk.unacknowledged, life.disk.lost) == ([("A", b"1"), ("A", b"2")], 2, 0)
    assert "of another time" in str(said[0]["damage"])
    await life.disk.close()


@pytest.mark.parametrize("name", ["acks", "000000000001.log"])
@pytest.mark.parametrize("version", [1, 3])
async def test_a_file_of_another_release_is_kept_as_it_is(tmp_path: Path, name: str, version: int) -> None:
    await _outbox_of_frames(tmp_path)
    change = outbox_mutilated.MUTILATIONS["of an older version" if version == 1 else "of a newer version"]
    assert change is not None
    data = change((tmp_path / name).read_bytes())
    (tmp_path / name).write_bytes(data)
    life, found, said = await _reopen(tmp_path)
    await life.disk.close()
    assert (tmp_path / f"{name}.version-{version}").read_bytes() == data
    assert f"format {version}" in str(said[0]["damage"])
    assert (len(found), life.disk.lost) == ((12, 0) if name == "acks" else (0, 12))


async def test_an_outbox_of_the_earlier_format_is_named_and_kept(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.json").write_text('{"lanes":0,"generation":1,"first_segment":1,"counts":[],"version":1}')
    (tmp_path / "000000000001.log").write_bytes(b"SSF1" + bytes(60))
    life, _, said = await _reopen(tmp_path)
    await life.disk.close()
    kept = {path.name for path in sorted(tmp_path.glob("*.version-1"))}  # noqa: ASYNC240 (nothing else runs)
    assert kept == {"checkpoint.json.version-1", "000000000001.log.version-1"}
    assert "format 1" in str(said[0]["damage"])


async def test_damaged_acknowledgements_again_and_again_leave_one_file_each_and_no_folder_of_anybody_is_lost(
    tmp_path: Path,
) -> None:
    await _outbox_of_frames(tmp_path)
    for number in range(5):
        for name in ("acks", "acks-copy"):
            (tmp_path / name).write_bytes(b"damaged %d" % number)
        life, found, _ = await _reopen(tmp_path)
        assert len(found) == 12
        await life.disk.close()
    for _ in range(2):
        (tmp_path / "acks").unlink()
        (tmp_path / "acks").mkdir()
        life, _, _ = await _reopen(tmp_path)
        await life.disk.close()

    kept = {path.name for path in tmp_path.glob("*.damaged")}  # noqa: ASYNC240 (nothing else runs)
    assert kept == {"acks.damaged", "acks-copy.damaged", "acks.2.damaged", "acks.3.damaged"}
    assert (tmp_path / "acks-copy.damaged").read_bytes() == b"damaged 4"


async def test_a_link_in_place_of_the_lock_or_the_acknowledgements_is_not_written_through(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("of somebody")
    folder = tmp_path / "outbox"
    folder.mkdir()
    for name in ("lock", "acks", "acks-copy"):
        (folder / name).symlink_to(precious)
    life, _, _ = await _reopen(folder)
    await life.append(("A", b"1"))
    await life.disk.close()
    assert precious.read_text() == "of somebody"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_a_file_that_may_not_be_read_is_no_loss_but_stops_the_start(tmp_path: Path) -> None:
    segment, _ = await _outbox_of_frames(tmp_path)
    segment.chmod(0)
    with pytest.raises(OutboxCorruptError, match=r"000000000001\.log.*Remedy"):
        await Life(tmp_path).disk.open()
    segment.chmod(0o600)
    life, found, _ = await _reopen(tmp_path)
    assert (len(found), life.disk.lost) == (12, 0)
    await life.disk.close()


async def test_a_segment_that_the_disk_cannot_read_is_no_loss_but_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _outbox_of_frames(tmp_path)
    real_open = os.open

    def fail(path: os.PathLike[str], flags: int, *rest: int) -> int:
        if str(path).endswith(".log"):
            raise OSError(errno.EIO, "Input/output error")
        return real_open(path, flags, *rest)

    with monkeypatch.context() as patch:
        patch.setattr("stockstream.outbox.files.os.open", fail)
        with pytest.raises(OutboxCorruptError, match=r"Input/output error.*Remedy"):
            await Life(tmp_path).disk.open()


async def test_some_mutilations_of_every_kind_in_real_lives(tmp_path: Path) -> None:
    rng = Random(os.getpid())
    async with outbox_mutilated.endpoint() as kinesis:
        template = await outbox_mutilated.make_template(kinesis, tmp_path, 2, dropped=True)
        cases = list(outbox_mutilated.cases(rng, 5))
        for case in rng.sample(cases[:-5], 5) + cases[-5:]:
            result = await outbox_mutilated.run_case(kinesis, template, tmp_path, case)
            assert "fault" not in result, (case, result)


def test_kills_with_faults_mixed_in_lose_nothing() -> None:
    result = outbox_kills.run(6, seed=os.getpid())
    assert (result["lost"], result["out_of_order"], result["drained"]) == (0, 0, True), result


# Opens an outbox again and again in children that die at their 1st, 2nd, 3rd... call to the system that changes
# something, or store into a mapped file; each time what a whole start then finds is printed.
_DYING = """
import asyncio, mmap, os, shutil, sys
from pathlib import Path
import stockstream.outbox.files as files, stockstream.outbox.state as state
from stockstream.outbox import DiskOutbox, RecordBatch
import structlog
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))

template, work = Path(sys.argv[1]), Path(sys.argv[2])
left = -1

def dying(function):
    def call(*args, **kwargs):
        global left
        if left == 0:
            os._exit(9)
        left -= 1
        return function(*args, **kwargs)
    return call

def arm():
    for name in ("rename", "replace", "unlink", "writev", "write", "fsync", "ftruncate", "pwrite", "mkdir"):
        setattr(os, name, dying(getattr(os, name)))
    for name in ("rename", "replace", "unlink"):
        setattr(Path, name, dying(getattr(Path, name)))
    class DyingMap(mmap.mmap):
        __setitem__ = dying(mmap.mmap.__setitem__)
        flush = dying(mmap.mmap.flush)
    mmap_module = type("M", (), {"mmap": DyingMap})
    state.mmap = mmap_module

async def life(folder, drain):
    outbox = DiskOutbox(folder, max_bytes=2**20, lane_of_key=lambda key, lanes: sum(key.encode()) % lanes,
                        on_commit=lambda batch, frame: None)
    await outbox.open()
    found, position = [], outbox.view.first
    while (batch := await outbox.read(position)) is not None:
        found += [data.decode() for _, data in batch.records]
        position = batch.end
    if drain:
        while outbox.view.segments:
            await outbox.drop_first_segment()
    lost = outbox.lost
    await outbox.close()
    return found, lost

for number in range(200):
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(template, work)
    child = os.fork()
    if not child:
        left = number
        arm()
        asyncio.run(life(work, False))
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(number, code, *asyncio.run(life(work, True)), sep="|", flush=True)
    if code == 0:
        break
"""


def _damages(segment: Path, ends: list[int]) -> Iterator[str]:
    data = segment.read_bytes()
    flipped = bytearray(data)
    flipped[ends[2] + HEADER_BYTES + 25] ^= 4
    segment.write_bytes(flipped)
    yield "a flipped bit"
    (segment.parent / "acks").write_bytes(b"x" * 300)
    yield "and a damaged file of acknowledgements"
    (segment.parent / "acks-copy").unlink()
    (segment.parent / "acks-copy").mkdir()
    yield "and a folder in place of the other"


async def test_killed_between_every_two_writes_of_a_recovery_it_loses_nothing(tmp_path: Path) -> None:
    template = tmp_path / "template"
    segment, ends = await _outbox_of_frames(template)
    expected = [data.decode() for _, data in _records(0, 1, 3, 4, 5)]
    for what in _damages(segment, ends):
        ran = subprocess.run(  # noqa: ASYNC221 (nothing else runs)
            [sys.executable, "-c", _DYING, str(template), str(tmp_path / "work")],
            capture_output=True,
            text=True,
            check=True,
            cwd=_ROOT,
        )
        lines = [line.split("|") for line in ran.stdout.splitlines()]
        assert len(lines) > 5, what
        assert lines[-1][1] == "0", what
        for number, _, found, _ in lines:
            assert found == str(expected), (what, number)
        # Told by the child that came to its end or by the start after it, at least once.
        assert {lost for *_, lost in lines[:1]} == {"2"}, what


async def test_inspect_and_export_read_it_offline_damaged_bytes_included(tmp_path: Path) -> None:
    folder = tmp_path / "outbox" / "stockstream"
    segment, ends = await _outbox_of_frames(folder)
    data = bytearray(segment.read_bytes())
    data[ends[3] - 2] ^= 1  # in the data of the last record of the third frame
    segment.write_bytes(data)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    inspected = CliRunner().invoke(stockstream, ["outbox", "inspect", str(tmp_path / "outbox"), "--json"])
    reports = {entry["file"]: entry for entry in map(json.loads, inspected.output.splitlines())}
    report = reports["000000000001.log"]
    assert (report["records"], report["damaged_records"], report["unsent"]) == (10, 2, 10)
    output = tmp_path / "quotes.jsonl"
    exported = CliRunner().invoke(stockstream, ["outbox", "export", str(folder), "-o", str(output), "--with-place"])
    assert exported.exit_code == 0, exported.output
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert len(lines) == 12
    damaged = [line for line in lines if line["outbox"]["damaged"]]
    assert damaged[0]["a"] == 2
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}
    # The quotes themselves, as a replay reads them, and never over a file that is there.
    plain = tmp_path / "plain.jsonl"
    CliRunner().invoke(stockstream, ["outbox", "export", str(folder), "-o", str(plain)])
    assert plain.read_bytes().splitlines()[0] == _FRAMES[0][0][1]
    again = CliRunner().invoke(stockstream, ["outbox", "export", str(folder), "-o", str(plain)])
    assert "exists. Remedy" in str(again.exception)
