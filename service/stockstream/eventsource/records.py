"""A Kinesis record as the function sees it: one fragment of AWS's Kinesis event, encoded once and reused by retries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

_PREFIX: Final = b'{"Records":['
_SUFFIX: Final = b"]}"
ENVELOPE_BYTES: Final = len(_PREFIX) + len(_SUFFIX)


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """One record of a shard.

    Attributes:
        sequence_number: As Kinesis gives it; a shard's records are in the order of its number.
        partition_key: Decides the lane when batches of a shard run in parallel.
        arrival_epoch_seconds: ApproximateArrivalTimestamp.
        fragment: The record's JSON in the event, base64 included.
    """

    sequence_number: str
    partition_key: str
    arrival_epoch_seconds: float
    fragment: bytes

    @property
    def size_bytes(self) -> int:
        """Bytes that the record takes in an invocation payload, its comma included."""
        return len(self.fragment) + 1


@dataclass(frozen=True, slots=True)
class StreamOrigin:
    """What every record of one shard says of where it comes from."""

    stream_arn: str
    shard_id: str
    region: str
    invoke_identity_arn: str


def to_stream_record(raw: Mapping[str, Any], origin: StreamOrigin) -> StreamRecord:
    """Turn one record of GetRecords into its place in AWS's Kinesis event ("Example event", Lambda guide)."""
    arrival = raw["ApproximateArrivalTimestamp"]
    arrival_seconds = arrival.timestamp() if isinstance(arrival, datetime) else float(arrival)
    sequence_number = raw["SequenceNumber"]
    fragment = msgspec.json.encode(
        {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": raw["PartitionKey"],
                "sequenceNumber": sequence_number,
                "data": raw["Data"],  # bytes: msgspec writes them as base64
                "approximateArrivalTimestamp": round(arrival_seconds, 3),
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{origin.shard_id}:{sequence_number}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": origin.invoke_identity_arn,
            "awsRegion": origin.region,
            "eventSourceARN": origin.stream_arn,
        }
    )
    return StreamRecord(sequence_number, raw["PartitionKey"], arrival_seconds, fragment)


def event_payload(records: Sequence[StreamRecord]) -> bytes:
    """The invocation payload of a batch."""
    return _PREFIX + b",".join([record.fragment for record in records]) + _SUFFIX
