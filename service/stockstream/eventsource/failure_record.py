"""The message that Lambda sends to an on-failure destination for a discarded Kinesis batch.

Source: Lambda guide, "Retain discarded batch records for a Kinesis Data Streams event source". SQS and SNS get the
metadata; S3 gets the `payload` too.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from stockstream.eventsource.lane import Discard
from stockstream.eventsource.records import StreamOrigin, event_payload


@dataclass(frozen=True, slots=True)
class FailureRecord:
    """One discarded batch on its way to the destination.

    Attributes:
        shard_id: Where the records are.
        discarded_at: Aware, UTC.
        metadata: The document for SQS and SNS.
        payload: The whole event, which S3 gets as an escaped string beside the metadata.
    """

    shard_id: str
    discarded_at: datetime
    metadata: dict[str, Any]
    payload: bytes

    def metadata_json(self) -> str:
        return json.dumps(self.metadata)

    def with_payload_json(self) -> str:
        return json.dumps(self.metadata | {"payload": self.payload.decode()})


def failure_record(
    discard: Discard, origin: StreamOrigin, *, function_arn: str, request_id: str, epoch_seconds: float
) -> FailureRecord:
    """Build the message of one discarded batch.

    Args:
        discard: What is discarded and why.
        origin: Stream and shard.
        function_arn: The function that failed.
        request_id: Used where the batch was never invoked; otherwise the last invocation's own is.
        epoch_seconds: Now.
    """
    records = discard.batch.records
    last = discard.batch.last_failure
    response: dict[str, Any] = {"statusCode": 200, "executedVersion": "$LATEST", "functionError": None}
    if last is not None:
        response = {
            "statusCode": last.result.status_code,
            "executedVersion": last.result.executed_version,
            # null where the function ran well and named failed items itself, as AWS sends it.
            "functionError": last.result.function_error,
        }
        request_id = last.result.request_id
    metadata = {
        "requestContext": {
            "requestId": request_id,
            "functionArn": function_arn,
            "condition": discard.condition.value,
            "approximateInvokeCount": discard.batch.invocations,
        },
        "responseContext": response,
        "version": "1.0",
        "timestamp": _timestamp(epoch_seconds),
        "KinesisBatchInfo": {
            "shardId": origin.shard_id,
            "startSequenceNumber": records[0].sequence_number,
            "endSequenceNumber": records[-1].sequence_number,
            "approximateArrivalOfFirstRecord": _timestamp(records[0].arrival_epoch_seconds),
            "approximateArrivalOfLastRecord": _timestamp(records[-1].arrival_epoch_seconds),
            "batchSize": len(records),
            "streamArn": origin.stream_arn,
        },
    }
    return FailureRecord(origin.shard_id, datetime.fromtimestamp(epoch_seconds, UTC), metadata, event_payload(records))


def _timestamp(epoch_seconds: float) -> str:
    moment = datetime.fromtimestamp(epoch_seconds, UTC)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
