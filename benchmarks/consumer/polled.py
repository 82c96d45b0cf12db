"""What polling brings: one quote of each symbol a batch. CPU against the published way, and how long a batch takes.

CPU is that of the best batch, for ours and for the published way: on a machine shared with others it only errs upward.
"""

import statistics
import time
from contextlib import closing
from typing import Any, Final

from benchmarks.consumer.market import TOPIC_ARN, Market, environ_of
from benchmarks.consumer.published_way import PublishedWay
from benchmarks.consumer.stub_aws import stub_aws
from stockstream_lambda.app import build_pipeline
from stockstream_lambda.config import Config

LATENCY_MS: Final = 5.0
S3_PUT_MS: Final = 40.0
# Enough for every indicator but the volume's to be warm.
_WARM_POLLS: Final = 55


def measure(*, quick: bool) -> dict[str, Any]:
    """Figures of polled batches: records a CPU-second, CPU against the published way, and the p50 of 170 quotes."""
    thousand = _run(1000, LATENCY_MS, 5 if quick else 20)
    latency = _run(170, S3_PUT_MS, 15 if quick else 60)
    return {
        "records_per_cpu_second_polled": 1000 / thousand["cpu_seconds"],
        "cpu_ratio_to_published_polled": _published_cpu_seconds(100 if quick else 1000) / thousand["cpu_seconds"],
        "batch_p50_seconds_polled_170": latency["p50_seconds"],
        "polled": {"1000": thousand, "170": latency},
    }


def _run(symbols: int, s3_put_ms: float, batches: int) -> dict[str, Any]:
    market = Market(symbols)
    config = Config(alerts_topic_arn=TOPIC_ARN)
    with stub_aws(LATENCY_MS, s3_put_ms) as stub, closing(build_pipeline(config, environ_of(stub.url))) as pipeline:
        for _ in range(_WARM_POLLS):
            pipeline.process(market.poll())
        walls, cpus = [], []
        stub.take_calls()
        for _ in range(batches):
            event = market.poll()
            started, started_cpu = time.perf_counter(), time.process_time()
            outcome = pipeline.process(event)
            walls.append(time.perf_counter() - started)
            cpus.append(time.process_time() - started_cpu)
            assert outcome.response == {"batchItemFailures": []}
            assert outcome.tally.stored == symbols
        calls = stub.take_calls()
    return {
        "p50_seconds": statistics.median(walls),
        "cpu_seconds": min(cpus),
        "cpu_seconds_median": statistics.median(cpus),
        "calls_a_batch": {name: count / batches for name, count in calls.items()},
    }


def _published_cpu_seconds(records: int) -> float:
    """CPU seconds of the published way for a batch of a thousand, by the best of five parts of so many records."""
    event, part = Market(1000).poll(), records // 5
    with stub_aws(LATENCY_MS) as stub:
        published = PublishedWay(stub.url, TOPIC_ARN)
        published.handler({"Records": event["Records"][:5]})  # warm: connections, service models
        cpus = []
        for start in range(0, records, part):
            started = time.process_time()
            published.handler({"Records": event["Records"][start : start + part]})
            cpus.append(time.process_time() - started)
        return min(cpus) * 1000 / part
