"""The KPL aggregated record: many user records inside one Kinesis record, readable by KCL, Firehose and Flink.

Layout (awslabs/amazon-kinesis-producer, `aggregation-format.md`)::

    0xF3 0x89 0x9A 0xC2 | protobuf AggregatedRecord | MD5 of the protobuf

    AggregatedRecord  1 partition_key_table: repeated string   2 explicit_hash_key_table: repeated string
                      3 records: repeated Record
    Record            1 partition_key_index: varint            2 explicit_hash_key_index: varint, optional
                      3 data: bytes                            4 tags: ignored

The varints are written and read by hand: the message is three fields deep, and the protobuf runtime would cost a cold
start more than this module does.

What a reader must know: KCL drops a *whole* aggregate when one of its user records hashes outside the shard, where the
hash is the user record's explicit hash key, or else MD5 of its partition key. So a producer gives every user record
the explicit hash key of the Kinesis record that carries it, which is what `Aggregator` does.

This module writes aggregates; `deaggregation` reads them.
"""

import hashlib
from collections import deque
from collections.abc import Iterable, Sequence
from operator import getitem
from typing import Final, NamedTuple

MAGIC: Final = b"\xf3\x89\x9a\xc2"
DIGEST_SIZE_BYTES: Final = 16
# Magic and digest: what an aggregate weighs before its first byte of protobuf.
ENVELOPE_SIZE_BYTES: Final = len(MAGIC) + DIGEST_SIZE_BYTES

TAG_PARTITION_KEY: Final = 0x0A
TAG_EXPLICIT_HASH_KEY: Final = 0x12
TAG_RECORD: Final = 0x1A
TAG_PARTITION_KEY_INDEX: Final = 0x08
TAG_EXPLICIT_HASH_KEY_INDEX: Final = 0x10
TAG_DATA: Final = 0x1A
# Headers repeat (few key indexes, like lengths), so they are kept: for this many key indexes, and data this long.
_INDEXES_KEPT: Final = 256
_LENGTHS_KEPT: Final = 4096
# From this many records on, whole columns are worth their preparation.
_COLUMNS_MIN_RECORDS: Final = 4
# A key of fewer bytes has its length in one.
_ONE_BYTE: Final = 0x80


class UserRecord(NamedTuple):
    """One record as the producer's user gave it. Its subsequence number is its index in the aggregate."""

    partition_key: str
    explicit_hash_key: str | None
    data: bytes


def aggregate(records: Iterable[UserRecord]) -> bytes:
    """Encode user records, in order, as one aggregate of whatever size they take."""
    partition_keys: dict[str, int] = {}
    hash_keys: dict[str, int] = {}
    encoded: list[bytes] = []
    for partition_key, hash_key, data in records:
        key_index = partition_keys.setdefault(partition_key, len(partition_keys))
        hash_index = None if hash_key is None else hash_keys.setdefault(hash_key, len(hash_keys))
        encoded += (_record_header(key_index, hash_index, len(data)), data)
    tables = [_table_entry(TAG_PARTITION_KEY, key) for key in partition_keys]
    tables += [_table_entry(TAG_EXPLICIT_HASH_KEY, key) for key in hash_keys]
    return _envelope(tables, encoded)


class Aggregator:
    """Fills one aggregate at a time up to a size limit; every user record gets the same explicit hash key.

    Args:
        max_bytes: Largest aggregate that `finish` may return.
        explicit_hash_key: Decimal 128-bit hash key for all user records, or None to leave it to MD5 of their keys.
    """

    __slots__ = (
        "_empty_bytes",
        "_hash_entry",
        "_hash_index",
        "_headers_of_key",
        "_key_bytes",
        "_max_bytes",
        "_mean_bytes",
        "_parts",
        "_record_bytes",
        "data_bytes",
    )

    def __init__(self, max_bytes: int, explicit_hash_key: str | None = None) -> None:
        self._hash_index = None if explicit_hash_key is None else 0
        self._hash_entry = b"" if explicit_hash_key is None else _table_entry(TAG_EXPLICIT_HASH_KEY, explicit_hash_key)
        self._empty_bytes = ENVELOPE_SIZE_BYTES + len(self._hash_entry)
        self._max_bytes = max_bytes
        self._mean_bytes = 0.0
        self._start()

    def __len__(self) -> int:
        return len(self._parts) // 2

    @property
    def size_bytes(self) -> int:
        """Size of the aggregate that `finish` would return now."""
        return self._empty_bytes + self._key_bytes + self._record_bytes

    def add(self, partition_key: str, data: bytes) -> bool:
        """Add one record; False, and nothing changed, where it does not fit any more."""
        return self.fill(deque(((partition_key, data),))) == 1

    def fill(self, pending: deque[tuple[str, bytes]]) -> int:
        """Move `(partition key, data)` pairs from the left of `pending` until the next one does not fit.

        Returns the number of pairs moved. A pair that does not fit even an empty aggregate stays where it is, so check
        `record_size_bytes` before.
        """
        moved = 0
        while pending:
            taken, is_full = self._take_few(pending) if len(pending) < _COLUMNS_MIN_RECORDS else self._take(pending)
            moved += taken
            if is_full:
                break
        return moved

    def finish(self) -> bytes:
        """Return the aggregate of what was added, and start the next one."""
        if self._parts:
            self._mean_bytes = (self.size_bytes - self._empty_bytes) / len(self)
        tables = [_key_table(list(self._headers_of_key), self._key_bytes), self._hash_entry]
        record = _envelope(tables, self._parts)
        self._start()
        return record

    def _start(self) -> None:
        # In the order of their indexes.
        self._headers_of_key: dict[str, _Headers] = {}
        self._key_bytes = 0
        self._parts: list[bytes] = []
        self._record_bytes = 0
        #: Sum of the data of the records added, without keys and format.
        self.data_bytes = 0

    def _take_few(self, pending: deque[tuple[str, bytes]]) -> tuple[int, bool]:
        """Move records one by one. Returns the number moved, and whether the next one did not fit."""
        known, parts = self._headers_of_key, self._parts
        room = self._max_bytes - self.size_bytes
        taken = 0
        for key, data in pending:
            length = len(data)
            headers = known.get(key)
            key_bytes = 0
            if headers is None:
                (headers,) = _headers_from(len(known), 1, self._hash_index)
                key_bytes = _key_entry_bytes(key)
            header = headers.of(length)
            record_bytes = len(header) + length
            room -= key_bytes + record_bytes
            if room < 0:
                break
            if key_bytes:
                known[key] = headers
                self._key_bytes += key_bytes
            parts += (header, data)
            self._record_bytes += record_bytes
            self.data_bytes += length
            taken += 1
        for _ in range(taken):
            pending.popleft()
        return taken, room < 0

    def _take(self, pending: deque[tuple[str, bytes]]) -> tuple[int, bool]:
        """Move as many records as should fit, by their mean size, and put back those that do not.

        Whole columns at once: a loop over many records costs much more. Returns the number moved, and whether the next
        one did not fit.
        """
        mean_bytes = (self.size_bytes - self._empty_bytes) / len(self) if self._parts else self._mean_bytes
        room = self._max_bytes - self.size_bytes
        count = min(len(pending), 1 + int(room / mean_bytes)) if mean_bytes else 1
        popleft = pending.popleft
        pairs = [popleft() for _ in range(count)]
        keys, datas = zip(*pairs, strict=True)
        lengths = list(map(len, datas))
        new_keys = self._index(dict.fromkeys(keys))
        headers = self._headers(keys, lengths)
        added = sum(lengths) + sum(map(len, headers))
        room = self._max_bytes - self.size_bytes
        while headers and added > room:
            pair = pairs.pop()
            pending.appendleft(pair)
            added -= len(headers.pop()) + len(pair[1])
            if new_keys and pair[0] == new_keys[-1] and pair[0] not in keys[: len(pairs)]:
                room += self._forget(new_keys.pop())
        parts: list[bytes] = [b""] * (2 * len(pairs))
        parts[::2] = headers
        parts[1::2] = datas[: len(pairs)]
        self._parts += parts
        self._record_bytes += added
        self.data_bytes += added - sum(map(len, headers))
        return len(pairs), len(pairs) < count

    def _headers(self, keys: Sequence[str], lengths: list[int]) -> list[bytes]:
        of_records = list(map(self._headers_of_key.__getitem__, keys))
        try:
            found = list(map(getitem, of_records, lengths))
        except IndexError:
            found = [b""]
        if all(found):
            return found
        # Lengths that have not been met before, or are not kept.
        return [headers.of(length) for headers, length in zip(of_records, lengths, strict=True)]

    def _index(self, keys: Iterable[str]) -> list[str]:
        """Give the keys that have no index yet the next ones, in their order; returns those."""
        known = self._headers_of_key
        new_keys = [key for key in keys if key not in known] if known else list(keys)
        if new_keys:
            known.update(zip(new_keys, _headers_from(len(known), len(new_keys), self._hash_index), strict=True))
            text = "".join(new_keys)
            is_short_ascii = text.isascii() and max(map(len, new_keys)) < _ONE_BYTE
            self._key_bytes += len(text) + 2 * len(new_keys) if is_short_ascii else sum(map(_key_entry_bytes, new_keys))
        return new_keys

    def _forget(self, key: str) -> int:
        """Take back the newest index; returns the bytes of its entry."""
        del self._headers_of_key[key]
        entry_bytes = _key_entry_bytes(key)
        self._key_bytes -= entry_bytes
        return entry_bytes


def record_size_bytes(partition_key: str, data: bytes, explicit_hash_key: str | None = None) -> int:
    """Size of the aggregate that holds this one user record and nothing else."""
    hash_bytes = 0 if explicit_hash_key is None else len(_table_entry(TAG_EXPLICIT_HASH_KEY, explicit_hash_key))
    header = _record_header(0, None if explicit_hash_key is None else 0, len(data))
    return (
        ENVELOPE_SIZE_BYTES + len(_table_entry(TAG_PARTITION_KEY, partition_key)) + hash_bytes + len(header) + len(data)
    )


def _envelope(tables: Iterable[bytes], encoded: list[bytes]) -> bytes:
    body = b"".join((*tables, *encoded))
    return b"".join((MAGIC, body, hashlib.md5(body, usedforsecurity=False).digest()))


def _key_table(keys: list[str], size_bytes: int) -> bytes:
    """The table of partition keys, whose size is known. One text where it can be: an entry for each costs much more."""
    if size_bytes != sum(map(len, keys)) + 2 * len(keys):
        return b"".join([_table_entry(TAG_PARTITION_KEY, key) for key in keys])
    # Each takes a byte for each of its characters, which so are ASCII, and one for its length.
    parts = [""] * (2 * len(keys))
    parts[::2] = map(_KEY_STARTS.__getitem__, map(len, keys))
    parts[1::2] = keys
    return "".join(parts).encode()


def _key_entry_bytes(key: str) -> int:
    length = len(key)
    return length + 2 if length < _ONE_BYTE and key.isascii() else len(_table_entry(TAG_PARTITION_KEY, key))


def _table_entry(tag: int, key: str) -> bytes:
    encoded = key.encode()
    return bytes((tag,)) + _varint(len(encoded)) + encoded


def _record_header(key_index: int, hash_index: int | None, length: int) -> bytes:
    inner = b"".join(
        (
            bytes((TAG_PARTITION_KEY_INDEX,)),
            _varint(key_index),
            b"" if hash_index is None else bytes((TAG_EXPLICIT_HASH_KEY_INDEX,)) + _varint(hash_index),
            bytes((TAG_DATA,)),
            _varint(length),
        )
    )
    return bytes((TAG_RECORD,)) + _varint(len(inner) + length) + inner


class _Headers(list[bytes]):
    """Headers of records with one key index, at the place of their data length; empty where none has been asked for.

    Places and not a dictionary: all the headers of some thousand key indexes and lengths must fit the cache.
    """

    __slots__ = ("_hash_index", "_key_index")

    def __init__(self, key_index: int, hash_index: int | None) -> None:
        super().__init__()
        self._key_index = key_index
        self._hash_index = hash_index

    def of(self, length: int) -> bytes:
        """The header for data of this length."""
        if length < len(self) and (header := self[length]):
            return header
        header = _record_header(self._key_index, self._hash_index, length)
        if length < _LENGTHS_KEPT:
            self += [b""] * (length + 1 - len(self))
            self[length] = header
        return header


def _headers_from(first: int, count: int, hash_index: int | None) -> list[_Headers]:
    """Headers of the key indexes from `first` on."""
    known = _known_headers[hash_index is None]
    end = first + count
    if len(known) < min(end, _INDEXES_KEPT):
        known += [_Headers(index, hash_index) for index in range(len(known), min(end, _INDEXES_KEPT))]
    # An aggregate of one payload unit has no more keys than these; those of larger ones are not kept.
    return known[first:end] + [_Headers(index, hash_index) for index in range(max(first, _INDEXES_KEPT), end)]


def _varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


# By key index; with a hash key index (which is 0 in all that `Aggregator` writes), and without.
_known_headers: Final[tuple[list[_Headers], list[_Headers]]] = ([], [])
_KEY_STARTS: Final = [chr(TAG_PARTITION_KEY) + chr(length) for length in range(_ONE_BYTE)]
