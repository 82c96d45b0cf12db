"""The consumer on this machine: the real handler behind the event-source runner, set as Terraform sets the mapping."""

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from stockstream.aws import AwsConfig, open_client
from stockstream.errors import LocalModeError
from stockstream.eventsource import (
    EventSourceConfig,
    EventSourceRunner,
    FileCheckpointStore,
    LocalFunction,
    SqsDestination,
    SubprocessInvoker,
)
from stockstream.local.event_source import announced
from stockstream.local.provision import ResourceNames
from stockstream.settings import CONSUMER_VARIABLES

FUNCTION_NAME: Final = "stockstream-consumer"
HANDLER: Final = "stockstream_lambda.handler:handler"

# The mapping as infra/modules/processor sets it; tests/infra compares the two.
BATCH_SIZE: Final = 100
BISECT_ON_ERROR: Final = True
# What fails is a dependency, and that passes: the age alone bounds the retries.
MAXIMUM_RETRY_ATTEMPTS: Final = -1
MAXIMUM_RECORD_AGE_SECONDS: Final = 43_200


def handler_environment(
    aws: AwsConfig,
    names: ResourceNames,
    *,
    alerts_topic_arn: str,
    anomaly_threshold_percent: float,
    retention_days: int,
    log_level: str,
) -> dict[str, str]:
    """Build the function's environment: the variables that Terraform sets, and where AWS is and who we are there."""
    environment = {
        "STOCKSTREAM_QUOTES_TABLE": names.quotes_table,
        "STOCKSTREAM_CANDLES_TABLE": names.candles_table,
        "STOCKSTREAM_ALERTS_TABLE": names.alerts_table,
        "STOCKSTREAM_ARCHIVE_BUCKET": names.archive_bucket,
        "STOCKSTREAM_ALERTS_TOPIC_ARN": alerts_topic_arn,
        "STOCKSTREAM_ANOMALY_THRESHOLD_PERCENT": f"{anomaly_threshold_percent:g}",
        "STOCKSTREAM_RETENTION_DAYS": str(retention_days),
        "STOCKSTREAM_MAX_RECORD_AGE_SECONDS": str(MAXIMUM_RECORD_AGE_SECONDS),
        "STOCKSTREAM_LOG_LEVEL": log_level.upper(),
        "AWS_REGION": aws.region,
        "AWS_DEFAULT_REGION": aws.region,
        **{name: os.environ[name] for name in CONSUMER_VARIABLES if os.environ.get(name)},
    }
    optional = {
        "AWS_ENDPOINT_URL": aws.endpoint_url,
        "AWS_ACCESS_KEY_ID": aws.access_key_id,
        "AWS_SECRET_ACCESS_KEY": aws.secret_access_key,
    }
    # Without credentials of its own the function takes the ones of this process, as its role would give them, and the
    # way to AWS.
    inherited = {} if aws.access_key_id else {n: value for n, value in os.environ.items() if _is_of_aws(n)}
    return inherited | environment | {name: value for name, value in optional.items() if value}


def _is_of_aws(name: str) -> bool:
    return name.startswith("AWS_") or name.lower() in {"https_proxy", "http_proxy", "no_proxy"}


@asynccontextmanager
async def open_consumer(
    aws: AwsConfig,
    *,
    stream: str,
    environment: Mapping[str, str],
    failed_batches_queue_url: str,
    checkpoints_dir: Path,
    on_log: Callable[[str], None],
    shards: int,
) -> AsyncIterator[EventSourceRunner]:
    """Start the handler's process and give the runner; the caller runs it.

    Raises:
        LocalModeError: the handler cannot be imported.
    """
    config = EventSourceConfig(
        stream_name=stream,
        function_name=FUNCTION_NAME,
        batch_size=BATCH_SIZE,
        bisect_batch_on_function_error=BISECT_ON_ERROR,
        maximum_retry_attempts=MAXIMUM_RETRY_ATTEMPTS,
        maximum_record_age_seconds=MAXIMUM_RECORD_AGE_SECONDS,
    )
    function = LocalFunction(handler=HANDLER, name=FUNCTION_NAME, region=aws.region, environment=environment)
    async with AsyncExitStack() as stack:
        kinesis = await stack.enter_async_context(open_client(aws, "kinesis"))
        sqs = await stack.enter_async_context(open_client(aws, "sqs"))
        invoker = SubprocessInvoker(function, concurrency=shards, on_log=on_log)
        stack.push_async_callback(invoker.aclose)
        if (error := await invoker.warm_up(1)) is not None:
            msg = f"the handler {HANDLER} does not start: {error.decode(errors='replace')}"
            raise LocalModeError(msg)
        await stack.enter_async_context(announced(kinesis, stream))
        yield EventSourceRunner(
            config,
            kinesis,
            invoker,
            FileCheckpointStore(checkpoints_dir, FUNCTION_NAME),
            SqsDestination(sqs, failed_batches_queue_url),
        )
