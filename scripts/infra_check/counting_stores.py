"""The consumer's stores in memory, which count every request as DynamoDB and S3 bill it. One thread at a time.

The rules: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html and
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

import base64
import math
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from stockstream_lambda.aws.dynamodb import Item, Key, Table, Write
from stockstream_lambda.aws.s3 import StoredObject
from stockstream_lambda.aws.sns import Message
from stockstream_wire.storage import RAW_PREFIX

WRITE_UNIT_BYTES: Final = 1024
READ_UNIT_BYTES: Final = 4096
# What the query for unsent alerts is counted under: one a minute, whatever the quotes.
SWEEP: Final = ", sweep"


def item_bytes(item: Mapping[str, Mapping[str, Any]]) -> int:
    """Size of an item as DynamoDB counts it: names in UTF-8, values by type."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    if kind == "N":
        return math.ceil(len(str(content).replace("-", "").replace(".", "").strip("0")) / 2) + 1
    if kind == "L":
        return 3 + sum(1 + _value_bytes(entry) for entry in content)
    if kind == "B":
        return len(base64.b64decode(content))
    return len(str(content).encode()) if kind == "S" else 1


class CountingStores:
    """`stockstream_lambda.stores.Stores`, counted.

    Attributes:
        writes: Write units by table.
        reads: Read units by table.
        items: Items written, by table.
        item_bytes: Their bytes, by table.
        puts: S3 puts, by the first folder of the key.
        gets: S3 gets.
        archive_bytes: Bytes of the log's objects.
    """

    def __init__(self) -> None:
        self._objects: dict[str, StoredObject] = {}
        self._items: dict[tuple[str, Key], int] = {}
        self._etags = 0
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Count from here on; what is stored stays."""
        self.writes: Counter[str] = Counter()
        self.reads: Counter[str] = Counter()
        self.items: Counter[str] = Counter()
        self.item_bytes: Counter[str] = Counter()
        self.puts: Counter[str] = Counter()
        self.gets = 0
        self.archive_bytes = 0

    def get_object(self, key: str) -> StoredObject | None:
        with self._lock:
            self.gets += 1
            return self._objects.get(key)

    def put_object(self, key: str, body: bytes, _content_type: str) -> None:
        self._put(key, body, {})

    def put_new(self, key: str, body: bytes, _content_type: str, metadata: Mapping[str, str]) -> bool:
        if key in self._objects:
            return False
        self._put(key, body, metadata)
        return True

    def put_if(self, key: str, etag: str, body: bytes, _content_type: str) -> str | None:
        return self._put(key, body, {}) if self._objects[key].etag == etag else None

    def list_keys(self, prefix: str, after: str = "") -> list[str]:
        return sorted(key for key in self._objects if key.startswith(prefix) and key > after)[:1000]

    def delete_object(self, key: str) -> None:
        self._objects.pop(key, None)

    def stored_keys(self, table: Table, keys: Sequence[Key]) -> set[Key]:
        with self._lock:
            found = {key: self._items[table.name, key] for key in keys if (table.name, key) in self._items}
            # A consistent read; a key that is not there costs the least.
            self.reads[table.name] += sum(math.ceil(size / READ_UNIT_BYTES) for size in found.values())
            self.reads[table.name] += len(keys) - len(found)
        return set(found)

    def write_items(self, writes: Sequence[Write]) -> list[Write]:
        for write in writes:
            self._write(write.table, write.key, write.item)
        return []

    def create_item(self, table: Table, item: bytes) -> bool:
        self._write(table, table.key_of(msgspec.json.decode(item)), item)
        return True

    def update_item(self, table: Table, key: Key, _expressions: dict[str, Any]) -> bool:
        with self._lock:
            # The larger of the item before and after.
            self.writes[table.name] += math.ceil(self._items[table.name, key] / WRITE_UNIT_BYTES)
            # An alert enters the index when it is created and leaves it when it is sent: a write each.
            self.writes[f"{table.name}, index"] += 2
        return True

    def query(self, table: Table, _expressions: dict[str, Any]) -> list[Item]:
        with self._lock:
            self.reads[f"{table.name}{SWEEP}"] += 1
        return []

    def publish(self, messages: Sequence[Message]) -> list[bool]:
        return [True] * len(messages)

    def close(self) -> None:
        """Nothing is open."""

    def _put(self, key: str, body: bytes, metadata: Mapping[str, str]) -> str:
        with self._lock:
            self._etags += 1
            self._objects[key] = StoredObject(body, str(self._etags), metadata)
            self.puts[key.partition("/")[0]] += 1
            self.archive_bytes += len(body) if key.startswith(RAW_PREFIX) else 0
            return str(self._etags)

    def _write(self, table: Table, key: Key, item: bytes) -> None:
        size = item_bytes(msgspec.json.decode(item))
        with self._lock:
            self._items[table.name, key] = size
            self.items[table.name] += 1
            self.item_bytes[table.name] += size
            self.writes[table.name] += math.ceil(size / WRITE_UNIT_BYTES)
