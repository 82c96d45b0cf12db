"""The stores' process: starts it, counts its calls, ends it.

python -m benchmarks.filled_stores.process SYMBOLS [CORE]    (prints its port; ends when its standard input closes)
"""

import asyncio
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from benchmarks.filled_stores.server import CALLS_PATH, Connection, Stores


class FilledStores:
    """A running one."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def take_calls(self) -> dict[str, int]:
        """Calls by operation since the last time this was asked."""
        with urllib.request.urlopen(f"{self.url}{CALLS_PATH}") as answer:  # noqa: S310 - loopback
            calls: dict[str, int] = json.load(answer)
        return calls


@contextmanager
def filled_stores(symbols: int, core: int | None = None) -> Iterator[FilledStores]:
    """Run the stores with so many symbols; on one core where it is named."""
    command = [sys.executable, "-m", "benchmarks.filled_stores.process", str(symbols)]
    process = subprocess.Popen(
        [*command, *([] if core is None else [str(core)])], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield FilledStores(int(process.stdout.readline()))
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


async def _serve(symbols: int) -> None:
    loop = asyncio.get_running_loop()
    stores = Stores(symbols)
    server = await loop.create_server(lambda: Connection(stores), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    flowing = asyncio.create_task(stores.flow())
    await loop.run_in_executor(None, sys.stdin.read)
    flowing.cancel()
    with suppress(asyncio.CancelledError):
        await flowing
    server.close()


if __name__ == "__main__":
    if len(sys.argv) > 2:
        os.sched_setaffinity(0, {int(sys.argv[2])})
    asyncio.run(_serve(int(sys.argv[1])))
