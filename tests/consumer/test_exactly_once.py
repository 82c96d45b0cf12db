"""Whatever crashes, repeats, splits or overlaps: the stores end as after one clean pass."""

import copy
import itertools
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stockstream_lambda.clock import Deadline
from stockstream_lambda.pipeline import Pipeline
from stockstream_wire import Quote, encode_quote, format_epoch_ms, storage
from tests.consumer.kinesis_events import aggregated, event, quote
from tests.consumer.twin import CONFIG, WRITES, Crash, FakeTime, Memory, TwinStores
from tests.patience import PATIENCE_SECONDS

NOW = datetime(2026, 11, 21, tzinfo=UTC)
OPEN_MS = 1_795_185_000_000  # 2026-11-20T14:30:00Z


@contextmanager
def running(memory: Memory, before: Callable[[str], None] = lambda _: None) -> Iterator[Pipeline]:
    with closing(Pipeline(CONFIG, TwinStores(memory, before), FakeTime().clock())) as pipeline:
        yield pipeline


def deliver(memory: Memory, batch: dict[str, Any]) -> None:
    """One delivery to a fresh process."""
    with running(memory) as pipeline:
        assert pipeline.process(batch, now=NOW).response == {"batchItemFailures": []}


def sweep(memory: Memory) -> None:
    """What the schedule does some minutes later."""
    time = FakeTime()
    time.sleep(300)
    with closing(Pipeline(CONFIG, TwinStores(memory), time.clock())) as pipeline:
        pipeline.sweep()


class CrashAt:
    """Raises at the n-th write and at every one after it: a dead process writes nothing more."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.crashed = False

    def __call__(self, name: str) -> None:
        self.left -= name in WRITES
        if self.left < 0:
            self.crashed = True
            raise Crash


def contents(memory: Memory) -> dict[str, Any]:
    """Everything that must be equal: all tables byte by byte, all archived lines in order, the alerts sent."""
    return {
        "tables": memory.tables,
        "archive": memory.archived(),
        "quarantine": memory.quarantined(),
        "alerts": sorted(set(memory.published())),
    }


def random_history(seed: int, length: int) -> list[Quote]:
    """Quotes of a few symbols with duplicates, late ones, bad ticks, stale facts, jumps and a night in between."""
    rng = random.Random(seed)
    prices = {"AAPL": 100.0, "^VIX": 20.0, "M&M.NS": 1500.0}
    clock = dict.fromkeys(prices, OPEN_MS)
    volumes = dict.fromkeys(prices, 0)
    history: list[Quote] = []
    for _ in range(length):
        symbol = rng.choice(list(prices))
        kind = rng.random()
        if history and kind < 0.12:
            history.append(rng.choice(history))
            continue
        clock[symbol] += rng.choice([1_000, 20_000, 60_000, 300_000] + [57_600_000] * (rng.random() < 0.1))
        moment = clock[symbol] - (rng.choice([15_500, 90_500]) if kind < 0.22 else 0)
        prices[symbol] *= rng.choice([0.93, 1.08]) if kind > 0.9 else rng.uniform(0.999, 1.001)
        volumes[symbol] += rng.randrange(1000)
        price = prices[symbol] * (40 if 0.22 <= kind < 0.26 else 1)
        text = f"{price:.2f}"
        history.append(
            quote(
                symbol,
                format_epoch_ms(moment),
                text,
                high=str(Decimal(text) * 2),
                low=str(Decimal(text) / 2),
                previous_close=f"{prices[symbol] * 1.5:.2f}",
                volume=volumes[symbol],
                stale=0.26 <= kind < 0.29,
            )
        )
    return history


def batches_of(history: list[Quote], rng: random.Random) -> list[list[bytes]]:
    """Kinesis records: some plain, some aggregates, cut into batches."""
    records: list[bytes] = []
    start = 0
    while start < len(history):
        size = rng.choice([1, 1, 2, 5, 12])
        part = history[start : start + size]
        records += [encode_quote(q) for q in part] if rng.random() < 0.5 else [aggregated(part)]
        start += size
    batches = []
    start = 0
    while start < len(records):
        size = rng.choice([1, 3, 8, 20])
        batches.append(records[start : start + size])
        start += size
    return batches


def numbered(batches: list[list[bytes]]) -> list[tuple[int, list[bytes]]]:
    found, start = [], 0
    for batch in batches:
        found.append((start, batch))
        start += len(batch)
    return found


def clean_pass(batches: list[list[bytes]]) -> Memory:
    memory = Memory()
    for start, batch in numbered(batches):
        deliver(memory, event(batch, start=start))
    return memory


def crash_and_retry(memory: Memory, start: int, batch: list[bytes], crash_at: int) -> bool:
    """Deliver a batch to a process that dies at one write; tells whether it came to that."""
    crash = CrashAt(crash_at)
    with running(memory, crash) as pipeline, suppress(Crash):
        pipeline.process(event(batch, start=start), now=NOW)
    return crash.crashed


def outcome(memory: Memory) -> dict[str, Any]:
    """What there is once the sweep has been; nothing was ever written twice with other bytes."""
    sweep(memory)
    assert memory.rewritten == []
    return contents(memory)


AFTER_A_CRASH = ("a fresh process", "a warm one that knows nothing of it", "a bisected batch")


@pytest.mark.parametrize("then", AFTER_A_CRASH)
def test_a_crash_before_every_single_write_ends_like_one_clean_pass(then: str) -> None:
    points, wrong = count_crash_points(7, 250, then)
    assert points > 150
    assert wrong == 0


def load_all(pipeline: Pipeline) -> None:
    """Let a process know every partition as it is now."""
    turn = pipeline.turn(NOW, Deadline())
    for partition in storage.partitions_of(CONFIG.partitions):
        pipeline.log_of(partition, turn)


def count_crash_points(seed: int, quotes: int, then: str) -> tuple[int, int]:
    """Crash points tried, and how many ended unlike the clean pass."""
    rng = random.Random(seed)
    batches = batches_of(random_history(seed, quotes), rng)
    memory, points, wrong = Memory(), 0, 0
    for start, batch in numbered(batches):
        clean = copy.deepcopy(memory)
        deliver(clean, event(batch, start=start))
        after = outcome(copy.deepcopy(clean))
        for crash_at in itertools.count():
            trial = copy.deepcopy(memory)
            with running(trial) as warm:
                if then == "a warm one that knows nothing of it":
                    load_all(warm)
                if not crash_and_retry(trial, start, batch, crash_at):
                    break
                cut = rng.randrange(1, len(batch)) if len(batch) > 1 and then == "a bisected batch" else len(batch)
                for begin, part in ((start, batch[:cut]), (start + cut, batch[cut:])):
                    if part and then == "a warm one that knows nothing of it":
                        assert warm.process(event(part, start=begin), now=NOW).response == {"batchItemFailures": []}
                    elif part:
                        deliver(trial, event(part, start=begin))
            points += 1
            wrong += outcome(trial) != after
        memory = clean
    assert outcome(memory) == outcome(clean_pass(batches))
    return points, wrong


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), crash_rate=st.floats(0, 0.9))
def test_any_history_with_any_crashes_bisections_and_repeats_ends_like_one_clean_pass(
    seed: int, crash_rate: float
) -> None:
    rng = random.Random(seed)
    batches = batches_of(random_history(seed, rng.randrange(1, 80)), rng)
    expected = contents(clean_pass(batches))
    memory = Memory()
    for start, batch in numbered(batches):
        pieces = [(start, batch)]
        while pieces:
            begin, piece = pieces.pop(0)
            if rng.random() < crash_rate and crash_and_retry(memory, begin, piece, rng.randrange(12)):
                half = rng.randrange(1, len(piece)) if len(piece) > 1 and rng.random() < 0.5 else len(piece)
                pieces = [
                    (begin, piece[:half]),
                    *([(begin + half, piece[half:])] if half < len(piece) else []),
                    *pieces,
                ]
                continue
            deliver(memory, event(piece, start=begin))
            if rng.random() < 0.2:
                deliver(memory, event(piece, start=begin))
    assert outcome(memory) == expected


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), frozen_at=st.integers(0, 14))
def test_an_invocation_that_wakes_up_after_its_retry_and_the_batches_after_it_changes_nothing(
    seed: int, frozen_at: int
) -> None:
    rng = random.Random(seed)
    batches = batches_of(random_history(seed, rng.randrange(5, 60)), rng)
    expected = contents(clean_pass(batches))
    memory = Memory()
    zombies: list[tuple[threading.Thread, threading.Event]] = []
    for start, batch in numbered(batches):
        if rng.random() < 0.5:
            zombies.append(freeze(memory, start, batch, frozen_at))
        half = rng.randrange(1, len(batch) + 1)
        deliver(memory, event(batch[:half], start=start))
        if zombies and rng.random() < 0.3:
            wake(zombies.pop(rng.randrange(len(zombies))))
        if half < len(batch):
            deliver(memory, event(batch[half:], start=start + half))
    for zombie in zombies:
        wake(zombie)
    assert outcome(memory) == expected


def freeze(memory: Memory, start: int, batch: list[bytes], at: int) -> tuple[threading.Thread, threading.Event]:
    """Start a delivery that stops before its n-th write until it is woken."""
    frozen, woken = threading.Event(), threading.Event()
    left = at

    def before_write(_: str) -> None:
        nonlocal left
        left -= 1
        if left == -1:
            frozen.set()
            assert woken.wait(PATIENCE_SECONDS)

    def run() -> None:
        with running(memory, before_write) as pipeline:
            pipeline.process(event(batch, start=start), now=NOW)
        frozen.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert frozen.wait(PATIENCE_SECONDS)
    return thread, woken


def wake(zombie: tuple[threading.Thread, threading.Event]) -> None:
    thread, woken = zombie
    woken.set()
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()


def test_a_second_replay_of_the_same_session_under_new_sequence_numbers_changes_nothing() -> None:
    batches = batches_of(random_history(3, 150), random.Random(3))
    memory = clean_pass(batches)
    before = copy.deepcopy(contents(memory))
    for start, batch in numbered(batches):
        deliver(memory, event(batch, start=start + 1_000_000))
    after = contents(memory)
    # A refused tick that comes again comes from another position: it is another object.
    before.pop("quarantine")
    after.pop("quarantine")
    assert after == before


@pytest.mark.parametrize("failing", ["put_new", "write_items", "create_item", "stored_keys", "publish"])
def test_a_store_that_fails_until_the_batch_is_given_up_loses_nothing_once_it_is_redriven(failing: str) -> None:
    batches = batches_of(random_history(11, 60), random.Random(11))
    half = len(batches) // 2
    memory = Memory()
    numbers = numbered(batches)
    for start, batch in numbers[:half]:
        deliver(memory, event(batch, start=start))
    given_up = numbers[half]

    def outage(name: str) -> None:
        from stockstream_lambda.errors import StoreUnavailableError

        if name == failing:
            raise StoreUnavailableError(name)

    with running(memory, outage) as pipeline:
        pipeline.process(event(given_up[1], start=given_up[0]), now=NOW)
    for start, batch in numbers[half + 1 :]:
        deliver(memory, event(batch, start=start))
    deliver(memory, event(given_up[1], start=5_000_000))

    expected = {(q.symbol, q.timestamp) for q in accepted(batches)}
    assert set(memory.tables["quotes"]) == expected
    lines = [line for of_symbol in memory.archived().values() for line in of_symbol]
    assert len(lines) == len(set(lines)) == len(expected)
    sweep(memory)
    assert not any(storage.UNSENT in item for item in memory.tables["alerts"].values())
    assert len(set(memory.published())) == len(memory.tables["alerts"])


def accepted(batches: list[list[bytes]]) -> list[Quote]:
    """Quotes that a clean pass stores."""
    from stockstream_wire import decode_quote

    return [decode_quote(line) for of_day in clean_pass(batches).archived().values() for line in of_day]
