"""moto's server: AWS's own protocols on a port, for tests that need no Kinesis consumer behind them."""

from collections.abc import Iterator
from contextlib import contextmanager

import requests
from moto.server import ThreadedMotoServer


@contextmanager
def moto_server() -> Iterator[str]:
    """Run an empty one for as long as the context lasts; its URL."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        # The servers of one process share what is behind them.
        requests.post(f"{url}/moto-api/reset", timeout=5).raise_for_status()
        yield url
    finally:
        server.stop()
