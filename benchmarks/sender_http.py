"""What one POST costs: our connections against an aiohttp session, bodies as the sender makes them.

`python -m benchmarks.sender_http --json FILE [--quick]`. Microseconds of CPU for a call, the making of the request
included, eight in flight against the null Kinesis; the two clients take turns, medians of the rounds.
"""

import argparse
import asyncio
import gc
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from benchmarks.null_kinesis import NullKinesis
from stockstream.sender.grid import hash_key_of_lane
from stockstream.sender.lane import KinesisRecord, Lane
from stockstream.sender.transport.bodies import CBOR_TYPE, Bodies
from stockstream.sender.transport.connections import ConnectionPool

IN_FLIGHT = 8
RECORD_BYTES = 25_000
KILOBYTES = (25, 125, 250, 500, 1000)
HEADERS = {
    "Content-Type": CBOR_TYPE,
    "X-Amz-Date": "20260101T000000Z",
    "X-Amz-Target": "Kinesis_20131202.PutRecords",
    # Of a key that the null Kinesis does not know, and so cannot check.
    "Authorization": "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/kinesis/aws4_request, "
    f"SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature={'0' * 64}",
}
Post = Callable[[Sequence[bytes]], Awaitable[int]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True, help="where to write the results")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    arguments = parser.parse_args()
    rounds, calls = (3, 200) if arguments.quick else (9, 400)
    result: dict[str, dict[str, float]] = {}
    with NullKinesis() as kinesis:
        for kilobytes in KILOBYTES:
            costs: dict[str, list[float]] = {"aiohttp": [], "connections of our own": []}
            for _ in range(rounds):
                for name, client in (("aiohttp", _aiohttp), ("connections of our own", _own)):
                    kinesis.reset()
                    costs[name].append(asyncio.run(_measure(client(kinesis.url), kilobytes, calls)))
            result[f"{kilobytes} kB"] = {name: statistics.median(cost) for name, cost in costs.items()}
            print(f"{kilobytes:5} kB  " + "  ".join(f"{n} {c:5.0f} us" for n, c in result[f"{kilobytes} kB"].items()))
    arguments.json.write_text(json.dumps({"cpu_us_per_call": result}, indent=2) + "\n")


async def _measure(client: AbstractAsyncContextManager[Post], kilobytes: int, calls: int) -> float:
    bodies = Bodies("stockstream")
    count = kilobytes * 1000 // RECORD_BYTES
    lanes = [Lane(index, str(hash_key_of_lane(index, 64))) for index in range(count)]
    records = [KinesisRecord(lane, b"x" * RECORD_BYTES, 1, RECORD_BYTES, 0.0) for lane in lanes]
    async with client as post:

        async def many(number: int) -> None:
            for _ in range(number // IN_FLIGHT):
                statuses = await asyncio.gather(*(post(bodies.encode(records, "cbor")) for _ in range(IN_FLIGHT)))
                assert set(statuses) == {200}, statuses

        await many(2 * IN_FLIGHT)
        gc.collect()
        gc.freeze()
        began = time.process_time()
        await many(calls)
        return (time.process_time() - began) / calls * 1e6


@asynccontextmanager
async def _aiohttp(url: str) -> Any:
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT + 1)
    async with aiohttp.ClientSession(
        connector=connector, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:

        async def post(pieces: Sequence[bytes]) -> int:
            async with session.post(url, data=b"".join(pieces), headers=HEADERS, allow_redirects=False) as response:
                await response.read()
                return response.status

        yield post


@asynccontextmanager
async def _own(url: str) -> Any:
    address = urlsplit(url)
    assert address.hostname is not None
    assert address.port is not None
    pool = ConnectionPool(
        address.hostname,
        address.port,
        tls=None,
        connect_timeout_seconds=3.0,
        read_timeout_seconds=10.0,
        keepalive_seconds=60.0,
    )
    lines = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())

    async def post(pieces: Sequence[bytes]) -> int:
        size = sum(map(len, pieces))
        head = f"POST / HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: {size}\r\n{lines}\r\n"
        return (await pool.post([head.encode(), *pieces])).status

    try:
        yield post
    finally:
        await pool.close()


if __name__ == "__main__":
    main()
