"""A failing dependency is batchItemFailures from the lowest record that depends on it, and never quarantine."""

import json
import random
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from stockstream_lambda import handler as handler_module
from stockstream_lambda.app import build_stores
from stockstream_lambda.clock import Clock
from stockstream_lambda.errors import StoreRefusedError, StoreUnavailableError
from stockstream_lambda.pipeline import Pipeline
from stockstream_lambda.stores import Stores
from stockstream_wire import encode_quote
from stockstream_wire.storage import partition_of, unpack_lines
from tests.consumer.conftest import World
from tests.consumer.folding import plain_value
from tests.consumer.kinesis_events import FIRST_SEQUENCE, aggregated, event, quote, quote_event
from tests.consumer.test_exactly_once import batches_of, clean_pass, deliver, numbered, random_history, sweep
from tests.consumer.twin import CONFIG, WRITES, FakeTime, Memory, TwinStores

NOW = datetime(2026, 11, 21, tzinfo=UTC)


class Guarded:
    """Stores behind a guard that is asked before every call, and may raise."""

    def __init__(self, stores: Stores, before: Callable[[str, str], None]) -> None:
        self._stores = stores
        self._before = before

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._stores, name)

        def guarded(*arguments: Any) -> Any:
            self._before(name, str(arguments))
            return found(*arguments)

        return guarded


def failing(memory: Memory, operation: str, hits: str = "") -> Guarded:
    """A twin that fails the named operation wherever its arguments hold `hits`."""

    def before(name: str, arguments: str) -> None:
        if name == operation and hits in arguments:
            raise StoreUnavailableError(name)

    return Guarded(TwinStores(memory), before)


def failed_numbers(answer: dict[str, Any]) -> list[int]:
    return [int(failure["itemIdentifier"]) - FIRST_SEQUENCE for failure in answer["batchItemFailures"]]


BATCH = quote_event(
    [quote("A", price="110"), quote("B", price="90"), quote("C"), quote("B", "2026-11-20T14:31:00.000Z")]
)


@pytest.mark.parametrize("operation", ["get_object", "put_new", "write_items", "create_item"])
def test_a_store_that_is_away_hands_the_whole_batch_back(operation: str) -> None:
    memory = Memory()
    with closing(Pipeline(CONFIG, failing(memory, operation), FakeTime().clock())) as pipeline:
        assert failed_numbers(pipeline.process(BATCH, now=NOW).response) == [0]
    assert memory.quarantined() == {}
    deliver(memory, BATCH)
    assert len(memory.tables["quotes"]) == 4


def test_sns_away_fails_nothing_and_the_sweep_sends_what_waits() -> None:
    memory = Memory()
    with closing(Pipeline(CONFIG, failing(memory, "publish"), FakeTime().clock())) as pipeline:
        assert failed_numbers(pipeline.process(BATCH, now=NOW).response) == []
    assert {item["unsent"]["S"] for item in memory.tables["alerts"].values()} == {"1"}
    sweep(memory)
    assert sorted(memory.published()) == sorted(f"{symbol}@{key}" for symbol, key in memory.tables["alerts"])
    assert not any("unsent" in item for item in memory.tables["alerts"].values())


@pytest.mark.parametrize("operation", ["put_new", "write_items", "create_item"])
def test_what_fails_for_one_partition_hands_back_from_its_first_record_and_stores_the_others(operation: str) -> None:
    memory = Memory()
    of_b = partition_of("B", CONFIG.partitions)
    assert of_b not in {partition_of("A", CONFIG.partitions), partition_of("C", CONFIG.partitions)}
    hits = f"{of_b.name}-" if operation == "put_new" else '"S":"B"'
    with closing(Pipeline(CONFIG, failing(memory, operation, hits), FakeTime().clock())) as pipeline:
        answer = pipeline.process(BATCH, now=NOW).response
    assert failed_numbers(answer) == [1]
    assert ("A", "2026-11-20T14:30:00.000Z") in memory.tables["quotes"]
    deliver(memory, BATCH)
    assert len(memory.tables["quotes"]) == 4
    assert sum(len(lines) for lines in memory.archived().values()) == 4


def test_a_bad_record_whose_quarantine_fails_comes_again() -> None:
    batch = event([encode_quote(quote("A")), b"garbage", encode_quote(quote("B"))])
    memory = Memory()
    with closing(Pipeline(CONFIG, failing(memory, "put_object", "quarantine/"))) as pipeline:
        assert failed_numbers(pipeline.process(batch, now=NOW).response) == [1]
    assert len(memory.tables["quotes"]) == 2


def test_an_aggregate_of_which_one_partition_failed_comes_again_whole_and_doubles_nothing() -> None:
    batch = event([aggregated([quote("A"), quote("B"), quote("C")])])
    memory = Memory()
    with closing(Pipeline(CONFIG, failing(memory, "write_items", '"S":"B"'), FakeTime().clock())) as pipeline:
        assert failed_numbers(pipeline.process(batch, now=NOW).response) == [0]
    deliver(memory, batch)
    assert len(memory.tables["quotes"]) == 3
    assert sorted(len(lines) for lines in memory.archived().values()) == [1, 1, 1]


def test_alert_rules_that_cannot_be_read_hand_the_batch_back_and_nothing_is_guessed() -> None:
    memory = Memory()
    with closing(Pipeline(CONFIG, failing(memory, "get_object"))) as pipeline:
        assert failed_numbers(pipeline.process(BATCH, now=NOW).response) == [0]
    assert memory.tables["quotes"] == {}


def test_an_invocation_without_time_left_begins_nothing() -> None:
    memory = Memory()
    with closing(Pipeline(CONFIG, TwinStores(memory))) as pipeline:
        answer = pipeline.process(BATCH, now=NOW, remaining_ms=lambda: 500).response
    assert failed_numbers(answer) == [0]
    assert memory.tables["quotes"] == {}


def test_an_empty_event_is_an_empty_answer() -> None:
    with closing(Pipeline(CONFIG, TwinStores(Memory()))) as pipeline:
        assert pipeline.process({"Records": []}).response == {"batchItemFailures": []}
        assert pipeline.process({}).response == {"batchItemFailures": []}


def test_calls_per_batch_grow_with_symbols_and_chunks_and_not_with_records() -> None:
    stores = TwinStores(Memory())
    quotes = [quote(f"S{n % 10}", f"2026-11-20T14:30:{n // 10:02d}.000Z") for n in range(500)]
    with closing(Pipeline(CONFIG, stores)) as pipeline:
        pipeline.process(quote_event(quotes), now=NOW)
    calls = {name: stores.calls.count(name) for name in set(stores.calls)}
    partitions = len({partition_of(one.symbol, CONFIG.partitions) for one in quotes})
    assert calls["put_new"] == 2 * partitions + CONFIG.partitions + 1  # a roll and an entry each; the first start
    assert calls["write_items"] <= 20 + partitions
    assert set(calls) == {"get_object", "put_new", "put_if", "write_items"}


@pytest.mark.emulator
def test_the_handler_reads_its_environment_logs_json_lines_and_emits_metrics(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = world.config
    for name, value in {
        **world.environ,
        "STOCKSTREAM_QUOTES_TABLE": config.quotes_table,
        "STOCKSTREAM_CANDLES_TABLE": config.candles_table,
        "STOCKSTREAM_ALERTS_TABLE": config.alerts_table,
        "STOCKSTREAM_ARCHIVE_BUCKET": config.archive_bucket,
        "STOCKSTREAM_ANOMALY_THRESHOLD_PERCENT": "2",
        "STOCKSTREAM_RETENTION_DAYS": "30",
        "STOCKSTREAM_DEPLOYMENT": "paper",
    }.items():
        monkeypatch.setenv(name, value)
    handler_module.pipeline_of_this_process.cache_clear()
    batch = event([encode_quote(quote(price="103")), b"garbage"])
    try:
        assert handler_module.handler(batch, None) == {"batchItemFailures": []}
        handler_module.pipeline_of_this_process().close()
    finally:
        handler_module.pipeline_of_this_process.cache_clear()
    (item,) = world.items(config.quotes_table)
    assert item["anomaly"] == "Yes"
    assert item["expires_at"] == Decimal(1_795_185_000 + 30 * 86_400)
    metrics = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert metrics["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Stockstream"
    assert (metrics["Component"], metrics["QuotesStored"], metrics["RecordsQuarantined"]) == ("consumer", 1, 1)
    assert metrics["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["Component", "Deployment"]]
    assert metrics["Deployment"] == "paper"


@pytest.mark.emulator
def test_crashes_at_random_writes_end_in_the_real_stores_as_in_the_twin(world: World) -> None:
    rng = random.Random(12)
    batches = batches_of(random_history(12, 70), rng)
    expected = clean_pass(batches)

    def dying(writes: int) -> Guarded:
        """AWS's stores until the n-th write, then nothing: what a killed process does."""
        left = writes

        def before(name: str, _: str) -> None:
            nonlocal left
            left -= name in WRITES
            if left < 0 and name != "close":
                raise StoreRefusedError(name, "Killed", "", 0)

        return Guarded(build_stores(world.config, world.environ), before)

    for start, batch in numbered(batches):
        answer: dict[str, Any] = {"batchItemFailures": [{}]}
        for writes in (rng.randrange(6), rng.randrange(12), 10**9):
            with closing(Pipeline(world.config, dying(writes))) as pipeline:
                answer = pipeline.process(event(batch, start=start), now=NOW).response
        assert answer == {"batchItemFailures": []}
    later = time.time() + 300
    with closing(Pipeline(world.config, build_stores(world.config, world.environ), Clock(lambda: later))) as pipeline:
        pipeline.sweep()
    for table, name in (
        ("quotes", world.config.quotes_table),
        ("candles", world.config.candles_table),
        ("alerts", world.config.alerts_table),
    ):
        found = sorted((plain(item) for item in world.items(name)), key=str)
        assert found == sorted((typed(item) for item in expected.tables[table].values()), key=str)
    assert world.objects("quarantine/") == {
        key: stored.body for key, stored in expected.objects.items() if key.startswith("quarantine/")
    }
    lines = [line for body in world.objects("raw/").values() for line in unpack_lines(body)]
    assert sorted(lines) == sorted(line for of_symbol in expected.archived().values() for line in of_symbol)


def plain(item: dict[str, Any]) -> dict[str, Any]:
    return dict(sorted(item.items()))


def typed(item: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {name: plain_value(value) for name, value in sorted(item.items())}
