"""Frames whose CRC is right and whose columns are not, and damaged ones: what adds up is read, the rest is named."""

import pytest

from stockstream.outbox import OutboxCorruptError, RecordBatch
from stockstream.outbox.frame import (
    HEADER_BYTES,
    FrameHeader,
    decode_records,
    encode_frame,
    parse_header,
    split_damaged,
)

RECORDS = [("AAPL", b"first"), ("MSFT", b"second")]


def framed() -> tuple[FrameHeader, bytes]:
    frame = encode_frame(RecordBatch.of(RECORDS), 1_700_000_000_000)
    header = parse_header(frame.header(7, 9))
    assert header is not None
    return header, b"".join(frame.pieces)


def test_lengths_that_do_not_add_up_to_the_payload_are_named() -> None:
    header, payload = framed()
    with pytest.raises(OutboxCorruptError, match="data lengths"):
        decode_records(header, payload + b"more")


def test_keys_that_do_not_add_up_to_their_lengths_are_named() -> None:
    header, payload = framed()
    with pytest.raises(OutboxCorruptError, match="key lengths"):
        decode_records(header, bytes([payload[0] + 1]) + payload[1:])


def test_of_a_payload_that_is_cut_off_the_whole_records_are_found() -> None:
    header, payload = framed()
    assert split_damaged(header, payload) == RECORDS
    assert split_damaged(header, payload[:-1]) == RECORDS[:1]


def test_columns_that_are_cut_off_are_named() -> None:
    header, payload = framed()
    with pytest.raises(OutboxCorruptError, match="columns are cut off"):
        split_damaged(header, payload[:12])


def test_fewer_bytes_than_a_header_are_none() -> None:
    assert parse_header(bytes(HEADER_BYTES - 1)) is None
