"""The KPL codec, alone and against the package that AWS publishes."""

import base64
import hashlib
from collections import deque

import aws_kinesis_agg.aggregator
import aws_kinesis_agg.deaggregator
import pytest
from aws_kinesis_agg import messages_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from stockstream_wire import (
    AggregationError,
    Aggregator,
    UserRecord,
    aggregate,
    deaggregate,
    is_aggregated,
    record_size_bytes,
)
from stockstream_wire.aggregation import MAGIC

# Lone surrogates have no UTF-8 and so cannot be partition keys.
_keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
_hash_keys = st.integers(0, 2**128 - 1).map(str)
_datas = st.binary(max_size=400)
_records = st.lists(st.builds(UserRecord, _keys, st.none() | _hash_keys, _datas), max_size=200)


def _sealed(body: bytes) -> bytes:
    return MAGIC + body + hashlib.md5(body, usedforsecurity=False).digest()


@settings(deadline=None, max_examples=60)
@given(_records)
def test_what_was_aggregated_comes_back_in_order(records: list[UserRecord]) -> None:
    encoded = aggregate(records)
    assert is_aggregated(encoded)
    assert deaggregate(encoded) == records


@settings(deadline=None, max_examples=60)
@given(_records)
def test_protobuf_of_the_oracle_writes_the_same_bytes(records: list[UserRecord]) -> None:
    message = messages_pb2.AggregatedRecord()
    for record in records:
        if record.partition_key not in message.partition_key_table:
            message.partition_key_table.append(record.partition_key)
        added = message.records.add()
        added.partition_key_index = list(message.partition_key_table).index(record.partition_key)
        added.data = record.data
        if record.explicit_hash_key is not None:
            if record.explicit_hash_key not in message.explicit_hash_key_table:
                message.explicit_hash_key_table.append(record.explicit_hash_key)
            added.explicit_hash_key_index = list(message.explicit_hash_key_table).index(record.explicit_hash_key)
    assert aggregate(records) == _sealed(message.SerializeToString())


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(_keys, _datas), min_size=1, max_size=100), st.none() | _hash_keys)
def test_the_oracle_reads_what_we_write(pairs: list[tuple[str, bytes]], hash_key: str | None) -> None:
    aggregator = Aggregator(1_000_000, hash_key)
    assert aggregator.fill(deque(pairs)) == len(pairs)
    event = {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "sequenceNumber": "1",
            "approximateArrivalTimestamp": 0,
            "partitionKey": "lane",
            "data": base64.b64encode(aggregator.finish()),
        }
    }
    seen = aws_kinesis_agg.deaggregator.deaggregate_records([event])
    assert [(r["kinesis"]["partitionKey"], base64.b64decode(r["kinesis"]["data"])) for r in seen] == pairs
    assert [r["kinesis"]["subSequenceNumber"] for r in seen] == list(range(len(pairs)))
    assert {r["kinesis"]["explicitHashKey"] for r in seen} == {hash_key}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.builds(UserRecord, _keys, _hash_keys, _datas), min_size=1, max_size=100))
def test_we_read_what_the_oracle_writes(records: list[UserRecord]) -> None:
    oracle = aws_kinesis_agg.aggregator.RecordAggregator()
    for record in records:
        oracle.add_user_record(record.partition_key, record.data, record.explicit_hash_key)
    encoded = oracle.clear_and_get().get_contents()[2]
    assert deaggregate(encoded) == records


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(_keys, _datas), max_size=200), st.none() | _hash_keys, st.integers(600, 5_000))
def test_aggregates_never_pass_the_limit_and_their_size_is_foretold(
    pairs: list[tuple[str, bytes]], hash_key: str | None, limit: int
) -> None:
    pending = deque(pairs)
    aggregator = Aggregator(limit, hash_key)
    seen: list[tuple[str, bytes]] = []
    while pending:
        moved = aggregator.fill(pending)
        assert moved == len(aggregator) > 0
        foretold = aggregator.size_bytes
        # What is left did not fit: adding it must be refused, or the aggregate was closed too early.
        assert not pending or not aggregator.add(*pending[0])
        encoded = aggregator.finish()
        assert len(encoded) == foretold <= limit
        decoded = deaggregate(encoded)
        assert {record.explicit_hash_key for record in decoded} == {hash_key}
        seen += [(record.partition_key, record.data) for record in decoded]
    assert seen == pairs


@settings(deadline=None, max_examples=60)
@given(_keys, st.binary(max_size=20_000), st.none() | _hash_keys)
def test_the_size_of_one_record_alone_is_exact(key: str, data: bytes, hash_key: str | None) -> None:
    assert record_size_bytes(key, data, hash_key) == len(aggregate([UserRecord(key, hash_key, data)]))


def test_a_record_that_fits_to_the_byte_is_taken_and_one_byte_more_is_not() -> None:
    data = b"x" * 25_000
    exact = record_size_bytes("AAPL", data, "7")
    assert Aggregator(exact, "7").add("AAPL", data)
    assert not Aggregator(exact - 1, "7").add("AAPL", data)


def test_more_keys_than_one_varint_byte_holds_round_trip() -> None:
    records = [UserRecord(f"S{i}", None, b"d") for i in range(20_000)]
    assert deaggregate(aggregate(records)) == records


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_raise_the_named_error_and_nothing_else(noise: bytes) -> None:
    for data in (noise, MAGIC + noise, _sealed(noise)):
        try:
            decoded = deaggregate(data)
        except AggregationError:
            continue
        # Accepted: then the oracle's parser must accept it as well.
        message = messages_pb2.AggregatedRecord()
        message.ParseFromString(data[4:-16])
        assert [record.data for record in decoded] == [record.data for record in message.records]


@settings(deadline=None, max_examples=60)
@given(_records.filter(bool), st.data())
def test_any_flipped_byte_is_found(records: list[UserRecord], draw: st.DataObject) -> None:
    encoded = bytearray(aggregate(records))
    position = draw.draw(st.integers(0, len(encoded) - 1))
    encoded[position] ^= draw.draw(st.integers(1, 255))
    with pytest.raises(AggregationError):
        deaggregate(bytes(encoded))


@pytest.mark.parametrize("cut", [0, 3, 4, 19, 20, 30])
def test_a_truncated_aggregate_is_refused(cut: int) -> None:
    encoded = aggregate([UserRecord("AAPL", None, b"quote")])
    with pytest.raises(AggregationError):
        deaggregate(encoded[:cut])


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"\x1a\x05\x08\x00\x1a\x01d", "inconsistent"),  # key index without a table
        (b"\x0a\x01A\x1a\x03\x1a\x01d", "lacks"),  # no key index
        (b"\x0a\x01A\x1a\x02\x08\x00", "lacks"),  # no data
        (b"\x0a\x01A\x1a\x05\x08\x00\x1a\x09d", "past the record"),  # data longer than its record
        (b"\x0a\x7fA", "past the message"),
        (b"\x0a\x01\xff", "inconsistent"),  # not UTF-8
        (b"\x0b", "wire type 3"),
        (b"\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "more than 5 bytes"),
    ],
)
def test_a_sealed_but_inconsistent_message_is_refused(body: bytes, complaint: str) -> None:
    with pytest.raises(AggregationError, match=complaint):
        deaggregate(_sealed(body))


def test_fields_out_of_order_tags_and_unknown_fields_are_read_as_protobuf_says() -> None:
    record = b"\x1a\x01d" + b"\x22\x03\x0a\x01t" + b"\x08\x00"  # data, a tag, then the key index
    body = b"\x1a" + bytes([len(record)]) + record + b"\x28\x05" + b"\x0a\x01A"  # the record, field 5, then the table
    assert deaggregate(_sealed(body)) == [UserRecord("A", None, b"d")]


def test_plain_json_is_not_aggregated() -> None:
    assert not is_aggregated(b'{"symbol":"AAPL"}')
    assert not is_aggregated(b"")
