"""The night: windows closed by time, past days laid out by symbol, and nothing deleted too early or twice there."""

import copy
import json
import random
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from itertools import count
from typing import Any

import pytest

from stockstream_lambda.clock import Deadline
from stockstream_lambda.pipeline import Pipeline
from stockstream_lambda.tidy import folders
from stockstream_lambda.tidy.folders import COVERED_FOR_SECONDS, Folders
from stockstream_lambda.tidy.run import run_tidy
from stockstream_wire import Quote, encode_quote, format_epoch_ms, storage
from tests.consumer.kinesis_events import quote, quote_event
from tests.consumer.test_exactly_once import CrashAt
from tests.consumer.twin import CONFIG, Crash, FakeTime, Memory, TwinStores

OPEN_MS = 1_795_185_000_000
DAY_MS = 86_400_000
DAY_SECONDS = 86_400.0
SYMBOLS = ("A", "B", "M&M.NS", "^VIX")


class Nights:
    """A pipeline over some days: quotes by day, and the tidy's call after each."""

    def __init__(self) -> None:
        self.memory = Memory()
        self.time = FakeTime(OPEN_MS / 1000 + 60)
        self.sent: list[Quote] = []

    def day(self, number: int, quotes: list[Quote]) -> None:
        self.time.seconds = OPEN_MS / 1000 + number * DAY_SECONDS + 60
        self.sent += quotes
        with closing(Pipeline(CONFIG, TwinStores(self.memory), self.time.clock())) as pipeline:
            for start in range(0, len(quotes), 7):
                assert not pipeline.process(quote_event(quotes[start : start + 7])).response["batchItemFailures"]

    def night(self, before: Callable[[str], None] = lambda _: None, **event: Any) -> dict[str, Any]:
        self.time.seconds += DAY_SECONDS / 2
        with closing(Pipeline(CONFIG, TwinStores(self.memory, before), self.time.clock())) as pipeline:
            return run_tidy(pipeline, event, Deadline())

    def tidied(self) -> dict[str, list[bytes]]:
        return {
            key: storage.unpack_lines(stored.body)
            for key, stored in sorted(self.memory.objects.items())
            if storage.parse_tidied_key(key)
        }

    def log_days(self) -> set[str]:
        return {folder for entries in self.memory.entries().values() for _, folder, _ in entries}


def ticks(day: int, count: int = 6) -> list[Quote]:
    return [
        quote(symbol, format_epoch_ms(OPEN_MS + day * DAY_MS + n * 20_000), f"{100 + n}")
        for n in range(count)
        for symbol in SYMBOLS
    ]


def some_days(count: int = 4) -> Nights:
    nights = Nights()
    for day in range(count):
        nights.day(day, ticks(day))
        nights.night()
    return nights


def test_days_closed_and_covered_for_over_a_day_lie_by_symbol_and_day_and_the_newest_stay_in_the_log() -> None:
    nights = some_days(5)
    assert {key.split("/")[1] for key in nights.tidied()} == {"dt=2026-11-20", "dt=2026-11-21"}
    assert nights.log_days() == {"2026-11-22", "2026-11-23", "2026-11-24"}
    for key, lines in nights.tidied().items():
        parsed = storage.parse_tidied_key(key)
        assert parsed is not None
        assert parsed.run == 0
        expected = [q for q in nights.sent if q.symbol == parsed.symbol and q.timestamp[:10] == parsed.day]
        assert lines == [encode_quote(one) for one in expected]


def test_every_quote_is_in_the_archive_once_after_every_night() -> None:
    nights = Nights()
    for day in range(6):
        nights.day(day, ticks(day))
        nights.night()
        lines = [line for of_symbol in nights.memory.archived().values() for line in of_symbol]
        assert sorted(lines) == sorted(encode_quote(one) for one in nights.sent)


def test_late_quotes_of_other_days_are_runs_of_their_own_so_that_the_order_of_the_log_is_kept() -> None:
    nights = Nights()
    nights.day(0, ticks(0, 2))
    first, second = OPEN_MS + DAY_MS, OPEN_MS + 5000
    moments = (first, second, first + 1000, first + 2000, second + 1000)
    nights.day(1, [quote("A", format_epoch_ms(moment)) for moment in moments])
    for day in range(2, 6):
        nights.night()
        nights.day(day, ticks(day))
    nights.night()
    of_a = [key.rpartition("/")[2] for key in nights.tidied() if "symbol=A/" in key and "dt=2026-11-2" in key]
    runs = sorted(name.removesuffix(".json.gz").rpartition("-")[2] for name in of_a if len(of_a))
    assert runs.count("03") == 1
    in_order = [json.loads(line)["timestamp"] for line in nights.memory.archived()["A"]]
    assert in_order == [one.timestamp for one in nights.sent if one.symbol == "A"]


def test_nothing_is_deleted_that_a_checkpoint_has_not_covered_for_a_day() -> None:
    nights = Nights()
    for day in range(3):
        nights.day(day, ticks(day))
    before = set(nights.memory.objects)
    nights.night()
    assert before <= set(nights.memory.objects)
    nights.time.seconds -= DAY_SECONDS / 2  # minutes later
    assert nights.night()["tidied"] == {}
    assert before <= set(nights.memory.objects)
    nights.time.seconds += COVERED_FOR_SECONDS
    tidied = nights.night()["tidied"].values()
    assert {day for days in tidied for day in days} == {"first", "2026-11-20", "2026-11-21"}


def test_a_dry_run_says_what_would_be_tidied_and_touches_nothing() -> None:
    nights = some_days(3)
    nights.time.seconds += 2 * DAY_SECONDS
    before = dict(nights.memory.objects)
    said = nights.night(dry_run=True)
    assert nights.memory.objects == before
    assert said["tidied"]
    assert nights.night()["tidied"] == said["tidied"]


def test_a_crash_before_any_write_of_the_night_is_made_good_by_the_next() -> None:
    nights = some_days(3)
    nights.time.seconds += 2 * DAY_SECONDS
    expected = copy.deepcopy(nights)
    expected.night()
    points = 0
    for crash_at in count():
        trial = copy.deepcopy(nights)
        crash = CrashAt(crash_at)
        with suppress(Crash):
            trial.night(crash)
        if not crash.crashed:
            break
        trial.time.seconds += DAY_SECONDS / 2
        trial.night()
        assert trial.tidied() == expected.tidied()
        assert trial.log_days() == expected.log_days()
        assert trial.memory.archived() == expected.memory.archived()
        points += 1
    assert points > 20


def test_a_call_that_runs_out_of_time_says_so_and_the_next_goes_on() -> None:
    nights = some_days(4)
    nights.time.seconds += 2 * DAY_SECONDS
    calls, more = 0, True
    while more:
        left = count(9000, -400)
        with closing(Pipeline(CONFIG, TwinStores(nights.memory), nights.time.clock())) as pipeline:
            answer = run_tidy(pipeline, {}, Deadline(partial(next, left)))
        calls, more = calls + 1, answer["more"]
    assert 1 < calls < 100
    assert nights.log_days() == {"2026-11-23"}
    lines = [line for of_symbol in nights.memory.archived().values() for line in of_symbol]
    assert sorted(lines) == sorted(encode_quote(one) for one in nights.sent)


@pytest.mark.parametrize("slice_max_bytes", [1, 700, 10**9])
def test_a_unit_opened_in_slices_makes_the_same_objects(slice_max_bytes: int) -> None:
    nights = some_days(3)
    nights.time.seconds += 2 * DAY_SECONDS
    expected = copy.deepcopy(nights)
    expected.night()
    with closing(Pipeline(CONFIG, TwinStores(nights.memory), nights.time.clock())) as pipeline:
        for partition in storage.partitions_of(CONFIG.partitions):
            known = storage.decode_checkpoint_head(nights.memory.objects[storage.checkpoint_key(partition)].body)
            opened = Folders(
                partition, pipeline.stores, pipeline.calls, pipeline.clock, slice_max_bytes=slice_max_bytes
            )
            list(opened.tidy(known.revision, Deadline()))
    assert nights.tidied() == expected.tidied()


def test_no_tidied_object_is_larger_than_its_readers_take_and_the_order_of_the_log_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(folders, "RUN_MAX_BYTES", 700)
    nights = some_days(3)
    nights.time.seconds += 2 * DAY_SECONDS
    nights.night()
    sizes = [sum(map(len, storage.unpack_lines(nights.memory.objects[key].body))) for key in nights.tidied()]
    assert max(sizes) <= 700
    for symbol, lines in nights.memory.archived().items():
        assert lines == [encode_quote(one) for one in nights.sent if one.symbol == symbol]


def test_windows_that_are_over_for_longer_than_a_record_may_wait_are_closed_once() -> None:
    nights = Nights()
    nights.day(0, ticks(0))
    assert nights.memory.tables["candles"] == {}
    nights.night()
    assert nights.memory.tables["candles"] == {}
    # Fourteen hours back it is evening in New York: the hour is over there, the day is not.
    answer = nights.night()
    assert len(answer["closes"]) == len({storage.partition_of(symbol, 4) for symbol in SYMBOLS})
    assert "A#1h" in {key for key, _ in nights.memory.tables["candles"]}
    assert "A#1d" not in {key for key, _ in nights.memory.tables["candles"]}
    nights.night()
    series = {key for key, _ in nights.memory.tables["candles"]}
    assert series == {f"{symbol}#{interval}" for symbol in SYMBOLS for interval in storage.STORED_INTERVALS}
    assert nights.night()["closes"] == []
    assert nights.memory.rewritten == []


def test_a_night_writes_a_checkpoint_of_what_stands_still() -> None:
    nights = Nights()
    nights.day(0, ticks(0))
    nights.night()
    for partition, entries in nights.memory.entries().items():
        head = storage.decode_checkpoint_head(nights.memory.objects[storage.checkpoint_key(partition)].body)
        assert head.revision == entries[-1][0]


def test_any_order_of_days_and_late_quotes_is_laid_out_and_lost_nowhere() -> None:
    for seed in range(15):
        rng = random.Random(seed)
        nights, used = Nights(), set[tuple[str, int]]()
        for day in range(8):
            quotes = []
            for _ in range(rng.randrange(0, 12)):
                symbol = rng.choice(SYMBOLS)
                unit = max(0, day - rng.choice((0, 0, 0, 1, 2))) * 100 + rng.randrange(50)
                if (symbol, unit) not in used:
                    used.add((symbol, unit))
                    quotes.append(quote(symbol, format_epoch_ms(OPEN_MS + unit // 100 * DAY_MS + unit % 100 * 1000)))
            nights.day(day, quotes)
            nights.night()
        for symbol, lines in nights.memory.archived().items():
            assert lines == [encode_quote(one) for one in nights.sent if one.symbol == symbol]
