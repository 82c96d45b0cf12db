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
from collections.abc import Callable, Iterable
from functools import partial
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
# What frames a record's data repeats (few key indexes, like lengths) and is kept: for this many lengths.
_LENGTHS_KEPT: Final = 4096
# Key indexes and lengths below this take one byte.
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
        "_key_bytes",
        "_max_bytes",
        "_mean_bytes",
        "_middle_of_key",
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
        return len(self._parts) // _PARTS_OF_RECORD

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
            taken, left = self._take(pending)
            moved += taken
            if left:
                break
        return moved

    def finish(self) -> bytes:
        """Return the aggregate of what was added, and start the next one."""
        if self._parts:
            self._mean_bytes = (self.size_bytes - self._empty_bytes) / len(self)
        record = _envelope([_key_table(list(self._middle_of_key)), self._hash_entry], self._parts)
        self._start()
        return record

    def _start(self) -> None:
        # In the order of their indexes.
        self._middle_of_key: dict[str, bytes] = {}
        self._key_bytes = 0
        self._parts: list[bytes] = []
        self._record_bytes = 0
        #: Sum of the data of the records added, without keys and format.
        self.data_bytes = 0

    def _take(self, pending: deque[tuple[str, bytes]]) -> tuple[int, int]:
        """Move as many records as should fit, by their mean size, and put back those that do not.

        Whole columns at once: a loop over the records costs much more. Returns the numbers moved, put back.
        """
        mean_bytes = (self.size_bytes - self._empty_bytes) / len(self) if self._parts else self._mean_bytes
        room = self._max_bytes - self.size_bytes
        count = min(len(pending), 1 + int(room / mean_bytes)) if mean_bytes else 1
        popleft = pending.popleft
        pairs = [popleft() for _ in range(count)]
        keys, datas = zip(*pairs, strict=True)
        lengths = list(map(len, datas))
        new_keys = self._index(dict.fromkeys(keys))
        middles = list(map(self._middle_of_key.__getitem__, keys))
        openings = self._openings(middles, lengths)
        closings = list(map(_closings.__getitem__, lengths))
        framing = (sum(map(len, openings)), sum(map(len, middles)), sum(map(len, closings)))
        added = sum(lengths) + sum(framing)
        room = self._max_bytes - self.size_bytes
        while pairs and added > room:
            pair = pairs.pop()
            pending.appendleft(pair)
            added -= len(openings.pop()) + len(middles.pop()) + len(closings.pop()) + lengths.pop()
            if new_keys and pair[0] == new_keys[-1] and pair[0] not in keys[: len(pairs)]:
                room += self._forget(new_keys.pop())
        parts: list[bytes] = [b""] * (_PARTS_OF_RECORD * len(pairs))
        parts[::_PARTS_OF_RECORD] = openings
        parts[1::_PARTS_OF_RECORD] = middles
        parts[2::_PARTS_OF_RECORD] = closings
        parts[3::_PARTS_OF_RECORD] = datas[: len(pairs)]
        self._parts += parts
        self._record_bytes += added
        self.data_bytes += sum(lengths)
        return len(pairs), count - len(pairs)

    def _openings(self, middles: list[bytes], lengths: list[int]) -> list[bytes]:
        if len(self._middle_of_key) <= _ONE_BYTE:
            # All middles are as long as the first one.
            return list(map(_openings[len(middles[0])].__getitem__, lengths))
        tables = map(_openings.__getitem__, map(len, middles))
        return list(map(getitem, tables, lengths))

    def _index(self, keys: Iterable[str]) -> list[str]:
        """Give the keys that have no index yet the next ones, in their order; returns those."""
        known = self._middle_of_key
        new_keys = [key for key in keys if key not in known] if known else list(keys)
        if new_keys:
            known.update(zip(new_keys, _middles_from(len(known), len(new_keys), self._hash_index), strict=True))
            self._key_bytes += _key_table_bytes(new_keys)
        return new_keys

    def _forget(self, key: str) -> int:
        """Take back the newest index; returns the bytes of its entry."""
        del self._middle_of_key[key]
        entry_bytes = _key_table_bytes([key])
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


def _key_table(keys: list[str]) -> bytes:
    """The table of partition keys. Written as one text where it can be: an entry for each key costs much more."""
    lengths = list(map(len, keys))
    if not keys or max(lengths) >= _ONE_BYTE or not "".join(keys).isascii():
        return b"".join([_table_entry(TAG_PARTITION_KEY, key) for key in keys])
    parts = [""] * (2 * len(keys))
    parts[::2] = map(_KEY_STARTS.__getitem__, lengths)
    parts[1::2] = keys
    return "".join(parts).encode()


def _key_table_bytes(keys: list[str]) -> int:
    """Size of the table, or of so much of it."""
    text = "".join(keys)
    if text.isascii() and max(map(len, keys)) < _ONE_BYTE:
        return len(text) + 2 * len(keys)
    return sum([len(_table_entry(TAG_PARTITION_KEY, key)) for key in keys])


def _table_entry(tag: int, key: str) -> bytes:
    encoded = key.encode()
    return bytes((tag,)) + _varint(len(encoded)) + encoded


# A record is an opening (its tag and length), a middle (the indexes of its keys, the tag of its data), a closing (the
# data's length), and the data.
_PARTS_OF_RECORD: Final = 4


def _record_header(key_index: int, hash_index: int | None, length: int) -> bytes:
    middle = _middle(key_index, hash_index)
    return _opening(len(middle), length) + middle + _varint(length)


def _opening(middle_bytes: int, length: int) -> bytes:
    return bytes((TAG_RECORD,)) + _varint(middle_bytes + len(_varint(length)) + length)


def _middle(key_index: int, hash_index: int | None) -> bytes:
    hash_part = b"" if hash_index is None else bytes((TAG_EXPLICIT_HASH_KEY_INDEX,)) + _varint(hash_index)
    return bytes((TAG_PARTITION_KEY_INDEX,)) + _varint(key_index) + hash_part + bytes((TAG_DATA,))


class _OfLength(dict[int, bytes]):
    """Bytes that follow from a data length; made when first asked for, and kept."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[int], bytes]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, length: int) -> bytes:
        if len(self) >= _LENGTHS_KEPT:
            self.clear()
        made = self[length] = self._make(length)
        return made


class _Openings(dict[int, _OfLength]):
    """Openings of records, by the length of their middle; there are some ten of those."""

    __slots__ = ()

    def __missing__(self, middle_bytes: int) -> _OfLength:
        made = self[middle_bytes] = _OfLength(partial(_opening, middle_bytes))
        return made


def _middles_from(first: int, count: int, hash_index: int | None) -> Iterable[bytes]:
    """Middles of the key indexes from `first` on."""
    known = _known_middles[hash_index is None]
    end = first + count
    if end > _LENGTHS_KEPT:
        return [_middle(index, hash_index) for index in range(first, end)]
    known += [_middle(index, hash_index) for index in range(len(known), end)]
    return known[first:end]


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
_known_middles: Final[tuple[list[bytes], list[bytes]]] = ([], [])
_openings: Final = _Openings()
_closings: Final = _OfLength(_varint)
_KEY_STARTS: Final = [chr(TAG_PARTITION_KEY) + chr(length) for length in range(_ONE_BYTE)]
