"""What counts as a gap, and that its note survives what happens to small files."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.backfill import Gap, GapLog, GapNotingSource, last_seen
from stockstream.backfill.gaps import GapWatch
from stockstream.sources.base import Rejection, SourceBatch
from stockstream.sources.yahoo_stream.source import BACKSTOP_SECONDS_MIN
from stockstream_wire import Quote
from tests.virtual_clock import VirtualClock

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def quote(*, stale: bool = False) -> Quote:
    one = Decimal(1)
    return Quote(
        symbol="AAPL", timestamp="2026-11-23T12:00:00.000Z", open=one, high=one, low=one, price=one,
        previous_close=one, volume=0, stale=stale,
    )  # fmt: skip


class ScriptedSource:
    """Gives a batch, then lets the clock run, as told."""

    label = "yahoo"
    is_market_data = True
    failure: str | None = None

    def __init__(self, clock: VirtualClock, script: list[tuple[SourceBatch, float]]) -> None:
        self._clock = clock
        self._script = script
        self.is_closed = False

    async def batches(self) -> AsyncIterator[SourceBatch]:
        for batch, seconds in self._script:
            yield batch
            self._clock.advance(seconds)

    async def aclose(self) -> None:
        self.is_closed = True


ANSWER = SourceBatch([quote()])
NOTHING_NEW = SourceBatch([])
FAILED = SourceBatch([], failures=1)
STALE = SourceBatch([quote(stale=True)])
REFUSED = SourceBatch([], [Rejection("AAPL", "missing_price")])


async def gaps_of(
    folder: Path, script: list[tuple[SourceBatch, float]], clock: VirtualClock | None = None
) -> list[Gap]:
    clock = clock or VirtualClock(NOON)
    source = GapNotingSource(ScriptedSource(clock, script), folder, interval_seconds=30, clock=clock.clock)
    passed_on = [batch async for batch in source.batches()]
    assert passed_on == [batch for batch, _ in script]
    return GapLog(folder).read()


async def test_who_takes_a_folder_of_long_ago_was_not_away_while_another_worker_polled(tmp_path: Path) -> None:
    clock = VirtualClock(NOON)
    mine, another = tmp_path / "workers" / "2", tmp_path / "workers" / "0"
    GapLog(mine).note_seen(NOON - timedelta(days=6), "yahoo")
    GapLog(another).note_seen(NOON - timedelta(seconds=20), "yahoo")

    async def gaps() -> list[Gap]:
        source = ScriptedSource(clock, [(ANSWER, 1)])
        noting = GapNotingSource(
            source, mine, interval_seconds=30, clock=clock.clock, last_seen=lambda label: last_seen(tmp_path, label)
        )
        async for _ in noting.batches():
            pass
        return GapLog(mine).read()

    assert await gaps() == []
    clock.advance(600)  # all are down
    (gap,) = await gaps()
    assert gap.seconds == pytest.approx(600, abs=30)


async def test_regular_answers_are_no_gap(tmp_path: Path) -> None:
    assert await gaps_of(tmp_path, [(ANSWER, 30)] * 20) == []


async def test_a_closed_market_that_answers_without_news_is_no_gap(tmp_path: Path) -> None:
    assert await gaps_of(tmp_path, [(NOTHING_NEW, 60), (REFUSED, 60)] * 20) == []


@pytest.mark.parametrize("silence", [FAILED, STALE])
async def test_failures_and_stale_repeats_are_no_answers(silence: SourceBatch, tmp_path: Path) -> None:
    script = [(ANSWER, 30.0), *[(silence, 30.0)] * 10, (ANSWER, 30.0)]
    assert await gaps_of(tmp_path, script) == [
        Gap("source_away", "2026-11-23T12:00:00.000Z", "2026-11-23T12:05:30.000Z", "yahoo")
    ]


async def test_one_missed_poll_is_not_yet_a_gap(tmp_path: Path) -> None:
    assert await gaps_of(tmp_path, [(ANSWER, 30), (FAILED, 30), (ANSWER, 0)]) == []


async def test_downtime_between_two_runs_is_a_gap_from_the_last_answer(tmp_path: Path) -> None:
    await gaps_of(tmp_path, [(ANSWER, 30)] * 5)
    later = VirtualClock(NOON + timedelta(hours=2))
    assert await gaps_of(tmp_path, [(ANSWER, 30)] * 5, later) == [
        Gap("downtime", "2026-11-23T12:02:00.000Z", "2026-11-23T14:00:00.000Z", "yahoo")
    ]


async def test_a_quick_restart_is_no_gap(tmp_path: Path) -> None:
    await gaps_of(tmp_path, [(ANSWER, 30)] * 5)
    assert await gaps_of(tmp_path, [(ANSWER, 30)], VirtualClock(NOON + timedelta(seconds=150))) == []


async def test_another_source_does_not_count_as_the_same_feed(tmp_path: Path) -> None:
    GapLog(tmp_path).note_seen(NOON - timedelta(days=1), "simulated")
    assert await gaps_of(tmp_path, [(ANSWER, 30)]) == []


async def test_a_clock_set_back_is_no_gap(tmp_path: Path) -> None:
    GapLog(tmp_path).note_seen(NOON + timedelta(hours=3), "yahoo")
    assert await gaps_of(tmp_path, [(ANSWER, 30)]) == []


async def test_a_folder_that_cannot_be_written_stops_no_quote(tmp_path: Path) -> None:
    in_the_way = tmp_path / "state"
    in_the_way.write_text("a file where the folder should be")
    script = [(ANSWER, 600.0), (ANSWER, 600.0), (ANSWER, 0.0)]
    clock = VirtualClock(NOON)
    source = GapNotingSource(ScriptedSource(clock, script), in_the_way, interval_seconds=30, clock=clock.clock)
    assert len([batch async for batch in source.batches()]) == 3


async def test_a_stream_in_a_closed_market_answers_by_its_backstop_alone(tmp_path: Path) -> None:
    clock = VirtualClock(NOON)
    script = [(NOTHING_NEW, BACKSTOP_SECONDS_MIN + 5)] * 5
    inner = ScriptedSource(clock, script)
    inner.label = "yahoo-stream"
    source = GapNotingSource(inner, tmp_path, interval_seconds=30, clock=clock.clock)
    assert len([batch async for batch in source.batches()]) == 5
    assert GapLog(tmp_path).read() == []


async def test_closing_closes_the_source(tmp_path: Path) -> None:
    inner = ScriptedSource(VirtualClock(), [])
    source = GapNotingSource(inner, tmp_path, interval_seconds=30)
    assert (source.label, source.is_market_data) == ("yahoo", True)
    await source.aclose()
    assert inner.is_closed


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b'{"v": 1, "kind": "downt')


def _garbage(path: Path) -> None:
    path.write_bytes(
        path.read_bytes() + b'\x00\xff\n[]\n{"v":1}\n{"v":1,"kind":"x","start":"s","end":"e","source":"y"}\n'
    )


@pytest.mark.parametrize("damage", [_cut, _garbage])
def test_a_damaged_line_costs_no_other(damage: Callable[[Path], None], tmp_path: Path) -> None:
    log = GapLog(tmp_path)
    first = Gap("downtime", "2026-11-23T12:00:00.000Z", "2026-11-23T13:00:00.000Z", "yahoo")
    second = Gap("source_away", "2026-11-23T14:00:00.000Z", "2026-11-23T15:00:00.000Z", "yahoo")
    log.append(first)
    damage(tmp_path / "gaps.jsonl")
    log.append(second)
    assert log.read() == [first, second]
    assert first.seconds == 3600


@pytest.mark.parametrize("content", ["", "{", "[]", '{"at": "yesterday", "source": "yahoo"}', "\x00"])
def test_a_damaged_note_of_the_last_answer_is_none(content: str, tmp_path: Path) -> None:
    (tmp_path / "last-seen.json").write_text(content)
    assert GapLog(tmp_path).last_seen("yahoo") is None


@given(st.lists(st.floats(0, 600), max_size=40))
def test_gaps_are_the_silences_past_the_threshold_and_nothing_else(silences: list[float]) -> None:
    watch = GapWatch(timedelta(seconds=90), None)
    moment = NOON
    found = [watch.seen(moment, "yahoo")]
    for seconds in silences:
        moment += timedelta(seconds=seconds)
        found.append(watch.seen(moment, "yahoo"))
    expected = [timedelta(seconds=seconds) > timedelta(seconds=90) for seconds in silences]
    assert [gap is not None for gap in found] == [False, *expected]


async def test_the_note_of_the_last_answer_is_not_rewritten_with_every_batch(tmp_path: Path) -> None:
    clock = VirtualClock(NOON)
    await gaps_of(tmp_path, [(ANSWER, 1)] * 9, clock)
    await asyncio.sleep(0)
    assert GapLog(tmp_path).last_seen("yahoo") == NOON
