"""The operations that producers call, in JSON and in CBOR, and the faults."""

import base64
import binascii
import re
import time
from typing import Any, NamedTuple

import cbor2
import msgspec

from benchmarks.null_kinesis.stream import HASH_SPACE, Stream

JSON_TYPE = "application/x-amz-json-1.1"
CBOR_TYPE = "application/x-amz-cbor-1.1"
ENTRIES_MAX = 500
REQUEST_MAX_BYTES = 5 * 1024 * 1024
RECORD_MAX_BYTES = 1024 * 1024
PARTITION_KEY_MAX = 256
LIST_SHARDS_MAX = 1000


class Answer(NamedTuple):
    """What to send back; None as status closes the connection instead."""

    status: int | None
    content_type: str = JSON_TYPE
    body: bytes = b""


class _Entry(msgspec.Struct):
    PartitionKey: str
    Data: str = ""
    ExplicitHashKey: str | None = None


class _PutRecords(msgspec.Struct):
    Records: list[_Entry]
    StreamName: str | None = None
    StreamARN: str | None = None


# Of STS: the KPL asks it for the account, to name the stream by its ARN.
_WHO_AM_I = b"Action=GetCallerIdentity"
_CALLER_IDENTITY = (
    b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    b"<Arn>arn:aws:iam::000000000000:root</Arn><UserId>000000000000</UserId><Account>000000000000</Account>"
    b"</GetCallerIdentityResult><ResponseMetadata><RequestId>null</RequestId></ResponseMetadata>"
    b"</GetCallerIdentityResponse>"
)
_HASH_KEY = re.compile(r"0|[1-9][0-9]{0,38}")
_put_records_decoder = msgspec.json.Decoder(_PutRecords)

Entries = list[tuple[str, str | None, bytes]]


class KinesisApi:
    """Answers calls for one stream."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def handle(self, target: str, content_type: str, body: memoryview | bytes) -> Answer:
        """Answer one call."""
        stream, faults = self._stream, self._stream.faults
        if not target and bytes(body[: len(_WHO_AM_I)]) == _WHO_AM_I:
            return Answer(200, "text/xml", _CALLER_IDENTITY)
        operation = target.rpartition(".")[2]
        is_put = operation in {"PutRecords", "PutRecord"}
        if is_put:
            stream.calls += 1
            stream.call_times.append(time.monotonic())
        is_cbor = content_type.startswith(CBOR_TYPE)
        if faults.refuse_code:
            return _error(faults.refuse_code, "refused on demand", is_cbor)
        if is_cbor and faults.refuse_cbor:
            return _error(faults.refuse_cbor, "refused on demand", is_cbor)
        if is_put and faults.happens(stream.rng, faults.resets):
            return Answer(None)
        if is_put and faults.happens(stream.rng, faults.errors_500):
            return _error("InternalFailure", "failed on demand", is_cbor, status=500)
        try:
            if operation == "PutRecords":
                answer = self._put_records(body, is_cbor)
            else:
                answer = self._other(operation, body, is_cbor)
        except (msgspec.DecodeError, cbor2.CBORError, binascii.Error, KeyError, TypeError, AttributeError) as exc:
            return _error("SerializationException", str(exc), is_cbor)
        if is_put and faults.happens(stream.rng, faults.stored_then_lost):
            return Answer(None)
        return answer

    def _put_records(self, body: memoryview | bytes, is_cbor: bool) -> Answer:
        stream = self._stream
        name, entries = _read_cbor(body) if is_cbor else _read_json(body)
        if name.rpartition("/")[2] != stream.name:
            return _error("ResourceNotFoundException", f"Stream {name} not found", is_cbor)
        size = sum(len(data) + len(key) for key, _, data in entries)
        stream.largest_request_bytes = max(stream.largest_request_bytes, size)
        stream.largest_request_records = max(stream.largest_request_records, len(entries))
        too_large = any(len(data) + len(key) > RECORD_MAX_BYTES for key, _, data in entries)
        if not 0 < len(entries) <= ENTRIES_MAX or size > REQUEST_MAX_BYTES or too_large:
            return _error("InvalidArgumentException", f"{len(entries)} records of {size} bytes", is_cbor)
        wrong = next(filter(None, (_wrong_key(key, hash_key) for key, hash_key, _ in entries)), "")
        if wrong:
            return _error("InvalidArgumentException", wrong, is_cbor)
        order = list(range(len(entries)))
        if stream.faults.shuffle:
            stream.rng.shuffle(order)
        results: list[dict[str, str]] = [{}] * len(entries)
        failed = 0
        for index in order:
            refused = stream.faults.refuse_entries
            shard = None if refused else stream.put_entry(*entries[index])
            if shard is None:
                failed += 1
                results[index] = {
                    "ErrorCode": refused or "ProvisionedThroughputExceededException",
                    "ErrorMessage": f"Rate exceeded for shard in stream {stream.name}",
                }
            else:
                results[index] = {"SequenceNumber": f"{len(stream.records):056d}", "ShardId": shard.shard_id}
        return _answer({"FailedRecordCount": failed, "Records": results, "EncryptionType": "NONE"}, is_cbor)

    def _other(self, operation: str, body: memoryview | bytes, is_cbor: bool) -> Answer:
        stream = self._stream
        request: dict[str, Any] = cbor2.loads(body) if is_cbor else msgspec.json.decode(body or b"{}")
        if operation == "ListShards":
            return self._list_shards(request, is_cbor)
        name = str(request.get("StreamName") or request.get("StreamARN", stream.name)).rpartition("/")[2]
        if name != stream.name:
            return _error("ResourceNotFoundException", f"Stream {name} not found", is_cbor)
        if operation == "PutRecord":
            data = request["Data"] if is_cbor else base64.b64decode(request["Data"], validate=True)
            wrong = _wrong_key(request["PartitionKey"], request.get("ExplicitHashKey"))
            if wrong:
                return _error("InvalidArgumentException", wrong, is_cbor)
            shard = stream.put_entry(request["PartitionKey"], request.get("ExplicitHashKey"), data)
            if shard is None:
                return _error("ProvisionedThroughputExceededException", "Rate exceeded", is_cbor)
            return _answer({"SequenceNumber": f"{len(stream.records):056d}", "ShardId": shard.shard_id}, is_cbor)
        open_shards = [s for s in stream.list_shards() if "EndingSequenceNumber" not in s["SequenceNumberRange"]]
        common = {
            "StreamName": stream.name,
            "StreamARN": f"arn:aws:kinesis:us-east-1:000000000000:stream/{stream.name}",
            "StreamStatus": "ACTIVE",
            "RetentionPeriodHours": 24,
            "StreamCreationTimestamp": 0,
            "EnhancedMonitoring": [],
            "EncryptionType": "NONE",
            "StreamModeDetails": {"StreamMode": "PROVISIONED"},
        }
        if operation == "DescribeStream":
            return _answer({"StreamDescription": {**common, "Shards": open_shards, "HasMoreShards": False}}, is_cbor)
        if operation == "DescribeStreamSummary":
            summary = {**common, "OpenShardCount": len(open_shards), "ConsumerCount": 0}
            return _answer({"StreamDescriptionSummary": summary}, is_cbor)
        return _error("UnknownOperationException", operation, is_cbor)

    def _list_shards(self, request: dict[str, Any], is_cbor: bool) -> Answer:
        """In pages; a token stands for the stream, and comes alone."""
        stream = self._stream
        name = str(request.get("StreamName") or request.get("StreamARN") or "").rpartition("/")[2]
        token = request.get("NextToken")
        if (token is None) != bool(name):
            return _error("InvalidArgumentException", "either NextToken or the stream, and not both", is_cbor)
        if token is None and name != stream.name:
            return _error("ResourceNotFoundException", f"Stream {name} not found", is_cbor)
        only_open = request.get("ShardFilter", {}).get("Type") == "AT_LATEST"
        start = 0
        if token is not None:
            filtered, _, first = str(token).partition(":")
            only_open, start = filtered == "open", int(first)
        shards = [
            shard
            for shard in stream.list_shards()
            if not only_open or "EndingSequenceNumber" not in shard["SequenceNumberRange"]
        ]
        page = min(int(request.get("MaxResults") or LIST_SHARDS_MAX), stream.list_shards_max)
        answer: dict[str, Any] = {"Shards": shards[start : start + page]}
        if start + page < len(shards):
            answer["NextToken"] = f"{'open' if only_open else 'all'}:{start + page}"
        return _answer(answer, is_cbor)


def _wrong_key(partition_key: str, hash_key: str | None) -> str:
    """Why Kinesis would not take the keys; empty where it would."""
    if not 1 <= len(partition_key) <= PARTITION_KEY_MAX:
        return f"a partition key has 1 to {PARTITION_KEY_MAX} characters, and not {len(partition_key)}"
    # A number below 2^128 in decimal, without leading zeros. https://docs.aws.amazon.com/kinesis/latest/APIReference/
    if hash_key is not None and not (_HASH_KEY.fullmatch(hash_key) and int(hash_key) < HASH_SPACE):
        return f"ExplicitHashKey {hash_key!r} is no number below 2^128"
    return ""


def _read_json(body: memoryview | bytes) -> tuple[str, Entries]:
    request = _put_records_decoder.decode(body)
    entries = [
        (e.PartitionKey, e.ExplicitHashKey, binascii.a2b_base64(e.Data, strict_mode=True)) for e in request.Records
    ]
    return request.StreamName or request.StreamARN or "", entries


def _read_cbor(body: memoryview | bytes) -> tuple[str, Entries]:
    request = cbor2.loads(body)
    entries = []
    for entry in request["Records"]:
        if not isinstance(entry["Data"], bytes):
            raise TypeError("Data is not a byte string")
        entries.append((entry["PartitionKey"], entry.get("ExplicitHashKey"), entry["Data"]))
    return request.get("StreamName") or request.get("StreamARN") or "", entries


def _answer(value: dict[str, Any], is_cbor: bool) -> Answer:
    if is_cbor:
        return Answer(200, CBOR_TYPE, cbor2.dumps(value))
    return Answer(200, JSON_TYPE, msgspec.json.encode(value))


def _error(code: str, message: str, is_cbor: bool, status: int = 400) -> Answer:
    return _answer({"__type": code, "message": message}, is_cbor)._replace(status=status)
