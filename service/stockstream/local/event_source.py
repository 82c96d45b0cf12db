"""Whether somebody consumes the stream: a mapping of Lambda's, or a runner of ours on whatever machine.

A runner of ours announces itself by a tag of the stream, good for a minute and renewed all the time: so commands on
other machines and in other containers see it, and a killed one does not stay in the way.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from stockstream.aws import AwsConfig, open_client
from stockstream.errors import AwsSetupError
from stockstream_wire import format_timestamp

RUNNER_TAG: Final = "stockstream:event-source"
_GOOD_FOR: Final = timedelta(seconds=60)
_RENEW_SECONDS: Final = 20.0
# In every other state (Lambda API Reference, EventSourceMappingConfiguration) batches may still be handed out.
_AT_REST: Final = "Disabled"
# An emulator without Lambda has no mappings. Ours says so in words (_emulator_server.py), others by a code.
_LAMBDA_IS_OFF: Final = "the service 'lambda' is off here"
_NO_LAMBDA: Final = frozenset({"501", "InternalFailure", "UnknownOperationException", "NotImplemented", "404"})

log = structlog.get_logger("stockstream.event_source")


@asynccontextmanager
async def announced(kinesis: Any, stream: str) -> AsyncIterator[None]:
    """Say, as long as the context is open, that a runner consumes the stream."""
    await _announce(kinesis, stream)
    renewing = asyncio.create_task(_renew(kinesis, stream), name="event-source-tag")
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        try:
            await kinesis.remove_tags_from_stream(StreamName=stream, TagKeys=[RUNNER_TAG])
        except (ClientError, BotoCoreError) as exc:
            log.warning("event_source_not_withdrawn", stream=stream, error=str(exc))


async def refuse_while_consumed(aws: AwsConfig, stream: str, function: str | None, now: datetime) -> None:
    """Make sure that nobody consumes the stream.

    Args:
        aws: Where AWS is.
        stream: Its name.
        function: Only mappings to this function count; None: any.
        now: The present moment.

    Raises:
        AwsSetupError: somebody does; the message names it and the remedy.
    """
    async with open_client(aws, "kinesis") as kinesis, open_client(aws, "lambda") as client:
        summary = (await kinesis.describe_stream_summary(StreamName=stream))["StreamDescriptionSummary"]
        tags = {tag["Key"]: tag["Value"] for tag in (await kinesis.list_tags_for_stream(StreamName=stream))["Tags"]}
        if tags.get(RUNNER_TAG, "") > format_timestamp(now):
            raise AwsSetupError(
                f"a runner of `stockstream local` or `stockstream consume` is at work on the stream {stream} (its tag "
                f"{RUNNER_TAG} is good until {tags[RUNNER_TAG]}). Remedy: end it, then try again"
            )
        for mapping in await _mappings(client, summary["StreamARN"]):
            arn, state = str(mapping.get("FunctionArn", "")), mapping.get("State", "")
            # arn:aws:lambda:REGION:ACCOUNT:function:NAME, and perhaps :ALIAS
            if state != _AT_REST and (function is None or function in {arn, *arn.split(":")[6:7]}):
                raise AwsSetupError(
                    f"the event source mapping {mapping['UUID']} of {arn} is {state}. Remedy: aws lambda "
                    f"update-event-source-mapping --uuid {mapping['UUID']} --no-enabled, wait until it is Disabled, "
                    "and enable it again afterwards"
                )


async def _mappings(client: Any, stream_arn: str) -> list[dict[str, Any]]:
    try:
        pages = client.get_paginator("list_event_source_mappings").paginate(EventSourceArn=stream_arn)
        return [mapping async for page in pages for mapping in page["EventSourceMappings"]]
    except ClientError as exc:
        if exc.response["Error"]["Code"] in _NO_LAMBDA or _LAMBDA_IS_OFF in str(exc):
            return []
        raise AwsSetupError(f"whether a mapping consumes {stream_arn} cannot be told: {exc}") from exc


async def _announce(kinesis: Any, stream: str) -> None:
    good_until = format_timestamp(datetime.now(UTC) + _GOOD_FOR)
    try:
        await kinesis.add_tags_to_stream(StreamName=stream, Tags={RUNNER_TAG: good_until})
    except (ClientError, BotoCoreError) as exc:
        log.warning("event_source_not_announced", stream=stream, error=str(exc))


async def _renew(kinesis: Any, stream: str) -> None:
    while True:
        await asyncio.sleep(_RENEW_SECONDS)
        await _announce(kinesis, stream)
