"""Deploying the consumer as a function of the emulator's own Lambda."""

import platform
import zipfile
from pathlib import Path

import pytest

from stockstream.aws import AwsConfig, open_client
from stockstream.errors import InputError
from stockstream.local._emulator_server import DEFAULT_SERVICES
from stockstream.local.consumer import BATCH_SIZE, FUNCTION_NAME
from stockstream.local.emulator import run_emulator
from stockstream.local.function import deploy_function
from stockstream.local.provision import ResourceNames, provision
from tests.local.local_command import free_port

NAMES = ResourceNames("stockstream", "quotes", "candles", "alerts", "stockstream-archive", shards=1)


@pytest.mark.emulator
async def test_a_function_is_deployed_once_mapped_once_and_updated_after(tmp_path: Path) -> None:
    package = tmp_path / "function.zip"
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("stockstream_lambda/handler.py", "def handler(event, context):\n    return {}\n")
    # `make run` has neither: they are here for the test's sake.
    services = (*DEFAULT_SERVICES, "lambda", "iam")
    async with run_emulator(tmp_path, free_port(), region="us-east-1", services=services) as emulator:
        aws = AwsConfig("us-east-1", emulator.endpoint_url, "test", "test")
        resources = await provision(aws, NAMES)
        first = await deploy_function(aws, package, {"STOCKSTREAM_QUOTES_TABLE": "quotes"}, resources)
        second = await deploy_function(aws, package, {"STOCKSTREAM_QUOTES_TABLE": "other"}, resources)
        async with open_client(aws, "lambda") as client:
            found = (await client.get_function(FunctionName=FUNCTION_NAME))["Configuration"]
            mappings = (await client.list_event_source_mappings(FunctionName=FUNCTION_NAME))["EventSourceMappings"]

    assert first == second == found["FunctionArn"]
    assert found["Environment"]["Variables"] == {"STOCKSTREAM_QUOTES_TABLE": "other"}
    assert found["Architectures"] == ["arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"]
    assert [(mapping["EventSourceArn"], mapping["BatchSize"]) for mapping in mappings] == [
        (resources.stream_arn, BATCH_SIZE)
    ]


async def test_a_missing_zip_is_named_with_the_remedy(tmp_path: Path) -> None:
    aws = AwsConfig("us-east-1", "http://127.0.0.1:9", "test", "test")

    with pytest.raises(InputError, match=r"none\.zip.*make lambda-zip"):
        await deploy_function(aws, tmp_path / "none.zip", {}, resources=None)  # type: ignore[arg-type]
