"""What a deployment pays in the steady state, counted: write units a quote after twelve sessions, objects a window.

Also the size of a process that has five thousand symbols loaded, each with the state of a real symbol.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any, Final

import msgspec
import structlog.testing

from benchmarks.consumer.market import TOPIC_ARN, Market, environ_of
from benchmarks.consumer.stub_aws import stub_aws
from stockstream_lambda.app import build_stores
from stockstream_lambda.aws.dynamodb import Key, Table, Write
from stockstream_lambda.checkpoint import CHECKPOINT_TYPE, decode_checkpoint, encode_checkpoint
from stockstream_lambda.config import Config
from stockstream_lambda.pipeline import Pipeline
from stockstream_wire import Quote, format_epoch_ms, storage, timestamp_to_epoch_ms
from tests.consumer.conftest import MARKET_DATA
from tests.consumer.folding import item_bytes
from tests.consumer.kinesis_events import quote_event, read_session
from tests.consumer.twin import CONFIG, FakeTime, Memory, TwinStores

SESSIONS: Final = 12
LOADED_SYMBOLS: Final = 5000
_DAY_MS: Final = 86_400_000
# A window of five seconds: polls are spread over four fifths of their 30 seconds.
_WINDOWS_A_POLL: Final = 5
# A write unit is a kilobyte (DynamoDB Developer Guide, "Read and write operations").
_UNIT_BYTES: Final = 1024


class MeteredStores(TwinStores):
    """A twin that counts write units by table, index writes among them, and objects put."""

    def __init__(self, memory: Memory) -> None:
        super().__init__(memory)
        self.units: Counter[str] = Counter()
        self.objects_put = 0

    def write_items(self, writes: Sequence[Write]) -> list[Write]:
        for write in writes:
            self.units[write.table.name] += _units(write.item)
        return super().write_items(writes)

    def create_item(self, table: Table, item: bytes) -> bool:
        # In the table and, as it waits to be sent, in the index.
        self.units[table.name] += 2 * _units(item) if b'"unsent"' in item else _units(item)
        return super().create_item(table, item)

    def update_item(self, table: Table, key: Key, expressions: dict[str, Any]) -> bool:
        self.units[table.name] += 2 * _units(msgspec.json.encode(self.memory.tables[table.name][key]))
        return super().update_item(table, key, expressions)

    def put_new(self, key: str, body: bytes, content_type: str, metadata: Any) -> bool:
        self.objects_put += 1
        return super().put_new(key, body, content_type, metadata)

    def put_if(self, key: str, etag: str, body: bytes, content_type: str) -> str | None:
        self.objects_put += 1
        return super().put_if(key, etag, body, content_type)


def _units(item: bytes) -> int:
    return -(-item_bytes(item) // _UNIT_BYTES)


def measure(*, quick: bool) -> dict[str, Any]:
    """Write units a quote of the last session; objects put for the same windows; bytes of a loaded process."""
    with structlog.testing.capture_logs():
        units, memory = _write_units(5 if quick else SESSIONS)
        polls = 8 if quick else 40
        puts = {f"s3_puts_{symbols}_symbols": _objects_put(symbols, polls) for symbols in (1000, 5000)}
    return {**units, **puts, "rss_bytes": _loaded_bytes(memory)}


def _sessions(count: int) -> Iterator[list[Quote]]:
    """The real sessions of four symbols, one day after the other, again and again."""
    recorded = [read_session(path) for path in sorted(MARKET_DATA.glob("us-equities-*.csv.gz"))]
    if not recorded:
        raise FileNotFoundError(f"{MARKET_DATA}: the recorded sessions are not here")
    for number in range(count):
        shift_ms = number // len(recorded) * len(recorded) * _DAY_MS
        yield [
            msgspec.structs.replace(one, timestamp=format_epoch_ms(timestamp_to_epoch_ms(one.timestamp) + shift_ms))
            for one in recorded[number % len(recorded)]
        ]


def _write_units(sessions: int) -> tuple[dict[str, Any], Memory]:
    memory = Memory()
    stores = MeteredStores(memory)
    quotes = 0
    with closing(Pipeline(CONFIG, stores, FakeTime(2_000_000_000.0).clock())) as pipeline:
        for session in _sessions(sessions):
            stores.units.clear()
            quotes = len(session)
            for start in range(0, quotes, 4):
                pipeline.process(quote_event(session[start : start + 4], start=start))
    by_table = {table: units / quotes for table, units in stores.units.items()}
    return {"write_units_a_quote": sum(by_table.values()), "write_units_by_table": by_table}, memory


def _objects_put(symbols: int, polls: int) -> int:
    """Objects that the consumer puts for so many polls, each spread over its windows."""
    market, stores = Market(symbols), MeteredStores(Memory())
    with closing(Pipeline(CONFIG, stores, FakeTime().clock())) as pipeline:
        for _ in range(polls):
            records = market.poll()["Records"]
            size = symbols // _WINDOWS_A_POLL
            for start in range(0, symbols, size):
                pipeline.process({"Records": records[start : start + size]})
    return stores.objects_put


def _loaded_bytes(memory: Memory) -> int:
    """Resident bytes of a process that has read a checkpoint of 5,000 symbols, and taken a batch and a checkpoint."""
    states = []
    for partition in storage.partitions_of(CONFIG.partitions):
        key = storage.checkpoint_key(partition)
        states += list(decode_checkpoint(memory.objects[key].body, key).states.values())
    config = Config(alerts_topic_arn=TOPIC_ARN)
    by_partition: dict[storage.Partition, dict[str, Any]] = {}
    for number in range(LOADED_SYMBOLS):
        symbol = f"SYM{number}"
        of_partition = by_partition.setdefault(storage.partition_of(symbol, config.partitions), {})
        of_partition[symbol] = states[number % len(states)]
    with stub_aws(0) as stub:
        stores = build_stores(config, environ_of(stub.url))
        with closing(stores):
            stores.put_object(storage.LAYOUT_KEY, storage.encode_layout(config.partitions), "application/json")
            for partition, of_partition in by_partition.items():
                body = encode_checkpoint(1, "2020-01-01", of_partition)
                stores.put_object(storage.checkpoint_key(partition), body, CHECKPOINT_TYPE)
        run = subprocess.run(
            [sys.executable, "-m", "benchmarks.consumer.loaded", stub.url, str(LOADED_SYMBOLS)],
            capture_output=True,
            check=True,
            text=True,
        )
    loaded: int = json.loads(run.stdout.splitlines()[-1])
    return loaded
