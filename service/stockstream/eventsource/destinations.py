"""Where discarded batches go: SQS, SNS or S3, in AWS's message shape.

AWS drops the record when the destination fails it. Here the lane waits and tries again, because a batch that is
nowhere is a lost batch (invariant 1); the log and the stats say so meanwhile.
"""

import uuid
from collections.abc import Callable
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from stockstream.eventsource.errors import DestinationUnavailableError
from stockstream.eventsource.failure_record import FailureRecord


class FailureDestination(Protocol):
    """Takes discarded batches."""

    async def send(self, record: FailureRecord) -> None:
        """Deliver one; when this returns it is stored.

        Raises:
            DestinationUnavailableError: it was not taken.
        """
        ...


class SqsDestination:
    """An SQS queue: metadata only."""

    def __init__(self, sqs_client: Any, queue_url: str) -> None:
        self._client = sqs_client
        self._queue_url = queue_url

    async def send(self, record: FailureRecord) -> None:
        try:
            await self._client.send_message(QueueUrl=self._queue_url, MessageBody=record.metadata_json())
        except (BotoCoreError, ClientError) as exc:
            raise DestinationUnavailableError(f"SQS queue {self._queue_url}: {exc}") from exc


class SnsDestination:
    """An SNS topic: metadata only."""

    def __init__(self, sns_client: Any, topic_arn: str) -> None:
        self._client = sns_client
        self._topic_arn = topic_arn

    async def send(self, record: FailureRecord) -> None:
        try:
            await self._client.publish(TopicArn=self._topic_arn, Message=record.metadata_json())
        except (BotoCoreError, ClientError) as exc:
            raise DestinationUnavailableError(f"SNS topic {self._topic_arn}: {exc}") from exc


class S3Destination:
    """An S3 bucket: metadata and the whole event.

    Keys are AWS's: `aws/lambda/<ESM-UUID>/<shardID>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<Random UUID>`, after `prefix`,
    which AWS does not have and our bucket layout does.
    """

    def __init__(
        self,
        s3_client: Any,
        bucket: str,
        mapping_uuid: str,
        *,
        prefix: str = "",
        make_uuid: Callable[[], uuid.UUID] = uuid.uuid4,
    ) -> None:
        self._client = s3_client
        self._bucket = bucket
        self._mapping_uuid = mapping_uuid
        self._prefix = prefix
        self._make_uuid = make_uuid

    async def send(self, record: FailureRecord) -> None:
        key = self.key_of(record)
        try:
            await self._client.put_object(
                Bucket=self._bucket, Key=key, Body=record.with_payload_json().encode(), ContentType="application/json"
            )
        except (BotoCoreError, ClientError) as exc:
            raise DestinationUnavailableError(f"s3://{self._bucket}/{key}: {exc}") from exc

    def key_of(self, record: FailureRecord) -> str:
        """The object's key."""
        moment = record.discarded_at
        return (
            f"{self._prefix}aws/lambda/{self._mapping_uuid}/{record.shard_id}/{moment:%Y/%m/%d}/"
            f"{moment:%Y-%m-%dT%H.%M.%S}-{self._make_uuid()}"
        )
