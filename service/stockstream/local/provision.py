"""Make every AWS resource that Terraform makes in production, under the same names and through the AWS APIs."""

import asyncio
import json
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from stockstream.aws import AwsConfig, open_client
from stockstream.settings import Settings
from stockstream_wire.storage import (
    EXPIRES_AT,
    TABLES,
    UNSENT,
    UNSENT_INDEX,
    UNSENT_SINCE,
    WORKERS_KEY,
    TableKey,
)

TOPIC_NAME: Final = "stockstream-alerts"
FAILED_BATCHES_QUEUE_NAME: Final = "stockstream-failed-batches"
# Local mode only: it is how alerts are shown as they fire, through SNS like any subscriber.
ALERTS_INBOX_QUEUE_NAME: Final = "stockstream-alerts-inbox"
# In place of SNS's subscription of the notifier's function, for the notifier that runs here.
NOTIFY_QUEUE_NAME: Final = "stockstream-alerts-notify"

DEFAULT_SHARDS: Final = 2
# Keys of the sparse index of alerts that SNS has not taken.
UNSENT_KEYS: Final = TableKey(UNSENT, UNSENT_SINCE)

_EXISTS: Final = frozenset(
    {"ResourceInUseException", "BucketAlreadyOwnedByYou", "BucketAlreadyExists", "QueueAlreadyExists"}
)
_ACTIVE_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class ResourceNames:
    """What to make, by name; see docs/architecture.md."""

    stream: str
    quotes_table: str
    candles_table: str
    alerts_table: str
    archive_bucket: str
    shards: int
    workers_table: str = "workers"


@dataclass(frozen=True, slots=True)
class Resources:
    """What was made, by what AWS calls it."""

    stream_arn: str
    alerts_topic_arn: str
    failed_batches_queue_url: str
    failed_batches_queue_arn: str
    alerts_inbox_queue_url: str


def resource_names(settings: Settings, shards: int = DEFAULT_SHARDS) -> ResourceNames:
    """Take the names from the settings."""
    return ResourceNames(
        stream=settings.stream,
        quotes_table=settings.quotes_table,
        candles_table=settings.candles_table,
        alerts_table=settings.alerts_table,
        archive_bucket=settings.archive_bucket,
        shards=shards,
        workers_table=settings.workers_table,
    )


def table_keys(names: ResourceNames) -> dict[str, TableKey]:
    """Partition and sort key of every table, all of type string. Terraform's are tested against these."""
    return {
        names.quotes_table: TABLES["quotes"],
        names.candles_table: TABLES["candles"],
        names.alerts_table: TABLES["alerts"],
        names.workers_table: WORKERS_KEY,
    }


async def provision(aws: AwsConfig, names: ResourceNames) -> Resources:
    """Make what is missing and return what is there.

    Raises:
        botocore.exceptions.ClientError: AWS refused, other than because the resource exists.
    """
    async with AsyncExitStack() as stack:
        kinesis, dynamodb, s3, sns, sqs = [
            await stack.enter_async_context(open_client(aws, service))
            for service in ("kinesis", "dynamodb", "s3", "sns", "sqs")
        ]
        async with asyncio.TaskGroup() as group:
            stream = group.create_task(_stream(kinesis, names))
            for table, keys in table_keys(names).items():
                index = UNSENT_KEYS if table == names.alerts_table else None
                group.create_task(_table(dynamodb, table, keys, index))
            group.create_task(_bucket(s3, names.archive_bucket, aws.region))
            topic = group.create_task(sns.create_topic(Name=TOPIC_NAME))
            failed = group.create_task(_queue(sqs, FAILED_BATCHES_QUEUE_NAME))
        topic_arn = topic.result()["TopicArn"]
        inbox_url = await subscribed_queue(sns, sqs, ALERTS_INBOX_QUEUE_NAME, topic_arn)
    return Resources(
        stream_arn=stream.result(),
        alerts_topic_arn=topic_arn,
        failed_batches_queue_url=failed.result()[0],
        failed_batches_queue_arn=failed.result()[1],
        alerts_inbox_queue_url=inbox_url,
    )


async def _stream(kinesis: Any, names: ResourceNames) -> str:
    await _unless_exists(kinesis.create_stream(StreamName=names.stream, ShardCount=names.shards))
    while True:
        summary = (await kinesis.describe_stream_summary(StreamName=names.stream))["StreamDescriptionSummary"]
        if summary["StreamStatus"] == "ACTIVE":
            return str(summary["StreamARN"])
        await asyncio.sleep(_ACTIVE_POLL_SECONDS)


def table_request(table: str, keys: TableKey, index: TableKey | None) -> dict[str, Any]:
    """What CreateTable is asked for: a table on demand, with the index of unsent alerts where it has one."""
    request: dict[str, Any] = {
        "TableName": table,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key in (*keys, *(index or ()))],
        "KeySchema": _key_schema(keys),
    }
    if index is not None:
        request["GlobalSecondaryIndexes"] = [
            {"IndexName": UNSENT_INDEX, "KeySchema": _key_schema(index), "Projection": {"ProjectionType": "ALL"}}
        ]
    return request


def _key_schema(keys: TableKey) -> list[dict[str, str]]:
    return [
        {"AttributeName": keys.partition, "KeyType": "HASH"},
        {"AttributeName": keys.sort, "KeyType": "RANGE"},
    ]


async def _table(dynamodb: Any, table: str, keys: TableKey, index: TableKey | None) -> None:
    await _unless_exists(dynamodb.create_table(**table_request(table, keys, index)))
    await dynamodb.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    described = await dynamodb.describe_time_to_live(TableName=table)
    if described["TimeToLiveDescription"]["TimeToLiveStatus"] == "DISABLED":
        await dynamodb.update_time_to_live(
            TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": EXPIRES_AT}
        )


async def _bucket(s3: Any, bucket: str, region: str) -> None:
    # us-east-1 is the one region that must not be named in a location constraint.
    location = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    await _unless_exists(s3.create_bucket(Bucket=bucket, **location))


async def subscribed_queue(sns: Any, sqs: Any, name: str, topic_arn: str) -> str:
    """Make a queue that a topic's messages go to; returns its URL."""
    url, arn = await _queue(sqs, name)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    await sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    await sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=arn)
    return url


async def _queue(sqs: Any, name: str) -> tuple[str, str]:
    await _unless_exists(sqs.create_queue(QueueName=name, Attributes={"MessageRetentionPeriod": "1209600"}))
    url = (await sqs.get_queue_url(QueueName=name))["QueueUrl"]
    attributes = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    arn = attributes["Attributes"]["QueueArn"]
    return str(url), str(arn)


async def _unless_exists(call: Awaitable[Any]) -> None:
    try:
        await call
    except ClientError as exc:
        if exc.response["Error"]["Code"] not in _EXISTS:
            raise
