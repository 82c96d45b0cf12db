"""When a replay says what it says."""

import asyncio
from pathlib import Path

import pytest

from stockstream.errors import InputError
from stockstream.sources.replay import MAX_SPEED, ReplaySource
from tests.patience import PATIENCE_SECONDS
from tests.virtual_clock import VirtualClock

HEADER = "timestamp,symbol,open,high,low,price,previous_close,volume"


def session(path: Path, *moments: tuple[str, str]) -> Path:
    rows = [f"2014-06-05T{time}Z,{symbol},1,2,1,2,1,5" for time, symbol in moments]
    path.write_text("\n".join([HEADER, *rows, ""]))
    return path


async def times(source: ReplaySource, clock: VirtualClock) -> list[tuple[float, list[str]]]:
    return [(clock.seconds - 1000, [q.symbol for q in batch.quotes]) async for batch in source.batches()]


async def test_event_time_gaps_are_kept_at_speed_one(tmp_path: Path) -> None:
    clock = VirtualClock()
    path = session(tmp_path / "a.csv", ("13:30:00", "A"), ("13:30:00", "B"), ("13:30:30", "A"), ("13:32:00", "B"))
    source = ReplaySource([path], speed=1, clock=clock.clock)
    assert await times(source, clock) == [(0, ["A", "B"]), (30, ["A"]), (120, ["B"])]


async def test_gaps_are_divided_by_the_speed(tmp_path: Path) -> None:
    clock = VirtualClock()
    path = session(tmp_path / "a.csv", ("13:30:00", "A"), ("13:30:30", "A"), ("13:32:00", "A"))
    source = ReplaySource([path], speed=60, clock=clock.clock)
    assert [at for at, _ in await times(source, clock)] == pytest.approx([0, 0.5, 2])


async def test_slow_handling_of_a_batch_does_not_delay_the_later_ones(tmp_path: Path) -> None:
    clock = VirtualClock()
    path = session(tmp_path / "a.csv", *((f"13:{30 + i}:00", "A") for i in range(5)))
    at = []
    async for _ in ReplaySource([path], speed=1, clock=clock.clock).batches():
        at.append(clock.seconds - 1000)
        clock.advance(25)
    assert at == [0, 60, 120, 180, 240]


async def test_rows_that_came_due_during_a_stall_arrive_in_one_batch(tmp_path: Path) -> None:
    clock = VirtualClock()
    path = session(tmp_path / "a.csv", *((f"13:30:{i:02d}", "A") for i in range(10)))
    sizes = []
    async for batch in ReplaySource([path], speed=1, clock=clock.clock).batches():
        sizes.append(len(batch.quotes))
        clock.advance(100)
    assert sum(sizes) == 10
    assert max(sizes) > 1


async def test_a_time_running_backwards_is_due_at_once(tmp_path: Path) -> None:
    clock = VirtualClock()
    path = session(tmp_path / "a.csv", ("13:31:00", "A"), ("13:30:00", "B"), ("13:31:30", "A"))
    assert await times(ReplaySource([path], speed=1, clock=clock.clock), clock) == [(0, ["A", "B"]), (30, ["A"])]


async def test_the_next_file_starts_when_the_one_before_it_is_through(tmp_path: Path) -> None:
    clock = VirtualClock()
    later = session(tmp_path / "a.csv", ("19:00:00", "A"), ("19:00:10", "A"))
    earlier = session(tmp_path / "b.csv", ("13:30:00", "B"), ("13:30:05", "B"))
    source = ReplaySource([later, earlier], speed=1, clock=clock.clock)
    assert await times(source, clock) == [(0, ["A"]), (10, ["A"]), (10, ["B"]), (15, ["B"])]


async def test_max_speed_never_waits_and_keeps_batches_bounded(tmp_path: Path) -> None:
    clock = VirtualClock()
    moments = [(f"{13 + i // 3600:02d}:{i // 60 % 60:02d}:{i % 60:02d}", "A") for i in range(2000)]
    path = session(tmp_path / "a.csv", *moments)
    sizes = [len(b.quotes) async for b in ReplaySource([path], speed=MAX_SPEED, clock=clock.clock).batches()]
    assert (sum(sizes), max(sizes)) == (2000, 500)
    assert clock.slept_seconds == []


async def test_closing_ends_a_wait_for_a_far_event_time(tmp_path: Path) -> None:
    path = session(tmp_path / "a.csv", ("13:30:00", "A"), ("23:30:00", "A"))
    source = ReplaySource([path], speed=1)
    batches = source.batches()
    assert len((await anext(batches)).quotes) == 1
    waiting = asyncio.ensure_future(anext(batches, None))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    await source.aclose()
    await source.aclose()
    assert await asyncio.wait_for(waiting, PATIENCE_SECONDS) is None


async def test_cancelling_passes_through_and_leaves_no_task_behind(tmp_path: Path) -> None:
    path = session(tmp_path / "a.csv", ("13:30:00", "A"), ("23:30:00", "A"))

    async def consume() -> None:
        async for _ in ReplaySource([path], speed=1).batches():
            pass

    task = asyncio.ensure_future(consume())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("speed", [0, -1, 0.5, float("nan")])
def test_a_speed_out_of_range_names_itself_and_the_range(speed: float, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be max, or a number of at least 1"):
        ReplaySource([tmp_path / "a.csv"], speed=speed)


def test_a_replay_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="no file given"):
        ReplaySource([])
