"""`python -m benchmarks.sender_faults.moto_server`: moto until standard input ends, then the number of its puts.

The first line of output is its URL. A process of its own: moto keeps one state for all servers of a process, and its
CPU would hold the clocks of the others.
"""

import itertools
import logging
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any


def main() -> None:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto: Callable[..., Iterable[bytes]] = DomainDispatcherApplication(create_backend_app)
    puts = itertools.count()
    # moto copies records from shard to shard without a lock: a put beside that would be lost or late by moto's doing.
    one_at_a_time = threading.Lock()

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if "PutRecord" in environ.get("HTTP_X_AMZ_TARGET", ""):
            next(puts)
        with one_at_a_time:
            return moto(environ, start_response)

    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()
    print(next(puts), flush=True)


if __name__ == "__main__":
    main()
