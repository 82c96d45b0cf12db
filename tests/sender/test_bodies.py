"""Bodies of PutRecords, read back by others' code; and answers that cannot be read."""

import json
from typing import Any

import cbor2
import msgspec
import pytest
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel
from botocore.parsers import RpcV2CBORParser
from botocore.serialize import create_serializer
from hypothesis import given, settings
from hypothesis import strategies as st

from stockstream.sender.failures import FailureKind, PutError
from stockstream.sender.lane import KinesisRecord, Lane
from stockstream.sender.transport.bodies import CBOR_TYPE, JSON_TYPE, Bodies, Encoding, decode_answer
from stockstream.sender.transport.results import read_results

_HASH_KEYS = st.integers(0, 2**128 - 1).map(str)
_LANES = st.builds(Lane, st.integers(0, 65_535), _HASH_KEYS)
_STREAMS = st.from_regex(r"[a-zA-Z0-9_.-]{1,128}", fullmatch=True)
# Where the head of a CBOR item grows by a byte or more.
_BOUNDARIES = [0, 1, 23, 24, 255, 256, 65_535, 65_536]


@pytest.fixture(scope="module")
def put_records() -> OperationModel:
    model = ServiceModel(Loader().load_service_model("kinesis", "service-2"), "kinesis")
    return model.operation_model("PutRecords")


def _record(lane: Lane, data: bytes) -> KinesisRecord:
    return KinesisRecord(lane, data, count=1, user_bytes=len(data), built_at=0.0)


def _arguments(stream: str, records: list[KinesisRecord]) -> dict[str, Any]:
    """What botocore's `put_records` would be called with."""
    return {
        "StreamName": stream,
        "Records": [
            {"PartitionKey": record.lane.partition_key, "ExplicitHashKey": record.lane.hash_key, "Data": record.data}
            for record in records
        ],
    }


def _read_by_botocore(body: bytes) -> Any:
    parser = RpcV2CBORParser()  # type: ignore[no-untyped-call, unused-ignore]
    stream = parser.get_peekable_stream_from_bytes(body)  # type: ignore[no-untyped-call, unused-ignore]
    value = parser.parse_data_item(stream)  # type: ignore[no-untyped-call, unused-ignore]
    assert stream.read() == b""
    return value


@given(_STREAMS, st.lists(st.tuples(_LANES, st.binary(max_size=400)), min_size=1, max_size=40))
@settings(deadline=None, max_examples=50)
def test_a_body_says_what_botocore_would_send(
    put_records: OperationModel, stream: str, contents: list[tuple[Lane, bytes]]
) -> None:
    # A lane of one number has one hash key, for as long as the stream's bodies are written.
    lanes = {lane.index: lane for lane, _ in contents}
    records = [_record(lanes[lane.index], data) for lane, data in contents]
    bodies, arguments = Bodies(stream), _arguments(stream, records)
    theirs = create_serializer("json").serialize_to_request(arguments, put_records)
    for _ in range(2):  # the second time keys are known
        as_json, as_cbor = (b"".join(bodies.encode(records, encoding)) for encoding in ("json", "cbor"))
        assert json.loads(as_json) == json.loads(theirs["body"])
        assert cbor2.loads(as_cbor) == _read_by_botocore(as_cbor) == arguments
    assert theirs["headers"]["Content-Type"] == JSON_TYPE


@pytest.mark.parametrize("size", _BOUNDARIES)
def test_data_of_every_length_is_framed_in_the_fewest_bytes(size: int) -> None:
    records = [_record(Lane(7, "123"), bytes(range(256)) * (size // 256) + bytes(range(size % 256)))]
    body = b"".join(Bodies("quotes").encode(records, "cbor"))
    arguments = _arguments("quotes", records)
    assert cbor2.loads(body) == _read_by_botocore(body) == arguments
    assert body == cbor2.dumps(arguments)


@pytest.mark.parametrize("count", [1, 23, 24, 255, 256, 500])
@pytest.mark.parametrize("encoding", ["cbor", "json"])
def test_as_many_records_as_were_given_are_in_the_body(count: int, encoding: Encoding) -> None:
    records = [_record(Lane(index % 5, str(index % 5)), b"%d" % index) for index in range(count)]
    body = b"".join(Bodies("quotes").encode(records, encoding))
    if encoding == "cbor":
        assert body == cbor2.dumps(_arguments("quotes", records))
    else:
        assert len(json.loads(body)["Records"]) == count


def test_data_travels_as_the_object_it_is_and_not_as_a_copy() -> None:
    record = _record(Lane(0, "0"), b"x" * 1000)
    assert any(piece is record.data for piece in Bodies("quotes").encode([record], "cbor"))


def test_two_streams_share_nothing() -> None:
    record = _record(Lane(0, "0"), b"x")
    bodies = [json.loads(b"".join(Bodies(name).encode([record], "json"))) for name in ("one", "two")]
    assert [body["StreamName"] for body in bodies] == ["one", "two"]


_ENTRIES = {"FailedRecordCount": 0, "Records": [{"SequenceNumber": "49", "ShardId": "shardId-000000000000"}]}


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (CBOR_TYPE, cbor2.dumps(_ENTRIES)),
        (JSON_TYPE, json.dumps(_ENTRIES).encode()),
        # Emulators and proxies name other types, or none.
        ("application/json", json.dumps(_ENTRIES).encode()),
        ("", json.dumps(_ENTRIES).encode()),
        # And the first byte says more than any of them (aws-sdk-java-v2 #1595).
        (CBOR_TYPE, json.dumps(_ENTRIES).encode()),
        (JSON_TYPE, cbor2.dumps(_ENTRIES)),
        (CBOR_TYPE, b"\xbf" + cbor2.dumps(_ENTRIES)[1:] + b"\xff"),
    ],
)
def test_an_answer_is_read_by_what_it_is(content_type: str, body: bytes, status: int) -> None:
    assert decode_answer(body, content_type, status) == _ENTRIES


_CUT_CBOR = cbor2.dumps(_ENTRIES)[:-1]
_JUNK = {
    "nothing, as JSON": (JSON_TYPE, b""),
    "nothing, as CBOR": (CBOR_TYPE, b""),
    "a page": ("text/html", b"<html>502 Bad Gateway</html>"),
    "JSON that is cut": (JSON_TYPE, b'{"Records":[{"Sequ'),
    "JSON that is not UTF-8": (JSON_TYPE, b'{"Records":"\xff"}'),
    "JSON without end": (JSON_TYPE, b"[" * 100_000),
    "JSON that is cut and called CBOR": (CBOR_TYPE, b'{"Records":[{"Sequ'),
    "CBOR that is cut": (CBOR_TYPE, _CUT_CBOR),
    "CBOR of a huge length": (CBOR_TYPE, b"\x5b\x7f" + b"\xff" * 7),
    "CBOR without end": (CBOR_TYPE, b"\x81" * 100_000),
    "a text that is not UTF-8": (CBOR_TYPE, b"\x61\xff"),
}


@pytest.mark.parametrize(("content_type", "body"), _JUNK.values(), ids=_JUNK)
def test_an_answer_that_says_nothing_is_a_failure_that_time_cures(content_type: str, body: bytes) -> None:
    with pytest.raises(PutError) as caught:
        decode_answer(body, content_type, 200)
    assert (caught.value.kind, caught.value.code) == (FailureKind.TRANSIENT, "MalformedAnswer")
    # Where the status says already that it failed, the status is what counts.
    for status in (400, 413, 500, 503):
        assert decode_answer(body, content_type, status) == {}


@given(st.binary(max_size=60), st.sampled_from([CBOR_TYPE, JSON_TYPE]), st.sampled_from([200, 400]))
@settings(deadline=None, max_examples=300)
def test_no_bytes_raise_anything_else(body: bytes, content_type: str, status: int) -> None:
    try:
        assert isinstance(decode_answer(body, content_type, status), dict)
    except PutError:
        assert status == 200


@pytest.mark.parametrize("value", [None, True, 0, 1.5, "text", [], [{}]])
@pytest.mark.parametrize("status", [200, 400])
def test_an_answer_that_is_no_structure_has_no_members(value: Any, status: int) -> None:
    assert decode_answer(msgspec.json.encode(value), JSON_TYPE, status) == {}
    assert decode_answer(cbor2.dumps(value), CBOR_TYPE, status) == {}


@pytest.mark.parametrize(
    "entries",
    [None, {}, "ab", [], [{"SequenceNumber": "1"}], [{"SequenceNumber": "1"}] * 3, [None, None], ["a", "b"], [[], 1]],
)
def test_entries_that_do_not_speak_of_every_record_are_no_answer(entries: Any) -> None:
    with pytest.raises(PutError) as caught:
        read_results(entries, 2)
    assert (caught.value.kind, caught.value.code) == (FailureKind.TRANSIENT, "MalformedAnswer")
