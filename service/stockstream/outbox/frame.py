"""Frames: how a batch of records lies in a segment of the log. docs/outbox.md is the whole format.

    header   magic u32 | payload bytes u32 | records u32 | CRC-32 of the payload u32 | accepted at, ms since 1970, u64
             number of the first record u64 | generation u64 | CRC-32 of the header so far u32 | zero u32
    payload  key lengths in characters, u16 each | data lengths, u32 each | bytes of all keys u32 | keys | data

Little-endian. The header has a CRC of its own, so that a damaged payload still says how many records it held and where
the next frame begins. Whole columns are packed at once, so a record costs a fraction of a microsecond.
"""

import struct
import sys
from array import array
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

from isal import isal_zlib

from stockstream.outbox.batch import PART_MAX_RECORDS, Record, RecordBatch
from stockstream.outbox.errors import OutboxCorruptError

FRAME_VERSION: Final = 2
# The last character is the version.
FRAME_MAGIC: Final = b"SSF2"
_HEADER: Final = struct.Struct("<4sIIIQQQ")
_HEADER_CRC: Final = struct.Struct("<II")
HEADER_BYTES: Final = _HEADER.size + _HEADER_CRC.size
_KEY_BYTES: Final = struct.Struct("<I")
# Pieces of about this size come from memory that the process has already; larger ones cost page faults, each time.
_PIECE_BYTES: Final = 64 * 1024
# The largest payload that the encoder can make: one record of 10 MiB, or that many bytes of small ones with their keys.
FRAME_MAX_PAYLOAD_BYTES: Final = 256 * 1024 * 1024


class FrameHeader(NamedTuple):
    """The fixed part of a frame."""

    payload_bytes: int
    records: int
    payload_crc: int
    accepted_at_ms: int
    first: int
    generation: int

    @property
    def end(self) -> int:
        """The number after that of the last record."""
        return self.first + self.records

    @property
    def frame_bytes(self) -> int:
        """Of header and payload."""
        return HEADER_BYTES + self.payload_bytes


class EncodedFrame(NamedTuple):
    """The payload of a frame in pieces, none of them joined with the next: the kernel takes them as they are."""

    batch: RecordBatch
    pieces: list[bytes]
    payload_bytes: int
    payload_crc: int
    accepted_at_ms: int

    @property
    def size_bytes(self) -> int:
        """Of header and payload."""
        return HEADER_BYTES + self.payload_bytes

    def header(self, first: int, generation: int) -> bytes:
        """Make the header; the numbers of records are known only when the frame is written."""
        header = _HEADER.pack(
            FRAME_MAGIC,
            self.payload_bytes,
            len(self.batch),
            self.payload_crc,
            self.accepted_at_ms,
            first,
            generation,
        )
        return header + _HEADER_CRC.pack(isal_zlib.crc32(header), 0)


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
    pieces = [columns]
    pieces += [b"".join(datas[start : start + step]) for start in range(0, len(datas), step)]
    crc = 0
    for piece in pieces:
        crc = isal_zlib.crc32(piece, crc)
    return EncodedFrame(batch, pieces, len(columns) + batch.size_bytes, crc, accepted_at_ms)


def parse_header(header: bytes) -> FrameHeader | None:
    """Read a frame's header; None where the bytes are none, or damaged."""
    if len(header) < HEADER_BYTES:
        return None
    magic, *fields = _HEADER.unpack_from(header)
    crc, _ = _HEADER_CRC.unpack_from(header, _HEADER.size)
    if magic != FRAME_MAGIC or crc != isal_zlib.crc32(header[: _HEADER.size]):
        return None
    found = FrameHeader(*fields)
    return found if found.payload_bytes <= FRAME_MAX_PAYLOAD_BYTES and 0 < found.records <= PART_MAX_RECORDS else None


def is_intact(header: FrameHeader, payload: bytes | memoryview) -> bool:
    """Check a payload's length and CRC."""
    return len(payload) == header.payload_bytes and header.payload_crc == isal_zlib.crc32(payload)


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


def split_damaged(header: FrameHeader, payload: bytes) -> list[Record]:
    """Decode what there is of a damaged payload; records that are cut off are left out.

    Raises:
        OutboxCorruptError, ValueError: the columns themselves are damaged.
    """
    try:
        keys, lengths, start = _split_columns(header, payload)
    except struct.error as exc:
        raise OutboxCorruptError("a frame's columns are cut off") from exc
    ends = list(accumulate(lengths, initial=start))
    places = zip(keys, pairwise(ends), strict=True)
    return [(key, payload[a:b]) for key, (a, b) in places if b <= len(payload)]


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
