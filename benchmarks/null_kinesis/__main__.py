"""`python -m benchmarks.null_kinesis`: serve until standard input ends; the first line of output is the port.

With `--certificate FILE` (key and certificates, PEM) over TLS too: its port follows.
"""

import argparse
import asyncio
import gc
import ssl
import sys
from pathlib import Path

from benchmarks.null_kinesis.server import serve
from benchmarks.null_kinesis.stream import Stream


async def _main(arguments: argparse.Namespace) -> None:
    stream = Stream(arguments.stream, arguments.shards, arguments.seed)
    server, port = await serve(stream, "127.0.0.1", arguments.port)
    servers, ports = [server], [port]
    if arguments.certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(arguments.certificate)
        server, port = await serve(stream, "127.0.0.1", 0, tls)
        servers.append(server)
        ports.append(port)
    print(*ports, flush=True)
    # The parent's death closes the pipe: no endpoint outlives its benchmark.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for server in servers:
        server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A null Kinesis endpoint")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--stream", default="stockstream")
    parser.add_argument("--shards", type=int, default=64)
    parser.add_argument("--certificate", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    # What is stored is only ever added to: collecting it again and again would find nothing.
    gc.disable()
    asyncio.run(_main(parser.parse_args()))
