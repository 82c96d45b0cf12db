"""Reads KPL aggregates; `aggregation` says what they look like.

Bytes that begin with the magic number and are not a valid aggregate raise `AggregationError`. KCL hands them on as one
plain record. Here no plain record begins with 0xF3 (a quote is a JSON object), so damage is the only reading, and the
caller quarantines the bytes: nothing lost, nothing guessed.
"""

import hashlib
from typing import Final

from stockstream_wire.aggregation import (
    DIGEST_SIZE_BYTES,
    ENVELOPE_SIZE_BYTES,
    MAGIC,
    TAG_DATA,
    TAG_EXPLICIT_HASH_KEY,
    TAG_EXPLICIT_HASH_KEY_INDEX,
    TAG_PARTITION_KEY,
    TAG_PARTITION_KEY_INDEX,
    TAG_RECORD,
    UserRecord,
)
from stockstream_wire.errors import AggregationError

# A protobuf varint holds 64 bits at most.
_VARINT_MAX_SHIFT: Final = 63
# Tags and lengths have at most 32 bits: five bytes. protobuf refuses longer ones, even of small values.
_SHORT_VARINT_MAX_SHIFT: Final = 28
_FIXED_SIZES: Final = {1: 8, 5: 4}
_LENGTH_DELIMITED: Final = 2

_IndexedRecord = tuple[int, int | None, bytes]


def is_aggregated(data: bytes) -> bool:
    """Tell whether the bytes claim to be a KPL aggregate: they begin with its magic number."""
    return data[:4] == MAGIC


def deaggregate(data: bytes) -> list[UserRecord]:
    """Decode an aggregate into its user records, in order; a record's subsequence number is its index.

    Raises:
        AggregationError: no magic number, truncated, a wrong MD5, or protobuf that is not an AggregatedRecord.
    """
    if not is_aggregated(data):
        raise AggregationError("the bytes do not begin with the KPL magic number")
    if len(data) < ENVELOPE_SIZE_BYTES:
        raise AggregationError(f"{len(data)} bytes are too few for an aggregate: truncated")
    body = bytes(data[len(MAGIC) : -DIGEST_SIZE_BYTES])
    if hashlib.md5(body, usedforsecurity=False).digest() != data[-DIGEST_SIZE_BYTES:]:
        raise AggregationError(f"the MD5 of the {len(body)} byte body does not match: truncated or damaged")
    try:
        return _parse_aggregate(body)
    except (IndexError, UnicodeDecodeError) as exc:
        raise AggregationError(f"inconsistent protobuf: {exc}") from exc


def _parse_aggregate(body: bytes) -> list[UserRecord]:
    partition_keys: list[str] = []
    hash_keys: list[str | None] = []
    records: list[_IndexedRecord] = []
    position, end = 0, len(body)
    while position < end:
        tag = body[position]
        if tag not in {TAG_RECORD, TAG_PARTITION_KEY, TAG_EXPLICIT_HASH_KEY}:
            position = _skip_unknown(body, position, end)
            continue
        length, position = _read_varint(body, position + 1, _SHORT_VARINT_MAX_SHIFT)
        stop = position + length
        if stop > end:
            raise AggregationError(f"a field of {length} bytes ends past the message")
        if tag == TAG_RECORD:
            records.append(_parse_canonical(body, position, stop) or _parse_record(body, position, stop))
        elif tag == TAG_PARTITION_KEY:
            partition_keys.append(body[position:stop].decode())
        else:
            hash_keys.append(body[position:stop].decode())
        position = stop
    return [
        UserRecord(partition_keys[key_index], None if hash_index is None else hash_keys[hash_index], data)
        for key_index, hash_index, data in records
    ]


def _parse_canonical(body: bytes, position: int, stop: int) -> _IndexedRecord | None:
    """Read the form that every known producer writes (fields in order, no tags); None means: read it the long way."""
    if stop - position < 4 or body[position] != TAG_PARTITION_KEY_INDEX:
        return None
    key_index, position = _read_varint(body, position + 1)
    hash_index = None
    if body[position] == TAG_EXPLICIT_HASH_KEY_INDEX:
        hash_index, position = _read_varint(body, position + 1)
    if body[position] != TAG_DATA:
        return None
    length, position = _read_varint(body, position + 1, _SHORT_VARINT_MAX_SHIFT)
    return (key_index, hash_index, body[position:stop]) if position + length == stop else None


def _parse_record(body: bytes, position: int, stop: int) -> _IndexedRecord:
    """Read a Record with fields in any order: of a repeated field the last counts, unknown fields are skipped."""
    key_index: int | None = None
    hash_index: int | None = None
    data: bytes | None = None
    while position < stop:
        tag = body[position]
        if tag == TAG_PARTITION_KEY_INDEX:
            key_index, position = _read_varint(body, position + 1)
        elif tag == TAG_EXPLICIT_HASH_KEY_INDEX:
            hash_index, position = _read_varint(body, position + 1)
        elif tag == TAG_DATA:
            length, start = _read_varint(body, position + 1, _SHORT_VARINT_MAX_SHIFT)
            position = start + length
            data = body[start:position]
        else:
            position = _skip_unknown(body, position, stop)
    if position != stop:
        raise AggregationError("a field of a user record ends past the record")
    if key_index is None or data is None:
        raise AggregationError("a user record lacks its partition key index or its data")
    return key_index, hash_index, data


def _skip_unknown(body: bytes, position: int, end: int) -> int:
    tag, position = _read_varint(body, position, _SHORT_VARINT_MAX_SHIFT)
    wire_type = tag & 7
    if tag >> 3 == 0 or tag >> 32:
        raise AggregationError(f"field number {tag >> 3} is none")
    if wire_type == 0:
        position = _read_varint(body, position)[1]
    elif wire_type == _LENGTH_DELIMITED:
        length, position = _read_varint(body, position, _SHORT_VARINT_MAX_SHIFT)
        position += length
    elif wire_type in _FIXED_SIZES:
        position += _FIXED_SIZES[wire_type]
    else:
        raise AggregationError(f"protobuf wire type {wire_type} has no place in an aggregate")
    if position > end:
        raise AggregationError("an unknown field ends past the message")
    return position


def _read_varint(body: bytes, position: int, max_shift: int = _VARINT_MAX_SHIFT) -> tuple[int, int]:
    """Return the value and the position after it; IndexError where the bytes end inside it."""
    byte = body[position]
    position += 1
    if byte < 0x80:
        return byte, position
    value = byte & 0x7F
    shift = 7
    while True:
        byte = body[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > max_shift:
            raise AggregationError(f"a varint of more than {max_shift // 7 + 1} bytes")
