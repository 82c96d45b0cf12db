"""What the emulator of `make run` answers to a request written by hand: its own services, to programs, and no more."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from stockstream.aws import AwsConfig, open_client
from stockstream.local._emulator_server import DEFAULT_SERVICES
from stockstream.local.emulator import Emulator, run_emulator
from tests.local.local_command import free_port
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.emulator


def signed(service: str) -> str:
    scope = f"test/20260101/us-east-1/{service}/aws4_request"
    return f"Authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"


async def ask(emulator: Emulator, first_line: str, *headers: str, body: str = "", host: str = "127.0.0.1") -> str:
    """Send one request over a connection of its own and return the whole answer."""
    port = int(emulator.endpoint_url.rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        lines = [
            f"{first_line} HTTP/1.1",
            f"Host: {host}",
            "Connection: close",
            f"Content-Length: {len(body)}",
            *headers,
        ]
        writer.write("\r\n".join([*lines, "", body]).encode())
        async with asyncio.timeout(PATIENCE_SECONDS):
            return (await reader.read()).decode("latin-1")
    finally:
        writer.close()


@asynccontextmanager
async def running(tmp_path: Path, services: tuple[str, ...] = DEFAULT_SERVICES) -> AsyncIterator[Emulator]:
    async with run_emulator(tmp_path, free_port(), region="us-east-1", services=services) as emulator:
        yield emulator


async def test_a_request_is_refused_for_its_host_its_origin_its_service_or_its_path(tmp_path: Path) -> None:
    refused = [
        ("GET /_ministack/health", "evil.example", ()),
        ("POST /2015-03-31/functions", "evil.example", ("Origin: http://evil.example", "Content-Type: text/plain")),
        ("POST /", "127.0.0.1", (signed("sns"), "Origin: http://127.0.0.1:3000")),
        ("OPTIONS /", "127.0.0.1", ("Origin: http://evil.example", "Access-Control-Request-Method: POST")),
        ("OPTIONS /stockstream-archive/key", "127.0.0.1", ()),
        ("GET /?Action=ListTopics", "127.0.0.1", ()),
        ("POST /2015-03-31/functions", "127.0.0.1", (signed("lambda"),)),
        ("POST /2015-03-31/functions", "127.0.0.1", (signed("sqs"),)),
        ("POST /_ministack/reset", "127.0.0.1", (signed("s3"),)),
        ("POST /_ministack/config", "127.0.0.1", (signed("s3"),)),
        ("POST /_aws/lambda-url/0/", "127.0.0.1", (signed("s3"),)),
        ("POST /restapis/0/a/_user_request_/", "127.0.0.1", (signed("s3"),)),
        ("POST /v2/email/outbound-emails", "127.0.0.1", (signed("s3"),)),
        ("GET /iceberg/v1/config", "127.0.0.1", (signed("s3"),)),
        ("POST /oauth2/token", "127.0.0.1", (signed("s3"),)),
        ("POST /", "abcd1234.execute-api.localhost", (signed("s3"),)),
        ("GET /", "127.0.0.1", ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")),
    ]  # fmt: skip
    async with running(tmp_path) as emulator:
        for first_line, host, headers in refused:
            answer = await ask(emulator, first_line, *headers, host=host)
            assert answer.startswith("HTTP/1.1 403"), (first_line, host, answer)
            assert "access-control" not in answer.lower(), (first_line, host, answer)


async def test_a_service_that_is_off_is_off_by_whatever_name_the_request_finds_it(tmp_path: Path) -> None:
    """The signature may say one of ours while the target header, or the action, means another's."""
    async with running(tmp_path) as emulator:
        for header, body in [
            ("X-Amz-Target: AWSStepFunctions.CreateStateMachine", "{}"),
            ("X-Amz-Target: AWSGlue.CreateJob", "{}"),
            ("X-Amz-Target: CodeBuild_20161006.CreateProject", "{}"),
            ("Content-Type: application/x-www-form-urlencoded", "Action=RunInstances&Version=2016-11-15"),
            ("Content-Type: application/x-www-form-urlencoded", "Action=CreateStack&Version=2010-05-15"),
        ]:
            for claim in ([signed("kinesis")], []) if header.startswith("X-Amz-Target") else ([signed("kinesis")],):
                answer = await ask(emulator, "POST /", *claim, header, body=body)
                assert answer.startswith("HTTP/1.1 400"), (header, body, answer)


async def test_programs_are_answered_and_no_answer_is_open_to_other_origins(tmp_path: Path) -> None:
    async with running(tmp_path) as emulator:
        answer = await ask(emulator, "GET /", signed("s3"), host="localhost:4566")
        assert answer.startswith("HTTP/1.1 200")
        assert "ListAllMyBucketsResult" in answer
        assert "access-control" not in answer.lower()
        unsigned = await ask(
            emulator, "POST /", "X-Amz-Target: DynamoDB_20120810.ListTables", "Content-Type: x", body="{}"
        )
        assert unsigned.startswith("HTTP/1.1 200")
        assert "TableNames" in unsigned
        health = await ask(emulator, "GET /_ministack/health")
        assert set(json.loads(health.partition("\r\n\r\n")[2])["services"]) == set(DEFAULT_SERVICES)


async def test_a_function_of_an_earlier_state_folder_stays_away(tmp_path: Path) -> None:
    async with running(tmp_path, services=("lambda",)) as emulator:
        aws = AwsConfig("us-east-1", emulator.endpoint_url, "test", "test")
        async with open_client(aws, "lambda") as client:
            await client.create_function(
                FunctionName="evil",
                Runtime="python3.11",
                Role="arn:aws:iam::000000000000:role/x",
                Handler="x.handler",
                Code={"ImageUri": "none"},
                PackageType="Image",
            )
    assert "evil" in (tmp_path / "emulator" / "lambda.json").read_text()
    async with running(tmp_path) as emulator:
        pass
    async with running(tmp_path, services=("lambda",)) as emulator:
        aws = AwsConfig("us-east-1", emulator.endpoint_url, "test", "test")
        async with open_client(aws, "lambda") as client:
            assert [entry["FunctionName"] for entry in (await client.list_functions())["Functions"]] == ["evil"]


async def test_the_configured_name_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKSTREAM_EMULATOR_HOSTS", "aws")
    async with running(tmp_path) as emulator:
        assert (await ask(emulator, "GET /_ministack/health", host="aws:4566")).startswith("HTTP/1.1 200")
        assert (await ask(emulator, "GET /_ministack/health", host="evil.example")).startswith("HTTP/1.1 403")
