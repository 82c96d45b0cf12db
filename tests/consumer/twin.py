"""An in-memory twin of the stores: the same contract, a switch that crashes at any write, and plain dictionaries."""

import gzip
import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

from stockstream_lambda.aws.dynamodb import Item, TransactionCanceledError, TransactionWrite, Write
from stockstream_lambda.aws.sns import Message
from stockstream_lambda.config import Config
from stockstream_lambda.quarantine import StoredObject
from stockstream_lambda.stores import Key

CONFIG = Config(
    quotes_table="quotes",
    symbols_table="symbols",
    candles_table="candles",
    alerts_table="alerts",
    archive_bucket="archive",
    alerts_topic_arn="arn:aws:sns:us-east-1:000000000000:alerts",
    # One thread: which writes come before a crash must be the same on every run of a test.
    parallel_calls=1,
)
KEYS = {
    "quotes": ("symbol", "timestamp"),
    "symbols": ("symbol",),
    "candles": ("symbol_interval", "window_start"),
    "alerts": ("symbol", "alert_id"),
}


class Crash(BaseException):
    """The process died here. Not an Exception: nothing in the consumer may catch it."""


class Memory:
    """What survives a crash: tables, bucket and the messages that SNS took."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[tuple[str, ...], dict[str, Any]]] = {name: {} for name in KEYS}
        self.objects: dict[str, bytes] = {}
        self.messages: list[Message] = []

    def put(self, table: str, item: bytes) -> None:
        content = json.loads(item)
        self.tables[table][tuple(content[name]["S"] for name in KEYS[table])] = content

    def archived(self) -> dict[str, list[bytes]]:
        """Archive lines by symbol and day, in the order of the objects' positions."""

        def order(key: str) -> tuple[str, ...]:
            folder, _, name = key.rpartition("/")
            shard, sequence, subsequence = name.removesuffix(".json.gz").rsplit("-", 2)
            return folder, shard, sequence.zfill(60), subsequence.zfill(10)

        lines: dict[str, list[bytes]] = {}
        for key in sorted((key for key in self.objects if key.startswith("raw/")), key=order):
            lines.setdefault(key.rpartition("/")[0], []).extend(gzip.decompress(self.objects[key]).splitlines())
        return lines

    def quarantined(self) -> dict[str, dict[str, Any]]:
        return {key: json.loads(body) for key, body in self.objects.items() if key.startswith("quarantine/")}

    def published(self) -> list[str]:
        return [message.attributes["alert_id"] for message in self.messages]


class TwinStores:
    """The stores of one process. `before_write` is called before every write and may raise."""

    def __init__(self, memory: Memory, before_write: Callable[[str], None] = lambda _: None) -> None:
        self.memory = memory
        self.calls: list[str] = []
        self._before_write = before_write
        self._lock = threading.Lock()

    def get_symbols(self, symbols: Sequence[str]) -> dict[str, Item]:
        assert len(symbols) <= 100
        self.calls.append("get_symbols")
        found = self.memory.tables["symbols"]
        return {symbol: found[symbol,] for symbol in symbols if (symbol,) in found}

    def stored_quotes(self, keys: Sequence[Key]) -> set[Key]:
        assert len(keys) == len(set(keys)) <= 100
        self.calls.append("stored_quotes")
        return {key for key in keys if key in self.memory.tables["quotes"]}

    def published_alerts(self, keys: Sequence[Key]) -> set[Key]:
        self.calls.append("published_alerts")
        alerts = self.memory.tables["alerts"]
        return {key for key in keys if key in alerts and alerts[key]["status"]["S"] == "published"}

    def commit(self, writes: Sequence[TransactionWrite]) -> None:
        assert len(writes) <= 100
        self._write("commit")
        with self._lock:
            failed = [not self._holds(write) for write in writes]
            if any(failed):
                raise TransactionCanceledError("conflict", failed)
            for table, item, _ in writes:
                self.memory.put(table, item)

    def put_items(self, writes: Sequence[Write]) -> None:
        assert len(writes) <= 25
        self._write("put_items")
        seen = set()
        for table, item in writes:
            content = json.loads(item)
            key = (table, *(content[name]["S"] for name in KEYS[table]))
            assert key not in seen, "one request writes one key twice"
            seen.add(key)
            self.memory.put(table, item)

    def clear_redo(self, symbol: str, revision: int) -> None:
        self._write("clear_redo")
        item = self.memory.tables["symbols"].get((symbol,))
        if item is not None and item["revision"]["N"] == str(revision):
            item.pop("redo", None)

    def put_object(self, stored: StoredObject) -> None:
        self._write("put_object")
        self.memory.objects[stored.key] = stored.body

    def get_object(self, key: str) -> bytes | None:
        return self.memory.objects.get(key)

    def publish(self, messages: Sequence[Message]) -> list[bool]:
        assert len(messages) <= 10
        self._write("publish")
        self.memory.messages += messages
        return [True] * len(messages)

    def close(self) -> None:
        pass

    def _write(self, name: str) -> None:
        self.calls.append(name)
        self._before_write(name)

    def _holds(self, write: TransactionWrite) -> bool:
        if not write.condition:
            return True
        key = tuple(json.loads(write.item)[name]["S"] for name in KEYS[write.table])
        present = self.memory.tables[write.table].get(key)
        if b"attribute_not_exists" in write.condition:
            return present is None
        expected = json.loads(b"{" + write.condition[1:] + b"}")["ExpressionAttributeValues"][":r"]["N"]
        return present is not None and present["revision"]["N"] == expected
