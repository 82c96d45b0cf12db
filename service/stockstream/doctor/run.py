"""All checks, at once, in a fixed order."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Final

from stockstream.aws import AwsConfig, open_client, resolve_aws
from stockstream.doctor import aws as aws_checks
from stockstream.doctor.findings import Finding, Status, one_cause_once
from stockstream.doctor.local import check_folder, check_gaps, check_source, check_watchlist
from stockstream.doctor.workers import check_workers
from stockstream.errors import SettingsError
from stockstream.settings import Settings
from stockstream_wire.storage import TABLES

# A check is to answer while a person waits.
CONNECT_TIMEOUT_SECONDS: Final = 3.0
READ_TIMEOUT_SECONDS: Final = 5.0
SOURCE_TIMEOUT_SECONDS: Final = 8.0

_SERVICES: Final = ("sts", "kinesis", "dynamodb", "s3", "sns", "sqs")


def _utc_now() -> datetime:
    return datetime.now(UTC)


async def examine(
    settings: Settings, now: Callable[[], datetime] = _utc_now, aws: AwsConfig | None = None
) -> list[Finding]:
    """Run every check; what has one cause is said once.

    Args:
        settings: Of the service to be examined.
        now: Our clock, for the comparison with AWS's.
        aws: Where AWS is; None takes it from settings and environment.
    """
    findings = [
        check_watchlist(settings),
        check_folder("cache_folder", settings.cache_dir, "STOCKSTREAM_CACHE_DIR"),
    ]
    if settings.outbox == "disk":
        findings.append(check_folder("outbox_folder", settings.outbox_dir, "STOCKSTREAM_OUTBOX_DIR"))
        findings.append(check_gaps(settings, now()))
    async with asyncio.TaskGroup() as group:
        source = group.create_task(check_source(settings, timeout_seconds=SOURCE_TIMEOUT_SECONDS))
        on_aws = group.create_task(_examine_aws(settings, now, aws))
    return [source.result(), *findings, *one_cause_once(on_aws.result())]


async def _examine_aws(settings: Settings, now: Callable[[], datetime], aws: AwsConfig | None) -> list[Finding]:
    try:
        config = aws if aws is not None else resolve_aws(settings.region)
    except SettingsError as exc:
        return [Finding("region", Status.PROBLEM, str(exc), "set STOCKSTREAM_REGION or AWS_REGION")]
    async with AsyncExitStack() as stack:
        sts, kinesis, dynamodb, s3, sns, sqs = [
            await stack.enter_async_context(
                open_client(
                    config,
                    service,
                    connect_timeout=CONNECT_TIMEOUT_SECONDS,
                    read_timeout=READ_TIMEOUT_SECONDS,
                    retries={"total_max_attempts": 1},
                )
            )
            for service in _SERVICES
        ]
        async with asyncio.TaskGroup() as group:
            identity = group.create_task(aws_checks.check_credentials(sts))
            others = [
                group.create_task(check)
                for check in (
                    aws_checks.check_stream(kinesis, settings.stream),
                    *(
                        aws_checks.check_table(dynamodb, role, getattr(settings, f"{role}_table"), keys)
                        for role, keys in TABLES.items()
                    ),
                    *([check_workers(dynamodb, settings, now)] if settings.workers == "auto" else ()),
                    aws_checks.check_bucket(s3, settings.archive_bucket),
                    aws_checks.check_topic(sns, settings.alerts_topic_arn),
                    aws_checks.check_queue(sqs, settings.failed_batches_queue_url),
                )
            ]
        credentials, server_time = identity.result()
        return [credentials, aws_checks.check_clock(server_time, now()), *(task.result() for task in others)]
