"""What one call of the consumer costs: our connections against http.client and urllib3.

`python -m benchmarks.consumer_http --json FILE [--quick]`. Microseconds of CPU for a signed BatchWriteItem of 25 items
(signature included, the same for all), from eight threads against the stub; the clients take turns, medians of the
rounds. Also the time that each takes to import where all else of the function is there, and urllib3's bytes in a zip.
"""

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from threading import local
from typing import Final
from urllib.parse import urlsplit

import urllib3

from benchmarks.consumer.stub_aws import stub_aws
from stockstream_lambda.aws.credentials import Endpoint
from stockstream_lambda.aws.transport import Epoch, Transport
from stockstream_wire.aws.sigv4 import Credentials, Request, Signer

THREADS: Final = 8
ITEM: Final = b'{"PutRequest":{"Item":{"symbol":{"S":"AAPL"},"timestamp":{"S":"%d"},"x":{"S":"%b"}}}}'
BODY: Final = b'{"RequestItems":{"quotes":[%b]}}' % b",".join([ITEM % (i, b"x" * 450) for i in range(25)])
HEADERS: Final = {"x-amz-target": "DynamoDB_20120810.BatchWriteItem", "content-type": "application/x-amz-json-1.0"}
MODULES: Final = {"ours": "stockstream_lambda.aws.transport", "http.client": "http.client", "urllib3": "urllib3"}
Send = Callable[[dict[str, str]], int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True, help="where to write the results")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    arguments = parser.parse_args()
    rounds, calls = (3, 1000) if arguments.quick else (9, 4000)
    with stub_aws(0.0) as stub:
        port = urlsplit(stub.url).port or 0
        transport = Transport(Endpoint("http", "127.0.0.1", port, ""), Epoch())
        with closing(transport):
            senders: dict[str, Send] = {
                "ours": lambda headers: (
                    transport.send(
                        "POST", "/", headers, BODY, answer_max_bytes=1 << 20, deadline=time.monotonic() + 30
                    ).status
                ),
                "http.client": _http_client(port),
                "urllib3": _urllib3(port),
            }
            costs: dict[str, list[float]] = {name: [] for name in senders}
            for _ in range(rounds):
                for name, send in senders.items():
                    costs[name].append(_measure(send, port, calls))
    imports = {name: statistics.median(_import_ms(module) for _ in range(rounds)) for name, module in MODULES.items()}
    figures = {
        "cpu_us_per_call": {name: statistics.median(cost) for name, cost in costs.items()},
        "import_ms": imports,
        "urllib3_zipped_bytes": sum(len(zlib.compress(p.read_bytes(), 9)) for p in _package(urllib3.__file__)),
    }
    print(json.dumps(figures, indent=2))
    arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


def _measure(send: Send, port: int, calls: int) -> float:
    signer, keys = Signer("us-east-1", "dynamodb"), Credentials("AKID", "secret", "t" * 300)

    def some(number: int) -> None:
        for _ in range(number):
            request = Request("POST", "/", {"host": f"127.0.0.1:{port}", **HEADERS}, sha256(BODY).hexdigest())
            assert send(signer.sign(request, keys, datetime.now(UTC))) == 200

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(some, [5] * THREADS))
        began = time.process_time()
        list(pool.map(some, [calls // THREADS] * THREADS))
        return (time.process_time() - began) / calls * 1e6


def _http_client(port: int) -> Send:
    kept = local()

    def send(headers: dict[str, str]) -> int:
        if not hasattr(kept, "connection"):
            kept.connection = http.client.HTTPConnection("127.0.0.1", port)
        kept.connection.request("POST", "/", BODY, headers)
        answer = kept.connection.getresponse()
        answer.read()
        return int(answer.status)

    return send


def _urllib3(port: int) -> Send:
    pool = urllib3.HTTPConnectionPool("127.0.0.1", port, maxsize=THREADS, block=True)
    return lambda headers: pool.urlopen("POST", "/", BODY, headers, retries=False).status


def _import_ms(module: str) -> float:
    code = f"t = time.perf_counter(); import {module}; print((time.perf_counter() - t) * 1000)"
    code = f"import ssl, time, msgspec, stockstream_wire; {code}"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)


def _package(origin: str) -> list[Path]:
    return [path for path in Path(origin).parent.rglob("*.py") if "emscripten" not in path.parts]


if __name__ == "__main__":
    main()
