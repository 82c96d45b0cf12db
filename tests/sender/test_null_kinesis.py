"""The endpoint that tests and benchmarks send to is as strict as Kinesis where a producer could slip."""

import asyncio
import base64
import json

import pytest
from botocore.exceptions import ClientError

from benchmarks.null_kinesis.signature import is_wrongly_signed
from benchmarks.null_kinesis.stream import HASH_SPACE
from stockstream.aws import AwsConfig, open_client
from stockstream.sender.shards import list_open_shards
from tests.patience import PATIENCE_SECONDS
from tests.sender.conftest import Kinesis, MakeSender, Quotes


@pytest.mark.parametrize(
    ("hash_key", "is_taken"),
    [("0", True), (str(HASH_SPACE - 1), True), (str(HASH_SPACE), False), ("-1", False), ("0x10", False), ("07", False)],
)
async def test_a_hash_key_is_a_number_below_two_to_the_128(kinesis: Kinesis, hash_key: str, is_taken: bool) -> None:
    record = {"Data": b"{}", "PartitionKey": "lane-0", "ExplicitHashKey": hash_key}
    async with open_client(kinesis.aws, "kinesis") as client:
        if is_taken:
            assert (await client.put_records(StreamName="stockstream", Records=[record]))["FailedRecordCount"] == 0
            return
        with pytest.raises(ClientError, match="InvalidArgumentException"):
            await client.put_records(StreamName="stockstream", Records=[record])


@pytest.mark.parametrize("data", ["e30", "e3 0=", "e30=\n", "!!!!"])
async def test_data_is_base64_to_the_letter(kinesis: Kinesis, data: str) -> None:
    entry = {"PartitionKey": "lane-0", "Data": data}
    body = json.dumps({"StreamName": "stockstream", "Records": [entry]}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(kinesis.url.rpartition(":")[2]))
    head = f"POST / HTTP/1.1\r\nX-Amz-Target: Kinesis_20131202.PutRecords\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    assert b" 400 " in await reader.readline()
    writer.close()
    assert base64.b64decode("e30=") == b"{}"


async def test_shards_are_listed_in_pages_and_all_of_them_are_found(kinesis: Kinesis) -> None:
    kinesis.stream.reshard(7)
    kinesis.stream.list_shards_max = 3
    async with open_client(kinesis.aws, "kinesis") as client:
        assert "NextToken" in await client.list_shards(StreamName="stockstream")
        assert len((await list_open_shards(client, "stockstream")).shards) == 7


async def test_a_signature_that_is_not_that_of_the_call_is_found(kinesis: Kinesis) -> None:
    liar = AwsConfig("us-east-1", kinesis.url, "test", "another secret")
    async with open_client(liar, "kinesis") as client:
        with pytest.raises(ClientError, match="InvalidSignatureException"):
            await client.list_shards(StreamName="stockstream")
    assert is_wrongly_signed(b"POST / HTTP/1.1\r\nAuthorization: AWS4-HMAC-SHA256 nonsense\r\n\r\n", b"")


@pytest.mark.parametrize("transport", ["fast", "aiobotocore"])
@pytest.mark.parametrize("encoding", ["cbor", "json"])
async def test_the_senders_calls_are_signed_right(
    kinesis: Kinesis, make_sender: MakeSender, quotes: Quotes, transport: str, encoding: str
) -> None:
    async with make_sender(transport=transport, encoding=encoding) as sender:
        await sender.send(quotes.take(100))
        assert await sender.drain(PATIENCE_SECONDS) == 0
    assert kinesis.stream.signatures_checked
    assert not kinesis.stream.wrongly_signed
