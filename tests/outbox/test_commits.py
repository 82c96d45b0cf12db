"""In which thread the outbox commits, which batches share a sync, and what closing leaves on disk."""

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stockstream.outbox import DiskOutbox, OutboxWriteError, Record, RecordBatch, WrittenFrame
from tests.patience import PATIENCE_SECONDS

_MEBIBYTE = 1024 * 1024
_FAST_SECONDS = 0.0001
_SLOW_SECONDS = 0.05
# Fast commits until a disk of which nothing is known counts as fast.
_COMMITS_TO_TRUST = 14


class Disk:
    """The sync of a disk, which takes as long as it is told to, on a clock that nothing else moves."""

    def __init__(self) -> None:
        self.sync_seconds = _FAST_SECONDS
        self.failure: OSError | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        # Whether each sync so far was in the loop's own thread.
        self.in_loop: list[bool] = []
        self._loop_thread = threading.get_ident()
        self._seconds = 0.0

    def sync(self, descriptor: int) -> None:
        self.in_loop.append(threading.get_ident() == self._loop_thread)
        self.entered.set()
        self.gate.wait()
        self._seconds += self.sync_seconds
        if self.failure is not None:
            raise self.failure
        os.fdatasync(descriptor)

    def monotonic(self) -> float:
        return self._seconds


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr("stockstream.outbox.segment_log.sync_data", disk.sync)
    return disk


def _outbox(directory: Path, disk: Disk, committed: list[Record]) -> DiskOutbox:
    def on_commit(batch: RecordBatch, frame: WrittenFrame) -> None:
        committed.extend(batch.records)

    return DiskOutbox(
        directory,
        max_bytes=64 * _MEBIBYTE,
        lane_of_key=lambda key, lanes: len(key) % lanes,
        on_commit=on_commit,
        now_ms=lambda: 5,
        monotonic=disk.monotonic,
    )


@pytest.fixture
async def outbox(tmp_path: Path, disk: Disk) -> AsyncIterator[DiskOutbox]:
    outbox = _outbox(tmp_path, disk, [])
    await outbox.open()
    yield outbox
    await outbox.close()


async def _read_again(directory: Path, disk: Disk) -> list[Record]:
    outbox = _outbox(directory, disk, [])
    await outbox.open()
    found: list[Record] = []
    position = outbox.view.first
    while (batch := await outbox.read(position)) is not None:
        found += batch.records
        position = batch.end
    await outbox.close()
    return found


def _batch(number: int, size: int = 10) -> RecordBatch:
    return RecordBatch.of([(f"K{number}", b"%d" % number * size)])


async def _commit(outbox: DiskOutbox, commits: int) -> None:
    for number in range(commits):
        await outbox.append(_batch(number))


async def test_commits_leave_the_loop_free_until_the_disk_has_shown_to_be_fast(outbox: DiskOutbox, disk: Disk) -> None:
    await _commit(outbox, 2 * _COMMITS_TO_TRUST)
    assert disk.in_loop[0] is False
    assert disk.in_loop == sorted(disk.in_loop)
    assert disk.in_loop[_COMMITS_TO_TRUST:] == [True] * _COMMITS_TO_TRUST


async def test_a_disk_that_is_slow_never_holds_the_loop(outbox: DiskOutbox, disk: Disk) -> None:
    disk.sync_seconds = 0.005
    await _commit(outbox, 5 * _COMMITS_TO_TRUST)
    assert disk.in_loop == [False] * 5 * _COMMITS_TO_TRUST


@pytest.mark.parametrize("failure", [None, OSError(errno.EIO, "Input/output error")], ids=["slow", "slow and failed"])
async def test_one_slow_commit_sends_those_after_it_to_the_thread_until_the_disk_is_fast_again(
    outbox: DiskOutbox, disk: Disk, failure: OSError | None
) -> None:
    await _commit(outbox, _COMMITS_TO_TRUST)
    disk.in_loop.clear()
    disk.sync_seconds, disk.failure = _SLOW_SECONDS, failure
    if failure is None:
        await outbox.append(_batch(0))
    else:
        with pytest.raises(OutboxWriteError):
            await outbox.append(_batch(0))
    disk.sync_seconds, disk.failure = _FAST_SECONDS, None
    await _commit(outbox, 3 * _COMMITS_TO_TRUST)
    # The slow one itself was a surprise.
    assert disk.in_loop[:3] == [True, False, False]
    assert disk.in_loop[-1] is True


async def test_a_large_batch_goes_to_the_thread_whatever_the_disk(outbox: DiskOutbox, disk: Disk) -> None:
    await _commit(outbox, _COMMITS_TO_TRUST)
    disk.in_loop.clear()
    await outbox.append(_batch(1))
    await outbox.append(_batch(2, 2 * _MEBIBYTE))
    await outbox.append(_batch(3))
    assert disk.in_loop == [True, False, True]


async def test_no_commit_is_made_in_the_loop_while_the_thread_is_at_the_log(outbox: DiskOutbox, disk: Disk) -> None:
    await _commit(outbox, _COMMITS_TO_TRUST)
    disk.in_loop.clear()
    gate = threading.Event()
    reading = asyncio.ensure_future(outbox.in_thread(gate.wait))
    await asyncio.sleep(0)
    append = outbox.append(_batch(1))
    await asyncio.sleep(0)
    assert (disk.in_loop, append.done()) == ([], False)
    gate.set()
    await append
    assert await reading
    assert disk.in_loop == [False]


@pytest.mark.parametrize("commits_before", [0, _COMMITS_TO_TRUST], ids=["in the thread", "in the loop"])
async def test_batches_of_one_turn_of_the_loop_share_a_sync_and_keep_their_order(
    tmp_path: Path, disk: Disk, commits_before: int
) -> None:
    committed: list[Record] = []
    outbox = _outbox(tmp_path, disk, committed)
    await outbox.open()
    await _commit(outbox, commits_before)
    disk.in_loop.clear()
    committed.clear()
    futures = [outbox.append(_batch(number)) for number in range(50)]
    # Nothing counts before it is on disk.
    assert (committed, disk.in_loop) == ([], [])
    await asyncio.gather(*futures)
    assert disk.in_loop == [commits_before > 0]
    assert committed == [record for number in range(50) for record in _batch(number).records]
    await outbox.close()
    assert (await _read_again(tmp_path, disk))[commits_before:] == committed


async def test_batches_that_come_while_the_disk_is_busy_share_the_next_sync(outbox: DiskOutbox, disk: Disk) -> None:
    disk.gate.clear()
    futures = [outbox.append(_batch(0))]
    await asyncio.to_thread(disk.entered.wait)
    for number in range(1, 30):
        futures.append(outbox.append(_batch(number)))
        await asyncio.sleep(0)
    disk.gate.set()
    await asyncio.gather(*futures)
    assert len(disk.in_loop) == 2


@pytest.mark.parametrize("commits_before", [0, _COMMITS_TO_TRUST], ids=["in the thread", "in the loop"])
async def test_what_was_appended_just_before_closing_is_on_disk(
    tmp_path: Path, disk: Disk, commits_before: int
) -> None:
    committed: list[Record] = []
    outbox = _outbox(tmp_path, disk, committed)
    await outbox.open()
    await _commit(outbox, commits_before)
    disk.in_loop.clear()
    futures = [outbox.append(_batch(number)) for number in (100, 101)]
    await outbox.close()
    assert disk.in_loop == [commits_before > 0]
    assert [future.done() and future.exception() for future in futures] == [None, None]
    assert committed[commits_before:] == [*_batch(100).records, *_batch(101).records]
    assert await _read_again(tmp_path, disk) == committed


async def test_what_waits_behind_a_commit_under_way_is_on_disk_after_closing(tmp_path: Path, disk: Disk) -> None:
    committed: list[Record] = []
    outbox = _outbox(tmp_path, disk, committed)
    await outbox.open()
    disk.gate.clear()
    futures = [outbox.append(_batch(1))]
    await asyncio.to_thread(disk.entered.wait)
    futures.append(outbox.append(_batch(2)))
    closing = asyncio.ensure_future(outbox.close())
    await asyncio.sleep(0)
    disk.gate.set()
    await closing
    await asyncio.gather(*futures)
    assert committed == [*_batch(1).records, *_batch(2).records]
    assert await _read_again(tmp_path, disk) == committed


async def test_a_waiter_that_gives_up_takes_nothing_back(tmp_path: Path, disk: Disk) -> None:
    committed: list[Record] = []
    outbox = _outbox(tmp_path, disk, committed)
    await outbox.open()
    given_up, following = outbox.append(_batch(1)), outbox.append(_batch(2))
    given_up.cancel()
    await following
    assert committed == [*_batch(1).records, *_batch(2).records]
    await outbox.close()
    assert await _read_again(tmp_path, disk) == committed


async def test_small_batches_of_one_turn_share_a_frame_between_large_ones_that_do_not(
    tmp_path: Path, disk: Disk
) -> None:
    frames: list[tuple[int, int]] = []
    committed: list[Record] = []

    def on_commit(batch: RecordBatch, frame: WrittenFrame) -> None:
        frames.append((frame.first, len(batch)))
        committed.extend(batch.records)

    outbox = DiskOutbox(tmp_path, max_bytes=_MEBIBYTE, lane_of_key=lambda _key, _lanes: 0, on_commit=on_commit)
    await outbox.open()
    large = RecordBatch.of([("L", b"x" * 100)] * 200)
    batches = [_batch(0), _batch(1), large, _batch(2), _batch(3), _batch(4)]
    first = outbox.view.segments

    await asyncio.gather(*[outbox.append(batch) for batch in batches])
    await outbox.close()

    start = frames[0][0]
    assert (first, disk.in_loop.count(False)) == (0, 1)
    assert [(number - start, records) for number, records in frames] == [(0, 2), (2, 200), (202, 3)]
    assert committed == [record for batch in batches for record in batch.records]
    assert await _read_again(tmp_path, disk) == committed


async def test_a_batch_that_cannot_be_encoded_fails_its_caller_and_not_those_it_would_share_a_frame_with(
    outbox: DiskOutbox, disk: Disk
) -> None:
    bad = [("K", "no bytes"), ("\ud800", b"a lone surrogate")]
    futures = [
        outbox.append(_batch(0)),
        *[outbox.append(RecordBatch.of([record])) for record in bad],  # type: ignore[list-item]
        outbox.append(_batch(1)),
    ]

    outcomes = await asyncio.gather(*futures, return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [type(None), TypeError, UnicodeEncodeError, type(None)]
    assert len(disk.in_loop) == 1


async def test_a_turn_of_nothing_but_batches_that_cannot_be_encoded_stops_nothing(
    outbox: DiskOutbox,
) -> None:
    with pytest.raises(UnicodeEncodeError):
        await outbox.append(RecordBatch.of([("\ud800", b"a lone surrogate")]))
    await outbox.append(_batch(1))
    assert outbox.size_bytes == outbox.view.size_bytes


async def test_a_waiter_that_gave_up_hears_of_no_failure_and_those_beside_it_do(outbox: DiskOutbox, disk: Disk) -> None:
    disk.failure = OSError(errno.EIO, "Input/output error")
    given_up, waiting = outbox.append(_batch(1)), outbox.append(_batch(2))
    given_up.cancel()
    with pytest.raises(OutboxWriteError, match=r"Input/output error.*Remedy"):
        await waiting
    assert given_up.cancelled()
    disk.failure = None
    await outbox.append(_batch(3))


async def test_a_batch_that_cannot_be_encoded_and_that_nobody_waits_for_harms_nothing(outbox: DiskOutbox) -> None:
    bad, good = outbox.append(RecordBatch.of([("\ud800", b"a lone surrogate")])), outbox.append(_batch(1))
    bad.cancel()
    await good
    assert bad.cancelled()


async def test_a_disk_that_stays_full_is_said_once_a_minute(
    outbox: DiskOutbox, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stockstream.outbox.commits._DISK_FULL_RETRY_SECONDS", 0.0)
    # Each try takes a part of a minute.
    disk.failure, disk.sync_seconds = OSError(errno.ENOSPC, "No space left on device"), 7.0
    with capture_logs() as logs:
        append = outbox.append(_batch(1))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(logs) < 3:  # noqa: ASYNC110 (the thread has no event of the loop's)
                await asyncio.sleep(0)
        disk.failure = None
        await append
    assert [entry["event"] for entry in logs] == ["outbox_disk_full"] * 3 + ["outbox_disk_has_room"]
    assert [entry["seconds"] for entry in logs[:3]] == [0.0, 63.0, 126.0]
