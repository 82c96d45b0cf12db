"""The consumer as a function of the emulator's own Lambda, for emulators that have one (LocalStack with Docker)."""

import asyncio
import platform
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from stockstream.aws import AwsConfig, open_client
from stockstream.errors import AwsSetupError, InputError
from stockstream.local.consumer import (
    BATCH_SIZE,
    BISECT_ON_ERROR,
    FUNCTION_NAME,
    MAXIMUM_RECORD_AGE_SECONDS,
    MAXIMUM_RETRY_ATTEMPTS,
)
from stockstream.local.provision import Resources

RUNTIME: Final = "python3.13"
TIMEOUT_SECONDS: Final = 60
MEMORY_MB: Final = 512
_ACTIVE_WAIT_SECONDS: Final = 120.0
_ACTIVE_POLL_SECONDS: Final = 0.5


async def deploy_function(aws: AwsConfig, package: Path, environment: dict[str, str], resources: Resources) -> str:
    """Create or update the function from the deployment zip, map the stream to it, and return its ARN.

    Raises:
        InputError: the zip cannot be read.
        AwsSetupError: the function does not become active.
    """
    try:
        code = await asyncio.to_thread(package.read_bytes)
    except OSError as exc:
        msg = f"cannot read the deployment zip {package}: {exc}. Remedy: make lambda-zip"
        raise InputError(msg) from exc
    # Lambda sets these itself and refuses them as variables of a function.
    variables = {name: value for name, value in environment.items() if name not in {"AWS_REGION", "AWS_DEFAULT_REGION"}}
    async with open_client(aws, "lambda") as client:
        arn = await _create_or_update(client, code, variables)
        await _wait_until_active(client)
        await _map_stream(client, resources)
    return arn


async def _create_or_update(client: Any, code: bytes, variables: dict[str, str]) -> str:
    machine = "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"
    try:
        made = await client.create_function(
            FunctionName=FUNCTION_NAME,
            Runtime=RUNTIME,
            Handler="stockstream_lambda.handler.handler",
            Role="arn:aws:iam::000000000000:role/stockstream-consumer",
            Code={"ZipFile": code},
            Timeout=TIMEOUT_SECONDS,
            MemorySize=MEMORY_MB,
            Architectures=[machine],
            Environment={"Variables": variables},
        )
    except ClientError as exc:
        if exc.response["Error"]["Code"] != "ResourceConflictException":
            raise
        made = await client.update_function_code(FunctionName=FUNCTION_NAME, ZipFile=code)
        await _wait_until_active(client)
        await client.update_function_configuration(FunctionName=FUNCTION_NAME, Environment={"Variables": variables})
    return str(made["FunctionArn"])


async def _wait_until_active(client: Any) -> None:
    try:
        async with asyncio.timeout(_ACTIVE_WAIT_SECONDS):
            while True:
                found = (await client.get_function(FunctionName=FUNCTION_NAME))["Configuration"]
                pending = found.get("State") == "Pending" or found.get("LastUpdateStatus") == "InProgress"
                if found.get("State") == "Failed":
                    msg = f"the function {FUNCTION_NAME} failed to start: {found.get('StateReason')}"
                    raise AwsSetupError(msg)
                if not pending:
                    return
                await asyncio.sleep(_ACTIVE_POLL_SECONDS)
    except TimeoutError as exc:
        msg = f"the function {FUNCTION_NAME} was not active after {_ACTIVE_WAIT_SECONDS:.0f} s"
        raise AwsSetupError(msg) from exc


async def _map_stream(client: Any, resources: Resources) -> None:
    existing = await client.list_event_source_mappings(FunctionName=FUNCTION_NAME, EventSourceArn=resources.stream_arn)
    if existing["EventSourceMappings"]:
        return
    await client.create_event_source_mapping(
        FunctionName=FUNCTION_NAME,
        EventSourceArn=resources.stream_arn,
        StartingPosition="TRIM_HORIZON",
        BatchSize=BATCH_SIZE,
        BisectBatchOnFunctionError=BISECT_ON_ERROR,
        MaximumRetryAttempts=MAXIMUM_RETRY_ATTEMPTS,
        MaximumRecordAgeInSeconds=MAXIMUM_RECORD_AGE_SECONDS,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        DestinationConfig={"OnFailure": {"Destination": resources.failed_batches_queue_arn}},
    )
