"""Every call of every client ends, streamed bodies included: an answer by drops is no idle one."""

import asyncio

import pytest
from botocore.exceptions import ReadTimeoutError

from stockstream.aws import AwsConfig, _http, open_client, read_object
from tests.sender.scripted_server import Peer, ScriptedServer


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n"])
async def test_an_answer_by_drops_ends_by_name(monkeypatch: pytest.MonkeyPatch, start: bytes) -> None:
    async def trickle(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(start)
        while True:
            await peer.send(b"a")
            await asyncio.sleep(0.02)

    monkeypatch.setattr(_http, "ATTEMPT_SECONDS", 0.5)
    async with ScriptedServer(trickle) as server:
        aws = AwsConfig("us-east-1", f"http://127.0.0.1:{server.port}", "test", "test")
        once = {"total_max_attempts": 1}
        async with open_client(aws, "s3", retries=once, read_timeout=0.4) as s3:
            with pytest.raises(ReadTimeoutError):
                await read_object(s3, "stockstream-archive", "raw/1")
