"""A call ends as a whole, and a Kinesis that stores nothing is away, whatever form that takes."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
import trustme
from structlog.testing import capture_logs

from stockstream.aws import AwsConfig
from stockstream.sender import Sender, SenderConfig
from stockstream.sender.transport.connections import ConnectionPool
from tests.patience import PATIENCE_SECONDS
from tests.sender.conftest import Quotes
from tests.sender.scripted_server import Peer, ScriptedServer

_SHARD_ID = "shardId-000000000000"
_SHARD = {
    "ShardId": _SHARD_ID,
    "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": str(2**128 - 1)},
    "SequenceNumberRange": {"StartingSequenceNumber": "1"},
}


class MoodyKinesis:
    """Lists its shard, and answers PutRecords by its mood."""

    def __init__(self) -> None:
        self.mood: Literal["well", "trickling", "silent", "internal failure", "throttled", "slow list"] = "well"
        self.stored = 0

    async def serve(self, peer: Peer) -> None:
        while True:
            head = await peer.reader.readuntil(b"\r\n\r\n")
            body = await peer.reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
            await self._answer(peer, head, body)

    async def _answer(self, peer: Peer, head: bytes, body: bytes) -> None:
        if b"ListShards" in head:
            if self.mood == "slow list":
                await _trickle(peer, b"HTTP/1.1 200 OK\r\n")
            await peer.send(_json_answer({"Shards": [_SHARD]}))
            return
        if self.mood == "silent":
            await asyncio.Event().wait()
        if self.mood == "trickling":
            await _trickle(peer, b"HTTP/1.1 200 OK\r\nX-Trickle: ")
        count = len(json.loads(body)["Records"])
        entry: dict[str, str]
        code = {"internal failure": "InternalFailure", "throttled": "ProvisionedThroughputExceededException"}
        if self.mood in code:
            entry = {"ErrorCode": code[self.mood], "ErrorMessage": "not now"}
        else:
            self.stored += count
            entry = {"SequenceNumber": "1", "ShardId": _SHARD_ID}
        await peer.send(_json_answer({"FailedRecordCount": 0, "Records": [entry] * count}))


async def _trickle(peer: Peer, start: bytes) -> None:
    """A byte now and then, without end: no idle timeout ever sees it."""
    await peer.send(start)
    while True:
        await peer.send(b"a")
        await asyncio.sleep(0.02)


def _json_answer(content: dict[str, Any]) -> bytes:
    body = json.dumps(content).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


Moody = tuple[MoodyKinesis, AwsConfig]


@pytest.fixture(params=["plain", "tls"])
async def moody(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Moody]:
    kinesis, context = MoodyKinesis(), None
    if request.param == "tls":
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    async with ScriptedServer(kinesis.serve, context) as server:
        scheme = "http" if context is None else "https"
        yield kinesis, AwsConfig("us-east-1", f"{scheme}://127.0.0.1:{server.port}", "test", "test")


@asynccontextmanager
async def _sender(aws: AwsConfig, **settings: Any) -> AsyncIterator[Sender]:
    defaults: dict[str, Any] = {
        "linger_seconds": 0.005,
        "close_seconds": 0.0,
        "call_timeout_seconds": 2.5,
        "away_after_seconds": 1.0,
    }
    async with Sender(SenderConfig(stream="stockstream", **{**defaults, **settings}), aws) as sender:
        yield sender


def _told_away(logs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Outages told, but for a list of shards that was late on a machine that is very busy."""
    return [entry for entry in logs if entry["event"] == "kinesis_away" and "ListShards" not in entry["error"]]


async def _until(is_true: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_true():  # noqa: ASYNC110 (the sender has no event for this)
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("transport", ["fast", "aiobotocore"])
@pytest.mark.parametrize("mood", ["trickling", "silent"])
async def test_an_answer_that_never_ends_frees_its_lanes_at_the_calls_deadline_and_is_told_before_that(
    moody: Moody, quotes: Quotes, mood: Literal["trickling", "silent"], transport: str
) -> None:
    kinesis, aws = moody
    with capture_logs() as logs:
        async with _sender(aws, transport=transport) as sender:
            await sender.send(quotes.take(20))
            assert await sender.drain(PATIENCE_SECONDS) == 0
            kinesis.mood = mood
            await sender.send(quotes.take(20))
            await _until(lambda: sender.stats.failed_calls)
            assert [entry["code"] for entry in _told_away(logs)] == ["NothingStored"]
            assert sender.stats.breaker_state in {"open", "probing"}
            kinesis.mood = "well"
            assert await sender.drain(PATIENCE_SECONDS) == 0
    assert kinesis.stored >= 2
    assert [entry["event"] for entry in logs].count("kinesis_back") >= 1


@pytest.mark.parametrize("mood", ["internal failure", "throttled"])
async def test_answers_that_store_nothing_are_an_outage_too_and_their_reason_is_named(
    moody: Moody, quotes: Quotes, mood: Literal["internal failure", "throttled"]
) -> None:
    kinesis, aws = moody
    with capture_logs() as logs:
        async with _sender(aws, call_timeout_seconds=30.0) as sender:
            kinesis.mood = mood
            await sender.send(quotes.take(20))
            await _until(lambda: _told_away(logs))
            assert sender.stats.breaker_state in {"open", "probing"}
            kinesis.mood = "well"
            assert await sender.drain(PATIENCE_SECONDS) == 0
    # Told again where the rest waits in its own backoff, which on a busy machine can be longer than this test's second.
    assert {"not now" in entry["error"] for entry in _told_away(logs)} == {True}


async def test_a_list_of_shards_that_never_ends_is_told_and_asked_for_again(moody: Moody, quotes: Quotes) -> None:
    kinesis, aws = moody
    kinesis.mood = "slow list"
    with capture_logs() as logs:
        async with _sender(aws) as sender:
            await sender.send(quotes.take(20))
            await _until(lambda: any(entry["event"] == "kinesis_away" for entry in logs))
            kinesis.mood = "well"
            assert await sender.drain(PATIENCE_SECONDS) == 0


async def test_quiet_hours_are_no_outage(moody: Moody, quotes: Quotes) -> None:
    _, aws = moody
    with capture_logs() as logs:
        async with _sender(aws, away_after_seconds=2.0, call_timeout_seconds=30.0) as sender:
            for _ in range(3):
                await sender.send(quotes.take(5))
                assert await sender.drain(PATIENCE_SECONDS) == 0
                await asyncio.sleep(0.8)
    assert not [entry for entry in logs if entry["event"] == "kinesis_away"]


async def test_a_name_that_hangs_ends_with_the_connections_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", hang)
    pool = ConnectionPool(
        "kinesis.example.com",
        443,
        tls=None,
        connect_timeout_seconds=0.05,
        read_timeout_seconds=60.0,
        keepalive_seconds=60.0,
    )
    with pytest.raises(TimeoutError):
        await pool.post([b"POST / HTTP/1.1\r\n\r\n"])
    await pool.close()
