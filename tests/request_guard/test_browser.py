"""A page of another origin and a rebinding name against what `make run` opens: nothing gets in. Headless Chromium."""

import asyncio
import os
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from stockstream.aws import AwsConfig, open_client
from stockstream.local.emulator import run_emulator
from stockstream.local.emulator_environment import find_emulator_python
from stockstream.observability.health import serve_health
from tests.local.local_command import free_port
from tests.patience import PATIENCE_SECONDS
from tests.request_guard.browser import FOREIGN_NAME, attack, chromium, open_directly

CREATE_FUNCTION = (
    '{"FunctionName": "evil", "Runtime": "python3.11", "Role": "arn:aws:iam::000000000000:role/x",'
    ' "Handler": "x.handler", "Code": {"ZipFile": "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="}}'
)
# No page can sign; it can write the header, though, where its preflight is answered.
SIGNATURE = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=0"


def attempts_on(emulator: str) -> list[dict[str, Any]]:
    plain = {"method": "POST", "headers": {"Content-Type": "text/plain"}}
    functions = f"{emulator}/2015-03-31/functions"
    return [
        {"name": "simple", "kind": "fetch", "url": functions, "init": plain | {"body": CREATE_FUNCTION}},
        {
            "name": "simple-no-cors",
            "kind": "fetch",
            "url": f"{emulator}/?Action=CreateQueue&QueueName=evil-post",
            "init": plain | {"body": "", "mode": "no-cors"},
        },
        {
            "name": "get-no-cors",
            "kind": "fetch",
            "url": f"{emulator}/?Action=CreateTopic&Name=evil-get",
            "init": {"mode": "no-cors"},
        },
        {"name": "image", "kind": "image", "url": f"{emulator}/?Action=CreateTopic&Name=evil-image"},
        {"name": "frame", "kind": "frame", "url": f"{emulator}/?Action=CreateTopic&Name=evil-frame"},
        {
            "name": "form",
            "kind": "form",
            "url": f"{emulator}/?Action=CreateTopic&Name=evil-form",
            "init": {"body": "anything"},
        },
        {
            "name": "preflighted",
            "kind": "fetch",
            "url": emulator,
            "init": {
                "method": "POST",
                "headers": {
                    "Content-Type": "application/x-amz-json-1.1",
                    "X-Amz-Target": "Kinesis_20131202.CreateStream",
                    "Authorization": SIGNATURE,
                },
                "body": '{"StreamName": "evil", "ShardCount": 1}',
            },
        },
        {"name": "read", "kind": "fetch", "url": f"{emulator}/"},
        {"name": "socket", "kind": "socket", "url": emulator.replace("http", "ws")},
    ]


async def made_by_others(aws: AwsConfig) -> set[str]:
    """Everything in the emulator that carries the intruder's name."""
    async with open_client(aws, "sns") as sns, open_client(aws, "sqs") as sqs, open_client(aws, "kinesis") as kinesis:
        names = [topic["TopicArn"].rsplit(":", 1)[1] for topic in (await sns.list_topics()).get("Topics", [])]
        names += [url.rsplit("/", 1)[1] for url in (await sqs.list_queues()).get("QueueUrls", [])]
        names += (await kinesis.list_streams())["StreamNames"]
    return {name for name in names if name.startswith("evil")}


@contextmanager
def unguarded(folder: Path, port: int) -> Iterator[str]:
    """The emulator as its makers start it."""
    python = find_emulator_python(os.environ)
    settings = {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "DOCKER_HOST": "unix:///nonexistent",
        "TMPDIR": str(folder),
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    with (folder / "unguarded.log").open("wb") as log:
        process = subprocess.Popen([python, "-m", "ministack"], env=kept | settings, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            assert process.poll() is None, (folder / "unguarded.log").read_text()
            assert time.monotonic() < deadline, "the emulator does not come up"
            try:
                with urllib.request.urlopen(f"{url}/_ministack/ready", timeout=1):  # noqa: S310 - loopback
                    break
            except OSError:
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


async def test_a_page_of_another_origin_gets_nothing_done_in_the_emulator(tmp_path: Path) -> None:
    chromium()
    async with run_emulator(tmp_path / "state", free_port(), region="us-east-1") as emulator:
        aws = AwsConfig("us-east-1", emulator.endpoint_url, "test", "test")
        async with open_client(aws, "kinesis") as kinesis:
            await kinesis.create_stream(StreamName="stockstream", ShardCount=1)
        attempts = attempts_on(emulator.endpoint_url)
        reset = {"method": "POST", "mode": "no-cors"}
        attempts.append(
            {"name": "reset", "kind": "fetch", "url": f"{emulator.endpoint_url}/_ministack/reset", "init": reset}
        )
        rebound = [
            {**attempt, "name": f"rebound-{attempt['name']}", "url": attempt["url"].replace("127.0.0.1", FOREIGN_NAME)}
            for attempt in attempts
        ]
        seen = await asyncio.to_thread(attack, [*attempts, *rebound], tmp_path / "profile")

        assert await made_by_others(aws) == set()
        async with open_client(aws, "kinesis") as kinesis:
            assert (await kinesis.list_streams())["StreamNames"] == ["stockstream"]
    for prefix in ("", "rebound-"):
        # An answer that the page may not look into; that it was a refusal shows in what was not made.
        assert seen[f"{prefix}get-no-cors"] == "opaque"
        for name in ("simple", "preflighted", "read", "image", "socket"):
            assert seen[prefix + name] == "failed", f"{prefix}{name}"


async def test_the_same_page_does_all_of_it_to_an_emulator_without_the_guard(tmp_path: Path) -> None:
    chromium()
    port = free_port()
    with unguarded(tmp_path, port) as url:
        aws = AwsConfig("us-east-1", url, "test", "test")
        seen = await asyncio.to_thread(attack, attempts_on(url), tmp_path / "profile")
        made = await made_by_others(aws)
        async with open_client(aws, "lambda") as client:
            functions = [entry["FunctionName"] for entry in (await client.list_functions())["Functions"]]

    assert seen["read"] == "read 200"
    assert seen["preflighted"] == "read 200"
    assert functions == ["evil"]
    assert made == {"evil", "evil-post", "evil-get", "evil-image", "evil-frame", "evil-form"}


async def test_a_rebinding_name_opened_in_a_window_reads_a_refusal(tmp_path: Path) -> None:
    chromium()
    async with run_emulator(tmp_path / "state", free_port(), region="us-east-1") as emulator, health() as (port, asked):
        for number, url in enumerate(
            [
                emulator.endpoint_url.replace("127.0.0.1", FOREIGN_NAME) + "/_ministack/health",
                f"http://{FOREIGN_NAME}:{port}/readyz",
            ]
        ):
            document = await asyncio.to_thread(open_directly, url, tmp_path / f"profile-{number}")
            assert "refused: Host" in document
        assert asked == []


@asynccontextmanager
async def health() -> AsyncIterator[tuple[int, list[str]]]:
    """The health port, and an entry for each request that got through to it."""
    asked: list[str] = []

    def reasons() -> list[str]:
        asked.append("readyz")
        return []

    async with serve_health("127.0.0.1", 0, not_ready_reasons=reasons) as port:
        yield port, asked


async def test_a_page_of_another_origin_does_not_reach_the_health_port(tmp_path: Path) -> None:
    chromium()
    async with health() as (port, asked):
        url = f"http://127.0.0.1:{port}/readyz"
        attempts: list[dict[str, Any]] = [
            {"name": "read", "kind": "fetch", "url": url},
            {"name": "get-no-cors", "kind": "fetch", "url": url, "init": {"mode": "no-cors"}},
            {"name": "preflighted", "kind": "fetch", "url": url, "init": {"headers": {"X-Any": "1"}}},
            {"name": "simple", "kind": "fetch", "url": url, "init": {"method": "POST", "body": "x"}},
            {"name": "script", "kind": "script", "url": url},
            {"name": "frame", "kind": "frame", "url": url},
        ]
        attempts += [
            {**attempt, "name": f"rebound-{attempt['name']}", "url": attempt["url"].replace("127.0.0.1", FOREIGN_NAME)}
            for attempt in attempts
        ]
        seen = await asyncio.to_thread(attack, attempts, tmp_path / "profile")
        assert asked == []
        document = await asyncio.to_thread(open_directly, url, tmp_path / "own")
        assert "ready" in document
        assert asked == ["readyz"]
    for prefix in ("", "rebound-"):
        for name in ("read", "preflighted", "simple", "script"):
            assert seen[prefix + name] == "failed", f"{prefix}{name}"
