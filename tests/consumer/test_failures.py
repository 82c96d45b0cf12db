"""A failing dependency is batchItemFailures from the lowest record that depends on it, and never quarantine."""

import json
import random
from base64 import b64decode
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from stockstream_lambda import handler as handler_module
from stockstream_lambda.app import build_stores
from stockstream_lambda.errors import StoreRefusedError, StoreUnavailableError
from stockstream_lambda.pipeline import Pipeline
from stockstream_lambda.stores import Stores
from stockstream_wire import encode_quote
from tests.consumer.conftest import World
from tests.consumer.kinesis_events import FIRST_SEQUENCE, aggregated, event, quote, quote_event
from tests.consumer.test_exactly_once import batches_of, clean_pass, deliver, numbered, random_history
from tests.consumer.twin import CONFIG, Memory, TwinStores

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


@pytest.mark.parametrize("operation", ["get_symbols", "commit", "put_items", "put_object", "clear_redo"])
def test_a_store_that_is_away_hands_the_whole_batch_back(operation: str) -> None:
    memory = Memory()
    with closing(Pipeline(CONFIG, failing(memory, operation))) as pipeline:
        assert failed_numbers(pipeline.process(BATCH, now=NOW).response) == [0]
    assert memory.quarantined() == {}
    deliver(memory, BATCH)
    assert len(memory.tables["quotes"]) == 4


@pytest.mark.parametrize("operation", ["put_object", "publish", "clear_redo"])
def test_what_fails_for_one_symbol_hands_back_from_its_first_record_and_stores_the_others(operation: str) -> None:
    memory = Memory()
    with closing(
        Pipeline(CONFIG, failing(memory, operation, "symbol=B" if operation == "put_object" else "B"))
    ) as pipeline:
        answer = pipeline.process(BATCH, now=NOW).response
    # One publish carries the alerts of both A and B, so there A shares B's fate.
    assert failed_numbers(answer) == [0 if operation == "publish" else 1]
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


def test_an_aggregate_of_which_one_symbol_failed_comes_again_whole_and_doubles_nothing() -> None:
    batch = event([aggregated([quote("A"), quote("B"), quote("C")])])
    memory = Memory()
    with closing(Pipeline(CONFIG, failing(memory, "put_object", "symbol=B"))) as pipeline:
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
    assert calls == {"get_symbols": 1, "commit": 1, "put_items": 20, "put_object": 10, "clear_redo": 10}


@pytest.mark.emulator
def test_the_handler_reads_its_environment_logs_json_lines_and_emits_metrics(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = world.config
    for name, value in {
        **world.environ,
        "STOCKSTREAM_QUOTES_TABLE": config.quotes_table,
        "STOCKSTREAM_SYMBOLS_TABLE": config.symbols_table,
        "STOCKSTREAM_CANDLES_TABLE": config.candles_table,
        "STOCKSTREAM_ALERTS_TABLE": config.alerts_table,
        "STOCKSTREAM_ARCHIVE_BUCKET": config.archive_bucket,
        "STOCKSTREAM_ANOMALY_THRESHOLD_PERCENT": "2",
        "STOCKSTREAM_RETENTION_DAYS": "30",
        "STOCKSTREAM_DEPLOYMENT": "paper",
    }.items():
        monkeypatch.setenv(name, value)
    handler_module._pipeline.cache_clear()
    batch = event([encode_quote(quote(price="103")), b"garbage"])
    try:
        assert handler_module.handler(batch, None) == {"batchItemFailures": []}
        handler_module._pipeline().close()
    finally:
        handler_module._pipeline.cache_clear()
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
            left -= name in {"commit", "put_items", "put_object", "publish", "clear_redo"}
            if left < 0 and name != "close":
                raise StoreRefusedError(name, "Killed", "", 0)

        return Guarded(build_stores(world.config, world.environ), before)

    for start, batch in numbered(batches):
        answer: dict[str, Any] = {"batchItemFailures": [{}]}
        for writes in (rng.randrange(6), rng.randrange(12), 10**9):
            with closing(Pipeline(world.config, dying(writes))) as pipeline:
                answer = pipeline.process(event(batch, start=start), now=NOW).response
        assert answer == {"batchItemFailures": []}
    for table, name in (
        ("quotes", world.config.quotes_table),
        ("symbols", world.config.symbols_table),
        ("candles", world.config.candles_table),
        ("alerts", world.config.alerts_table),
    ):
        found = sorted((plain(item) for item in world.items(name)), key=str)
        assert found == sorted((typed(item) for item in expected.tables[table].values()), key=str)
    assert world.objects("quarantine/") == {
        key: body for key, body in expected.objects.items() if key.startswith("quarantine/")
    }
    real = Memory()
    real.objects = world.objects("raw/")
    assert real.archived() == expected.archived()


def plain(item: dict[str, Any]) -> dict[str, Any]:
    return {name: bytes(value.value) if hasattr(value, "value") else value for name, value in sorted(item.items())}


def typed(item: dict[str, dict[str, Any]]) -> dict[str, Any]:
    convert: dict[str, Any] = {"N": Decimal, "S": str, "BOOL": bool, "B": b64decode}
    return {name: convert[kind](value) for name, one in sorted(item.items()) for kind, value in one.items()}
