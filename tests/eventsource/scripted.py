"""Scripted parts for the pure core: records without a stream, answers without a function."""

import json
from collections.abc import Sequence

from stockstream.eventsource.invokers.base import InvocationResult
from stockstream.eventsource.records import StreamOrigin, StreamRecord, to_stream_record
from stockstream.eventsource.response import Failed, NotInvoked, Succeeded

ORIGIN = StreamOrigin(
    stream_arn="arn:aws:kinesis:us-east-1:000000000000:stream/stockstream",
    shard_id="shardId-000000000000",
    region="us-east-1",
    invoke_identity_arn="arn:aws:iam::000000000000:role/stockstream-consumer",
)


def record(number: int, key: str = "AAPL", *, arrival: float = 1000.0, data: bytes = b"{}") -> StreamRecord:
    raw = {
        "SequenceNumber": str(number),
        "PartitionKey": key,
        "ApproximateArrivalTimestamp": arrival,
        "Data": data,
    }
    return to_stream_record(raw, ORIGIN)


def records(numbers: Sequence[int], key: str = "AAPL") -> list[StreamRecord]:
    return [record(number, key) for number in numbers]


def result(answer: object = None, *, function_error: str | None = None) -> InvocationResult:
    return InvocationResult("request-1", json.dumps(answer).encode(), function_error)


OK = Succeeded()
AWAY = NotInvoked("throttled")
ERROR = Failed(0, "boom", result({"errorMessage": "boom", "errorType": "ValueError"}, function_error="Unhandled"))


def failed_at(index: int) -> Failed:
    return Failed(index, "batch_item_failures", result({"batchItemFailures": []}))
