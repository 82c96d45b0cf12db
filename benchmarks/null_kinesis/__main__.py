"""`python -m benchmarks.null_kinesis`: serve until standard input ends; the first line of output is the port."""

import argparse
import asyncio
import gc
import sys

from benchmarks.null_kinesis.server import serve
from benchmarks.null_kinesis.stream import Stream


async def _main(arguments: argparse.Namespace) -> None:
    stream = Stream(arguments.stream, arguments.shards, arguments.seed)
    server, port = await serve(stream, "127.0.0.1", arguments.port)
    print(port, flush=True)
    # The parent's death closes the pipe: no endpoint outlives its benchmark.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A null Kinesis endpoint")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--stream", default="stockstream")
    parser.add_argument("--shards", type=int, default=64)
    parser.add_argument("--seed", type=int, default=7)
    # What is stored is only ever added to: collecting it again and again would find nothing.
    gc.disable()
    asyncio.run(_main(parser.parse_args()))
