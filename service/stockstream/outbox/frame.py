"""Frames: how a batch of records lies in a segment of the log.

    header   magic u32 | payload bytes u32 | records u32 | CRC-32 u32 | accepted at, ms since 1970, u64
    payload  key lengths in characters, u16 each | data lengths, u32 each | bytes of all keys u32 | keys | data

Little-endian. The CRC covers the header (with its own field zero) and the payload. Whole columns are packed at once,
so a record costs a fraction of a microsecond.
"""

import struct
import sys
from array import array
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

from isal import isal_zlib

from stockstream.outbox.batch import PART_MAX_RECORDS, Record, RecordBatch
from stockstream.outbox.errors import OutboxCorruptError

FRAME_MAGIC: Final = 0x31465353  # "SSF1"
_HEADER: Final = struct.Struct("<IIIIQ")
HEADER_BYTES: Final = _HEADER.size
_KEY_BYTES: Final = struct.Struct("<I")
# Pieces of about this size come from memory that the process has already; larger ones cost page faults, each time.
_PIECE_BYTES: Final = 64 * 1024
# The largest payload that the encoder can make: one record of 10 MiB, or that many bytes of small ones with their keys.
FRAME_MAX_PAYLOAD_BYTES: Final = 256 * 1024 * 1024


class FrameHeader(NamedTuple):
    """The fixed part of a frame."""

    payload_bytes: int
    records: int
    crc: int
    accepted_at_ms: int


class EncodedFrame(NamedTuple):
    """A frame in pieces, none of them joined with the next: the kernel takes them as they are."""

    pieces: list[bytes]
    size_bytes: int
    records: int


def encode_frame(batch: RecordBatch, accepted_at_ms: int) -> EncodedFrame:
    """Encode a batch (one of its `parts`) as one frame."""
    key_text = "".join(batch.keys).encode()
    columns = b"".join(
        (
            _little_endian("H", list(map(len, batch.keys))),
            _little_endian("I", batch.data_lengths),
            _KEY_BYTES.pack(len(key_text)),
            key_text,
        )
    )
    datas = batch.datas
    step = max(1, _PIECE_BYTES * len(datas) // max(1, batch.size_bytes))
    pieces = [b"".join(datas[start : start + step]) for start in range(0, len(datas), step)]
    payload_bytes, records = len(columns) + batch.size_bytes, len(batch)
    crc = isal_zlib.crc32(columns, _header_crc(payload_bytes, records, accepted_at_ms))
    for piece in pieces:
        crc = isal_zlib.crc32(piece, crc)
    header = _HEADER.pack(FRAME_MAGIC, payload_bytes, records, crc, accepted_at_ms)
    return EncodedFrame([header, columns, *pieces], HEADER_BYTES + payload_bytes, records)


def parse_header(header: bytes) -> FrameHeader | None:
    """Read a frame's header; None where the bytes are none."""
    if len(header) < HEADER_BYTES:
        return None
    magic, payload_bytes, count, crc, accepted_at_ms = _HEADER.unpack_from(header)
    if magic != FRAME_MAGIC or payload_bytes > FRAME_MAX_PAYLOAD_BYTES or not 0 < count <= PART_MAX_RECORDS:
        return None
    return FrameHeader(payload_bytes, count, crc, accepted_at_ms)


def is_intact(header: FrameHeader, payload: bytes) -> bool:
    """Check a frame's length and CRC."""
    return len(payload) == header.payload_bytes and header.crc == isal_zlib.crc32(
        payload, _header_crc(header.payload_bytes, header.records, header.accepted_at_ms)
    )


def decode_keys(header: FrameHeader, payload: bytes) -> list[str]:
    """Decode the partition keys of a frame alone."""
    return _split_columns(header, payload)[0]


def decode_records(header: FrameHeader, payload: bytes) -> list[Record]:
    """Decode the records of a frame.

    Raises:
        OutboxCorruptError: the columns do not add up, although the CRC is right.
    """
    keys, lengths, start = _split_columns(header, payload)
    ends = list(accumulate(lengths, initial=start))
    if ends[-1] != len(payload):
        raise OutboxCorruptError("a frame's data lengths do not add up to its payload")
    return [(key, payload[a:b]) for key, (a, b) in zip(keys, pairwise(ends), strict=True)]


def _split_columns(header: FrameHeader, payload: bytes) -> tuple[list[str], "array[int]", int]:
    count = header.records
    lengths_at, keys_at = 2 * count, 6 * count + _KEY_BYTES.size
    key_lengths, data_lengths = array("H"), array("I")
    key_lengths.frombytes(payload[:lengths_at])
    data_lengths.frombytes(payload[lengths_at : 6 * count])
    if sys.byteorder == "big":
        key_lengths.byteswap()
        data_lengths.byteswap()
    (key_bytes,) = _KEY_BYTES.unpack_from(payload, 6 * count)
    text = payload[keys_at : keys_at + key_bytes].decode()
    ends = list(accumulate(key_lengths, initial=0))
    if ends[-1] != len(text) or len(data_lengths) != count:
        raise OutboxCorruptError("a frame's key lengths do not add up to its keys")
    return [text[a:b] for a, b in pairwise(ends)], data_lengths, keys_at + key_bytes


def _little_endian(typecode: str, values: list[int]) -> bytes:
    column = array(typecode, values)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()


def _header_crc(payload_bytes: int, records: int, accepted_at_ms: int) -> int:
    return isal_zlib.crc32(_HEADER.pack(FRAME_MAGIC, payload_bytes, records, 0, accepted_at_ms))
