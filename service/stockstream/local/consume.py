"""`stockstream consume`: the event-source runner with the real handler, beside an emulator that has no such thing."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from stockstream.aws import AwsConfig, open_client
from stockstream.errors import AwsSetupError
from stockstream.local.consumer import handler_environment, open_consumer
from stockstream.local.notifier import notifying
from stockstream.local.provision import FAILED_BATCHES_QUEUE_NAME, TOPIC_NAME, provision, resource_names
from stockstream.observability.health import serve_health
from stockstream.settings import Settings

_LOOK_SECONDS: Final = 2.0
# How the handler's metric lines begin; all others are events.
_EMF_STARTS: Final = '{"_aws":'

_T = TypeVar("_T")

log = structlog.get_logger("stockstream.consume")


async def run_consumer(
    settings: Settings, aws: AwsConfig, checkpoints_dir: Path, stop: asyncio.Event, *, provisions: bool = False
) -> None:
    """Invoke the handler for the stream's records until `stop` is set.

    Args:
        settings: Names, and the handler's own settings.
        aws: The emulator.
        checkpoints_dir: Keeps the checkpoints; those of a stream that is no more are dropped.
        stop: Ends it.
        provisions: Make what is missing, and all of it anew where the emulator has lost the stream.

    Raises:
        AwsSetupError: topic or queue do not exist.
        LocalModeError: the handler cannot be imported.
    """
    while not stop.is_set():
        if provisions:
            await _until_answered(stop, lambda: provision(aws, resource_names(settings)))
        if stop.is_set():
            return
        # A new handler each time: the old one's memory is of an archive that is no more.
        ended = asyncio.Event()
        watch = asyncio.create_task(_watch(aws, settings.stream, stop, ended, provisions=provisions))
        try:
            await _run_handler(settings, aws, checkpoints_dir, ended)
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)


async def _until_answered(stop: asyncio.Event, step: Callable[[], Awaitable[_T]]) -> _T | None:
    """Try again while AWS is away, as a service does, and say so once; None where `stop` came first.

    Raises:
        AwsSetupError: AWS answers, and what is asked for is not there.
    """
    is_told = False
    while not stop.is_set():
        try:
            return await step()
        except* (BotoCoreError, ClientError, OSError) as group:
            if not is_told:
                is_told = True
                log.warning("aws_unavailable", error=str(group.exceptions[0]), retry_seconds=_LOOK_SECONDS)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _LOOK_SECONDS)
    return None


async def _watch(aws: AwsConfig, stream: str, stop: asyncio.Event, ended: asyncio.Event, *, provisions: bool) -> None:
    """Set `ended` with `stop`, when the stream is another one, and where we provision, when there is none."""
    first_made_at = None
    async with open_client(aws, "kinesis") as kinesis:
        while not stop.is_set():
            try:
                summary = (await kinesis.describe_stream_summary(StreamName=stream))["StreamDescriptionSummary"]
                first_made_at = first_made_at or summary["StreamCreationTimestamp"]
                is_lost = summary["StreamCreationTimestamp"] != first_made_at
            except kinesis.exceptions.ResourceNotFoundException:
                is_lost = provisions
            except (BotoCoreError, ClientError):
                is_lost = False  # away; whoever reads the stream says so
            if is_lost:
                log.warning("emulator_lost_its_state", stream=stream, consequence="the handler begins anew")
                break
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _LOOK_SECONDS)
    ended.set()


async def _run_handler(settings: Settings, aws: AwsConfig, checkpoints_dir: Path, stop: asyncio.Event) -> None:
    names = resource_names(settings)
    topic_arn = settings.alerts_topic_arn or await _until_answered(stop, lambda: _find_topic(aws))
    queue_url = settings.failed_batches_queue_url or await _until_answered(stop, lambda: _find_queue(aws))
    if topic_arn is None or queue_url is None:
        return
    environment = handler_environment(
        aws,
        names,
        alerts_topic_arn=topic_arn,
        anomaly_threshold_percent=settings.anomaly_threshold_percent,
        retention_days=settings.retention_days,
        log_level=settings.log_level,
    )
    on_log = _write_line if settings.emf_metrics else _write_unless_emf
    async with AsyncExitStack() as stack:
        runner = await stack.enter_async_context(
            open_consumer(
                aws,
                stream=names.stream,
                environment=environment,
                failed_batches_queue_url=queue_url,
                checkpoints_dir=checkpoints_dir,
                on_log=on_log,
                shards=names.shards,
            )
        )
        await stack.enter_async_context(notifying(aws, topic_arn, on_log))

        def not_ready_reasons() -> list[str]:
            return [] if runner.stats.shards else ["no shard has been found yet"]

        port = await stack.enter_async_context(
            serve_health(
                settings.health_host,
                settings.health_port,
                not_ready_reasons=not_ready_reasons,
                allowed_hosts=settings.health_allowed_hosts,
            )
        )
        log.info("consumer_started", stream=names.stream, health_port=port, checkpoints=str(checkpoints_dir))
        await runner.run(stop)
        stats = runner.stats
        log.info("consumer_stopped", records=stats.records_succeeded, discarded=stats.records_discarded)


def _write_line(line: str) -> None:
    """Pass the handler's own log lines on as they are: they are JSON already."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _write_unless_emf(line: str) -> None:
    if not line.startswith(_EMF_STARTS):
        _write_line(line)


async def _find_topic(aws: AwsConfig) -> str:
    async with open_client(aws, "sns") as sns:
        async for page in sns.get_paginator("list_topics").paginate():
            for topic in page["Topics"]:
                if topic["TopicArn"].endswith(f":{TOPIC_NAME}"):
                    return str(topic["TopicArn"])
    msg = f"no SNS topic {TOPIC_NAME}. Remedy: `stockstream provision`, or set STOCKSTREAM_ALERTS_TOPIC_ARN"
    raise AwsSetupError(msg)


async def _find_queue(aws: AwsConfig) -> str:
    async with open_client(aws, "sqs") as sqs:
        response: Any = await sqs.list_queues(QueueNamePrefix=FAILED_BATCHES_QUEUE_NAME)
        for url in response.get("QueueUrls", []):
            if str(url).rsplit("/", 1)[-1] == FAILED_BATCHES_QUEUE_NAME:
                return str(url)
    msg = (
        f"no SQS queue {FAILED_BATCHES_QUEUE_NAME}. "
        "Remedy: `stockstream provision`, or set STOCKSTREAM_FAILED_BATCHES_QUEUE_URL"
    )
    raise AwsSetupError(msg)
