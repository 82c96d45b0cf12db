"""Which transport is chosen where the environment names a proxy."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from stockstream.aws import AwsConfig, open_client
from stockstream.sender import SenderConfig
from stockstream.sender.lane import KinesisRecord, Lane
from stockstream.sender.transport.aiobotocore_transport import AiobotocoreTransport
from stockstream.sender.transport.fast import FastTransport
from stockstream.sender.transport.opening import open_transport
from tests.sender.conftest import Kinesis
from tests.sender.scripted_server import Peer, ScriptedServer

_PROXY = "http://proxy.example.com:3128"
_SECURE = "https://kinesis.us-east-1.amazonaws.com"
_PLAIN = "http://kinesis.example.com:4566"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


async def _choose(endpoint_url: str, **settings: Any) -> tuple[type, list[str]]:
    """The transport's type, and the reasons in the log."""
    aws = AwsConfig("us-east-1", endpoint_url, "test", "test")
    config = SenderConfig(stream="stockstream", **settings)
    with capture_logs() as logs:
        async with open_client(aws, "kinesis") as client, open_transport(config, aws, client) as transport:
            chosen = type(transport)
    said = [entry for entry in logs if entry["event"] == "transport_chosen"]
    assert all(entry["transport"] == "aiobotocore" for entry in said)
    return chosen, [entry["reason"] for entry in said]


@pytest.mark.parametrize(
    ("environment", "endpoint_url", "is_fast"),
    [
        ({}, _SECURE, True),
        ({}, _PLAIN, True),
        ({"HTTPS_PROXY": _PROXY}, _SECURE, False),
        ({"https_proxy": _PROXY}, _SECURE, False),
        ({"HTTP_PROXY": _PROXY}, _PLAIN, False),
        ({"http_proxy": _PROXY}, _PLAIN, False),
        # A proxy for the other scheme does not concern this one.
        ({"HTTP_PROXY": _PROXY}, _SECURE, True),
        ({"HTTPS_PROXY": _PROXY}, _PLAIN, True),
        ({"HTTPS_PROXY": _PROXY, "NO_PROXY": ".amazonaws.com"}, _SECURE, True),
        ({"HTTPS_PROXY": _PROXY, "no_proxy": "localhost,kinesis.us-east-1.amazonaws.com"}, _SECURE, True),
        ({"HTTPS_PROXY": _PROXY, "NO_PROXY": "*"}, _SECURE, True),
        ({"HTTPS_PROXY": _PROXY, "NO_PROXY": "localhost,169.254.169.254"}, _SECURE, False),
        ({"HTTP_PROXY": _PROXY, "NO_PROXY": "127.0.0.1"}, "http://127.0.0.1:4566", True),
        # What is on this machine no proxy can reach.
        ({"HTTP_PROXY": _PROXY}, "http://127.0.0.1:4566", True),
    ],
)
async def test_a_proxy_for_the_endpoint_asks_for_aiobotocore_and_is_named_in_the_log(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], endpoint_url: str, is_fast: bool
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    chosen, reasons = await _choose(endpoint_url)
    if is_fast:
        assert (chosen, reasons) == (FastTransport, [])
    else:
        assert (chosen, reasons) == (AiobotocoreTransport, ["the fast one goes through no proxy"])


async def test_what_the_configuration_asks_for_needs_no_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", _PROXY)
    assert await _choose(_SECURE, transport="aiobotocore") == (AiobotocoreTransport, [])


async def test_records_go_through_the_proxy(monkeypatch: pytest.MonkeyPatch, kinesis: Kinesis) -> None:
    asked: asyncio.Queue[bytes] = asyncio.Queue()

    async def proxy(peer: Peer) -> None:
        head = await peer.reader.readuntil(b"\r\n\r\n")
        asked.put_nowait(head.split(b"\r\n")[0])
        # A proxy's request names the whole URL; to the endpoint it is one like all others.
        reader, writer = await asyncio.open_connection("127.0.0.1", int(kinesis.url.rsplit(":", 1)[1]))
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        writer.write(head + await peer.reader.readexactly(length))
        answer = await reader.read(65536)
        writer.close()
        await writer.wait_closed()
        await peer.send(answer)

    endpoint_url = "http://kinesis.example.invalid"
    aws = AwsConfig("us-east-1", endpoint_url, "test", "test")
    async with ScriptedServer(proxy) as server:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.port}")
        config = SenderConfig(stream="stockstream")
        async with open_client(aws, "kinesis") as client, open_transport(config, aws, client) as transport:
            record = KinesisRecord(Lane(0, "0"), b"x", count=1, user_bytes=1, built_at=0.0)
            results = await transport.put_records([record])
    assert [result.error_code for result in results] == [""]
    assert asked.get_nowait() == f"POST {endpoint_url}/ HTTP/1.1".encode()
    assert [record.data for record in kinesis.stream.records] == [b"x"]
