"""`stockstream consume`: the event-source runner with the real handler, beside an emulator that has no such thing."""

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import structlog

from stockstream.aws import AwsConfig, open_client
from stockstream.errors import AwsSetupError
from stockstream.local.consumer import handler_environment, open_consumer
from stockstream.local.provision import FAILED_BATCHES_QUEUE_NAME, TOPIC_NAME, resource_names
from stockstream.observability.health import serve_health
from stockstream.settings import Settings

log = structlog.get_logger("stockstream.consume")


async def run_consumer(settings: Settings, aws: AwsConfig, checkpoints_dir: Path, stop: asyncio.Event) -> None:
    """Invoke the handler for the stream's records until `stop` is set.

    Raises:
        AwsSetupError: topic or queue do not exist.
        LocalModeError: the handler cannot be imported.
    """
    names = resource_names(settings)
    topic_arn = settings.alerts_topic_arn or await _find_topic(aws)
    queue_url = settings.failed_batches_queue_url or await _find_queue(aws)
    environment = handler_environment(
        aws,
        names,
        alerts_topic_arn=topic_arn,
        anomaly_threshold_percent=settings.anomaly_threshold_percent,
        retention_days=settings.retention_days,
        log_level=settings.log_level,
    )
    async with AsyncExitStack() as stack:
        runner = await stack.enter_async_context(
            open_consumer(
                aws,
                stream=names.stream,
                environment=environment,
                failed_batches_queue_url=queue_url,
                checkpoints_dir=checkpoints_dir,
                on_log=_write_line,
                shards=names.shards,
            )
        )

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
