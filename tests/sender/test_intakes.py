"""What is accepted before the stream's shards are known, and what a failure of the sender leaves of it."""

import asyncio
from pathlib import Path
from random import Random

import pytest
from structlog.testing import capture_logs

from stockstream.outbox import RecordBatch
from stockstream.sender import SenderConfig
from stockstream.sender.disk_intake import DiskIntake
from stockstream.sender.intake import MemoryIntake
from stockstream.sender.limits import MEBIBYTE
from stockstream.sender.progress import Progress
from stockstream.sender.scheduler import Scheduler
from stockstream.sender.stats import Counters
from tests.sender.conftest import Kinesis, MakeSender, Quotes

# Two of them fill the memory, and three are too many.
_LARGE = 400 * 1024


def test_an_outbox_on_disk_without_a_folder_is_named() -> None:
    with pytest.raises(ValueError, match="needs a folder"):
        DiskIntake(SenderConfig(stream="s"), Counters(), lambda: 0.0)


async def test_what_came_before_the_shards_is_the_first_to_be_given_up_at_the_bound_of_memory() -> None:
    counters = Counters()
    config = SenderConfig(stream="s", memory_max_bytes=MEBIBYTE, outbox_policy="drop_oldest")
    intake = MemoryIntake(config, counters, lambda: 0.0)
    with capture_logs() as logs:
        for number in range(4):
            await intake.accept(RecordBatch.of([("A", b"%d" % number * _LARGE)]))
    assert [entry["records"] for entry in logs if entry["event"] == "outbox_dropped_oldest"] == [1, 1]
    assert (counters.accepted, counters.dropped, intake.unsent) == (4, 2, 2)
    scheduler = Scheduler(config, 1, Random(1))
    intake.start(scheduler, lambda: None)
    (record,) = scheduler.next_request(9.0)
    assert b"2" * _LARGE in record.data


async def test_of_what_is_in_flight_nothing_can_be_given_up() -> None:
    config = SenderConfig(stream="s", memory_max_bytes=MEBIBYTE, outbox_policy="drop_oldest")
    intake = MemoryIntake(config, Counters(), lambda: 0.0)
    scheduler = Scheduler(config, 1, Random(1))
    intake.start(scheduler, lambda: None)
    await intake.accept(RecordBatch.of([("A", b"x" * _LARGE)]))
    assert scheduler.next_request(9.0)
    assert not intake._drop(_LARGE)


async def test_a_sender_that_fails_fails_its_callers_with_the_cause_and_says_so(
    kinesis: Kinesis, make_sender: MakeSender, quotes: Quotes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, max_records: int | None) -> None:
        raise RuntimeError("a fault of ours")

    async def send_for_ever() -> None:
        async with make_sender(outbox_dir=tmp_path, close_seconds=0.1) as sender:
            monkeypatch.setattr(Scheduler, "next_request", fail)
            while True:
                await sender.send(quotes.take(10))
                await asyncio.sleep(0.001)

    with capture_logs() as logs, pytest.raises(RuntimeError, match="a fault of ours"):
        await send_for_ever()
    assert [entry["error"] for entry in logs if entry["event"] == "sender_failed"] == ["a fault of ours"]
    # And what was accepted is there at the next start.
    monkeypatch.undo()
    async with make_sender(outbox_dir=tmp_path) as sender:
        assert sender.stats.replayed >= 10


async def test_shards_that_cannot_be_listed_after_a_reshard_are_said_and_delivery_goes_on(
    kinesis: Kinesis, make_sender: MakeSender, quotes: Quotes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise OSError("no route to host")

    with capture_logs() as logs:
        async with make_sender() as sender:
            await sender.send(quotes.take(50))
            assert await sender.drain(30) == 0
            monkeypatch.setattr("stockstream.sender.sender.list_open_shards", fail)
            kinesis.stream.reshard(8)
            for _ in range(20):
                await sender.send(quotes.take(50))
                assert await sender.drain(30) == 0
    assert "no route to host" in next(entry["error"] for entry in logs if entry["event"] == "list_shards_failed")
    verdict = kinesis.verify(quotes.made)
    assert (verdict["lost"], verdict["out_of_order"]) == (0, 0)


def test_known_keys_are_bounded_and_their_lanes_are_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stockstream.sender.known_keys.MAX_KNOWN_KEYS", 2)
    progress = Progress([], len)
    assert [progress._lane_of_key["A" * size] for size in (1, 2, 3, 1)] == [1, 2, 3, 1]
    assert len(progress._lane_of_key) <= 2
    scheduler = Scheduler(SenderConfig(stream="s"), 8, Random(1))
    lanes = [scheduler.lane_of(f"K{number}") for number in range(5)]
    assert [scheduler.lane_of(f"K{number}") for number in range(5)] == lanes
