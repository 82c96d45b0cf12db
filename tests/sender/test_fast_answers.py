"""What the fast transport makes of answers: their form by their first byte, and CBOR turned off by emulators alone."""

import json
from collections.abc import AsyncIterator, Callable

import cbor2
import pytest
from botocore.credentials import ReadOnlyCredentials

from stockstream.sender.failures import FailureKind, PutError, remedy
from stockstream.sender.lane import KinesisRecord, Lane
from stockstream.sender.transport.bodies import CBOR_TYPE, JSON_TYPE
from stockstream.sender.transport.connections import ConnectionPool
from stockstream.sender.transport.fast import FastTransport
from tests.sender.scripted_server import Peer, ScriptedServer

_AWS = "https://kinesis.us-east-1.amazonaws.com"
_EMULATOR = "http://127.0.0.1:4566"
_STORED = {"Records": [{"SequenceNumber": "1", "ShardId": "shardId-000000000000"}]}


class _Static:
    async def get_frozen_credentials(self) -> ReadOnlyCredentials:
        return ReadOnlyCredentials("test", "test", None, None)

    async def renew(self, refused: object) -> bool:
        return False


class Answers:
    """What the server says, in turn; and what it was asked in."""

    def __init__(self) -> None:
        self.scripted: list[tuple[int, str, bytes]] = []
        self.asked_in: list[str] = []

    async def serve(self, peer: Peer) -> None:
        while True:
            head = (await peer.reader.readuntil(b"\r\n\r\n")).lower()
            await peer.reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
            self.asked_in.append("cbor" if CBOR_TYPE.encode() in head else "json")
            status, label, body = self.scripted.pop(0)
            lines = f"HTTP/1.1 {status} X\r\nContent-Type: {label}\r\nContent-Length: {len(body)}\r\n\r\n"
            await peer.send(lines.encode() + body)


Open = Callable[[str], FastTransport]


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
async def open_transport(answers: Answers) -> AsyncIterator[Open]:
    async with ScriptedServer(answers.serve) as server:
        pool = ConnectionPool(
            "127.0.0.1",
            server.port,
            tls=None,
            connect_timeout_seconds=30.0,
            read_timeout_seconds=30.0,
            keepalive_seconds=60.0,
        )
        yield lambda endpoint_url: FastTransport(
            endpoint_url=endpoint_url,
            region="us-east-1",
            stream="stockstream",
            credentials=_Static(),
            encoding="cbor",
            pool=pool,
        )
        await pool.close()


def _record() -> KinesisRecord:
    return KinesisRecord(Lane(0, "0"), b"{}", count=1, user_bytes=2, built_at=0.0)


@pytest.mark.parametrize("endpoint_url", [_AWS, "https://kinesis.cn-north-1.amazonaws.com.cn"])
async def test_a_500_of_awss_own_host_is_a_500_and_cbor_stays(
    answers: Answers, open_transport: Open, endpoint_url: str
) -> None:
    transport = open_transport(endpoint_url)
    answers.scripted = [(500, CBOR_TYPE, b""), (503, "text/html", b"<html>"), (200, CBOR_TYPE, cbor2.dumps(_STORED))]
    for _ in range(2):
        with pytest.raises(PutError) as caught:
            await transport.put_records([_record()])
        assert caught.value.kind is FailureKind.TRANSIENT
    assert len(await transport.put_records([_record()])) == 1
    assert answers.asked_in == ["cbor"] * 3


async def test_a_500_of_an_emulator_that_never_spoke_cbor_turns_it_off(answers: Answers, open_transport: Open) -> None:
    transport = open_transport(_EMULATOR)
    answers.scripted = [(500, "text/html", b"<html>"), (200, JSON_TYPE, json.dumps(_STORED).encode())]
    with pytest.raises(PutError):
        await transport.put_records([_record()])
    assert len(await transport.put_records([_record()])) == 1
    assert answers.asked_in == ["cbor", "json"]


@pytest.mark.parametrize("label", [CBOR_TYPE, JSON_TYPE, "application/json", ""])
@pytest.mark.parametrize("dumps", [cbor2.dumps, lambda value: json.dumps(value).encode()], ids=["CBOR", "JSON"])
async def test_an_answer_counts_in_either_form_under_any_label(
    answers: Answers, open_transport: Open, label: str, dumps: Callable[[object], bytes]
) -> None:
    transport = open_transport(_AWS)
    refusal = {"__type": "com.amazonaws.kinesis.v20131202#AccessDeniedException", "message": "User is not authorized"}
    answers.scripted = [(200, label, dumps(_STORED)), (400, label, dumps(refusal))]
    (result,) = await transport.put_records([_record()])
    assert result.shard_id == "shardId-000000000000"
    with pytest.raises(PutError) as caught:
        await transport.put_records([_record()])
    assert (caught.value.kind, caught.value.code) == (FailureKind.PERMANENT, "AccessDeniedException")
    assert "kinesis:PutRecords" in remedy(caught.value.code)
