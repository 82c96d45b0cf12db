"""Reads what the event source gave up on: messages of the on-failure queue, or objects of an on-failure bucket."""

import base64
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from stockstream.aws import list_keys, read_object
from stockstream.errors import AnswerTooLargeError
from stockstream.redrive.items import Item, Origin, Standing, preview_of
from stockstream.redrive.stream_range import BatchInfo, read_range, user_records

# While a redrive works on a message no other one sees it; a crash gives it back after this time.
VISIBILITY_SECONDS: Final = 300
_RECEIVE_MAX_MESSAGES: Final = 10


class _RequestContext(msgspec.Struct, rename="camel"):
    condition: str = ""
    approximate_invoke_count: int = 0


class _Message(msgspec.Struct, rename="camel"):
    batch_info: BatchInfo = msgspec.field(name="KinesisBatchInfo")
    request_context: _RequestContext = msgspec.field(default_factory=_RequestContext)
    timestamp: str = ""
    payload: str | None = None


class _EventData(msgspec.Struct, rename="camel"):
    partition_key: str
    data: str


class _EventRecord(msgspec.Struct):
    kinesis: _EventData


class _Event(msgspec.Struct):
    records: list[_EventRecord] = msgspec.field(name="Records")


async def queued(
    sqs: Any, kinesis: Any, queue_url: str, stream: str, *, limit: int | None = None, wait_seconds: int = 1
) -> AsyncIterator[Item]:
    """Iterate over the messages of the queue, each hidden from others for `VISIBILITY_SECONDS`.

    Args:
        sqs: An aiobotocore SQS client.
        kinesis: An aiobotocore Kinesis client, to read the records again.
        queue_url: The on-failure queue.
        stream: Name of the stream; a message of another one is shown and left.
        limit: At most so many.
        wait_seconds: Long poll.
    """
    found = 0
    while limit is None or found < limit:
        wanted = _RECEIVE_MAX_MESSAGES if limit is None else min(_RECEIVE_MAX_MESSAGES, limit - found)
        answer = await sqs.receive_message(
            QueueUrl=queue_url,
            MaxNumberOfMessages=wanted,
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=VISIBILITY_SECONDS,
        )
        messages = answer.get("Messages", [])
        if not messages:
            return
        for message in messages:
            found += 1
            yield await _item(kinesis, Origin.QUEUE, message["ReceiptHandle"], message["Body"].encode(), stream)


async def in_bucket(s3: Any, kinesis: Any, bucket: str, prefix: str, stream: str) -> AsyncIterator[Item]:
    """Iterate over the objects of an on-failure bucket: their payload holds the records themselves."""
    async for key in list_keys(s3, bucket, prefix):
        try:
            body = await read_object(s3, bucket, key)
        except AnswerTooLargeError as exc:
            yield Item(Origin.BUCKET, key, "?", "unreadable", str(exc), Standing.UNREADABLE)
            continue
        yield await _item(kinesis, Origin.BUCKET, key, body, stream)


async def waiting_messages(sqs: Any, queue_url: str) -> int:
    """How many messages the queue holds, about (SQS promises no more)."""
    answer = await sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["ApproximateNumberOfMessages"])
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


async def release(sqs: Any, queue_url: str, handles: list[str]) -> None:
    """Give messages back at once, so that they need not wait for their time to end."""
    for start in range(0, len(handles), _RECEIVE_MAX_MESSAGES):
        part = handles[start : start + _RECEIVE_MAX_MESSAGES]
        await sqs.change_message_visibility_batch(
            QueueUrl=queue_url,
            Entries=[
                {"Id": str(index), "ReceiptHandle": handle, "VisibilityTimeout": 0} for index, handle in enumerate(part)
            ],
        )


async def _item(kinesis: Any, origin: Origin, handle: str, body: bytes, stream: str) -> Item:
    try:
        message = msgspec.json.decode(body, type=_Message)
    except msgspec.DecodeError as exc:
        return Item(origin, handle, "?", "unreadable", str(exc), Standing.UNREADABLE, (), preview_of(body))
    info, reason = message.batch_info, message.request_context.condition
    if info.stream_arn.rpartition(":stream/")[2] != stream:
        return Item(origin, handle, info.label, reason, f"is of {info.stream_arn}", Standing.FOREIGN)
    if message.payload is not None:
        try:
            event = msgspec.json.decode(message.payload, type=_Event)
            raw = [(one.kinesis.partition_key, base64.b64decode(one.kinesis.data)) for one in event.records]
        except ValueError as exc:
            return Item(origin, handle, info.label, reason, f"payload: {exc}", Standing.UNREADABLE)
        is_whole = True
    else:
        read = await read_range(kinesis, info)
        raw, is_whole = read.records, read.is_whole
    records = user_records(raw)
    count = message.request_context.approximate_invoke_count
    detail = f"given up after {count} invocations at {message.timestamp}"
    if not is_whole:
        detail = f"the stream still holds {len(raw)} of its {info.batch_size} records; {detail}"
    return Item(
        origin,
        handle,
        info.label,
        reason,
        detail,
        # What is gone is a loss, and the message its only trace: it is not removed unless a person says so.
        Standing.READY if is_whole else Standing.EXPIRED,
        records,
        preview_of(records[0][1]) if records else "",
    )
