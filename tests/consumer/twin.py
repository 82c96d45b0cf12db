"""An in-memory twin of the stores: the same contract, hooks before and after every call, and plain dictionaries."""

import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, TypeVar

import msgspec

from stockstream_lambda.aws.dynamodb import Item, Key, Table, Write
from stockstream_lambda.aws.s3 import StoredObject
from stockstream_lambda.aws.sns import Message
from stockstream_lambda.clock import Clock
from stockstream_lambda.config import Config
from stockstream_lambda.errors import StoreRefusedError
from stockstream_wire import storage

T = TypeVar("T")

CONFIG = Config(
    quotes_table="quotes",
    candles_table="candles",
    alerts_table="alerts",
    archive_bucket="archive",
    alerts_topic_arn="arn:aws:sns:us-east-1:000000000000:alerts",
    # One thread: which writes come before a crash must be the same on every run of a test.
    parallel_calls=1,
)
WRITES = frozenset(
    {"put_object", "put_new", "put_if", "delete_object", "write_items", "create_item", "update_item", "publish"}
)


class Crash(BaseException):
    """The process died here. Not an Exception: nothing in the consumer may catch it."""


class FakeTime:
    """A clock that moves only when told, and by sleeping."""

    def __init__(self, start: float = 1_795_219_200.0) -> None:
        self.seconds = start

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def clock(self) -> Clock:
        return Clock(lambda: self.seconds, self.sleep)


class Memory:
    """What survives a crash: tables, bucket and the messages that SNS took."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[Key, Item]] = {name: {} for name in storage.TABLES}
        self.objects: dict[str, StoredObject] = {}
        self.messages: list[Message] = []
        self.etags = count(1)
        # Items that were written again with other bytes, which never happens to quotes and candles.
        self.rewritten: list[tuple[str, Key]] = []

    def __deepcopy__(self, memo: Any) -> "Memory":
        """Items and objects are values here: nobody changes them in place."""
        made = Memory()
        made.tables = {name: dict(items) for name, items in self.tables.items()}
        made.objects = dict(self.objects)
        made.messages = list(self.messages)
        made.etags = count(next(self.etags))
        made.rewritten = list(self.rewritten)
        return made

    def put(self, table: Table, item: bytes) -> None:
        content: Item = msgspec.json.decode(item)
        key = table.key_of(content)
        present = self.tables[table.name].get(key)
        if table.name != "alerts" and present is not None and present != content:
            self.rewritten.append((table.name, key))
        self.tables[table.name][key] = content

    def put_bytes(self, key: str, body: bytes, metadata: Mapping[str, str] | None = None) -> str:
        etag = f'"{next(self.etags)}"'
        self.objects[key] = StoredObject(body, etag, dict(metadata or {}))
        return etag

    def entries(self) -> dict[storage.Partition, list[tuple[int, str, StoredObject]]]:
        """The log: revision, folder and object of each entry, by partition, in order."""
        found: dict[storage.Partition, list[tuple[int, str, StoredObject]]] = {}
        for key, stored in self.objects.items():
            parsed = storage.parse_log_key(key)
            if parsed is not None:
                found.setdefault(parsed.partition, []).append((parsed.revision, parsed.folder, stored))
        return {partition: sorted(entries, key=lambda entry: entry[0]) for partition, entries in found.items()}

    def archived(self) -> dict[str, list[bytes]]:
        """Archived lines by symbol: tidied ones in their order, then the log's."""
        lines: dict[str, list[bytes]] = {}
        tidied = [(parsed, key) for key in self.objects if (parsed := storage.parse_tidied_key(key)) is not None]
        for parsed, key in sorted(tidied, key=lambda one: (one[0].first, one[0].run)):
            lines.setdefault(parsed.symbol, []).extend(storage.unpack_lines(self.objects[key].body))
        for entries in self.entries().values():
            for _, _, stored in entries:
                for line in storage.unpack_lines(stored.body):
                    lines.setdefault(json.loads(line)["symbol"], []).append(line)
        return lines

    def quarantined(self) -> dict[str, dict[str, Any]]:
        prefix = storage.QUARANTINE_PREFIX
        return {key: json.loads(stored.body) for key, stored in self.objects.items() if key.startswith(prefix)}

    def published(self) -> list[str]:
        return [message.attributes["alert_id"] for message in self.messages]


def _nothing(_: str) -> None:
    pass


class TwinStores:
    """The stores of one process. `before` and `after` are called around every call with its name, and may raise."""

    def __init__(
        self, memory: Memory, before: Callable[[str], None] = _nothing, after: Callable[[str], None] = _nothing
    ) -> None:
        self.memory = memory
        self.calls: list[str] = []
        self._before = before
        self._after = after
        self._lock = threading.Lock()

    def get_object(self, key: str) -> StoredObject | None:
        return self._call("get_object", lambda: self.memory.objects.get(key))

    def put_object(self, key: str, body: bytes, content_type: str) -> None:
        self._call("put_object", lambda: self.memory.put_bytes(key, body))

    def put_new(self, key: str, body: bytes, content_type: str, metadata: Mapping[str, str]) -> bool:
        def put() -> bool:
            if key in self.memory.objects:
                return False
            self.memory.put_bytes(key, body, metadata)
            return True

        return self._call("put_new", put)

    def put_if(self, key: str, etag: str, body: bytes, content_type: str) -> str | None:
        def put() -> str | None:
            present = self.memory.objects.get(key)
            if present is None:
                raise StoreRefusedError("PutObject", "NoSuchKey", "there is no object to match", 404)
            return self.memory.put_bytes(key, body) if present.etag == etag else None

        return self._call("put_if", put)

    def list_keys(self, prefix: str, after: str = "") -> list[str]:
        found = lambda: sorted(k for k in self.memory.objects if k.startswith(prefix) and k > after)[:1000]  # noqa: E731
        return self._call("list_keys", found)

    def delete_object(self, key: str) -> None:
        self._call("delete_object", lambda: self.memory.objects.pop(key, None))

    def stored_keys(self, table: Table, keys: Sequence[Key]) -> set[Key]:
        assert len(keys) == len(set(keys)) <= 100
        return self._call("stored_keys", lambda: {key for key in keys if key in self.memory.tables[table.name]})

    def write_items(self, writes: Sequence[Write]) -> list[Write]:
        assert len({(write.table, write.key) for write in writes}) == len(writes) <= 25

        def write_all() -> list[Write]:
            left = self.unprocessed(writes)
            for write in writes:
                assert write.table.key_of(msgspec.json.decode(write.item)) == write.key
                if write not in left:
                    self.memory.put(write.table, write.item)
            return left

        return self._call("write_items", write_all)

    def unprocessed(self, writes: Sequence[Write]) -> list[Write]:
        """What a throttled table leaves of a request; a test overrides it."""
        return []

    def create_item(self, table: Table, item: bytes) -> bool:
        def create() -> bool:
            if table.key_of(msgspec.json.decode(item)) in self.memory.tables[table.name]:
                return False
            self.memory.put(table, item)
            return True

        return self._call("create_item", create)

    def update_item(self, table: Table, key: Key, expressions: dict[str, Any]) -> bool:
        return self._call("update_item", lambda: _update(self.memory.tables[table.name], key, expressions))

    def query(self, table: Table, expressions: dict[str, Any]) -> list[Item]:
        before = expressions["ExpressionAttributeValues"][":before"]["S"]
        waiting = lambda: [  # noqa: E731
            item
            for item in self.memory.tables[table.name].values()
            if storage.UNSENT in item and item[storage.UNSENT_SINCE]["S"] < before
        ]
        return self._call("query", waiting)

    def publish(self, messages: Sequence[Message]) -> list[bool]:
        assert len(messages) <= 10

        def take() -> list[bool]:
            self.memory.messages += messages
            return [True] * len(messages)

        return self._call("publish", take)

    def close(self) -> None:
        pass

    def _call(self, name: str, act: Callable[[], T]) -> T:
        self.calls.append(name)
        self._before(name)
        with self._lock:
            result = act()
        self._after(name)
        return result


def _update(items: dict[Key, Item], key: Key, expressions: dict[str, Any]) -> bool:
    """UpdateItem, for the two updates that there are."""
    item = items.get(key)
    if item is None:
        return False
    values = expressions.get("ExpressionAttributeValues", {})
    if expressions["UpdateExpression"].startswith("REMOVE "):
        gone = re.split(r",\s*", expressions["UpdateExpression"].removeprefix("REMOVE "))
        items[key] = {name: value for name, value in item.items() if name not in gone}
        return True
    if item.get(storage.UNSENT_SINCE) != values[":seen"]:
        return False
    items[key] = {**item, storage.UNSENT_SINCE: values[":now"]}
    return True
