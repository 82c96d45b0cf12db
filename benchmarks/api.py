"""The read API on one core: requests a second, median and p99 of what the page and programs ask; `/stream`.

python -m benchmarks.api --json FILE [--quick]

The server is `stockstream dashboard` as users start it, pinned to a core. On another are DynamoDB and S3 full of a
month (benchmarks/filled_stores), which answer at once, and the client. Every symbol is quoted once a second meanwhile.
A round asks one request after the other (median, p99), then eight at once (requests a second); figures are medians of
rounds. `requests_a_cpu_second` is what a core to itself would give: beside other programs the clock says less.

Of `/stream`: the first byte, and the first event of a client that comes back with the place where it stood.
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks.filled_stores.market import LAST_DAY
from benchmarks.filled_stores.process import FilledStores, filled_stores
from benchmarks.two_cores import two_cores

SYMBOLS: Final = 100
AT_ONCE: Final = 8
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
# Name, path, requests one by one and together of a round.
REQUESTS: Final = (
    ("latest_100_symbols", "/api/v1/latest", 400, 2000),
    ("latest_of_1", "/api/v1/latest?symbols=SYM7", 400, 2000),
    ("candles_1m_of_a_day", f"/api/v1/candles/SYM7?interval=1m&session={LAST_DAY}", 100, 200),
    ("quotes_10000", "/api/v1/quotes/SYM7?limit=10000", 4, 8),
)


class Client:
    """A connection that is kept open: HTTP as it is needed here, so that the client is not what is measured."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def get(self, path: str) -> bytes:
        """Ask, and read the answer whole."""
        head = await self.begin(path)
        length = _LENGTH.search(head)
        assert length is not None
        return await self._reader.readexactly(int(length[1]))

    async def begin(self, path: str) -> bytes:
        """Ask, and read the head of the answer."""
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        return head

    async def line(self, beginning: bytes) -> bytes:
        """The next line of a stream that begins so."""
        while not (line := await self._reader.readline()).startswith(beginning):
            pass
        return line.strip()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=64 * 1024 * 1024)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


@contextmanager
def dashboard(stores: FilledStores, core: int | None) -> Iterator[tuple[int, psutil.Process]]:
    """Run the command; its port, and its process."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("STOCKSTREAM_", "AWS_"))}
    environment = kept | {
        "AWS_ENDPOINT_URL": stores.url, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }  # fmt: skip
    command = [sys.executable, "-m", "stockstream", "dashboard", "--port", "0"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"http://[^:]+:(\d+)/", line):
                if core is not None:
                    os.sched_setaffinity(process.pid, {core})
                yield int(found[1]), psutil.Process(process.pid)
                return
        raise AssertionError("the server did not start")
    finally:
        process.terminate()
        process.wait(10)


async def measure(*, quick: bool) -> dict[str, Any]:
    """All figures."""
    ours, theirs = two_cores()
    if theirs is not None:
        os.sched_setaffinity(0, {theirs})
    rounds = 1 if quick else 3
    with filled_stores(SYMBOLS, theirs) as stores, dashboard(stores, ours) as (port, server):
        found: dict[str, Any] = {"symbols": SYMBOLS, "quotes_a_second_meanwhile": SYMBOLS, "pinned": ours is not None}
        for name, path, alone, together in REQUESTS:
            share = 0.1 if quick else 1.0
            counts = max(2, int(alone * share)), max(AT_ONCE, int(together * share))
            stores.take_calls()
            size = await _ask(port, path)
            calls = sum(count for call, count in stores.take_calls().items() if call == "Query")
            figures = [await _round(port, server, path, *counts) for _ in range(rounds)]
            found[name] = {"bytes": size, "calls_of_dynamodb": calls, **_medians(figures)}
        found["stream"] = await _streams(port, 3 if quick else 15)
    return {**found, "machine_load_1_min": os.getloadavg()[0]}


async def _ask(port: int, path: str) -> int:
    async with connected(port) as client:
        return len(await client.get(path))


async def _round(port: int, server: psutil.Process, path: str, alone: int, together: int) -> dict[str, float]:
    taken = []
    async with connected(port) as client:
        for _ in range(alone):
            started = time.perf_counter()
            await client.get(path)
            taken.append((time.perf_counter() - started) * 1000)

    async def ask() -> None:
        async with connected(port) as client:
            for _ in range(together // AT_ONCE):
                await client.get(path)

    started, cpu = time.perf_counter(), sum(server.cpu_times()[:2])
    await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    elapsed = time.perf_counter() - started
    requests, cpu_seconds = together // AT_ONCE * AT_ONCE, sum(server.cpu_times()[:2]) - cpu
    return {
        "requests_a_second": requests / elapsed,
        "requests_a_cpu_second": requests / cpu_seconds,
        "median_ms": statistics.median(taken),
        "p99_ms": sorted(taken)[min(len(taken) - 1, int(len(taken) * 0.99))],
        "server_cpu_share": cpu_seconds / elapsed,
    }


async def _streams(port: int, times: int) -> dict[str, float]:
    firsts, events = [], []
    for _ in range(times):
        started = time.perf_counter()
        async with connected(port) as client:
            await client.begin("/api/v1/stream")
            await client.line(b"retry")
            firsts.append((time.perf_counter() - started) * 1000)
            place = (await client.line(b"id: ")).decode().removeprefix("id: ")
        await asyncio.sleep(1.5)
        started = time.perf_counter()
        async with connected(port) as client:
            await client.begin(f"/api/v1/stream?since={place}")
            await client.line(b"data: ")
            events.append((time.perf_counter() - started) * 1000)
    return {
        "first_byte_ms": round(statistics.median(firsts), 2),
        "first_byte_ms_worst": round(max(firsts), 2),
        "first_event_of_a_resume_ms": round(statistics.median(events), 2),
    }


def _medians(figures: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(one[name] for one in figures), 2) for name in figures[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--quick", action="store_true", help="A tenth of the requests, one round.")
    arguments = parser.parse_args()
    text = json.dumps(asyncio.run(measure(quick=arguments.quick)), indent=2)
    print(text)
    if arguments.json is not None:
        arguments.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
